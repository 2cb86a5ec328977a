"""Since when a forwarder was not seen to deliver: by its metrics, its log, or nobody; and what arrived meanwhile."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from fixtures.aws import Aws
from fixtures.estate import Forwarder
from fixtures.ledger.changes import Change, about
from fixtures.ledger.span import LOOKBACK, Span
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.cutover import Cutovers
from remediation.journal import Entry
from remediation.ledger import Sources
from remediation.outage import changes_in, date_outage
from remediation.run_ledger import ledger_of_run
from tests.estates import (
    HERE,
    NOW,
    a_flow,
    a_forwarder,
    a_function,
    an_estate,
)
from tests.fake_aws import DENIED, FakeAws, jsonish
from tests.ledger_scene import BUCKET, LIST, METRICS, Scene, calls_counted, listing

BEGUN = NOW - timedelta(minutes=1)
LAST = BEGUN - timedelta(days=3)
QUIET = a_forwarder(flow=a_flow(last_proved=None))
LOOKUP = "cloudtrail:LookupEvents"


@pytest.fixture
def sources(fake: FakeAws, fake_account: Aws) -> Sources:
    Scene(fake, fake_account)
    fake.say(LOOKUP, jsonish({"Events": []}))
    return Sources(an_estate(QUIET), {fake_account.account: fake_account}, NOW)


def dated(
    sources: Sources, forwarder: Forwarder = QUIET, changes: tuple[Change, ...] = ()
) -> tuple[datetime, str] | None:
    found = date_outage(sources, forwarder, BEGUN, changes)
    return (found.since, found.source) if found else None


def test_the_last_call_without_an_error_dates_it(fake: FakeAws, sources: Sources) -> None:
    errors = {LAST + timedelta(hours=1): 5.0}
    fake.say(METRICS, calls_counted(invocations={LAST: 2, **errors}, errors=errors))
    found = dated(sources)
    assert found is not None
    assert LAST <= found[0] <= LAST + timedelta(minutes=5)
    assert found[1] == "CloudWatch counts the last call without an error then"


def test_a_forwarder_that_delivered_until_shortly_before_had_none(fake: FakeAws, sources: Sources) -> None:
    fake.say(METRICS, calls_counted(invocations={BEGUN - timedelta(minutes=10): 2}))
    assert dated(sources) is None


@pytest.mark.parametrize("metrics", [calls_counted(), DENIED], ids=["none", "denied"])
def test_without_metrics_the_last_upload_in_the_log_dates_it(fake: FakeAws, sources: Sources, metrics: Answer) -> None:
    fake.say(METRICS, metrics)
    uploaded = BEGUN - timedelta(hours=5)
    assert dated(sources, a_forwarder(flow=a_flow(last_proved=uploaded))) == (
        uploaded, "its log shows the last upload then",
    )  # fmt: skip


def test_where_nothing_is_seen_it_may_be_as_long_as_one_can_look(sources: Sources) -> None:
    assert dated(sources) == (
        BEGUN - LOOKBACK, "no call without an error and no upload is seen in the 14 days before",
    )  # fmt: skip


def change(event: str, subject: str, at: datetime) -> Change:
    return Change(event, subject, at, "alice")


def test_the_first_change_behind_the_last_delivery_is_named(fake: FakeAws, sources: Sources) -> None:
    fake.say(METRICS, calls_counted(invocations={LAST: 2}))
    changes = (
        change("PutBucketNotification", BUCKET, LAST + timedelta(hours=9)),
        change("RemovePermission20150331v2", a_function().name, LAST + timedelta(minutes=30)),
        change("PutBucketNotification", "anothers", LAST + timedelta(minutes=20)),
        change("PutBucketNotification", BUCKET, LAST - timedelta(days=1)),
    )
    found = dated(sources, changes=changes)
    assert found is not None
    assert found[1].endswith(
        f"; then RemovePermission by alice at {LAST + timedelta(minutes=30):%Y-%m-%d %H:%M:%S} UTC"
    )


def test_changes_are_read_by_name_and_refused_attempts_are_none(fake: FakeAws, sources: Sources) -> None:
    def answer(call: AwsCall) -> Answer:
        wanted = json.loads(call.body)["LookupAttributes"][0]["AttributeValue"]
        if wanted != "PutBucketNotification":
            return jsonish({"Events": []})
        changed = json.dumps({"requestParameters": {"bucketName": BUCKET}})
        records = (changed, '{"errorCode": "AccessDenied"}', "{}")
        event = {"EventName": wanted, "EventTime": LAST.timestamp(), "Username": "alice"}
        return jsonish({"Events": [{**event, "CloudTrailEvent": record} for record in records]})

    fake.say(LOOKUP, answer)
    found = changes_in(sources, QUIET)
    assert found == (change("PutBucketNotification", BUCKET, LAST), change("PutBucketNotification", "", LAST))
    assert about(found, BUCKET, "f") == found[:1]
    assert fake.counted()[LOOKUP] == 8


def test_a_denied_event_history_costs_one_call_and_names_nothing(fake: FakeAws, sources: Sources) -> None:
    fake.say(LOOKUP, DENIED)
    assert changes_in(sources, QUIET) == ()
    assert fake.counted()[LOOKUP] == 1


Line = Mapping[str, object]
MEANWHILE = Span(BEGUN, NOW)
PLACE = (HERE, "cloudtrail-prod")


def told_by(fake: FakeAws, sources: Sources, pages: Mapping[str, datetime]) -> list[Line]:
    """The lines of a run's ledger, of a bucket with these keys: a page for each time at which some arrived."""
    stamps = sorted(set(pages.values()))
    tokens = [*(f"t{number}" for number in range(1, len(stamps))), ""]
    answers = [
        listing([key for key, at in pages.items() if at == stamp], stamp, token=token)
        for stamp, token in zip(stamps, tokens, strict=True)
    ]
    fake.say(LIST, listing([], token="more"), *answers)
    ledger = ledger_of_run(Cutovers({PLACE: MEANWHILE}), an_estate(QUIET), sources)
    return list(ledger.lines())


def open_in(line: Line, part: str) -> int:
    return cast("Mapping[str, int]", line[part])["open"]


def test_what_arrived_meanwhile_is_told_object_by_object_and_what_came_before_is_counted(
    fake: FakeAws, sources: Sources
) -> None:
    before = NOW - timedelta(days=2)
    during = BEGUN + timedelta(seconds=20)
    forwarder, *objects = told_by(fake, sources, {"a": before, "b": before, "c": during})
    assert [(line["kind"], line["key"], line["verdict"]) for line in objects] == [("object", "c", "NO EVIDENCE")]
    assert forwarder["kind"] == "forwarder"
    assert (open_in(forwarder, "before"), open_in(forwarder, "meanwhile")) == (2, 1)
    assert forwarder["outage_since"] == (BEGUN - LOOKBACK).isoformat()
    assert forwarder["complete"] is True
    assert json.dumps([forwarder, *objects])


def test_where_it_delivered_until_shortly_before_only_what_arrived_meanwhile_is_listed(
    fake: FakeAws, sources: Sources
) -> None:
    fake.say(METRICS, calls_counted(invocations={BEGUN - timedelta(minutes=5): 2}))
    forwarder, *objects = told_by(fake, sources, {"a": NOW - timedelta(days=2), "c": BEGUN + timedelta(seconds=20)})
    assert [line["key"] for line in objects] == ["c"]
    assert (forwarder["outage_since"], open_in(forwarder, "before")) == (None, 0)


def test_a_ledger_of_a_run_is_bounded_and_says_so(fake: FakeAws, sources: Sources) -> None:
    pages = {f"{number:03}": NOW - timedelta(hours=20) + timedelta(seconds=number) for number in range(70)}
    forwarder, *_ = told_by(fake, sources, pages)
    assert fake.counted()[LIST] == 50
    assert forwarder["complete"] is False
    assert open_in(forwarder, "before") == 49
    assert "50 LIST calls were made" in str(forwarder["why_not"])


def test_a_forwarder_without_a_bucket_is_told_as_that(fake: FakeAws, sources: Sources) -> None:
    alone = a_forwarder(bucket_name=None)
    other = Sources(an_estate(alone), sources.access, NOW)
    ledger = ledger_of_run(Cutovers({PLACE: MEANWHILE}), an_estate(alone), other)
    (told,) = ledger.forwarders
    assert (told.complete, told.why_not) == (True, "it names no bucket: nothing in S3 calls it")
    assert fake.counted()[LIST] == 0


def test_forwarders_that_were_not_changed_are_not_in_it(fake: FakeAws, sources: Sources) -> None:
    assert ledger_of_run(Cutovers(), an_estate(QUIET), sources).forwarders == ()
    assert fake.counted()[LIST] == fake.counted()[LOOKUP] == 0


def test_a_run_that_goes_on_with_another_has_what_that_one_proved_and_began_when_it_did() -> None:
    def entry(number: int, kind: str, hour: int, **facts: str) -> Entry:
        return Entry(number, kind, {"time": f"2026-11-24T{hour:02}:00:00.000+00:00", "facts": facts})

    proved = {"account": HERE.account, "region": HERE.region, "forwarder": "alb-edge"}
    earlier = [entry(1, "begin", 1), entry(2, "proof", 2, **proved), entry(3, "end", 3), Entry(4, "begin", {})]
    hours = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (1, 2)]
    spans = Cutovers({PLACE: MEANWHILE}).behind(earlier).spans
    assert spans == {PLACE: Span(min(hours[0], BEGUN), NOW), (HERE, "alb-edge"): Span(*hours)}
    assert Cutovers({PLACE: MEANWHILE}).behind([]).spans == {PLACE: MEANWHILE}
