"""When calls may go: at AWS's rates, in each account and region for itself, slower once AWS throttles."""

from collections.abc import Iterable

import pytest

from fixtures.governor import Governor, Key
from fixtures.rates import DEFAULT_RATES, Rates

ONE, OTHER = ("111122223333", "us-east-1"), ("444455556666", "us-east-1")
POLICY = "lambda:GetPolicy"  # 15 a second
SEARCH = "logs:FilterLogEvents"  # 5 a second


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Server:
    """AWS's side: a token bucket that holds one second's worth."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock, self._rate, self._tokens, self._then = clock, rate, rate, clock.now

    def takes(self) -> bool:
        self._tokens = min(self._rate, self._tokens + (self._clock.now - self._then) * self._rate)
        self._then = self._clock.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_governor(clock: Clock, **own: float) -> Governor:
    rates = {name.replace("_", ":"): rate for name, rate in own.items()}
    return Governor(Rates(rates), clock=clock, sleep=clock.sleep)


def key(governor: Governor, place: tuple[str, str], action: str) -> Key:
    found = governor.key(*place, action)
    assert found is not None
    return found


def departures(governor: Governor, clock: Clock, keys: Iterable[Key | None]) -> list[float]:
    """When each of the calls, made one after the other, leaves: seconds from now."""
    begin, left = clock.now, []
    for one in keys:
        governor.enter(one)
        left.append(clock.now - begin)
    return left


class TestRates:
    @pytest.mark.parametrize(
        ("action", "group"),
        [
            ("lambda:GetPolicy", "lambda:GetPolicy"),
            ("lambda:ListFunctions", "lambda"),
            ("lambda:AddPermission", "lambda"),
            ("s3:GetBucketNotification", "s3"),
            ("lambda:InvokeFunction", None),
            ("route53:ListHostedZones", None),
        ],
    )
    def test_an_action_counts_in_its_own_group_or_in_its_services(self, action: str, group: str | None) -> None:
        assert Rates().group(action) == group

    def test_what_the_user_sets_goes_before_the_defaults_and_makes_a_group_of_its_own(self) -> None:
        rates = Rates({"s3": 7, "cloudformation:GetTemplate": 2})
        assert (rates.of("s3"), rates.of("lambda")) == (7, DEFAULT_RATES["lambda"])
        assert rates.group("cloudformation:GetTemplate") == "cloudformation:GetTemplate"
        assert rates.group("cloudformation:DescribeStacks") == "cloudformation"


class TestPace:
    def test_calls_leave_at_the_rate_after_a_few_at_once(self, clock: Clock) -> None:
        governor = a_governor(clock)
        left = departures(governor, clock, [key(governor, ONE, SEARCH)] * 13)
        assert left[:3] == pytest.approx([0, 0, 0])
        assert left[3:] == pytest.approx([0.2 * number for number in range(1, 11)])

    @pytest.mark.parametrize("action", sorted(DEFAULT_RATES))
    def test_a_server_with_the_same_rate_throttles_nothing(self, action: str, clock: Clock) -> None:
        governor, server = a_governor(clock), Server(clock, DEFAULT_RATES[action])
        one = governor.key(*ONE, action if ":" in action else f"{action}:Some")
        for number in range(500):
            governor.enter(one)
            assert server.takes(), f"call {number} after {clock.now - 1000:.2f} s"

    def test_accounts_regions_and_groups_do_not_wait_for_one_another(self, clock: Clock) -> None:
        governor = a_governor(clock)
        busy = key(governor, ONE, SEARCH)
        departures(governor, clock, [busy] * 3)
        others = [
            key(governor, OTHER, SEARCH),
            key(governor, (ONE[0], "eu-west-1"), SEARCH),
            key(governor, ONE, POLICY),
        ]
        assert governor.due(busy) > clock.now
        assert all(governor.due(other) <= clock.now for other in others)

    def test_who_is_in_the_middle_of_something_goes_before_what_has_not_begun(self, clock: Clock) -> None:
        governor = a_governor(clock)
        busy = key(governor, ONE, SEARCH)
        departures(governor, clock, [busy] * 3)
        would = governor.due(busy)
        governor.enter(busy)  # a write, or a later page
        assert clock.now == pytest.approx(would)
        assert governor.due(busy) == pytest.approx(would + 0.2)

    def test_without_rates_nothing_waits(self, clock: Clock) -> None:
        governor = Governor(clock=clock, sleep=clock.sleep)
        assert departures(governor, clock, [governor.key(*ONE, SEARCH)] * 100) == [0.0] * 100


class TestThrottled:
    def test_a_throttled_call_halves_the_pace_of_its_account_alone(self, clock: Clock) -> None:
        governor = a_governor(clock)
        one, other = key(governor, ONE, SEARCH), key(governor, OTHER, SEARCH)
        governor.refused(one, SEARCH, clock.now)
        assert departures(governor, clock, [one] * 3) == pytest.approx([0.4, 0.8, 1.2])
        assert departures(governor, clock, [other] * 4) == pytest.approx([0, 0, 0, 0.2])
        assert governor.throttled == {SEARCH: 1}

    def test_calls_that_were_under_way_halve_it_only_once(self, clock: Clock) -> None:
        governor = a_governor(clock)
        one, sent = key(governor, ONE, SEARCH), clock.now
        clock.sleep(0.1)
        for _ in range(5):
            governor.refused(one, SEARCH, sent)
        assert departures(governor, clock, [one] * 2) == pytest.approx([0.4, 0.8])

    def test_a_second_account_that_is_throttled_shows_that_the_rate_is_wrong_for_all(self, clock: Clock) -> None:
        governor = a_governor(clock)
        for place in (ONE, OTHER):
            governor.refused(key(governor, place, SEARCH), SEARCH, clock.now)
        third = key(governor, ("777788889999", "us-east-1"), SEARCH)
        assert departures(governor, clock, [third] * 3) == pytest.approx(
            [0, 0.2, 0.6]
        )  # half a rate, and fewer at once

    def test_a_pace_recovers_slowly_once_nothing_is_throttled(self, clock: Clock) -> None:
        governor = a_governor(clock)
        one = key(governor, ONE, SEARCH)
        governor.refused(one, SEARCH, clock.now)
        clock.sleep(300)
        departures(governor, clock, [one] * 3)
        assert departures(governor, clock, [one] * 2) == pytest.approx([0.2, 0.4])

    def test_rates_that_are_twice_too_high_cost_few_throttled_calls_in_a_fleet(self, clock: Clock) -> None:
        governor = a_governor(clock, lambda_GetPolicy=30)
        keys = [key(governor, (f"{number:012}", "us-east-1"), POLICY) for number in range(160)]
        servers = [Server(clock, 15) for _ in keys]
        refused = 0
        for turn in range(25 * len(keys)):
            number = turn % len(keys)
            while True:
                governor.enter(keys[number])
                clock.sleep(0.001)  # what a call costs this process
                if servers[number].takes():
                    governor.answered(keys[number])
                    break
                refused += 1
                governor.refused(keys[number], POLICY, clock.now - 0.001)
        assert refused / (25 * len(keys)) < 0.02

    def test_where_aws_takes_nothing_at_all_calls_are_soon_not_tried_again(self, clock: Clock) -> None:
        governor = a_governor(clock)
        one = key(governor, ONE, SEARCH)
        assert [governor.refused(one, SEARCH, clock.now) for _ in range(13)] == [True] * 11 + [False] * 2
        governor.answered(one)
        assert governor.refused(one, SEARCH, clock.now)
