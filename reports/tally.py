"""Collects the results of a run as their reports arrive: the one list that every report is written from."""

import pytest

from checks.outcome import Status
from checks.result import Result, result_of, status_in


class Tally:
    """Every result of the run, once each, and the count of tests that are not checks."""

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}
        self._others: set[str] = set()
        self._failed_others: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result of a finished check."""
        result = settled(report)
        if result:
            self._results[report.nodeid] = result
        elif report.failed:
            self._others.add(report.nodeid)
            self._failed_others.add(report.nodeid)
        elif report.when == "call":
            self._others.add(report.nodeid)

    @property
    def results(self) -> tuple[Result, ...]:
        """The results, in the order in which their tests ran."""
        return tuple(self._results.values())

    @property
    def others(self) -> int:
        """How many tests that are not checks ran."""
        return len(self._others)

    @property
    def failed_others(self) -> int:
        """How many tests failed outside of a check's verdict: tests that are not checks, and broken teardowns."""
        return len(self._failed_others)


TALLY = pytest.StashKey[Tally]()


def settled(report: pytest.TestReport) -> Result | None:
    """The result that this report settles, None where another phase of the same test does."""
    return result_of(report) if _settles(report) else None


def settled_status(report: pytest.TestReport) -> Status | None:
    """The status of the result that this report settles, which costs a fraction of the result; None as above."""
    return status_in(report) if _settles(report) else None


def _settles(report: pytest.TestReport) -> bool:
    """Whether this phase of a test is the one that counts.

    pytest copies a test's properties into the reports of all its phases, so only the call counts, or a set-up that
    did not get that far. A failed teardown is never a check's verdict.
    """
    return report.when == "call" or (report.when == "setup" and not report.passed)
