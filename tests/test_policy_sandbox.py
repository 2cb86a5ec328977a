"""With IAM enforced: the audit policy lets an audit see everything, and each action stands for exactly its facts."""

import dataclasses
import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.registry import FACTS
from fixtures.aws import Clients, iam_action
from fixtures.desired import Desires, read_desires
from fixtures.entrances import enter, home_region
from fixtures.estate import Estate
from fixtures.fact import NOT_READ, Cause, Unreadable
from fixtures.observe import Question, observe
from fixtures.readers.stacks import LIVE_READS
from fixtures.reading import READERS
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place as SeedPlace
from fixtures.sandbox.seed_client import SeedClients, policy_document
from fixtures.sessions import Entry, Sessions, audit_actions, session_policy_of
from fixtures.settings import parse_settings
from remediation.policy import OPTIONAL, audit_policy
from remediation.policy_document import Json, Place, document
from tests.conftest import point_at
from tests.sandbox_engine import requests_of
from tests.some_options import some_options
from tests.suite_runs import SUITE_AGENT, Suite, at, writes_of_the_suite

ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-west-1")
FORWARDERS = ("cwl-archive", "umbrella-dns", "cloudtrail-kms")  # a bucket, a topic, a key
ROLE = "looks-by-the-policy"
EVERYTHING = frozenset({"plan", "drift", "compare-secret"})

# What becomes unreadable without an action, where that is not the fact of its reader alone.
FACTS_OF: Mapping[str, frozenset[str]] = {
    "cloudformation:DescribeStackDriftDetectionStatus": frozenset({"targets.forwarders.drift"}),
    "cloudformation:DescribeStackResourceDrifts": frozenset({"targets.forwarders.drift"}),
    "cloudformation:DetectStackDrift": frozenset({"targets.forwarders.drift"}),
    "cloudformation:DescribeStacks": frozenset({"targets.stacks", "targets.shared", "targets.orphans"}),
    # where a rollback would find the old package stands in the template
    "cloudformation:GetTemplate": frozenset(
        {"targets.forwarders.template", "targets.forwarders.code_source", "targets.shared.template"}
    ),
    "cloudformation:ListChangeSets": frozenset({"targets.forwarders.change_sets", "targets.shared.change_sets"}),
    # the secret is found among the shared stack's resources
    "cloudformation:ListStackResources": frozenset(
        {"targets.forwarders.resources", "targets.shared.resources", "targets.shared.secret"}
    ),
    "cloudwatch:GetMetricData": frozenset({"targets.forwarders.metrics"}),
    "kms:GetKeyPolicy": frozenset({"keys"}),
    # the engine takes GetFunctionEventInvokeConfig for GetFunction
    "lambda:GetFunction": frozenset({"targets.forwarders.function", "targets.forwarders.invocation"}),
    "lambda:GetPolicy": frozenset({"targets.forwarders.policy"}),
    "lambda:ListFunctions": frozenset({"targets.functions", "targets.orphans", "targets.forwarders.listed"}),
    "logs:FilterLogEvents": frozenset({"targets.forwarders.flow"}),
    "s3:GetBucketNotification": frozenset({"buckets.notification"}),
    "s3:GetBucketPublicAccessBlock": frozenset({"targets.artifact.public"}),
    "s3:GetEncryptionConfiguration": frozenset({"buckets.encryption"}),
    "s3:GetObject": frozenset({"targets.artifact.package", "targets.forwarders.code_source"}),
    "s3:ListBucket": frozenset({"targets.artifact.region", "targets.artifact.package", "targets.artifact.public"}),
    "secretsmanager:DescribeSecret": frozenset({"targets.shared.secret"}),
    "secretsmanager:GetSecretValue": frozenset({"targets.shared.secret.digest"}),
    "sns:ListSubscriptionsByTopic": frozenset({"topics.lambda_endpoints"}),
}
# Actions without which nothing changes here, and why; AWS asks for them all the same.
NOT_ASKED_FOR: dict[str, str] = {
    "account:ListRegions": "the engine allows it to everybody; without it EC2 is asked",
    "cloudformation:ListStacks": "a right beside DescribeStacks (API reference), which the engine does not know",
    "ec2:DescribeRegions": "only where account:ListRegions does not answer",
    "kms:Decrypt": "a right beside S3's and Secrets Manager's, which the engine does not know",
    "lambda:GetFunctionEventInvokeConfig": "the engine takes it for GetFunction",
    "s3:GetBucketPolicyStatus": "only where no public access block stands against the bucket's policy",
    "s3:ListAllMyBuckets": "without it each bucket is asked for its region; owners of foreign ones stay unknown",
    "sts:GetCallerIdentity": "needs no permission",
}
OF_A_LEDGER = {action for reader in READERS.values() if reader.optional == "ledger" for action in reader.actions}
NOT_ASKED_FOR = {
    **dict.fromkeys(OF_A_LEDGER - FACTS_OF.keys(), "what objects arrived is asked by a ledger alone"),
    **dict.fromkeys(set(LIVE_READS) - FACTS_OF.keys(), "CloudFormation's reads for --drift, which the engine allows"),
    **NOT_ASKED_FOR,
}
# Of those, the ones that an audit of one account calls all the same.
CALLED_ALL_THE_SAME = {
    "account:ListRegions", "lambda:GetFunctionEventInvokeConfig", "s3:ListAllMyBuckets", "sts:GetCallerIdentity",
}  # fmt: skip


@dataclass
class World:
    sandbox: Sandbox
    root: SeedPlace
    clients: Clients
    desires: Desires

    def look(self, role: str | None, session_policy: str | None = None, depth: frozenset[str] = EVERYTHING) -> Estate:
        """Everything of the chosen forwarders, as `role` sees it; None for the account's root."""
        options = some_options(regions=REGIONS, accounts=(ACCOUNT,))
        sessions = Sessions(self.clients, Entry(role, None, session_policy), home_region(options))
        question = Question(FACTS, forwarders=FORWARDERS, depth=depth)
        return observe(self.clients, enter(sessions, options), question, self.desires, datetime.now(UTC))

    def allow(self, policy: Mapping[str, object]) -> None:
        self.root.call("iam", "put_role_policy", RoleName=ROLE, PolicyName="only", PolicyDocument=json.dumps(policy))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    spec = SandboxSpec((ACCOUNT,), REGIONS, enforce_iam=True)
    with (
        start_sandbox(spec, Path(tmp_path_factory.mktemp("sandbox"))) as sandbox,
        pytest.MonkeyPatch.context() as patch,
    ):
        point_at(patch, dict(sandbox.environment))
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGIONS[0])
        trust = policy_document(Action="sts:AssumeRole", Principal={"AWS": ACCOUNT})
        root.call("iam", "create_role", RoleName=ROLE, AssumeRolePolicyDocument=trust)
        desires = read_desires(some_options(accounts=(ACCOUNT,)), parse_settings(sandbox.settings, "of the sandbox"))
        yield World(sandbox, root, Clients(), desires)


@pytest.fixture(autouse=True)
def _at_the_sandbox(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(monkeypatch, dict(world.sandbox.environment))


def generated() -> dict[str, Json]:
    return document(audit_policy(OPTIONAL), Place("aws", ACCOUNT))


def without(action: str) -> dict[str, Json]:
    policy = json.loads(json.dumps(generated()))
    for statement in policy["Statement"]:
        statement["Action"] = [name for name in statement["Action"] if name != action]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return policy


def unreadable(found: object, path: str = "") -> Iterator[tuple[str, Unreadable]]:
    """Every fact that could not be read, by the names of the fields that lead to it."""
    if isinstance(found, Unreadable):
        if found != NOT_READ:
            yield path, found
    elif dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            yield from unreadable(getattr(found, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(found, Mapping | tuple):
        for entry in found.values() if isinstance(found, Mapping) else found:
            yield from unreadable(entry, path)


def facts(estate: Estate) -> Estate:
    """What an estate says, without who looked, when, and what Lambda does meanwhile (it repeats calls that failed)."""
    targets = tuple(
        dataclasses.replace(
            seen, identity=NOT_READ,
            forwarders=tuple(dataclasses.replace(one, flow=NOT_READ, metrics=NOT_READ) for one in seen.forwarders),
        )
        for seen in estate.targets
    )  # fmt: skip
    return dataclasses.replace(estate, taken=datetime.min.replace(tzinfo=UTC), targets=targets, calls={})


def test_with_the_policy_an_audit_sees_what_the_accounts_root_sees(world: World) -> None:
    world.allow(generated())
    by_role, by_root = world.look(ROLE), world.look(None)
    assert list(unreadable(by_role)) == []
    assert facts(by_role) == facts(by_root)
    assert {forwarder.name for forwarder in by_role.forwarders} == set(FORWARDERS)
    assert all((by_role.topics, by_role.keys, by_role.buckets, by_role.templates))


def test_the_table_knows_every_action_of_the_policy() -> None:
    assert FACTS_OF.keys() | NOT_ASKED_FOR.keys() == audit_actions()
    assert FACTS_OF.keys() & NOT_ASKED_FOR.keys() == set()


@pytest.mark.parametrize("action", sorted(FACTS_OF))
def test_without_one_action_exactly_its_facts_are_unreadable(world: World, action: str) -> None:
    world.allow(without(action))
    # drift detection takes seconds, and nothing but its own actions bears on it
    depth = EVERYTHING if "Drift" in action else EVERYTHING - {"drift"}
    found = dict(unreadable(world.look(ROLE, depth=depth)))
    assert set(found) == FACTS_OF[action]
    assert {problem.cause for problem in found.values()} == {Cause.DENIED}
    beside = {"lambda:GetFunctionEventInvokeConfig"} if action == "lambda:GetFunction" else set()
    assert {problem.action for problem in found.values()} - beside == {action}


def test_without_the_policys_status_a_bucket_without_a_block_may_be_public(world: World) -> None:
    bucket = world.desires.of(ACCOUNT).tenant.artifact_bucket(ACCOUNT, REGIONS[0])
    block = world.root.call("s3", "get_public_access_block", Bucket=bucket)["PublicAccessBlockConfiguration"]
    world.allow(without("s3:GetBucketPolicyStatus"))
    world.root.call("s3", "delete_public_access_block", Bucket=bucket)
    try:
        found = dict(unreadable(world.look(ROLE, depth=frozenset())))
    finally:
        world.root.call("s3", "put_public_access_block", Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert {path: (one.action, one.cause) for path, one in found.items()} == {
        "targets.artifact.public": ("s3:GetBucketPolicyStatus", Cause.DENIED)
    }


def test_what_the_engine_does_not_ask_for_changes_nothing_here(world: World) -> None:
    """Held all at once; the reasons stand in the table."""
    policy = generated()
    for action in NOT_ASKED_FOR:
        policy["Statement"] = [
            {**one, "Action": [name for name in one["Action"] if name != action]}  # type: ignore[dict-item, index, union-attr]
            for one in policy["Statement"]  # type: ignore[union-attr]
        ]
    policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]  # type: ignore[union-attr, index, call-overload]
    world.allow(policy)
    assert list(unreadable(world.look(ROLE))) == []


def test_an_audit_calls_what_is_declared_and_nothing_else(world: World) -> None:
    world.allow(generated())
    forget(world.sandbox.endpoint)
    world.look(ROLE)
    called = called_actions(world.sandbox.endpoint)
    assert called - audit_actions() == {"sts:AssumeRole"}  # the caller's own
    assert audit_actions() - called == NOT_ASKED_FOR.keys() - CALLED_ALL_THE_SAME


def test_the_session_policy_hides_nothing_of_a_role_that_may_do_everything(world: World) -> None:
    policy = session_policy_of(audit_actions())
    assert len(policy) <= 2048
    assert list(unreadable(world.look(world.sandbox.fix_role_name, policy))) == []


def test_an_audit_with_an_administrators_credentials_writes_nothing(
    world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forget(world.sandbox.endpoint)
    suite = Suite(world.sandbox.environment, tmp_path_factory.mktemp("cache"))
    options = at(world.sandbox, regions=REGIONS[:1], settings=tmp_path / "forwarders.toml")
    as_root = [option for option in options if not option.startswith("--role=")]
    ran = suite.run(tmp_path / "audit", *as_root, f"--forwarders={FORWARDERS[0]}", "--drift", "--compare-secret",
                    "--html=r.html", "--junitxml=j.xml", "--snapshot=s.json.gz")  # fmt: skip
    ran.assert_no_crash()
    assert ran.code == 1
    assert ran.of("UNKNOWN") == {}
    keys = {str(one["access_key"]) for one in requests_of(world.sandbox.endpoint) if is_ours(one)}
    assert keys == {ACCOUNT}  # the root's key, by which nothing would have been refused
    assert writes_of_the_suite(world.sandbox.endpoint) == []


def called_actions(endpoint: str) -> set[str]:
    """The IAM actions of what the suite called."""
    counted = Counter((str(one["service"]), str(one["operation"])) for one in requests_of(endpoint) if is_ours(one))
    names = {"monitoring": "cloudwatch"}
    return {iam_action(names.get(service, service), operation) for service, operation in counted}


def is_ours(entry: Mapping[str, object]) -> bool:
    return str(entry["agent"]).startswith(SUITE_AGENT)


def forget(endpoint: str) -> None:
    request = urllib.request.Request(f"{endpoint}/_sandbox/requests", method="DELETE")  # noqa: S310  our own
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  our own
        answer.read()
