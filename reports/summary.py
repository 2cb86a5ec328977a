"""A whole run in numbers and groups: what every report tells on top."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from checks.outcome import Status
from checks.result import Result
from checks.verdict import DEFAULT_FAIL_ON, Ending, Verdict, verdict
from fixtures.estate import Estate
from remediation.story import FixStory
from reports.coverage import Coverage, coverage
from reports.grouping import WORST_FIRST, Group, by_advice, by_finding, by_reason

OPEN = (Status.FAILED, Status.BLOCKED)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind: the input of every report.

    `estate` is None where nothing was looked at, `story` where nothing was planned. `plan_lines` are the plan as the
    terminal shows it, `written` the files and folders that the run leaves.
    """

    results: tuple[Result, ...]
    estate: Estate | None = None
    pytest_code: int = 0
    fail_on: frozenset[str] = DEFAULT_FAIL_ON
    others: int = 0
    failed_others: int = 0
    not_applicable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    planning: bool = False
    fixing: bool = False
    has_release: bool = True
    story: FixStory | None = None
    plan_lines: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fixable:
    """What `--fix` could clear."""

    findings: int
    forwarders: int
    others: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The run, counted and grouped. `forwarders` counts them by their worst status, in `WORST_FIRST` order."""

    verdict: Verdict
    counts: Mapping[Status, int]
    coverage: Coverage | None
    forwarders: Mapping[Status, int]
    findings: tuple[Group, ...]
    fixed: tuple[Group, ...]
    unseen: tuple[Group, ...]
    quiet: tuple[Group, ...]
    advice: tuple[Group, ...]
    fixable: Fixable
    run: Run


def summarise(run: Run) -> Summary:
    """Count and group a run's results and draw its verdict."""
    results = run.results
    seen = coverage(run.estate) if run.estate else None
    counts = Counter(result.status for result in results)
    ending = Ending(
        pytest_code=run.pytest_code,
        statuses=counts,
        fail_on=run.fail_on,
        targets=seen.asked if seen else 0,
        unreached=seen.asked - seen.reached if seen else 0,
        forwarders=seen.forwarders if seen else None,
        afflicted=len({_forwarder(result) for result in _of(results, *OPEN) if result.forwarder}),
        planned=run.story.planned if run.planning and run.story else None,
        unproved=len(run.story.failed) if run.story else 0,
        others=run.others,
        other_failures=run.failed_others,
    )
    return Summary(
        verdict=verdict(ending),
        counts={status: counts[status] for status in WORST_FIRST if counts[status]},
        coverage=seen,
        forwarders=by_worst_status(results),
        findings=by_finding(_of(results, *OPEN, Status.ERROR)),
        fixed=by_finding(_of(results, Status.FIXED)),
        unseen=by_reason(_of(results, Status.UNKNOWN)),
        quiet=by_reason(_of(results, Status.NO_EVIDENCE)),
        advice=by_advice(result for result in results if result.advice),
        fixable=fixable(results),
        run=run,
    )


def by_worst_status(results: Sequence[Result]) -> Mapping[Status, int]:
    """How many forwarders have which worst status, the worst first."""
    worst: dict[str, Status] = {}
    for result in results:
        if result.forwarder:
            name = _forwarder(result)
            worst[name] = min(result.status, worst.get(name, Status.PASSED), key=WORST_FIRST.index)
    counts = Counter(worst.values())
    return {status: counts[status] for status in WORST_FIRST if counts[status]}


def fixable(results: Sequence[Result]) -> Fixable:
    """The open findings that name a fix, and on how many forwarders and other subjects they are."""
    found = [result for result in results if result.status is Status.FAILED and result.fix]
    return Fixable(
        findings=len(found),
        forwarders=len({_forwarder(result) for result in found if result.forwarder}),
        others=len({result.subject for result in found if not result.forwarder}),
    )


def _of(results: Sequence[Result], *statuses: Status) -> list[Result]:
    return [result for result in results if result.status in statuses]


def _forwarder(result: Result) -> str:
    """A forwarder's full name: two accounts may have one of the same name."""
    return f"{result.account}/{result.region}/{result.forwarder}"
