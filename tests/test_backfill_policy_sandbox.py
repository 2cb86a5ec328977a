"""With IAM enforced: a backfill by roles that have the generated policies and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.aws import iam_action
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place as SeedPlace
from fixtures.sandbox.seed_client import SeedClients, policy_document
from fixtures.sessions import audit_actions
from remediation.backfill.needs import BACKFILL_NEEDS
from remediation.policy import ON_REQUEST, OPTIONAL, audit_policy, policy_of
from remediation.policy_document import Place, document
from tests.sandbox_engine import eventually, requests_of
from tests.suite_runs import SUITE_AGENT, Ran, Suite, at, delivered

ACCOUNT, REGION = "111122223333", "us-east-1"
BUCKET = f"cloudtrail-prod-{ACCOUNT}-{REGION}"
FUNCTION = "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"
# Declared, and not called here.
NOT_CALLED: Mapping[str, str] = {
    "cloudwatch:GetMetricData": "only where the log may not be read",
    "iam:ListAccountAliases": "only where a person is asked, on a terminal",
    "s3:GetObjectTagging": "only where the log shows no upload",
    "s3:ListBucket": "a right beside HeadObject's",
    "sns:ListSubscriptionsByTopic": "only where dead letters go to a topic",
}


@dataclass
class World:
    sandbox: Sandbox
    place: SeedPlace
    suite: Suite
    where: list[str]
    folder: Path

    def run(self, folder: str, *words: str) -> Ran:
        return self.suite.run(self.folder / folder, "backfill", *self.where, "--forwarders=cloudtrail-prod",
                              f"--fix-role={self.sandbox.fix_role_name}", "--proof-timeout=60s", *words)  # fmt: skip

    def write_untold(self, *keys: str, storage_class: str = "STANDARD") -> None:
        """Write objects that S3 tells nobody of: the rule is away meanwhile."""
        found = self.place.call("s3", "get_bucket_notification_configuration", Bucket=BUCKET)
        rules = {name: part for name, part in found.items() if name != "ResponseMetadata"}
        self.place.call("s3", "put_bucket_notification_configuration", Bucket=BUCKET, NotificationConfiguration={})
        for key in keys:
            self.place.call("s3", "put_object", Bucket=BUCKET, Key=key, Body=b"x", StorageClass=storage_class)
        self.place.call("s3", "put_bucket_notification_configuration", Bucket=BUCKET, NotificationConfiguration=rules)

    def after_what_is_there(self) -> datetime:
        """A time, not in the future, after all objects that the sandbox was seeded with; S3 tells whole seconds."""
        found = self.place.call("s3", "list_objects_v2", Bucket=BUCKET)["Contents"]
        newest = max(one["LastModified"] for one in found)  # type: ignore[attr-defined]
        since: datetime = newest.replace(microsecond=0) + timedelta(seconds=1)
        assert eventually(lambda: datetime.now(UTC) >= since)
        return since

    def calls(self) -> tuple[Mapping[str, object], ...]:
        return tuple(one for one in requests_of(self.sandbox.endpoint) if str(one["agent"]).startswith(SUITE_AGENT))


@pytest.fixture(scope="module")  # the engine takes GetFunctionEventInvokeConfig for GetFunction
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("policy")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,), enforce_iam=True), folder / "sandbox") as sandbox:
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        for role, statements in (
            (sandbox.role_name, audit_policy(frozenset(OPTIONAL) - ON_REQUEST)),
            (sandbox.fix_role_name, policy_of(BACKFILL_NEEDS, OPTIONAL)),
        ):
            policy = json.dumps(document(statements, Place("aws", ACCOUNT)))
            root.call("iam", "put_role_policy", RoleName=role, PolicyName="sandbox", PolicyDocument=policy)
        root.call("iam", "put_role_policy", RoleName=sandbox.fix_role_name, PolicyName="engine",
                  PolicyDocument=policy_document(Action="lambda:GetFunction", Resource="*"))  # fmt: skip
        suite = Suite(sandbox.environment, folder / "cache")
        yield World(sandbox, root, suite, at(sandbox, settings=folder / "forwarders.toml"), folder)


def test_a_backfill_works_with_the_generated_policies_and_calls_nothing_else(world: World) -> None:
    since = world.after_what_is_there()
    keys = [f"AWSLogs/{number}.json.gz" for number in range(5)]
    world.write_untold(*keys)
    world.write_untold("AWSLogs/a.json.gz", storage_class="GLACIER")
    queue = str(world.place.call("sqs", "create_queue", QueueName="letters")["QueueUrl"])
    keep = {"TargetArn": world.place.arn("sqs", "letters")}
    world.place.call("lambda", "update_function_configuration", FunctionName=FUNCTION, DeadLetterConfig=keep)
    letter = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": keys[0]}}}]}
    for body in (json.dumps(letter), "no event"):
        world.place.call("sqs", "send_message", QueueUrl=queue, MessageBody=body)
    assert eventually(lambda: world.place.call("lambda", "get_function", FunctionName=FUNCTION)["Configuration"]
                      ["LastUpdateStatus"] == "Successful")  # type: ignore[index]  # fmt: skip

    ran = world.run("list", f"--since={since.isoformat()}")
    letters = world.run("letters", "--from-dead-letter")
    for one in (ran, letters):
        one.assert_no_crash()
    assert "5 proved to be delivered" in ran.said, ran.said
    assert "1 cannot be sent: archived (GLACIER)" in ran.said
    assert "1 proved to be delivered" in letters.said, letters.said
    counts = delivered(world.sandbox)
    assert [counts[f"deliveries/{BUCKET}/{key}/"] for key in keys] == [2, 1, 1, 1, 1]  # one was a dead letter too

    assert [one for one in world.calls() if one["status"] == 403] == []
    writers = {one["access_key"] for one in world.calls() if one["write"]}
    by_role: dict[bool, set[str]] = {True: set(), False: set()}
    for one in world.calls():
        if one["access_key"] != ACCOUNT:
            service = {"monitoring": "cloudwatch"}.get(str(one["service"]), str(one["service"]))
            by_role[one["access_key"] in writers].add(iam_action(service, str(one["operation"])))
    needed = {action for need in BACKFILL_NEEDS for action in need.actions}
    assert by_role[True] - needed == set()
    assert needed - by_role[True] == NOT_CALLED.keys()
    assert by_role[False] - audit_actions() == set()


def test_without_the_right_to_call_nothing_is_sent_and_the_run_says_so(world: World) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    world.write_untold("AWSLogs/denied.json.gz")
    policy = json.loads(json.dumps(document(policy_of(BACKFILL_NEEDS, ()), Place("aws", ACCOUNT))))
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != "lambda:InvokeFunction"]
    role = world.sandbox.fix_role_name
    world.place.call("iam", "put_role_policy", RoleName=role, PolicyName="sandbox", PolicyDocument=json.dumps(policy))
    ran = world.run("denied", f"--since={since.isoformat()}")
    ran.assert_no_crash()
    assert ran.code == 11, ran.said
    assert "STOPPED: lambda:InvokeFunction denied" in ran.said
    assert delivered(world.sandbox)[f"deliveries/{BUCKET}/AWSLogs/denied.json.gz/"] == 0
