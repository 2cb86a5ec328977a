"""What proves that an object was delivered, what excludes it, and what says nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from checks.delivery import GRACE, LONGEST_TRY, Evidence, Witnesses, judged
from fixtures.aws import Aws
from fixtures.fact import NOT_READ, Absent, Cause, Unreadable
from fixtures.ledger.calls import Calls, Counted, silence_of
from fixtures.ledger.entry import Delivery, EvidenceKind
from fixtures.ledger.log_names import Named
from fixtures.ledger.logged_object import LoggedObject
from fixtures.ledger.span import Span
from fixtures.readers.timelines import read_timeline
from tests.fake_aws import FakeAws
from tests.ledger_scene import calls_counted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ARRIVED = NOW - timedelta(hours=10)
LONG_AGO = NOW - timedelta(days=90)
LOGGED = LoggedObject("logs", "AWSLogs/1.json.gz", 10, ARRIVED)
DENIED = Unreadable("s3:GetObjectTagging", Cause.DENIED, "AccessDenied")
DELIVERED, NOT_DELIVERED, NO_EVIDENCE = Delivery.DELIVERED, Delivery.NOT_DELIVERED, Delivery.NO_EVIDENCE
TAGGED = Evidence(tag=True, tag_is_asked=True)
UNTAGGED = Evidence(tag=False, tag_is_asked=True, tags_work=True)
NONE_TAGGED = Evidence(tag=False, tag_is_asked=True)
WELL, FAILED = Named(NOW - timedelta(hours=9), None), Named(None, NOW - timedelta(hours=9))


def calls_at(*hours: float, source: str = "CloudWatch", complete: bool = True, **what: float) -> Calls:
    """Calls so many hours after the arrival; and one a day before, by which they are seen to be counted."""
    counted = {_minute(ARRIVED - timedelta(days=1)): Counted(calls=1)}
    counted |= {_minute(ARRIVED + timedelta(hours=hour)): Counted(**{"calls": 1, **what}) for hour in hours}
    return Calls(source, Span(ARRIVED - timedelta(days=2), NOW), 60, counted, complete=complete)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60 * 60


NEVER_COUNTED = Calls("CloudWatch", Span(ARRIVED - timedelta(days=2), NOW), 60, {}, complete=True)
SILENT, SOON, LATE = calls_at(), calls_at(0.01), calls_at(3)


CASES: Mapping[str, tuple[Evidence, tuple[Calls, ...], Delivery, EvidenceKind]] = {
    "it-bears-the-tag": (TAGGED, (SILENT,), DELIVERED, EvidenceKind.TAG),
    "a-good-request-names-it": (Evidence(NOT_READ, named=WELL), (), DELIVERED, EvidenceKind.LOG_LINE),
    "a-good-request-beside-a-failed-one": (
        Evidence(NOT_READ, named=Named(WELL.well, FAILED.failed)), (), DELIVERED, EvidenceKind.LOG_LINE,
    ),
    "only-failed-requests-name-it": (Evidence(NOT_READ, named=FAILED), (), NOT_DELIVERED, EvidenceKind.LOG_LINE),
    "a-dead-letter-names-it": (Evidence(NOT_READ, dead_letter=True), (SOON,), NOT_DELIVERED, EvidenceKind.DEAD_LETTER),
    "nothing-called-the-forwarder": (Evidence(NOT_READ), (SILENT,), NOT_DELIVERED, EvidenceKind.SILENCE),
    "nothing-for-as-long-as-lambda-tries": (Evidence(NOT_READ), (calls_at(6.5),), NOT_DELIVERED, EvidenceKind.SILENCE),
    "called-later-than-it-takes": (Evidence(NOT_READ), (LATE,), NO_EVIDENCE, EvidenceKind.NONE),
    "called-at-once": (Evidence(NOT_READ), (SOON,), NO_EVIDENCE, EvidenceKind.INVOCATION),
    "nobody-counts": (Evidence(NOT_READ), (NEVER_COUNTED,), NO_EVIDENCE, EvidenceKind.NONE),
    "nothing-at-all": (Evidence(NOT_READ), (), NO_EVIDENCE, EvidenceKind.NONE),
    "not-read-to-the-end": (Evidence(NOT_READ), (calls_at(complete=False),), NO_EVIDENCE, EvidenceKind.NONE),
    "one-source-silent-the-other-not": (
        Evidence(NOT_READ), (SILENT, calls_at(0.01, source="the log")), NO_EVIDENCE, EvidenceKind.INVOCATION,
    ),
    "an-untagged-one-among-tagged": (UNTAGGED, (SOON,), NOT_DELIVERED, EvidenceKind.TAG),
    "an-untagged-one-where-none-is": (NONE_TAGGED, (SOON,), NO_EVIDENCE, EvidenceKind.INVOCATION),
    "tags-denied-in-silence": (Evidence(DENIED, tag_is_asked=True), (SILENT,), NO_EVIDENCE, EvidenceKind.NONE),
    "tags-denied-beside-a-dead-letter": (
        Evidence(DENIED, tag_is_asked=True, dead_letter=True), (), NO_EVIDENCE, EvidenceKind.NONE,
    ),
    "deleted-meanwhile": (
        Evidence(Absent("the object"), tag_is_asked=True), (SOON,), NO_EVIDENCE, EvidenceKind.INVOCATION,
    ),
    "a-call-that-failed": (Evidence(NOT_READ), (calls_at(0.01, errors=1),), NO_EVIDENCE, EvidenceKind.NONE),
    "a-call-that-uploaded-nothing": (Evidence(NOT_READ), (calls_at(0.01, idle=1),), NO_EVIDENCE, EvidenceKind.NONE),
    "a-call-beside-a-lost-event": (Evidence(NOT_READ), (calls_at(0.01, lost=1),), NO_EVIDENCE, EvidenceKind.NONE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_each_kind_of_evidence_says(case: str) -> None:
    evidence, calls, delivery, kind = CASES[case]
    entry = judged(LOGGED, evidence, Witnesses(NOW, calls, log_is_whole=True, tags_since=LONG_AGO))
    assert (entry.delivery, entry.evidence) == (delivery, kind)
    assert entry.likely is (kind is EvidenceKind.INVOCATION)
    assert entry.is_open is (delivery is not DELIVERED)
    assert "\n" not in entry.reason
    assert LOGGED.key not in entry.reason


@pytest.mark.parametrize("cause", [Cause.DENIED, Cause.THROTTLED, Cause.MALFORMED, Cause.EXPIRED, Cause.FAILED])
def test_what_could_not_be_read_is_said_and_is_no_verdict(cause: Cause) -> None:
    tag = Unreadable("s3:GetObjectTagging", cause, "why")
    entry = judged(
        LOGGED,
        Evidence(tag, tag_is_asked=True, tags_work=True),
        Witnesses(NOW, (SILENT,), log_is_whole=True, tags_since=LONG_AGO),
    )
    assert entry.delivery is NO_EVIDENCE
    assert entry.reason == f"its tags could not be read ({cause})"


def test_a_log_that_was_not_read_to_the_end_does_not_say_that_every_request_failed() -> None:
    entry = judged(LOGGED, Evidence(NOT_READ, named=FAILED), Witnesses(NOW, (), log_is_whole=False))
    assert (entry.delivery, entry.reason) == (NO_EVIDENCE, "a request that names it failed, and may be tried again")


def test_a_request_that_failed_just_now_may_be_tried_again() -> None:
    named = Named(None, NOW - timedelta(minutes=1))
    entry = judged(
        LOGGED, Evidence(NOT_READ, named=named), Witnesses(NOW, (SOON,), log_is_whole=True, tags_since=LONG_AGO)
    )
    assert entry.delivery is NO_EVIDENCE


@pytest.mark.parametrize(("evidence", "calls"), [
    (Evidence(NOT_READ), (SILENT,)), (UNTAGGED, (SOON,)),
], ids=["silence", "no tag"])  # fmt: skip
def test_what_has_just_arrived_is_not_said_to_be_lost(evidence: Evidence, calls: tuple[Calls, ...]) -> None:
    young = replace(LOGGED, modified=NOW - GRACE + timedelta(seconds=1))
    old = replace(LOGGED, modified=NOW - LONGEST_TRY - timedelta(seconds=1))
    witnesses = Witnesses(NOW, calls, log_is_whole=True, tags_since=LONG_AGO)
    assert judged(young, evidence, witnesses).reason == "it arrived less than 15 minutes ago and may be on its way"
    assert judged(old, evidence, witnesses).delivery is NOT_DELIVERED


@pytest.mark.parametrize("evidence", [Evidence(NOT_READ), UNTAGGED], ids=["silence", "no tag"])
def test_while_lambda_may_hold_a_throttled_call_back_nothing_is_lost(evidence: Evidence) -> None:
    arrived = NOW - timedelta(hours=1)
    counted = {_minute(ARRIVED): Counted(calls=1), _minute(arrived + timedelta(minutes=5)): Counted(throttles=3)}
    calls = Calls("CloudWatch", Span(ARRIVED, NOW), 60, counted, complete=True)
    entry = judged(
        replace(LOGGED, modified=arrived), evidence, Witnesses(NOW, (calls,), log_is_whole=True, tags_since=LONG_AGO)
    )
    assert (entry.delivery, entry.reason) == (
        NO_EVIDENCE, "calls were throttled since: Lambda may try it for six hours",
    )  # fmt: skip


def test_silence_is_told_to_the_next_call_to_the_end_or_not_at_all() -> None:
    until = ARRIVED + timedelta(hours=5)
    assert silence_of(LATE, ARRIVED, until) == timedelta(hours=3)
    assert silence_of(SILENT, ARRIVED, until) == timedelta(hours=5)
    assert silence_of(NEVER_COUNTED, ARRIVED, until) is None
    assert silence_of(SILENT, ARRIVED - timedelta(days=3), ARRIVED - timedelta(days=2)) is None


def test_a_call_in_the_minute_of_the_arrival_counts_as_after_it() -> None:
    late_in_the_minute = ARRIVED.replace(second=50)
    calls = Calls("CloudWatch", Span(ARRIVED, NOW), 60, {_minute(ARRIVED): Counted(calls=1)}, complete=True)
    assert silence_of(calls, late_in_the_minute, NOW) == timedelta(0)


@pytest.mark.parametrize("since", [None, ARRIVED + timedelta(seconds=1)], ids=["not known", "turned on later"])
def test_an_untagged_object_from_before_tagging_is_not_said_to_be_lost(since: datetime | None) -> None:
    witnesses = Witnesses(NOW, (LATE,), log_is_whole=True, tags_since=since)
    entry = judged(LOGGED, UNTAGGED, replace(witnesses, calls=()))
    assert (entry.delivery, entry.reason) == (
        NO_EVIDENCE, "it does not bear the tag, and whether tagging was on when it arrived is not known",
    )  # fmt: skip
    assert judged(LOGGED, TAGGED, witnesses).delivery is DELIVERED


def test_what_cloudwatch_does_not_keep_any_more_is_no_silence(fake: FakeAws, fake_account: Aws) -> None:
    fake.say("cloudwatch:GetMetricData", calls_counted(invocations={NOW - timedelta(days=1): 1}))
    old = Span(NOW - timedelta(days=600), NOW)
    calls = read_timeline(fake_account, "us-east-1", "f", old, NOW)
    assert isinstance(calls, Calls)
    assert silence_of(calls, NOW - timedelta(days=500), NOW - timedelta(days=499)) is None
    assert silence_of(calls, NOW - timedelta(days=400), NOW - timedelta(days=399)) == timedelta(days=1)
