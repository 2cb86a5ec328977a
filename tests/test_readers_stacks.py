"""What readers make of stacks, drift, secrets and topics, and how they wait."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from fixtures.aws import Aws
from fixtures.fact import Absent, Unreadable
from fixtures.patience import Wait
from fixtures.readers.secrets import read_secret, read_secret_digest
from fixtures.readers.stacks import masked, read_drift, read_resources, read_stack, read_stacks, read_template
from fixtures.readers.topics import read_lambda_endpoints
from fixtures.sandbox.aws_call import Answer
from fixtures.stack_facts import Drift
from tests.aws_answers import (
    ACCOUNT,
    GOOD,
    NOON,
    REGION,
    SECRET_ARN,
    TOPIC_ARN,
    Data,
    first_of,
    good,
    in_words,
)
from tests.estates import a_stack
from tests.fake_aws import FakeAws, jsonish, refusal


class TestSecret:
    @pytest.mark.parametrize(
        ("stages", "expected"),
        [({"v": ["AWSCURRENT"]}, True), ({"v": ["AWSPENDING"]}, False), ({}, False)],
        ids=["current", "only-pending", "none"],
    )
    def test_a_secret_has_a_value_when_it_has_a_current_version(
        self, stages: dict[str, list[str]], expected: bool, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("secretsmanager:DescribeSecret", jsonish({"ARN": SECRET_ARN, "VersionIdsToStages": stages}))
        found = read_secret(fake_account, REGION, SECRET_ARN)
        assert not isinstance(found, Absent | Unreadable)
        assert found.has_value is expected

    def test_a_secret_that_waits_for_deletion_is_gone(self, fake: FakeAws, fake_account: Aws) -> None:
        answer = {**GOOD["secretsmanager:DescribeSecret"], "DeletedDate": NOON / 1000}
        fake.say("secretsmanager:DescribeSecret", jsonish(answer))
        assert isinstance(read_secret(fake_account, REGION, SECRET_ARN), Absent)

    def test_only_the_digest_of_a_value_is_kept(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("secretsmanager:GetSecretValue", good("secretsmanager:GetSecretValue"))
        found = read_secret_digest(fake_account, REGION, SECRET_ARN)
        assert found == hashlib.sha256(b"CANARY-SECRET").hexdigest()

    def test_a_binary_secret_is_unreadable(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("secretsmanager:GetSecretValue", jsonish({"ARN": SECRET_ARN, "SecretBinary": "Q0FOQVJZ"}))
        assert isinstance(read_secret_digest(fake_account, REGION, SECRET_ARN), Unreadable)


class TestStacks:
    def stacks(self, *names: str, status: str = "CREATE_COMPLETE", token: str = "") -> Answer:
        one = first_of("cloudformation:DescribeStacks", "Stacks")
        rows: list[Data] = [{**one, "StackName": name, "StackStatus": status} for name in names]
        return in_words("cloudformation:DescribeStacks", {"Stacks": rows, **({"NextToken": token} if token else {})})

    def test_all_pages_are_read_sorted_and_without_the_deleted(self, fake: FakeAws, fake_account: Aws) -> None:
        gone = self.stacks("gone", status="DELETE_COMPLETE", token="2")
        fake.say("cloudformation:DescribeStacks", self.stacks("b", token="1"), gone, self.stacks("a"))
        found = read_stacks(fake_account, REGION)
        assert not isinstance(found, Unreadable)
        assert [stack.name for stack in found] == ["a", "b"]

    def test_a_stack_is_read_with_the_later_of_its_two_times(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("cloudformation:DescribeStacks", good("cloudformation:DescribeStacks"))
        found = read_stack(fake_account, REGION, "cloudtrail-prod")
        assert not isinstance(found, Absent | Unreadable)
        assert found.changed == datetime(2026, 11, 20, 10, tzinfo=UTC)
        assert (found.parameters, found.termination_protection) == ({"NotificationBucket": "logs"}, True)
        assert found.role_arn == f"arn:aws:iam::{ACCOUNT}:role/deploy"

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (refusal("ValidationError", "Stack with id x does not exist"), Absent),
            (refusal("ValidationError", "1 validation error detected"), Unreadable),
            (in_words("cloudformation:DescribeStacks", {"Stacks": []}), Unreadable),
        ],
        ids=["gone", "another-error", "none"],
    )
    def test_a_stack_that_is_gone_is_told_from_one_that_is_not_shown(
        self, answer: Answer, expected: type, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("cloudformation:DescribeStacks", answer)
        assert isinstance(read_stack(fake_account, REGION, "x"), expected)

    def test_a_template_is_asked_for_as_it_was_submitted(self, fake: FakeAws, fake_account: Aws) -> None:
        body = '{"Resources": {"A": {}}}'
        fake.say("cloudformation:GetTemplate", in_words("cloudformation:GetTemplate", {"TemplateBody": body}))
        found = read_template(fake_account, REGION, "x")
        assert isinstance(found, str)
        assert json.loads(found) == {"Resources": {"A": {}}}
        assert fake.seen[0].form["TemplateStage"] == "Original"

    def test_resources_of_all_pages_are_sorted_and_may_lack_an_id(self, fake: FakeAws, fake_account: Aws) -> None:
        def page(name: str, **more: Data) -> Answer:
            row: dict[str, Data] = {"LogicalResourceId": name, "ResourceType": "T", "ResourceStatus": "S"}
            return in_words("cloudformation:ListStackResources", {"StackResourceSummaries": [row], **more})

        fake.say("cloudformation:ListStackResources", page("b", NextToken="1"), page("a"))
        found = read_resources(fake_account, REGION, "x")
        assert not isinstance(found, Unreadable)
        assert [(resource.logical_id, resource.physical_id) for resource in found] == [("a", None), ("b", None)]

    @pytest.mark.parametrize(
        ("no_echo", "hidden"),
        [
            (frozenset({"Token"}), {"Token", "SecretValue"}),
            (frozenset(), {"SecretValue"}),
            (None, {"Token", "SecretValue", "Other"}),
        ],
        ids=["by-the-template", "a-template-that-forgot-NoEcho", "without-a-template"],
    )
    def test_secret_parameters_are_masked(self, no_echo: frozenset[str] | None, hidden: set[str]) -> None:
        given = {"Token": "canary", "SecretValue": "canary", "Other": "canary", "NotificationBucket": "logs",
                 "Empty": ""}  # fmt: skip
        found = masked(a_stack(parameters=given), no_echo).parameters
        assert {name for name, text in found.items() if text == "****"} == hidden
        assert (found["Empty"], found["NotificationBucket"]) == ("", "logs")


class TestDrift:
    STATUS = "cloudformation:DescribeStackDriftDetectionStatus"

    def begin(self, fake: FakeAws) -> None:
        for call in ("DetectStackDrift", "DescribeStackResourceDrifts"):
            fake.say(f"cloudformation:{call}", good(f"cloudformation:{call}"))

    def status(self, status: str, **more: Data) -> Answer:
        return in_words(self.STATUS, {**GOOD[self.STATUS], "DetectionStatus": status, **more})

    def read(self, aws: Aws) -> object:
        return read_drift(aws, REGION, "x", wait=Wait(0.2, first=0.01, longest=0.01))

    def test_it_waits_until_detection_is_complete(self, fake: FakeAws, fake_account: Aws) -> None:
        self.begin(fake)
        fake.say(self.STATUS, self.status("DETECTION_IN_PROGRESS"), good(self.STATUS))
        assert self.read(fake_account) == Drift("DRIFTED", ("TaegisLambdaFunction",))

    def test_drifted_resources_of_all_pages_are_named(self, fake: FakeAws, fake_account: Aws) -> None:
        self.begin(fake)
        fake.say(self.STATUS, good(self.STATUS))
        row = first_of("cloudformation:DescribeStackResourceDrifts", "StackResourceDrifts")
        pages = [
            in_words("cloudformation:DescribeStackResourceDrifts",
                     {"StackResourceDrifts": [{**row, "LogicalResourceId": name}], **more})
            for name, more in (("B", {"NextToken": "1"}), ("A", {}))
        ]  # fmt: skip
        fake.say("cloudformation:DescribeStackResourceDrifts", *pages)
        assert self.read(fake_account) == Drift("DRIFTED", ("A", "B"))

    @pytest.mark.parametrize(
        ("status", "expected"),
        [("DETECTION_FAILED", "because"), ("DETECTION_IN_PROGRESS", "detection did not end in time")],
    )
    def test_a_detection_that_does_not_end_well_is_unreadable(
        self, status: str, expected: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        self.begin(fake)
        fake.say(self.STATUS, self.status(status, DetectionStatusReason="because"))
        found = self.read(fake_account)
        assert isinstance(found, Unreadable)
        assert found.reason == expected

    @pytest.mark.parametrize("reason", ["iam:GetRole is not allowed on TaegisLambdaRole", ""])
    def test_a_stack_of_which_a_resource_could_not_be_read_is_not_in_sync(
        self, reason: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        self.begin(fake)
        more: dict[str, Data] = {"DetectionStatusReason": reason} if reason else {}
        fake.say(self.STATUS, self.status("DETECTION_COMPLETE", StackDriftStatus="UNKNOWN", **more))
        found = self.read(fake_account)
        assert isinstance(found, Unreadable)
        assert found.reason == (reason or "CloudFormation could not read every resource")


class TestTopic:
    def test_only_confirmed_functions_are_reached(self, fake: FakeAws, fake_account: Aws) -> None:
        def row(protocol: str, endpoint: str, subscription: str = f"{TOPIC_ARN}:1") -> dict[str, Data]:
            return {"Protocol": protocol, "Endpoint": endpoint, "SubscriptionArn": subscription}

        rows: list[Data] = [row("lambda", "b"), row("lambda", "a"), row("sqs", "q"), row("email", "m"),
                            row("lambda", "p", "PendingConfirmation"), row("lambda", "d", "Deleted")]  # fmt: skip
        answer = in_words("sns:ListSubscriptionsByTopic", {"Subscriptions": rows})
        fake.say("sns:ListSubscriptionsByTopic", answer)
        assert read_lambda_endpoints(fake_account, REGION, TOPIC_ARN) == ("a", "b")


def test_a_wait_begins_at_once_grows_and_has_one_more_turn_after_the_time() -> None:
    turns = list(Wait(0.05, first=0.01, longest=0.02))
    assert turns[0] == 0.0
    assert turns[-1] >= 0.05
    assert all(one <= other for one, other in pairwise(turns))


def test_a_wait_that_is_stopped_ends_at_once() -> None:
    wait = Wait(60, first=30)
    wait.stop.set()
    assert list(wait) == [0.0]
