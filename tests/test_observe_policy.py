"""Where policies count, the audit's session policy is enough to see everything and not enough to change anything."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.registry import FACTS
from fixtures.aws import Aws, CallFailed, Clients
from fixtures.desired import read_desires
from fixtures.entrances import audit_sessions, enter, fix_sessions
from fixtures.estate import Estate, Target
from fixtures.fact import Cause, Unreadable, value
from fixtures.observe import Entrance, Question, observe
from fixtures.options import Options
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.settings import parse_settings
from tests.conftest import point_at
from tests.some_options import some_options

ACCOUNT, REGION = "111122223333", "us-east-1"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    spec = SandboxSpec((ACCOUNT,), (REGION,), enforce_iam=True)
    with start_sandbox(spec, Path(tmp_path_factory.mktemp("sandbox"))) as running:
        yield running


@pytest.fixture
def options(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Options:
    point_at(monkeypatch, dict(sandbox.environment))
    return some_options(regions=(REGION,), accounts=(ACCOUNT,), role=sandbox.role_name, fix_role=sandbox.fix_role_name)


def entered(options: Options) -> tuple[Clients, tuple[Entrance, ...]]:
    clients = Clients()
    return clients, enter(audit_sessions(clients, options), options)


def requests(sandbox: Sandbox) -> list[Mapping[str, object]]:
    with urllib.request.urlopen(f"{sandbox.endpoint}/_sandbox/requests", timeout=5) as answer:  # noqa: S310  our own
        found: list[Mapping[str, object]] = json.loads(answer.read())
        return found


def look(sandbox: Sandbox, options: Options) -> Estate:
    clients, entrances = entered(options)
    desires = read_desires(options, parse_settings(sandbox.settings, "the sandbox"))
    question = Question(FACTS, depth=frozenset({"plan", "drift", "compare-secret"}))
    return observe(clients, entrances, question, desires, datetime.now(UTC))


def test_the_declared_actions_are_enough_to_see_everything_and_nothing_is_written(
    sandbox: Sandbox, options: Options
) -> None:
    before = len(requests(sandbox))
    estate = look(sandbox, options)
    made = requests(sandbox)[before:]
    assert made
    assert [entry["operation"] for entry in made if entry["write"]] == []
    (seen,) = estate.targets
    assert seen.target == Target(ACCOUNT, REGION)
    assert len(seen.forwarders) > 10
    denied = []
    for forwarder in seen.forwarders:
        facts = (forwarder.template, forwarder.resources, forwarder.listed, forwarder.function, forwarder.policy,
                 forwarder.invocation, forwarder.flow, forwarder.metrics, forwarder.code_source,
                 forwarder.change_sets, forwarder.drift)  # fmt: skip
        denied += [str(fact) for fact in facts if isinstance(fact, Unreadable) and fact.cause is Cause.DENIED]
    for bucket in estate.buckets.values():
        denied += [str(fact) for fact in (bucket.region, bucket.notification, bucket.encryption)
                   if isinstance(fact, Unreadable)]  # fmt: skip
    denied += [str(fact) for fact in estate.keys.values() if isinstance(fact, Unreadable)]
    denied += [str(topic.lambda_endpoints) for topic in estate.topics.values()
               if isinstance(topic.lambda_endpoints, Unreadable)]  # fmt: skip
    assert denied == []
    secret = value((value(seen.shared) or ())[0].secret)
    assert secret is not None
    assert not isinstance(secret.digest, Unreadable)
    artifact = value(seen.artifact)
    assert artifact is not None
    assert value(artifact.package) is not None
    assert artifact.public is False


WRITES: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "an-object": ("s3", "PutObject", {"Bucket": f"legacy-code-{ACCOUNT}-{REGION}", "Key": "k", "Body": b""}),
    "a-notification": ("s3", "PutBucketNotificationConfiguration",
                       {"Bucket": f"flow-core-{ACCOUNT}-{REGION}", "NotificationConfiguration": {}}),
    "a-stack": ("cloudformation", "DeleteStack", {"StackName": "cloudtrail-prod"}),
    "a-change-set": ("cloudformation", "CreateChangeSet", {"StackName": "cloudtrail-prod", "ChangeSetName": "x",
                                                          "UsePreviousTemplate": True, "ChangeSetType": "UPDATE"}),
    "a-secret": ("secretsmanager", "PutSecretValue", {"SecretId": "x", "SecretString": "y"}),
    "a-function": ("lambda", "DeleteFunction", {"FunctionName": "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"}),
    "a-call": ("lambda", "Invoke", {"FunctionName": "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"}),
}  # fmt: skip


def refused(aws: Aws, name: str) -> bool:
    service, operation, parameters = WRITES[name]
    try:
        aws.call(REGION, service, operation, **parameters)
    except CallFailed as failure:
        return failure.cause is Cause.DENIED
    return False


def test_an_audit_cannot_write_although_its_role_may(options: Options) -> None:
    _, (entrance,) = entered(options)
    assert entrance.aws is not None
    aws = entrance.aws
    assert [name for name in WRITES if not refused(aws, name)] == []


def test_the_same_role_without_that_policy_may(options: Options) -> None:
    aws = fix_sessions(Clients(), options).open(ACCOUNT)
    assert not refused(aws, "an-object")
