"""What is sent and what is said instead: obstacles of forwarders, objects that cannot be read, requests refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.errors import InputError
from fixtures.estate import Forwarder
from fixtures.fact import Absent, Cause, Unreadable, value
from fixtures.ledger.entry import Delivery, Entry, EvidenceKind
from fixtures.ledger.logged_object import LoggedObject
from fixtures.prices import PRICE_NAMES, prices_with
from fixtures.sandbox.aws_call import Answer
from fixtures.settings import parse_settings
from remediation.backfill.cost import bytes_told, cost_of, time_told
from remediation.backfill.obstacles import address_of, judged
from remediation.backfill.pace import Concurrency, Function
from remediation.backfill.request import parse_request
from remediation.backfill.sendable import Sendable, explained, why_archived
from remediation.backfill.watch import in_words
from tests.backfill_world import BUCKET, REGION, an_object
from tests.estates import a_bucket, a_flow, a_forwarder, an_estate
from tests.fake_aws import DENIED, FakeAws, refusal
from tests.writing import Bench, a_bench

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def function_with(**changes: object) -> Forwarder:
    listed, function = value(a_forwarder().listed), value(a_forwarder().function)
    assert listed is not None
    assert function is not None
    return a_forwarder(listed=replace(listed, **changes), function=replace(function, **changes))  # type: ignore[arg-type]


REFUSED = {
    "its runtime: found go1.x": function_with(runtime="go1.x"),
    "reserved concurrency 0": function_with(reserved_concurrency=0),
    "state Failed": function_with(state="Failed"),
    "function x does not exist": a_forwarder(function=Absent("function x"), listed=Absent("function x")),
    "its function cannot be read": a_forwarder(function=Unreadable("lambda:GetFunction", Cause.DENIED, "no")),
}


@pytest.mark.parametrize("told", REFUSED)
def test_a_forwarder_that_would_not_deliver_is_refused_with_what_to_do(told: str) -> None:
    forwarder = REFUSED[told]
    found = judged(forwarder, an_estate(forwarder))
    assert any(told in obstacle.reason for obstacle in found.obstacles), found
    assert all(obstacle.to_do for obstacle in found.obstacles)


def test_a_healthy_forwarder_is_not_refused() -> None:
    forwarder = a_forwarder()
    assert judged(forwarder, an_estate(forwarder)).obstacles == ()


def test_a_trigger_that_is_missing_comes_first() -> None:
    forwarder = a_forwarder()
    bucket = a_bucket(str(forwarder.bucket_name))
    (obstacle,) = judged(forwarder, an_estate(forwarder, buckets=[bucket])).obstacles
    assert obstacle.reason == "its trigger: found no such rule"
    assert obstacle.to_do == "run --fix first"


def test_errors_in_its_log_come_first_and_how_to_count_new_lines_alone_is_told() -> None:
    forwarder = a_forwarder(flow=a_flow(uploads=0, proved=0, last_proved=None, errors=("boom",)))
    (obstacle,) = judged(forwarder, an_estate(forwarder)).obstacles
    assert "last error: boom" in obstacle.reason
    assert "--log-window=15m" in obstacle.to_do


def test_a_quiet_log_is_no_obstacle() -> None:
    forwarder = a_forwarder(flow=a_flow(requests=0, uploads=0, proved=0, last_proved=None))
    assert judged(forwarder, an_estate(forwarder)).obstacles == ()


def test_what_cannot_be_told_of_the_trigger_is_noted_and_stops_nothing() -> None:
    forwarder = a_forwarder()
    bucket = a_bucket(
        str(forwarder.bucket_name), notification=Unreadable("s3:GetBucketNotification", Cause.DENIED, "no")
    )
    found = judged(forwarder, an_estate(forwarder, buckets=[bucket]))
    assert found.obstacles == ()
    assert any("its trigger cannot be told" in note for note in found.notes)


def test_a_forwarder_behind_a_topic_gets_its_events_in_the_envelope_of_one() -> None:
    forwarder = a_forwarder()
    function = value(forwarder.function)
    assert function is not None
    assert address_of(forwarder, function, an_estate(forwarder)).topic is None


@pytest.fixture
def bench(fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as closing:
        found = a_bench(fake_account, tmp_path, REGION)
        closing.callback(found.close)
        yield found


def entry(found: LoggedObject, delivery: Delivery = Delivery.NOT_DELIVERED) -> Entry:
    return Entry(found, delivery, EvidenceKind.NONE, "why")


def head(**headers: str) -> object:
    given = tuple((f"x-amz-{name.replace('_', '-')}".encode(), text.encode()) for name, text in headers.items())
    return Answer(200, ((b"content-length", b"0"), (b"etag", b'"e"'), *given))


_RESTORING = 'ongoing-request="true"'
ARCHIVED = {
    "archived (GLACIER): restore it (RestoreObject), then run again": ("GLACIER", {"storage_class": "GLACIER"}),
    "archived, and being restored: run again when that is done": ("DEEP_ARCHIVE", {"restore": _RESTORING}),
    "archived by Intelligent-Tiering (ARCHIVE_ACCESS): restore it (RestoreObject), then run again": (
        "INTELLIGENT_TIERING", {"archive_status": "ARCHIVE_ACCESS"}),
}  # fmt: skip
READABLE = {
    "restored": ("GLACIER", {"restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'}),
    "frequent": ("INTELLIGENT_TIERING", {}),
}  # fmt: skip


@pytest.mark.parametrize("reason", ARCHIVED)
def test_an_archived_object_is_said_and_not_tried(fake: FakeAws, bench: Bench, reason: str) -> None:
    storage_class, headers = ARCHIVED[reason]
    fake.say("s3:HeadObject", head(**headers))  # type: ignore[arg-type]
    sendable = Sendable(bench.writer, "111122223333")
    found = list(sendable.sorted([entry(an_object("a", storage_class=storage_class)), entry(an_object("b"))]))
    assert [one.key for one, _ in found] == ["b"]
    assert (dict(sendable.left), sendable.asked) == ({reason: 1}, 1)


@pytest.mark.parametrize("name", READABLE)
def test_an_archived_object_that_can_be_read_is_sent(fake: FakeAws, bench: Bench, name: str) -> None:
    storage_class, headers = READABLE[name]
    fake.say("s3:HeadObject", head(**headers))  # type: ignore[arg-type]
    found = list(Sendable(bench.writer, "1").sorted([entry(an_object("a", storage_class=storage_class))]))
    assert len(found) == 1


@pytest.mark.parametrize(
    "storage_class", ["", "STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "REDUCED_REDUNDANCY"]
)
def test_of_a_class_that_is_read_at_once_s3_is_not_asked(fake: FakeAws, bench: Bench, storage_class: str) -> None:
    sendable = Sendable(bench.writer, "1")
    assert len(list(sendable.sorted([entry(an_object("a", storage_class=storage_class))]))) == 1
    assert (sendable.asked, fake.seen) == (0, [])


def test_what_may_not_be_asked_is_not_tried(fake: FakeAws, bench: Bench) -> None:
    fake.say("s3:HeadObject", DENIED)
    sendable = Sendable(bench.writer, "1")
    assert list(sendable.sorted([entry(an_object("a", storage_class="GLACIER"))])) == []
    (reason,) = sendable.left
    assert "whether it can be read now cannot be told: s3:GetObject denied" in reason


def test_a_version_that_is_not_the_latest_is_not_sent(bench: Bench) -> None:
    sendable = Sendable(bench.writer, "1")
    assert list(sendable.sorted([entry(an_object("a", version_id="v1", latest=False))])) == []
    assert "a forwarder reads by key" in next(iter(sendable.left))


def test_thousands_keep_their_order_and_their_verdicts(bench: Bench) -> None:
    given = [entry(an_object(f"k{number:05d}"), (Delivery.NO_EVIDENCE, Delivery.NOT_DELIVERED)[number % 2])
             for number in range(1000)]  # fmt: skip
    found = list(Sendable(bench.writer, "1").sorted(iter(given)))
    assert found == [(one.object, one.delivery) for one in given]


def test_a_failed_object_that_is_gone_or_another_by_now_says_so(fake: FakeAws, bench: Bench) -> None:
    fake.say("s3:HeadObject", refusal("404", "Not Found", 404))
    assert explained(bench.writer, an_object("a"), "1", "no such key") == "it was deleted since (no such key)"
    fake.say("s3:HeadObject", head())  # type: ignore[arg-type]
    assert explained(bench.writer, an_object("a"), "1", "bad") == "it was overwritten since (bad)"
    fake.say("s3:HeadObject", head(server_side_encryption_aws_kms_key_id="arn:aws:kms:x:1:key/k"))  # type: ignore[arg-type]
    same = LoggedObject(BUCKET, "a", 1, NOW, etag="e")
    assert explained(bench.writer, same, "1", "AccessDenied") == (
        "AccessDenied; it is encrypted with arn:aws:kms:x:1:key/k")  # fmt: skip
    assert why_archived({}, "STANDARD") == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            '{"level":"error","time":"2026-11-24T00:00:01Z","message":"cannot forward","error":"no"}',
            "cannot forward: no",
        ),
        ('{"errorMessage":"boom","errorType":"E"}', "boom"),
        ("panic: nil", "panic: nil"),
        ('{"level":"error"}', '{"level":"error"}'),
        ("[1]", "[1]"),
    ],
)
def test_errors_are_told_without_their_time(error: str, told: str) -> None:
    assert in_words(error) == told


BAD = {
    ("--since=2027-01-01",): "in the future",
    ("--since=2026-11-02", "--until=2026-11-01"): "not after --since",
    ("--since=yesterday",): "not a time",
    (): "--since: missing",
    ("--until=2026-11-01",): "there is no --since",
    ("--resume=R", "--since=7d"): "the run says what is sent",
    ("--resume=R", "--plan"): "it sends",
    ("--resume=R", "--again"): "what is sent was fixed",
    ("--from-dead-letter", "--since=7d"): "a queue is emptied",
    ("--from-dead-letter", "--only-certain"): "what lies in a queue was not delivered",
    ("--since=7d", "--error-budget=lots"): "not a budget",
    ("--since=7d", "--rate=0"): "not a rate",
    ("--since=7d", "--rate=1000"): "not a rate",
    ("--since=7d", "--fix"): "it is for audits and fixes",
    ("--since=7d", "--replay=estate.json"): "it is for audits and fixes",
    ("--since=7d", "--shard=1/2"): "it is for audits and fixes",
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        parse_request(arguments, NOW)
    assert BAD[arguments] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_audits_options_are_passed_on() -> None:
    given = ["--regions=us-east-1", "--since=7d", "--role=Audit", "--yes", "--forwarders=a*", "--rate=2.5"]
    request, rest = parse_request(given, NOW)
    assert rest == ["--regions=us-east-1", "--role=Audit", "--forwarders=a*", "--yes"]
    assert request.span is not None
    assert (request.span.since, request.span.until) == (NOW - timedelta(days=7), NOW)
    assert (request.rate, request.plan, request.budget.is_spent(6, 6)) == (2.5, False, True)


def test_the_cost_is_that_of_calls_reads_and_time() -> None:
    function = Function("f", Concurrency(1000, reserved=False), 2.0)
    cost = cost_of(1_000_000, 10**9, function, 512)
    assert (cost.gb_seconds, cost.rate, cost.guessed) == (1_000_000, 50.0, False)
    assert cost.price(prices_with({})) == pytest.approx(16.6667 + 0.20 + 0.40)
    assert time_told(cost.time) == "5 h 33 min"


def test_where_nothing_tells_how_long_a_call_takes_it_is_a_guess() -> None:
    assert cost_of(10, 0, Function("f", Concurrency(1000, reserved=False), None), 128).guessed


def test_a_users_prices_go_before_the_listed_ones() -> None:
    settings = parse_settings({"prices": {"lambda_gb_second": 1.0}}, "test")
    prices = prices_with(settings.prices)
    assert (prices.of["lambda_gb_second"], prices.of["lambda_million_calls"]) == (1.0, 0.2)
    assert set(prices.of) == set(PRICE_NAMES)
    with pytest.raises(InputError, match="no price that is asked for"):
        parse_settings({"prices": {"lambda_gbsecond": 1.0}}, "test")


@pytest.mark.parametrize(
    ("size", "told"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**15, "2000.0 TB")]
)
def test_sizes_are_told_in_words(size: int, told: str) -> None:
    assert bytes_told(size) == told
