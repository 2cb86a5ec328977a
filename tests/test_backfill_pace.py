"""How fast a backfill goes, and when it stops."""

import pytest

from fixtures.errors import InputError
from remediation.backfill.pace import SLOWEST, Concurrency, Pace, parse_budget, top_rate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("number", "reserved", "seconds", "most", "wanted"),
    [
        (20, True, 2.0, None, 5.0),  # half of 20, two seconds each
        (1000, False, 2.0, None, 50.0),  # a tenth of what all share
        (1000, False, 0.1, None, 100.0),  # never more than a hundred
        (1, True, 10.0, None, 0.1),  # one at a time
        (1000, False, 2.0, 3.0, 3.0),  # the user's own
        (10, False, None, None, 0.2),  # a guess of five seconds
        (1, True, 900.0, None, SLOWEST),
    ],
)
def test_the_top_rate_is_what_a_share_of_the_concurrency_works_off(
    number: int, reserved: bool, seconds: float | None, most: float | None, wanted: float
) -> None:
    assert top_rate(Concurrency(number, reserved), seconds, most) == pytest.approx(wanted)


def sent_in(pace: Pace, clock: Clock, seconds: float) -> int:
    """How many calls leave in that time."""
    until, count = clock.now + seconds, 0
    while clock.now < until:
        clock.now += pace.take()
        count += 1
    return count


def test_it_begins_at_a_tenth_and_reaches_the_top(clock: Clock) -> None:
    pace = Pace(50.0, clock)
    assert sent_in(pace, clock, 1.0) < 10
    sent_in(pace, clock, 40.0)
    assert pace.rate == pytest.approx(50.0)
    assert sent_in(pace, clock, 10.0) == pytest.approx(500, rel=0.02)


def test_a_throttled_call_halves_it_and_pauses(clock: Clock) -> None:
    pace = Pace(50.0, clock)
    sent_in(pace, clock, 60.0)
    pace.slow_down(4.0)
    assert pace.rate == pytest.approx(25.0)
    assert pace.take() >= 4.0


def test_what_was_under_way_then_says_nothing_new(clock: Clock) -> None:
    pace = Pace(50.0, clock)
    sent_in(pace, clock, 60.0)
    for _ in range(16):
        pace.slow_down()
    assert pace.rate == pytest.approx(25.0)
    assert pace.slowed == 1


def test_it_never_stands_still(clock: Clock) -> None:
    pace = Pace(1.0, clock)
    for _ in range(50):
        pace.slow_down()
        clock.now += 2.0
    assert pace.rate == SLOWEST


def test_it_recovers_within_half_a_minute(clock: Clock) -> None:
    pace = Pace(50.0, clock)
    sent_in(pace, clock, 60.0)
    pace.slow_down()
    sent_in(pace, clock, 32.0)
    assert pace.rate == pytest.approx(50.0)


def test_another_top_holds_at_once(clock: Clock) -> None:
    pace = Pace(50.0, clock)
    sent_in(pace, clock, 60.0)
    pace.set_top(5.0)
    assert pace.rate == 5.0


@pytest.mark.parametrize(
    ("given", "failed", "ended", "spent"),
    [
        ("1%", 5, 5, False),
        ("1%", 6, 6, True),
        ("1%", 10, 1000, False),
        ("1%", 11, 1000, True),
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("20", 20, 20, False),
        ("20", 21, 100_000, True),
        ("100%", 50, 50, False),
    ],
)
def test_a_budget_is_spent_when_the_function_fails_and_not_an_object(
    given: str, failed: int, ended: int, spent: bool
) -> None:
    assert parse_budget(given).is_spent(failed, ended) is spent


@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "101%", "1 %", "%", "1%%"])
def test_what_is_no_budget_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="not a budget"):
        parse_budget(given)
