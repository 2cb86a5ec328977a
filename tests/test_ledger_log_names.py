"""Keys that a log names are found in requests, whatever the form of their lines; what is none is not taken for one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from fixtures.ledger.log_names import LogNames, Named
from fixtures.ledger.logged_object import KeyFilter, takes_any
from fixtures.ledger.span import Span
from fixtures.log_lines import LogLine

AT = datetime(2026, 11, 24, 6, 0, 30, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)
KEY = "AWSLogs/1/2026/11/24/a b+ü.json.gz"
UPLOAD = '{"level":"debug","time":"2026-11-24T06:00:00Z","message":"Uploading data to s3"}'
START, REPORT = "START RequestId: r1 Version: $LATEST", "REPORT RequestId: r1\tDuration: 12.00 ms\tMemory Size: 512 MB"
EVERY = (KeyFilter(),)


@pytest.fixture
def names() -> Iterator[LogNames]:
    made = LogNames("logs", partial(takes_any, EVERY))
    yield made
    made.close()


def read(names: LogNames, *requests: Sequence[str], stream: str = "s", each: int = 1000) -> LogNames:
    """Take requests one after the other, a page each; each ends a second after the other."""
    for number, lines in enumerate(requests):
        end = MS + number * each
        names.take([LogLine(stream, end - len(lines) + 1 + place, line) for place, line in enumerate(lines)])
    names.ready()
    return names


def of(names: LogNames, key: str = KEY, since: datetime = AT - timedelta(hours=1)) -> Named | None:
    return names.of(key, since, None)


LINES = {
    "a-json-value": f'{{"level":"info","key":"{KEY}"}}',
    "an-encoded-json-value": '{"object":{"key":"AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz"}}',
    "an-address": f'{{"message":"read","source":"s3://logs/{KEY}"}}',
    "an-arn": f'{{"records":[{{"arn":"arn:aws:s3:::logs/{KEY}"}}]}}',
    "bucket-and-key": f'{{"path":"logs/{KEY}"}}',
    "a-word": "processing AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz.",
    "a-word-in-quotes": 'key="AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz", size=3',
    "a-word-after-a-sign": "level=info key=AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz",
    "a-word-in-a-json-message": '{"message":"got s3://logs/AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz now"}',
}


@pytest.mark.parametrize("form", LINES)
def test_a_key_is_found_in_a_request_that_uploaded_it(names: LogNames, form: str) -> None:
    found = of(read(names, [START, LINES[form], UPLOAD, REPORT]))
    assert found == Named(AT, None)
    assert names.any


@pytest.mark.parametrize("lines", [
    [START, LINES["a-json-value"], UPLOAD, '{"level":"error","message":"cannot"}', REPORT],
    [START, LINES["a-json-value"], "2026-11-24 Task timed out after 300.00 seconds", REPORT],
    [START, LINES["a-json-value"], UPLOAD, f"{REPORT}\tStatus: timeout"],
], ids=["error", "time-out", "bad-report"])  # fmt: skip
def test_a_request_that_failed_is_told_as_that(names: LogNames, lines: list[str]) -> None:
    assert of(read(names, lines)) == Named(None, AT)


@pytest.mark.parametrize("lines", [
    [START, LINES["a-json-value"], REPORT],
    [START, LINES["a-json-value"], UPLOAD],
    [START, UPLOAD, REPORT],
    [START, LINES["a-json-value"], '{"key":"AWSLogs/another.gz"}', UPLOAD, REPORT],
    [START, f'{{"source":"s3://others/{KEY}"}}', UPLOAD, REPORT],
    [START, f'{{"url":"https://logs.s3.amazonaws.com/{KEY}"}}', UPLOAD, REPORT],
], ids=["no-upload", "no-end", "not-named", "two-named-and-one-uploaded", "anothers-bucket", "an-url"])  # fmt: skip
def test_what_does_not_say_that_it_was_uploaded_says_nothing(names: LogNames, lines: list[str]) -> None:
    assert of(read(names, lines)) is None


def test_a_later_try_that_went_well_is_told_beside_the_one_that_failed(names: LogNames) -> None:
    failed = [START, LINES["a-json-value"], '{"level":"error","message":"cannot"}', REPORT]
    read(names, failed, [START, LINES["a-json-value"], UPLOAD, REPORT], each=60_000)
    assert of(names) == Named(AT + timedelta(minutes=1), AT)


def test_a_request_before_the_object_arrived_was_about_another_one_of_that_key(names: LogNames) -> None:
    read(names, [START, LINES["a-json-value"], UPLOAD, REPORT])
    assert of(names, since=AT + timedelta(seconds=1)) is None
    assert names.of(KEY, AT - timedelta(hours=1), AT) is None  # it was overwritten before


def test_only_keys_that_the_rules_take_are_kept() -> None:
    filters = (KeyFilter("AWSLogs/", ".json.gz"),)
    names = LogNames("logs", partial(takes_any, filters))
    read(names, [START, LINES["a-json-value"], '{"key":"other/x.json.gz"}', UPLOAD, REPORT])
    assert of(names) is not None
    assert of(names, "other/x.json.gz") is None
    names.close()


def test_requests_of_several_streams_are_kept_apart(names: LogNames) -> None:
    names.take([
        LogLine("a", MS, START), LogLine("b", MS, START),
        LogLine("a", MS, LINES["a-json-value"]), LogLine("b", MS, '{"key":"AWSLogs/b.gz"}'),
        LogLine("b", MS, UPLOAD), LogLine("b", MS, REPORT),
        LogLine("a", MS, '{"level":"error"}'), LogLine("a", MS, REPORT),
    ])  # fmt: skip
    names.ready()
    assert of(names) == Named(None, AT)
    assert of(names, "AWSLogs/b.gz") == Named(AT, None)


def test_calls_are_counted_by_minute_with_what_failed_and_what_uploaded_nothing(names: LogNames) -> None:
    read(names, [START, UPLOAD, REPORT], [START, REPORT], [START, '{"level":"error"}', REPORT], each=60_000)
    calls = names.calls(Span(AT - timedelta(hours=1), AT + timedelta(hours=1)), complete=True)
    assert [(one.calls, one.errors, one.idle) for _, one in sorted(calls.counted.items())] == [
        (1, 0, 0), (1, 0, 1), (1, 1, 0),
    ]  # fmt: skip
    assert calls.total == 3


def test_a_long_request_is_a_call_of_the_minute_in_which_it_began(names: LogNames) -> None:
    read(names, [START, UPLOAD, "REPORT RequestId: r1\tDuration: 150000.00 ms"])
    calls = names.calls(Span(AT - timedelta(hours=1), AT + timedelta(hours=1)), complete=True)
    assert calls.next_call(AT - timedelta(minutes=5)) == AT - timedelta(minutes=2, seconds=30)
    assert calls.next_call(AT - timedelta(minutes=1)) is None


def test_one_object_in_two_spellings_is_one_object(names: LogNames) -> None:
    event = '{"Records":[{"s3":{"object":{"key":"AWSLogs/1/2026/11/24/a+b%2B%C3%BC.json.gz"}}}]}'
    assert of(read(names, [START, event, LINES["a-json-value"], LINES["an-address"], UPLOAD, REPORT])) == Named(
        AT, None
    )
