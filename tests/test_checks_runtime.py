from datetime import UTC, date, datetime, timedelta

import pytest

from checks.registry import check_functions
from fixtures.calendar import Calendar, Lifecycle, load_calendar
from fixtures.desired import Desired
from fixtures.estate import Estate
from fixtures.fact import Absent
from fixtures.settings import Settings
from tests.asking import PASSED, told
from tests.estates import NOW, a_desired, a_forwarder, a_function, a_legacy_forwarder, an_estate, denied

CHECKS = check_functions()
custom, supported = CHECKS["runtime-custom"], CHECKS["runtime-supported"]
HIDDEN = denied("lambda:ListFunctions")
BLOCK = date(2027, 3, 3)  # of go1.x and provided.al2, in the calendar that ships and in cfn-lint 1.58


def on(runtime: str | None, taken: datetime = NOW, **changes: object) -> Estate:
    return an_estate(a_forwarder(listed=a_function(runtime=runtime, **changes)), taken=taken)


def not_in_calendar(runtime: str) -> str:
    return f"UNKNOWN: runtime {runtime} is not in the calendar ({load_calendar()})"


IMAGE = "UNKNOWN: function cloudtrail-prod-scwx-tdr-lambda-awscloudtrail has no runtime (package type Image)"
NOT_CUSTOM = "FAILED: expected provided.al2 or better; found "
CUSTOM = {
    "the vendor's": (on("provided.al2"), PASSED),
    "its successor": (on("provided.al2023"), PASSED),
    "the one before": (on("provided"), f"{NOT_CUSTOM}provided"),
    "go1.x": (an_estate(a_legacy_forwarder()), f"{NOT_CUSTOM}go1.x"),
    "another language": (on("python3.12"), f"{NOT_CUSTOM}python3.12"),
    "a successor that the calendar does not know": (on("provided.al2099"), not_in_calendar("provided.al2099")),
    "one of the customer's own": (on("custom"), not_in_calendar("custom")),
    "a container image": (on(None, package_type="Image"), IMAGE),
    "gone": (an_estate(a_forwarder(listed=Absent("function x"))),
             "FAILED: expected a function; found function x does not exist"),
    "not shown": (an_estate(a_forwarder(listed=HIDDEN)), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), CUSTOM.values(), ids=CUSTOM)
def test_custom_runtime(estate: Estate, answer: str) -> None:
    assert told(custom, estate) == answer


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)


def standing(runtime: str, phase: str, when: str) -> str:
    return f"{runtime} is {phase}; updates are blocked from {BLOCK}, {when} ({load_calendar()})"


def ends(runtime: str, phase: str, when: str, limit: int = 30) -> str:
    wanted = f"a runtime that can be updated for more than {limit} days"
    return f"FAILED: expected {wanted}; found {standing(runtime, phase, when)}"


def noted(runtime: str, phase: str, when: str) -> str:
    return f"PASSED ({standing(runtime, phase, when)})"


DAY = timedelta(days=1)
SUPPORTED = {
    "al2023 today": (on("provided.al2023"), PASSED),
    "al2 a day before its deprecation": (on("provided.al2", at(date(2026, 7, 30))), PASSED),
    "al2 on the day of its deprecation": (on("provided.al2", at(date(2026, 7, 31))),
                                          noted("provided.al2", "deprecated", "in 215 days")),
    "al2 a day before creation is blocked": (on("provided.al2", at(date(2027, 1, 31))),
                                             noted("provided.al2", "deprecated", "in 31 days")),
    "al2 31 days before the block": (on("provided.al2", at(BLOCK - 31 * DAY)),
                                     noted("provided.al2", "deprecated", "in 31 days")),
    "al2 30 days before the block": (on("provided.al2", at(BLOCK - 30 * DAY)),
                                     ends("provided.al2", "create-blocked", "in 30 days")),
    "go1.x today": (on("go1.x"), noted("go1.x", "create-blocked", "in 99 days")),
    "go1.x a day before the block": (on("go1.x", at(BLOCK - DAY)), ends("go1.x", "create-blocked", "in 1 day")),
    "go1.x on the day of the block": (on("go1.x", at(BLOCK)), ends("go1.x", "update-blocked", "today")),
    "go1.x after it": (on("go1.x", at(BLOCK + 9 * DAY)), ends("go1.x", "update-blocked", "9 days ago")),
    "one that the calendar does not know": (on("provided.al2099"), not_in_calendar("provided.al2099")),
    "a container image": (on(None, package_type="Image"), IMAGE),
    "gone": (an_estate(a_forwarder(listed=Absent("function x"))),
             "FAILED: expected a function; found function x does not exist"),
    "not shown": (an_estate(a_forwarder(listed=HIDDEN)), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), SUPPORTED.values(), ids=SUPPORTED)
def test_supported_runtime(estate: Estate, answer: str) -> None:
    assert told(supported, estate) == answer


@pytest.mark.parametrize(("days", "status"), [(98, "PASSED"), (99, "FAILED")])
def test_the_settings_say_from_when_it_is_a_finding(days: int, status: str) -> None:
    wanted: Desired = a_desired(Settings(calendar_fail_days=days))

    assert told(supported, on("go1.x"), desired=wanted).startswith(status)


LIFECYCLES = {
    "no day for blocking updates": (
        Lifecycle(date(2026, 1, 1), None, None), "PASSED (x is deprecated; AWS has set no day for blocking updates"),
    "supported, and blocked within the fail days": (Lifecycle(None, None, NOW.date() + 9 * DAY), "FAILED"),
    "supported, and blocked much later": (Lifecycle(None, None, NOW.date() + 900 * DAY), PASSED),
    "no dates at all": (Lifecycle(None, None, None), PASSED),
}  # fmt: skip


@pytest.mark.parametrize(("lifecycle", "answer"), LIFECYCLES.values(), ids=LIFECYCLES)
def test_dates_that_aws_has_not_set(lifecycle: Lifecycle, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Calendar("a table", NOW.date(), {"x": lifecycle})
    monkeypatch.setattr("checks.test_runtime.load_calendar", lambda: calendar)
    found = told(supported, on("x"))

    assert found == PASSED if answer == PASSED else found.startswith(answer)
