"""A bucket is walked by the dates in its keys: nothing of the span is missed, little else is listed."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from fixtures.ledger.dates import Dated, Days, flat_lead, parts_of
from fixtures.ledger.listing import roots
from fixtures.ledger.logged_object import KeyFilter
from fixtures.ledger.span import Span
from fixtures.ledger.walk import Unlisted, Walk
from tests.fake_bucket import FakeBucket

SPAN = Span(datetime(2026, 11, 20, 6, tzinfo=UTC), datetime(2026, 11, 22, 6, tzinfo=UTC))
FIRST, LAST = date(2025, 11, 1), date(2026, 11, 24)
ACCOUNTS = ("111122223333", "444455556666")


def days() -> Iterator[date]:
    day = FIRST
    while day <= LAST:
        yield day
        day += timedelta(days=1)


def cloudtrail(day: date) -> Iterator[str]:
    for account in ACCOUNTS:
        for region in ("us-east-1", "eu-west-1"):
            at = f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}"
            yield from (f"{at}/{account}_CloudTrail_{region}_{day:%Y%m%d}T{hour:02}00Z_x.json.gz" for hour in (1, 13))


LAYOUTS: dict[str, Callable[[date], Iterable[str]]] = {
    "cloudtrail": cloudtrail,
    "organization-trail": lambda day: (key.replace("AWSLogs/", "AWSLogs/o-abcd123456/") for key in cloudtrail(day)),
    "load-balancer": lambda day: [
        f"lb/AWSLogs/111122223333/elasticloadbalancing/eu-west-1/{day:%Y/%m/%d}/{hour}.log.gz" for hour in range(2)
    ],
    "flow-logs-by-the-hour": lambda day: [
        f"AWSLogs/111122223333/vpcflowlogs/eu-west-1/{day:%Y/%m/%d}/{hour:02}/a.log.gz" for hour in (0, 12)
    ],
    "flow-logs-for-hive": lambda day: [
        f"AWSLogs/aws-account-id=1/aws-region=eu-west-1/year={day:%Y}/month={day:%m}/day={day:%d}/hour=03/a.parquet"
    ],
    "waf": lambda day: [f"AWSLogs/1/WAFLogs/eu-west-1/acl/{day:%Y/%m/%d}/03/05/a.log.gz"],
    "dates-in-one": lambda day: [f"exports/dt={day:%Y-%m-%d}/part-{number}.gz" for number in range(3)],
    "months-of-umbrella": lambda day: [f"dnslogs/{day:%Y-%m-%d}/{hour:02}.csv.gz" for hour in (0, 6)],
    "access-logs": lambda day: [f"s3/{day:%Y-%m-%d}-{hour:02}-15-00-0123456789ABCDEF" for hour in range(0, 24, 6)],
    "access-logs-with-a-lead": lambda day: [f"s3/a-{day:%Y-%m-%d}-{hour:02}-15-00-0123456789AB" for hour in range(6)],
    "nothing-of-the-kind": lambda day: [f"in/{hash_of(day, number)}.json" for number in range(4)],
    "at-the-root": lambda day: [f"{day:%Y/%m/%d}/a.json", f"{day:%Y/%m/%d}/b.json"],
}  # fmt: skip
DATED = sorted(LAYOUTS.keys() - {"nothing-of-the-kind"})


def hash_of(day: date, number: int) -> str:
    return f"{(day.toordinal() * 7919 + number * 104729) % 1_000_003:07d}"


def filled(layout: str) -> tuple[FakeBucket, list[str]]:
    """A bucket of a year in a layout, each day's keys arrived at six that day; and those of the span, sorted."""
    times = {
        key: datetime(day.year, day.month, day.day, 6, tzinfo=UTC) for day in days() for key in LAYOUTS[layout](day)
    }
    bucket = FakeBucket(times, times.__getitem__)
    return bucket, sorted(key for key, at in times.items() if SPAN.holds(at))


def found_by(walk: Walk, prefix: str = "") -> list[str]:
    return [found.key for found in walk.below(prefix) if SPAN.holds(found.modified)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_of_the_span_is_found_in_the_order_of_keys(layout: str) -> None:
    bucket, expected = filled(layout)
    assert found_by(Walk(bucket.ask, SPAN)) == expected
    assert expected


@pytest.mark.parametrize("layout", DATED)
def test_little_else_is_listed_where_keys_bear_dates(layout: str) -> None:
    bucket, _ = filled(layout)
    walk = Walk(bucket.ask, SPAN)
    listed = list(walk.below(""))
    assert walk.left_out > 0
    assert len({found.modified for found in listed}) <= 8  # the days of the span, two before and one behind
    assert len(listed) < len(bucket.keys) / 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_is_whole(layout: str) -> None:
    bucket, _ = filled(layout)
    walk = Walk(bucket.ask, SPAN, whole=True)
    assert [found.key for found in walk.below("")] == bucket.keys
    assert walk.pages == -(-len(bucket.keys) // 1000)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_walk_goes_on_behind_any_key(layout: str) -> None:
    bucket, expected = filled(layout)
    for position in {0, len(expected) // 2, len(expected) - 1}:
        walk = Walk(bucket.ask, SPAN, after=expected[position])
        assert found_by(walk) == expected[position + 1 :]


def test_what_is_delivered_days_late_is_found_since_the_day_before_the_first_is_looked_at() -> None:
    """A bucket that CloudTrail could not write to for a week: everything comes at once, under the old dates."""
    late = {f"AWSLogs/1/CloudTrail/eu-west-1/2026/11/{day:02}/a.json.gz": SPAN.since for day in range(10, 21)}
    bucket = FakeBucket(late, late.__getitem__)
    assert found_by(Walk(bucket.ask, SPAN)) == sorted(late)


def test_years_that_are_none_are_listed_whole() -> None:
    """Folders named after years that hold something of today: numbers of customers, say."""
    keys = {f"{number}/{name}.json": SPAN.since for number in (2019, 2020, 2021, 2022) for name in "ab"}
    bucket = FakeBucket(keys, keys.__getitem__)
    assert found_by(Walk(bucket.ask, SPAN)) == sorted(keys)


@pytest.mark.parametrize("names", [
    ["2026", "archive"], ["2026", "26"], ["2026x"], ["1026"], ["2026-13-01"], ["2026-02-30"], [""], [],
], ids=str)  # fmt: skip
def test_a_level_with_anything_else_in_it_is_none_of_dates(names: list[str]) -> None:
    assert parts_of(names, Dated()) is None


@pytest.mark.parametrize(("known", "name", "first", "last"), [
    (Dated(), "2026", "2026-01-01", "2026-12-31"),
    (Dated(), "year=2024", "2024-01-01", "2024-12-31"),
    (Dated(2024), "02", "2024-02-01", "2024-02-29"),
    (Dated(2026), "month=12", "2026-12-01", "2026-12-31"),
    (Dated(2026, 2), "day=28", "2026-02-28", "2026-02-28"),
    (Dated(), "20261124", "2026-11-24", "2026-11-24"),
    (Dated(), "dt=2026-11-24-03", "2026-11-24", "2026-11-24"),
])  # fmt: skip
def test_parts_of_dates_are_understood(known: Dated, name: str, first: str, last: str) -> None:
    parts = parts_of([name], known)
    assert parts is not None
    assert tuple(day.isoformat() for day in parts[name].range) == (first, last)


def test_a_day_that_its_month_does_not_have_is_no_date() -> None:
    assert parts_of(["30"], Dated(2026, 2)) is None


def test_two_days_before_the_span_and_one_behind_are_looked_at() -> None:
    assert Days.of(SPAN) == Days(date(2026, 11, 18), date(2026, 11, 23))


def test_names_with_different_leads_are_not_taken_for_dates() -> None:
    name = "2026-11-24-06-15-00-0123456789ABCDEF"
    assert flat_lead([name, name]) == ""
    assert flat_lead([f"a-{name}", f"a-{name}"]) == "a-"
    assert flat_lead([name, f"a-{name}"]) is None
    assert flat_lead([name, "note.txt"]) is None


def test_a_tree_of_many_small_folders_is_listed_whole_after_a_while() -> None:
    keys = [f"{number:04}/{inner}/x.json" for number in range(900) for inner in range(3)]
    bucket = FakeBucket(keys, lambda _: SPAN.since)
    walk = Walk(bucket.ask, SPAN)
    assert found_by(walk) == bucket.keys
    assert walk.pages < 210  # 1 for each of the 200 looks, and what is left by the thousand


def test_a_walk_ends_at_the_number_of_calls_that_it_was_given() -> None:
    bucket, _ = filled("nothing-of-the-kind")
    walk = Walk(bucket.ask, SPAN, most=1)
    with pytest.raises(Unlisted, match="1 LIST calls were made"):
        list(walk.below(""))
    assert len(bucket.asked) == 1


@pytest.mark.parametrize(("prefixes", "expected"), [
    (["a/", "b/"], ("a/", "b/")), (["b", "a", "a"], ("a", "b")), (["", "a/"], ("",)), (["a/b", "a/", "c"], ("a/", "c")),
], ids=str)  # fmt: skip
def test_no_key_is_listed_twice(prefixes: list[str], expected: tuple[str, ...]) -> None:
    assert roots([KeyFilter(prefix) for prefix in prefixes]) == expected


def test_objects_beside_folders_come_in_their_place() -> None:
    keys = ["a.json", "a/x.json", "a0.json", "b/2026/11/21/y.json", "b/note.txt", "c.json"]
    bucket = FakeBucket(keys, lambda _: SPAN.since)
    assert found_by(Walk(bucket.ask, SPAN)) == keys
