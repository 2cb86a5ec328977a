"""What an observation costs, in calls by operation, and that nothing is read that was not asked for."""

from collections import Counter

import pytest

from checks.registry import FACTS
from fixtures.estate import Estate, Target
from fixtures.fact import NOT_READ, Cause, Unreadable, value
from fixtures.observe import Entrance, Question
from tests.aws_answers import in_words
from tests.looking import EVERYTHING, FIRST, ONE, OTHER, SECOND, SOME, Looker, facts_of_forwarders


class TestCost:
    @pytest.mark.parametrize("region", [FIRST, SECOND])
    def test_calls_are_those_of_the_cost_model(self, region: str, looker: Looker) -> None:
        seen = looker.look(EVERYTHING, looker.entrance(ONE, region))
        buckets = {f.bucket_name for f in seen.forwarders if f.bucket_name}
        shared = len(value(seen.targets[0].shared) or ())
        artifact = region == FIRST  # elsewhere the bucket is missing, which one call shows
        dashboards = region == SECOND  # a stack that describes itself as a forwarder's until its resources are seen
        asked = len(seen.forwarders) + dashboards
        calls = looker.proxy.counted()
        assert calls == Counter({
            "cloudformation:DescribeStacks": 1,
            "lambda:ListFunctions": 1,
            "cloudformation:GetTemplate": asked + shared,
            "cloudformation:ListStackResources": asked + shared,
            "cloudformation:ListChangeSets": asked + shared,
            "lambda:GetFunction": len(seen.forwarders),
            "lambda:GetPolicy": len(seen.forwarders),
            "lambda:GetFunctionEventInvokeConfig": len(seen.forwarders),
            "logs:FilterLogEvents": len(seen.forwarders),
            "cloudwatch:GetMetricData": 1,
            "s3:ListBuckets": 1,
            "s3:HeadBucket": 1,  # the artifact bucket, which may be missing
            "s3:GetBucketNotificationConfiguration": len(buckets),
            "s3:GetBucketEncryption": len(buckets),
            "s3:GetPublicAccessBlock": int(artifact),
            "s3:HeadObject": len(seen.forwarders) + artifact,
            "s3:GetObject": calls["s3:GetObject"],  # only where S3 keeps no checksum
            "sns:ListSubscriptionsByTopic": len(seen.topics),
            "kms:GetKeyPolicy": len(seen.keys),
            "secretsmanager:DescribeSecret": shared,
        })  # fmt: skip
        assert Counter(seen.calls) == calls
        assert (len(buckets) < len(seen.forwarders)) is (region == SECOND)  # two of them share one there

    def test_a_second_look_at_the_same_things_costs_the_same(self, looker: Looker) -> None:
        looker.look(SOME)
        first = looker.proxy.counted()
        looker.look(SOME)
        assert looker.proxy.counted() == first

    @pytest.mark.parametrize(
        ("asked", "calls"),
        [
            ({"listed"}, set()),
            ({"policy"}, {"lambda:GetPolicy"}),
            ({"notification"}, {"s3:GetBucketNotificationConfiguration"}),
            ({"flow"}, {"logs:FilterLogEvents"}),
            ({"shared"}, {"cloudformation:GetTemplate", "cloudformation:ListStackResources",
                          "secretsmanager:DescribeSecret"}),
            ({"keys", "topic"}, {"kms:GetKeyPolicy", "sns:ListSubscriptionsByTopic"}),
        ],
        ids=lambda names: "-".join(sorted(names)),
    )  # fmt: skip
    def test_only_what_a_selected_check_needs_is_read(self, asked: set[str], calls: set[str], looker: Looker) -> None:
        places = (looker.entrance(ONE, FIRST), looker.entrance(OTHER, SECOND))
        known = Question(frozenset(asked), forwarders=("c*", "umbrella-dns"))  # whose functions are told by their names
        estate = looker.look(known, *places)
        assert set(looker.proxy.counted()) == {"cloudformation:DescribeStacks", "lambda:ListFunctions"} | calls
        unread = {name for (_, name), found in facts_of_forwarders(estate).items() if found == NOT_READ}
        assert "drift" in unread
        assert not unread & asked

    def test_a_policy_is_read_only_where_no_rule_calls_and_a_log_group_may(self, looker: Looker) -> None:
        looker.proxy.say("s3:GetBucketNotificationConfiguration",
                         lambda _: in_words("s3:GetBucketNotificationConfiguration", {}))  # fmt: skip
        estate = looker.look(Question(frozenset({"notification", "unwired_policy"})))
        with_bucket = [forwarder for forwarder in estate.forwarders if forwarder.bucket_name]
        read = {forwarder.integration for forwarder in with_bucket if forwarder.policy != NOT_READ}
        spared = {forwarder.integration for forwarder in with_bucket if forwarder.policy == NOT_READ}
        assert "awscloudwatchlogs" in read
        assert spared == {"awscloudtrail"}

    def test_only_selected_forwarders_are_read(self, looker: Looker) -> None:
        estate = looker.look(Question(FACTS, forwarders=("cloudtrail-prod",)), looker.entrance(ONE, FIRST))
        assert [forwarder.name for forwarder in estate.forwarders] == ["cloudtrail-prod"]
        assert looker.proxy.counted()["lambda:GetFunction"] == 1
        assert estate.targets[0].orphans == ("retired-scwx-tdr-lambda-awswaf",)

    def test_a_target_without_forwarders_costs_two_listings(self, looker: Looker) -> None:
        empty = looker.entrance(ONE, looker.sandbox.empty_region)
        estate = looker.look(EVERYTHING, empty)
        assert looker.proxy.counted() == {"cloudformation:DescribeStacks": 1, "lambda:ListFunctions": 1}
        assert (estate.targets[0].stacks, estate.targets[0].functions, estate.targets[0].shared) == (0, (), ())

    def test_a_target_that_was_not_entered_costs_nothing(self, looker: Looker) -> None:
        why = Unreadable("sts:AssumeRole", Cause.DENIED, "no")
        outside = Entrance(Target("999900001111", FIRST), why, None)
        estate = looker.look(SOME, outside)
        assert looker.proxy.counted() == Counter()
        seen = estate.targets[0]
        assert {seen.stacks, seen.functions, seen.shared, seen.orphans, seen.identity} == {why}
        assert not seen.reached

    def test_nothing_is_written(self, looker: Looker, sandbox_estate: Estate) -> None:
        assert sandbox_estate.forwarders
        looker.look(EVERYTHING)
        reads = ("Describe", "List", "Get", "Head", "Filter")
        assert [call.name for call in looker.proxy.seen if not call.operation.startswith(reads)] == []
