"""With IAM enforced: of two forwarders, that whose stack may not be changed is left alone; the other is mended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from checks.outcome import Status
from fixtures.sandbox import SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from tests.suite_runs import Ran, Suite, at

ACCOUNT, REGION = "111122223333", "us-east-1"
LEFT, MENDED = "flow-core", "alb-silent"
PLACE = f"{ACCOUNT}/{REGION}"
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{LEFT}"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "cloudformation:CreateChangeSet", "Resource": f"{STACK}/*"},
        {"Effect": "Deny", "Action": "lambda:UpdateFunctionCode", "Resource": f"arn:aws:lambda:*:*:function:{LEFT}-*"},
    ],
}


@dataclass
class World:
    planned: Ran
    fixed: Ran
    role: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,), enforce_iam=True), folder / "sandbox") as sandbox:
        role = sandbox.fix_role_name
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        root.call("iam", "put_role_policy", RoleName=role, PolicyName="sandbox", PolicyDocument=json.dumps(POLICY))
        suite = Suite(sandbox.environment, folder / "cache")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={role}",
                   f"--forwarders={LEFT},{MENDED}"]  # fmt: skip
        planned = suite.run(folder / "plan", *options, "--plan")
        fixed = suite.run(folder / "fix", *options, "--fix", "--rings=100%", "--proof-timeout=1s")
        yield World(planned, fixed, role)


def test_the_plan_says_what_would_be_refused_and_holds_the_step_all_the_same(world: World) -> None:
    world.planned.assert_no_crash()
    said = " ".join(world.planned.said.split())
    assert f"--fix would be refused: role {world.role} may not cloudformation:CreateChangeSet on {STACK}" in said
    assert "role TaegisForwarderFix may not lambda:UpdateFunctionCode on arn:aws:lambda" in said
    assert f"forwarder-stack {PLACE}/{LEFT}" in json.dumps(world.planned.plan)


def test_the_forwarder_is_blocked_before_anything_of_it_is_written(world: World) -> None:
    world.fixed.assert_no_crash()
    blocked = world.fixed.of(Status.BLOCKED)
    assert {subject for _, subject in blocked} == {f"{PLACE}/{LEFT}"}
    row = blocked["runtime-custom", f"{PLACE}/{LEFT}"]
    assert f"role {world.role} may not cloudformation:CreateChangeSet on {STACK}" in row["reason"]
    assert "(CloudFormation would, in its name): a policy denies it" in row["reason"]
    assert "take that denial away" in row["remedy"]
    assert [entry for entry in world.fixed.journal if entry["kind"] == "intent" and LEFT in json.dumps(entry)] == []


def test_the_other_forwarder_of_the_same_target_is_mended(world: World) -> None:
    fixed = world.fixed.of(Status.FIXED)
    assert ("trigger-wired", f"{PLACE}/{MENDED}") in fixed
    assert "could not be simulated" not in world.fixed.said
