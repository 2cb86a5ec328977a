"""A whole run in numbers and groups: what every report tells on top."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from checks.outcome import Status
from checks.result import Result
from checks.verdict import INTERRUPTED, Ending, Verdict, verdict
from checks.waiving import Waiving
from fixtures.estate import Estate
from fixtures.option_values import DEFAULT_FAIL_ON
from remediation.story import FixStory
from reports.commands import Commands
from reports.coverage import Coverage, coverage
from reports.delivery.outcome import Delivered
from reports.exports.exported import Exported
from reports.grouping import WORST_FIRST, Group, by_advice, by_check, by_finding, by_reason, by_refusal, by_waiver
from reports.history.changes import History

OPEN = (Status.FAILED, Status.BLOCKED)
# What a forwarder counts as. FIXED stands before NO EVIDENCE here: one quiet check should not hide a migration.
_TELLING = (Status.ERROR, *OPEN, Status.UNKNOWN, Status.FIXED, Status.NO_EVIDENCE, Status.WAIVED, Status.PASSED)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind: the input of every report.

    `estate` is None where nothing was looked at, `story` where nothing was planned. `plan_lines` are the plan as the
    terminal shows it, `written` the files and folders that the run leaves. `mode` says what kind of run it was,
    `releases` are the digests of what was migrated to or compared with, `id` is the run's. `history` is None without
    `--history`, `commands` where no command line is known. `results_file` is where the results are kept, as the user
    who stands above the run's folder names it; empty where they are not. `began` is when the first of several shards
    was looked at. `waiving` is None without `--waivers`; `history_trouble` says why nothing was kept.
    `exported` is what became of the exports, `unwritten` are the reports that were not written, each with why.
    `delivered` is None until everything was delivered, and where nothing is.
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
    undoing: bool = False
    has_release: bool = True
    story: FixStory | None = None
    plan_lines: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    mode: str = "audit"
    releases: tuple[str, ...] = ()
    id: str = ""
    history: History | None = None
    history_trouble: str = ""
    waiving: Waiving | None = None
    commands: Commands | None = None
    results_file: str = ""
    began: datetime | None = None
    exported: tuple[Exported, ...] = ()
    unwritten: tuple[tuple[str, str], ...] = ()
    delivered: Delivered | None = None

    @property
    def writing(self) -> str:
        """What it did, or would do: `plan`, `rollback` or `fix`."""
        return "plan" if self.planning else "rollback" if self.undoing else "fix"

    @property
    def went_through(self) -> bool:
        """Whether it is a fix that went to its end: what it leaves is for a person. Not one that was stopped."""
        return self.fixing and self.pytest_code != INTERRUPTED and not (self.story and self.story.failed)

    @property
    def failing(self) -> str:
        """What is said before each of its failures."""
        return "failed, or left to a person" if self.undoing else "failed, or stopped after a write"

    @property
    def told(self) -> str:
        """`fix in a sandbox, release 1f0c2a9be4d7`: what it was, in a few words."""
        digests = ", ".join(digest[:12] for digest in self.releases)
        release = f"release {digests}" if digests else "no release given"
        return f"{self.mode}, {release}"

    @property
    def looked(self) -> str:
        """`looked at 2026-11-24 06:01:12 UTC`, or from when to when; empty where nothing was."""
        if self.estate is None:
            return ""
        first = self.began or self.estate.taken
        start = f"{first:%Y-%m-%d %H:%M:%S} to " if first != self.estate.taken else ""
        return f"looked at {start}{self.estate.taken:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Fixable:
    """What `--fix` could clear."""

    findings: int
    forwarders: int
    others: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The run, counted and grouped.

    `forwarders` counts them by the status that tells most about each. `findings` are FAILED and then BLOCKED, the
    latter by what a person has to do; `short` are the same with FAILED by check alone. `fixed` are grouped by their
    evidence, `fixed_checks` by check alone.
    """

    verdict: Verdict
    counts: Mapping[Status, int]
    coverage: Coverage | None
    forwarders: Mapping[Status, int]
    findings: tuple[Group, ...]
    short: tuple[Group, ...]
    fixed: tuple[Group, ...]
    fixed_checks: tuple[Group, ...]
    unseen: tuple[Group, ...]
    quiet: tuple[Group, ...]
    waived: tuple[Group, ...]
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
        idle=len(run.waiving.idle) if run.waiving else 0,
        undone=len(run.story.undone) if run.story else 0,
        unproved=len(run.story.failed) if run.story else 0,
        undoing=run.undoing,
        others=run.others,
        other_failures=run.failed_others,
    )
    failed = _of(results, Status.FAILED, Status.ERROR)
    refused = by_refusal(_of(results, Status.BLOCKED))
    return Summary(
        verdict=verdict(ending),
        counts={status: counts[status] for status in WORST_FIRST if counts[status]},
        coverage=seen,
        forwarders=by_status(results),
        findings=(*by_finding(failed), *refused),
        short=(*by_check(failed), *refused),
        fixed=by_finding(_of(results, Status.FIXED)),
        fixed_checks=by_check(_of(results, Status.FIXED)),
        unseen=by_reason(_of(results, Status.UNKNOWN)),
        quiet=by_reason(_of(results, Status.NO_EVIDENCE)),
        waived=by_waiver(_of(results, Status.WAIVED)),
        advice=by_advice(result for result in results if result.advice),
        fixable=fixable(results),
        run=run,
    )


def by_status(results: Sequence[Result]) -> Mapping[Status, int]:
    """How many forwarders are in which state, the worst first: each counts once, by what tells most about it."""
    known: dict[str, Status] = {}
    for result in results:
        if result.forwarder:
            name = _forwarder(result)
            known[name] = min(result.status, known.get(name, Status.PASSED), key=_TELLING.index)
    counts = Counter(known.values())
    return {status: counts[status] for status in _TELLING if counts[status]}


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
