"""Results held back until their target is settled, and told once, in their final state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pytest
from _pytest.runner import runtestprotocol

from checks.outcome import Status
from checks.registry import check_of
from checks.result import Result, result_of
from fixtures.estate import Target
from remediation.plan import Blocked

_HELD = frozenset({Status.PASSED, Status.NO_EVIDENCE})
_AGAINST = frozenset({Status.FAILED, Status.UNKNOWN, Status.ERROR})


@dataclass
class Held:
    """One test: what it said first, and what it says now; nothing first where it could be asked only now."""

    item: pytest.Item
    first: list[pytest.TestReport]
    last: list[pytest.TestReport]

    @property
    def before(self) -> Result | None:
        """The result of the first pass."""
        return _result(self.first)

    @property
    def now(self) -> Result | None:
        """The result of the last pass."""
        return _result(self.last)

    @property
    def worse(self) -> bool:
        """Whether something speaks against it now, or nothing can be told any more, and did not before."""
        before, now = self.before, self.now
        if before is None:
            return bool(now and now.status in _AGAINST)
        return bool(now and now.status in _AGAINST and before.status not in {now.status, Status.FAILED})


class HeldResults:
    """Runs checks without telling, again where asked, and tells the end of it.

    Checks that the selection left out are asked of what a fix touches, and told only if it made them worse.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._unselected: dict[str, Held] = {}
        self._told = False

    @property
    def tests(self) -> tuple[str, ...]:
        """The node ids of the checks that were asked."""
        return tuple(self._held)

    def run(self, item: pytest.Item) -> None:
        """Run a check for the first time and keep what it says."""
        reports = runtestprotocol(item, log=False, nextitem=None)
        self._held[item.nodeid] = Held(item, reports, reports)

    def run_unselected(self, items: Iterable[pytest.Item]) -> None:
        """Ask what the selection left out, once, before something is written."""
        for item in items:
            if item.nodeid not in self._unselected:
                reports = runtestprotocol(item, log=False, nextitem=None)
                self._unselected[item.nodeid] = Held(item, reports, reports)

    def run_new(self, items: Iterable[pytest.Item], *, selected: bool) -> None:
        """Ask what could not be asked before a fix made it."""
        for item in items:
            reports = runtestprotocol(item, log=False, nextitem=None)
            (self._held if selected else self._unselected)[item.nodeid] = Held(item, [], reports)

    def run_again(self, targets: Iterable[Target]) -> None:
        """Run every check of these targets again, also those that passed: a fix that breaks something is seen."""
        wanted = {(target.account, target.region) for target in targets}
        for held in (*self._held.values(), *self._unselected.values()):
            known = held.before or held.now
            if known and (known.account, known.region) in wanted:
                held.last = runtestprotocol(held.item, log=False, nextitem=None)

    def results(self) -> tuple[Result, ...]:
        """What each check says now."""
        return tuple(result for held in self._held.values() if (result := held.now))

    def broken(self) -> tuple[Result, ...]:
        """What held when it was first asked, or had nothing against it, and does not hold now; selected or not."""
        return tuple(
            now
            for held in (*self._held.values(), *self._unselected.values())
            if (before := held.before) and (now := held.now)
            if before.status in _HELD and now.status is Status.FAILED
        )

    def against_what_was_made(self) -> tuple[Result, ...]:
        """The findings on what a fix made, of which nothing could be asked before; selected or not."""
        return tuple(
            now
            for held in (*self._held.values(), *self._unselected.values())
            if held.before is None and (now := held.now) and now.status is Status.FAILED
        )

    def final(self, held: Held, blocked: Iterable[Blocked], touched: frozenset[Target]) -> Result | None:
        """The result that is told: FIXED where a finding is gone, BLOCKED where its fix was refused."""
        before, now = held.before, held.now
        if before is None or now is None:
            return now
        target = Target(now.account, now.region)
        if before.status is Status.FAILED and now.status is Status.PASSED and target in touched:
            return replace(now, status=Status.FIXED, expected=before.expected, found=before.found)
        if now.status is Status.FAILED and now.fix:
            for refusal in blocked:
                if refusal.name == now.subject and now.fix in refusal.fixes:
                    told = replace(now, status=Status.BLOCKED, reason="; ".join(refusal.reasons))
                    return replace(told, remedy="; ".join(refusal.to_do) or now.remedy)
        return now

    def tell(self, blocked: Iterable[Blocked], touched: frozenset[Target]) -> None:
        """Log every test once, in its final state."""
        if self._told:
            return
        self._told = True
        refusals = tuple(blocked)
        worse = (held for held in self._unselected.values() if held.worse)
        for held in (*self._held.values(), *worse):
            final = self.final(held, refusals, touched)
            item = held.item
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in held.last:
                if final is not None and result_of(report) is not None:
                    _become(report, final)
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def count(self, status: Status, blocked: Iterable[Blocked], touched: frozenset[Target]) -> int:
        """How many tests will be told in that status."""
        refusals = tuple(blocked)
        finals = (self.final(held, refusals, touched) for held in self._held.values())
        return sum(1 for final in finals if final is not None and final.status is status)


def is_held(item: pytest.Item) -> bool:
    """Whether a test is a check; the user's other tests are told as they run."""
    return check_of(item) is not None


def _become(report: pytest.TestReport, final: Result) -> None:
    ours = {name for name, _ in final.properties()} | {"reason", "expected", "found", "remedy", "advice", "status"}
    others = [(name, value) for name, value in report.user_properties if name not in ours]
    report.user_properties = [*others, *final.properties()]
    if final.status in {Status.FAILED, Status.BLOCKED}:
        report.longrepr = final.text()


def _result(reports: Iterable[pytest.TestReport]) -> Result | None:
    return next(_results(reports), None)


def _results(reports: Iterable[pytest.TestReport]) -> Iterator[Result]:
    for report in reports:
        result = result_of(report)
        if result is not None:
            yield result
