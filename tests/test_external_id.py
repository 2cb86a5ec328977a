"""With IAM enforced: a role that asks for an external id lets in who knows it; an account without it is told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.outcome import Status
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients, policy_document
from remediation.policy import OPTIONAL, audit_policy
from remediation.policy_document import Place, document
from tests.suite_runs import Ran, Row, Suite

HOME, OTHER = ACCOUNTS = ("111122223333", "444455556666")
REGION = "eu-west-1"
ROLE, EXTERNAL_ID = "PartnerAudit", "acme-7731"


@dataclass
class World:
    sandbox: Sandbox
    suite: Suite
    folder: Path

    def audit(self, name: str, *options: str, fleet: str = "") -> Ran:
        """An audit of both accounts by the partner's role, alone."""
        self.folder.joinpath(f"{name}.toml").write_text(fleet, encoding="utf-8")
        accounts = str(self.folder / f"{name}.toml") if fleet else ",".join(ACCOUNTS)
        return self.suite.run(
            self.folder / name, f"--accounts={accounts}", f"--regions={REGION}", f"--role={ROLE}",
            "--checks=target-reached,runtime-custom",
            "--snapshot=estate.json", *options,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("external-id")
    with start_sandbox(SandboxSpec(ACCOUNTS, (REGION,), enforce_iam=True), folder / "sandbox") as sandbox:
        clients = SeedClients(sandbox.endpoint)
        trust = policy_document(
            Action="sts:AssumeRole", Principal={"AWS": HOME},
            Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
        )  # fmt: skip
        for account in ACCOUNTS:
            root = clients.at(account, REGION)
            policy = json.dumps(document(audit_policy(OPTIONAL), Place("aws", account)))
            root.call("iam", "create_role", RoleName=ROLE, AssumeRolePolicyDocument=trust)
            root.call("iam", "put_role_policy", RoleName=ROLE, PolicyName="audit", PolicyDocument=policy)
        yield World(sandbox, Suite(sandbox.environment, folder / "cache"), folder)


def reached(ran: Ran) -> dict[str, Status]:
    """Whether each account was reached."""
    return {line["account"]: Status(line["status"]) for line in ran.results if line["check"] == "target-reached"}


def told_of(account: str, ran: Ran) -> list[Row]:
    """The results of an account, without what no two runs have in common."""
    return [line | {"run": "", "seconds": ""} for line in map(dict, ran.results) if line["account"] == account]


def test_the_right_external_id_enters_every_account(world: World) -> None:
    ran = world.audit("right", f"--external-id={EXTERNAL_ID}")
    ran.assert_no_crash()
    assert reached(ran) == dict.fromkeys(ACCOUNTS, Status.PASSED)


def test_an_account_with_a_wrong_external_id_is_not_reached_and_the_other_is_audited_as_ever(world: World) -> None:
    fleet = f"""
[[account]]
id = "{HOME}"
external_id = "{EXTERNAL_ID}"

[[account]]
id = "{OTHER}"
external_id = "acme-0000"
"""
    ran, whole = world.audit("wrong", fleet=fleet), world.audit("whole", f"--external-id={EXTERNAL_ID}")
    ran.assert_no_crash()
    assert reached(ran) == {HOME: Status.PASSED, OTHER: Status.FAILED}
    assert told_of(HOME, ran) == told_of(HOME, whole) != []
    assert ran.code == 1
    assert ran.said.count("not reached: sts:AssumeRole denied: AccessDenied") == 1
    assert f"({OTHER}/{REGION})" in ran.said
    assert "acme-" not in ran.said


def test_without_an_external_id_no_account_is_entered(world: World) -> None:
    ran = world.audit("without")
    ran.assert_no_crash()
    assert reached(ran) == dict.fromkeys(ACCOUNTS, Status.FAILED)
    assert "mend the role, its trust policy" in " ".join(ran.said.split())
