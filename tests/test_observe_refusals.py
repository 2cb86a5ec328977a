"""One refusal at a time: its facts are unreadable, and everything else goes on."""

from collections import Counter
from pathlib import Path

import pytest

from fixtures.aws import iam_action
from fixtures.estate import Estate
from fixtures.fact import Cause, Unreadable, value
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.synthetic_release import (
    CANARIES,
)
from fixtures.snapshot import write_snapshot
from tests.fake_aws import DENIED, refusal
from tests.looking import FIRST, ONE, SECOND, SOME, Facts, Looker, facts

# operation, and the facts that cannot be read without it: nothing else may change
LOSSES = {
    "cloudformation:GetTemplate": {"template", "code_source"},
    "cloudformation:ListChangeSets": {"change_sets"},
    "cloudformation:ListStackResources": {"resources", "secret"},
    "cloudwatch:GetMetricData": {"metrics"},
    "kms:GetKeyPolicy": {"policy"},
    "lambda:GetFunction": {"function"},
    "lambda:GetFunctionEventInvokeConfig": {"invocation"},
    "lambda:GetPolicy": {"policy"},
    "lambda:ListFunctions": {"functions", "listed", "orphans"},
    "logs:FilterLogEvents": {"flow"},
    "s3:GetBucketEncryption": {"encryption"},
    "s3:GetBucketNotificationConfiguration": {"notification"},
    "s3:GetObject": {"code_source"},
    "s3:GetPublicAccessBlock": {"public"},
    "s3:HeadBucket": {"package", "public", "region"},  # of the artifact bucket
    "s3:ListBuckets": set(),  # then each bucket is asked for its region
    "s3:HeadObject": {"package", "code_source"},
    "secretsmanager:DescribeSecret": {"secret"},
    "sns:ListSubscriptionsByTopic": {"lambda_endpoints"},
}
TELLING = {"cloudformation:DescribeStacks"}  # without it there are no forwarders to lose facts of


@pytest.fixture(scope="module")
def whole(_looker: Looker) -> Facts:
    """The facts where nothing is refused."""
    with _looker.pointed_at():
        _looker.proxy.forget()
        found = facts(_looker.look())
    assert set(_looker.proxy.counted()) == set(LOSSES) | TELLING, "an operation is missing in the table"
    return found


class TestOneRefusal:
    @pytest.mark.parametrize("operation", LOSSES)
    def test_a_denied_operation_makes_its_facts_unreadable_and_everything_else_goes_on(
        self, operation: str, looker: Looker, whole: Facts
    ) -> None:
        with looker.proxy.saying(operation, DENIED):
            found = facts(looker.look())
        assert found.keys() == whole.keys()
        changed = {where: fact for where, fact in found.items() if fact != whole[where]}
        assert {where[-1] for where in changed} == LOSSES[operation]
        for where, fact in changed.items():
            assert isinstance(fact, Unreadable), where
            assert (fact.action, fact.cause) == (iam_action(*operation.split(":")), Cause.DENIED), where

    @pytest.mark.parametrize("operation", ["lambda:GetPolicy", "cloudformation:DescribeStacks", "s3:HeadObject"])
    def test_an_operation_that_works_at_the_second_attempt_loses_nothing(
        self, operation: str, looker: Looker, whole: Facts
    ) -> None:
        failing = refusal("InternalError", status=500)
        sent = Counter[tuple[str, ...]]()

        def once(call: AwsCall) -> Answer | None:
            asked = (call.region, call.path, *sorted(call.form.values()))
            sent[asked] += 1
            return failing(call) if sent[asked] == 1 else None

        looker.proxy.say(operation, once)
        assert facts(looker.look()) == whole
        assert min(sent.values()) >= 2  # two forwarders may have one package

    def test_stacks_that_may_not_be_listed_in_one_target_hide_only_that_target(
        self, looker: Looker, sandbox_estate: Estate
    ) -> None:
        def elsewhere(call: AwsCall) -> Answer | None:
            return DENIED(call) if (call.access_key, call.region) == (ONE, SECOND) else None

        looker.proxy.say("cloudformation:DescribeStacks", elsewhere)
        found = looker.look(SOME, looker.entrance(ONE, SECOND), looker.entrance(ONE, FIRST))
        hidden, seen = found.targets
        for fact in (hidden.stacks, hidden.shared, hidden.orphans):
            assert isinstance(fact, Unreadable)
            assert (fact.action, fact.cause) == ("cloudformation:DescribeStacks", Cause.DENIED)
        assert hidden.forwarders == ()
        assert hidden.reached  # its functions were listed
        assert not isinstance(hidden.functions, Unreadable)
        assert [forwarder.name for forwarder in seen.forwarders] == ["cloudtrail-prod", "umbrella-dns"]
        assert sandbox_estate.forwarders

    def test_without_any_listing_a_target_was_not_reached(self, looker: Looker) -> None:
        looker.proxy.say("cloudformation:DescribeStacks", DENIED)
        looker.proxy.say("lambda:ListFunctions", DENIED)
        (seen,) = looker.look(SOME, looker.entrance()).targets
        assert not seen.reached

    def test_a_function_is_named_by_its_stacks_resources_where_functions_may_not_be_listed(
        self, looker: Looker
    ) -> None:
        looker.proxy.say("lambda:ListFunctions", DENIED)
        estate = looker.look(SOME, looker.entrance(ONE, FIRST))
        found = {f.name: value(f.function) for f in estate.forwarders}
        assert (function := found["cloudtrail-prod"]) is not None
        assert function.name == "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"

    def test_a_function_that_cannot_be_named_is_unreadable_for_the_reason_that_resources_are(
        self, looker: Looker
    ) -> None:
        looker.proxy.say("lambda:ListFunctions", DENIED)
        looker.proxy.say("cloudformation:ListStackResources", DENIED)
        estate = looker.look(SOME, looker.entrance(ONE, FIRST))
        assert [f.name for f in estate.forwarders] == ["cloudtrail-prod", "umbrella-dns"]
        for forwarder in estate.forwarders:
            for fact in (forwarder.function, forwarder.policy, forwarder.flow, forwarder.invocation):
                assert isinstance(fact, Unreadable)
                assert (fact.action, fact.cause) == ("cloudformation:ListStackResources", Cause.DENIED)
        assert "lambda:GetFunction" not in looker.proxy.counted()

    def test_secrets_stay_masked_where_the_template_that_names_them_cannot_be_read(
        self, looker: Looker, tmp_path: Path
    ) -> None:
        looker.proxy.say("cloudformation:GetTemplate", DENIED)
        estate = looker.look(SOME)
        write_snapshot(estate, tmp_path / "estate.json")
        text = (tmp_path / "estate.json").read_text(encoding="utf-8")
        assert [canary for canary in CANARIES if canary in text] == []
        for forwarder in estate.forwarders:
            hidden = {name for name, shown in forwarder.stack.parameters.items() if shown == "****"}
            assert {"NotificationBucket", "IntegrationType"} & hidden == set()


def test_a_bug_in_a_reader_is_not_taken_for_a_refusal(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("fixtures.readers.functions.parse_policy", broken)
    with pytest.raises(ZeroDivisionError):
        looker.look(SOME)
