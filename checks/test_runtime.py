"""Two verdicts that differ since 2026-07-31: migrated as the vendor says, and on a runtime that AWS supports."""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from fixtures.calendar import Phase, calendar, is_migrated
from fixtures.desired import Desired
from fixtures.estate import Estate, Forwarder

_EXPECTED = "a function"


def _runtime(forwarder: Forwarder) -> str:
    function = known(forwarder.listed, expected=_EXPECTED)
    if function.runtime is None:
        unknown(f"function {function.name} has no runtime (package type {function.package_type})")
    return function.runtime


@check(
    "runtime-custom",
    severity=Severity.CRITICAL,
    step="8: the runtime must read Custom runtime on Amazon Linux 2",
    facts=["listed"],
    fix="forwarder-stack",
)
def test_runs_on_a_custom_runtime(forwarder: Forwarder) -> None:
    """The forwarder runs on the vendor's custom runtime: provided.al2, or its successor.

    go1.x has had no patches since 2024-01-08 and cannot be created any more; a deleted function is lost.
    """
    runtime = _runtime(forwarder)
    if calendar().lookup(runtime) is None:
        unknown(f"runtime {runtime} is not in the runtime calendar")
    expect(is_migrated(runtime), expected="provided.al2 or better", found=runtime)
