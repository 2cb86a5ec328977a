"""Spans: what people type is understood, and refused where nothing can have arrived in it."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.errors import InputError
from fixtures.ledger.logged_object import KeyFilter, LoggedObject, takes_any
from fixtures.ledger.span import Span, parse_span

NOW = datetime(2026, 11, 24, 12, 0, 0, 500, tzinfo=UTC)


@pytest.mark.parametrize(("given", "since"), [
    ("7d", NOW - timedelta(days=7)),
    ("36h", NOW - timedelta(hours=36)),
    ("2w", NOW - timedelta(weeks=2)),
    ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
    ("2026-11-01T06:00:00Z", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("2026-11-01T06:00:00+09:00", datetime(2026, 10, 31, 21, tzinfo=UTC)),
    ("2026-11-01 06:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
])  # fmt: skip
def test_a_time_or_how_long_ago_it_was_is_understood(given: str, since: datetime) -> None:
    assert parse_span(given, None, NOW) == Span(since, NOW)


@pytest.mark.parametrize(("since", "until", "said"), [
    (None, None, "--since: missing"),
    ("yesterday", None, "--since=yesterday: not a time"),
    ("2026-13-01", None, "--since=2026-13-01: not a time"),
    ("999999w", None, "--since=999999w: not a time"),
    ("", None, "--since=: not a time"),
    ("2026-11-24T12:00:01Z", None, "--since=2026-11-24T12:00:01Z: in the future"),
    ("2d", "2026-11-25", "--until=2026-11-25: in the future"),
    ("2d", "3d", "--until=3d: not after --since=2d"),
    ("2d", "2d", "--until=2d: not after --since=2d"),
    ("2d", "soon", "--until=soon: not a time"),
], ids=str)  # fmt: skip
def test_what_is_no_span_is_refused_in_one_line(since: str | None, until: str | None, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_span(since, until, NOW)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_its_end_does_not_belong_to_a_span() -> None:
    span = parse_span("2d", "1d", NOW)
    assert span.holds(span.since)
    assert not span.holds(span.until)
    assert span.length == timedelta(days=1)
    assert str(span) == "2026-11-22 12:00:00 .. 2026-11-23 12:00:00 UTC"


def test_a_span_as_options_holds_all_of_it_and_means_the_same_tomorrow() -> None:
    since, until = Span(NOW - timedelta(days=1), NOW).options
    assert (since, until) == ("--since=2026-11-23T12:00:00Z", "--until=2026-11-24T12:00:01Z")
    again = parse_span(since.partition("=")[2], until.partition("=")[2], NOW + timedelta(days=1))
    assert again.since <= NOW - timedelta(days=1)
    assert again.until >= NOW


def test_prefix_and_suffix_are_compared_with_the_whole_key() -> None:
    one = KeyFilter("AWSLogs/", ".gz")
    assert one.takes("AWSLogs/a.gz")
    assert not one.takes("xAWSLogs/a.gz")
    assert not one.takes("AWSLogs/a.json")
    assert KeyFilter("ab", "bc").takes("abc")  # they may overlap
    assert takes_any([KeyFilter("x"), one], "AWSLogs/b.gz")


@pytest.mark.parametrize(("storage_class", "archived"), [
    ("", False), ("STANDARD", False), ("GLACIER_IR", False), ("GLACIER", True), ("DEEP_ARCHIVE", True),
])  # fmt: skip
def test_what_has_to_be_restored_first_is_known(storage_class: str, archived: bool) -> None:
    assert LoggedObject("b", "k", 1, NOW, storage_class=storage_class).archived is archived
