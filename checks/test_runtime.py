"""Two verdicts that differ since 2026-07-31: migrated as the vendor says, and on a runtime that AWS supports."""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.verdict import count
from fixtures.calendar import Phase, is_migrated, load_calendar
from fixtures.desired import Desired
from fixtures.estate import Estate, Forwarder

_STEP = "8: the runtime must read Custom runtime on Amazon Linux 2"


def _runtime(forwarder: Forwarder) -> str:
    function = known(forwarder.listed, expected="a function")
    if function.runtime is None:
        unknown(f"function {function.name} has no runtime (package type {function.package_type})")
    if load_calendar().lookup(function.runtime) is None:
        unknown(f"runtime {function.runtime} is not in the calendar ({load_calendar()})")
    return function.runtime


@check("runtime-custom", severity=Severity.CRITICAL, step=_STEP, facts=["listed"], fix="forwarder-stack")
def test_runs_on_a_custom_runtime(forwarder: Forwarder) -> None:
    """The forwarder runs on the vendor's custom runtime: provided.al2, or its successor.

    go1.x has had no patches since 2024-01-08 and cannot be created any more: a function that is deleted is lost.
    """
    runtime = _runtime(forwarder)
    expect(is_migrated(runtime), expected="provided.al2 or better", found=runtime)


@check("runtime-supported", severity=Severity.MEDIUM, step="guards against a runtime that AWS ends", facts=["listed"])
def test_runtime_can_still_be_updated(
    forwarder: Forwarder, desired: Desired, estate: Estate, advise: Callable[[str], None]
) -> None:
    """AWS still lets a function on this runtime be updated, and will for longer than `calendar_fail_days`.

    Apart from the vendor's migration: since 2026-07-31 provided.al2 is deprecated itself. Until the fail days are
    reached that is a note with the days left, since only the vendor can offer a newer template; provided.al2023 is
    better.
    """
    runtime = _runtime(forwarder)
    calendar = load_calendar()
    today = estate.taken.date()
    phase = calendar.phase(runtime, today)
    left = calendar.days_until_update_block(runtime, today)
    dates = calendar.lookup(runtime)
    if left is None or dates is None:
        if phase is not Phase.SUPPORTED:
            advise(f"{runtime} is {phase}; AWS has set no day for blocking updates ({calendar})")
        return
    when = f"in {count(left, 'day')}" if left > 0 else "today" if left == 0 else f"{count(-left, 'day')} ago"
    told = f"{runtime} is {phase}; updates are blocked from {dates.update_blocked}, {when} ({calendar})"
    limit = desired.settings.calendar_fail_days
    expect(
        left > limit,
        expected=f"a runtime that can be updated for more than {limit} days",
        found=told,
        remedy="ask the vendor for a template with provided.al2023; on go1.x, run --fix before that day",
    )
    if phase is not Phase.SUPPORTED:
        advise(told)
