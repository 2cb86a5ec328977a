"""What readers make of logs and metrics: pages, windows, sums, and what is no evidence."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.aws import Aws
from fixtures.estate import Metrics
from fixtures.fact import Absent, Unreadable
from fixtures.readers.logs import read_flow
from fixtures.readers.metrics import read_metrics
from fixtures.sandbox.aws_call import Answer, AwsCall
from tests.aws_answers import (
    NOON,
    REGION,
    SINCE,
    UNTIL,
    Data,
    good,
)
from tests.fake_aws import FakeAws, jsonish, refusal


class TestLogs:
    def page(self, *messages: str, token: str | None = None, at: int = NOON) -> Answer:
        events: list[Data] = [{"logStreamName": "s", "timestamp": at + n, "message": text}
                              for n, text in enumerate(messages)]  # fmt: skip
        return jsonish({"events": events, **({"nextToken": token} if token else {})})

    def test_empty_pages_with_a_token_are_passed_over(self, fake: FakeAws, fake_account: Aws) -> None:
        last = good("logs:FilterLogEvents")
        fake.say("logs:FilterLogEvents", self.page(token="1"), self.page(token="2"), last)
        found = read_flow(fake_account, REGION, "/g", SINCE, UNTIL)
        assert not isinstance(found, Absent | Unreadable)
        assert (found.proved, found.complete) == (1, True)
        tokens = [json.loads(call.body).get("nextToken") for call in fake.seen]
        assert tokens == [None, "1", "2"]

    def test_the_window_is_sent_in_milliseconds_and_without_a_pattern(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("logs:FilterLogEvents", self.page())
        read_flow(fake_account, REGION, "/g", SINCE, UNTIL)
        sent = json.loads(fake.seen[0].body)
        assert sent == {"logGroupName": "/g", "startTime": int(SINCE.timestamp() * 1000),
                        "endTime": int(UNTIL.timestamp() * 1000)}  # fmt: skip

    def test_the_search_ends_with_the_first_proof(self, fake: FakeAws, fake_account: Aws) -> None:
        proof = ("START RequestId: 1", '{"message":"Uploading data to s3"}', "REPORT RequestId: 1 Duration: 1 ms")
        fake.say("logs:FilterLogEvents", self.page(*proof, token="1"))
        found = read_flow(fake_account, REGION, "/g", SINCE, UNTIL)
        assert not isinstance(found, Absent | Unreadable)
        assert (found.proved, found.complete, len(fake.seen)) == (1, False, 1)

    def test_the_search_ends_after_twenty_pages_and_says_so(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("logs:FilterLogEvents", self.page("START RequestId: 1", token="more"))
        found = read_flow(fake_account, REGION, "/g", SINCE, UNTIL)
        assert not isinstance(found, Absent | Unreadable)
        assert (found.complete, len(fake.seen)) == (False, 20)

    def test_a_page_that_is_refused_makes_all_of_it_unreadable(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("logs:FilterLogEvents", self.page(token="1"), refusal("AccessDeniedException", "no", 400))
        assert isinstance(read_flow(fake_account, REGION, "/g", SINCE, UNTIL), Unreadable)


class TestMetrics:
    def answer(self, call: AwsCall, **changes: object) -> Answer:
        queries = json.loads(call.body)["MetricDataQueries"]
        results = [{"Id": query["Id"], "StatusCode": "Complete", "Timestamps": [NOON / 1000, NOON / 1000 + 60],
                    "Values": [1.0, 2.0], **changes} for query in queries]  # fmt: skip
        return jsonish({"MetricDataResults": results})

    def read(self, aws: Aws, since_of: Mapping[str, datetime]) -> object:
        return read_metrics(aws, REGION, since_of, SINCE, UNTIL)

    def test_sums_are_kept_apart_by_function_and_metric(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("cloudwatch:GetMetricData", self.answer)
        found = self.read(fake_account, {"a": SINCE, "b": SINCE})
        assert found == (("a", Metrics(3.0, 3.0, 3.0, 3.0)), ("b", Metrics(3.0, 3.0, 3.0, 3.0)))
        queries = json.loads(fake.seen[0].body)["MetricDataQueries"]
        asked = [(query["MetricStat"]["Metric"]["MetricName"],
                  query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]) for query in queries]  # fmt: skip
        assert sorted(asked) == sorted(
            (metric, name) for metric in ("Invocations", "Errors", "Throttles", "AsyncEventsDropped") for name in "ab"
        )

    def test_what_happened_before_a_functions_last_update_does_not_count(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("cloudwatch:GetMetricData", self.answer)
        noon = datetime.fromtimestamp(NOON / 1000, UTC)
        found = self.read(fake_account, {"a": noon + timedelta(seconds=1), "b": noon + timedelta(minutes=2)})
        assert found == (("a", Metrics(2.0, 2.0, 2.0, 2.0)), ("b", Metrics(None, None, None, None)))

    def test_no_datapoints_are_no_evidence_rather_than_nought(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("cloudwatch:GetMetricData", lambda call: self.answer(call, Timestamps=[], Values=[]))
        assert self.read(fake_account, {"a": SINCE}) == (("a", Metrics(None, None, None, None)),)

    def test_more_than_five_hundred_queries_are_several_calls(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("cloudwatch:GetMetricData", self.answer)
        found = self.read(fake_account, {f"f{n}": SINCE for n in range(126)})
        assert isinstance(found, tuple)
        assert len(found) == 126
        assert [len(json.loads(call.body)["MetricDataQueries"]) for call in fake.seen] == [500, 4]

    def test_a_sum_spread_over_pages_is_put_together(self, fake: FakeAws, fake_account: Aws) -> None:
        def first(call: AwsCall) -> Answer:
            page = json.loads(self.answer(call, StatusCode="PartialData").text)
            return jsonish({**page, "NextToken": "1"})

        fake.say("cloudwatch:GetMetricData", first, self.answer)
        assert self.read(fake_account, {"a": SINCE}) == (("a", Metrics(6.0, 6.0, 6.0, 6.0)),)

    @pytest.mark.parametrize(
        "changes",
        [
            {"StatusCode": "InternalError"},
            {"StatusCode": "Forbidden"},
            {"Id": "e1"},
            {"Values": [1.0]},
            {"Values": ["1.0", "many"]},
            {"Timestamps": ["soon", "later"]},
        ],
        ids=str,
    )
    def test_what_cannot_be_a_sum_is_unreadable(
        self, changes: dict[str, object], fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("cloudwatch:GetMetricData", lambda call: self.answer(call, **changes))
        found = self.read(fake_account, {"a": SINCE})
        assert isinstance(found, Unreadable)
        assert found.action == "cloudwatch:GetMetricData"

    def test_a_result_that_is_missing_is_no_absence_of_errors(self, fake: FakeAws, fake_account: Aws) -> None:
        def short(call: AwsCall) -> Answer:
            page = json.loads(self.answer(call).text)
            return jsonish({"MetricDataResults": page["MetricDataResults"][:-1]})

        fake.say("cloudwatch:GetMetricData", short)
        found = self.read(fake_account, {"a": SINCE})
        assert isinstance(found, Unreadable)
        assert found.reason == "1 of 4 results are missing"

    @pytest.mark.parametrize(
        ("window", "period", "updated"),
        [
            (timedelta(hours=2), 60, 60),
            (timedelta(hours=24), 900, 60),
            (timedelta(days=5), 3600, 300),
            (timedelta(days=60), 86400, 3600),
            (timedelta(days=90), 86400, 86400),
        ],
    )
    def test_the_period_grows_with_the_window_and_less_where_an_update_lies_in_it(
        self, window: timedelta, period: int, updated: int, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("cloudwatch:GetMetricData", self.answer)
        since = UNTIL - window
        read_metrics(fake_account, REGION, {"a": since, "b": since + timedelta(seconds=1)}, since, UNTIL)
        queries = json.loads(fake.seen[0].body)["MetricDataQueries"]
        assert [query["MetricStat"]["Period"] for query in queries] == [period] * 4 + [updated] * 4
