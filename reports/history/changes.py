"""What changed since the last look, and the trend: what every report may tell of the history. Pure data.

A report gets it as `summary.run.history`, which is None in a run without `--history=FILE`:

    history.changes.counts                what is new, fixed, still there, waived, gone, not seen; only what is there
    history.changes.of(Change.NEW)        its findings, worst first
    history.changes.previous              the run that it is compared with; None for the first
    history.trend                         the last 30 runs of this kind, oldest first, this one last
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from checks.outcome import Severity, Status

TREND = 30  # runs


class Change(StrEnum):
    """How a finding stands to what was last known of it."""

    NEW = "new"  # it was not known, had been cleared or waived, or says something else now
    FIXED = "fixed"  # the check holds now
    STILL = "still"  # it was known, and says the same
    WAIVED = "waived"  # it is accepted by a waiver, whatever was known
    GONE = "gone"  # its subject does not exist any more, or the check is not asked of it any more
    UNKNOWN = "unknown"  # it was known, and this run could not see it: nothing can be said


@dataclass(frozen=True, slots=True)
class ChangedFinding:
    """One finding, and how it stands to what was last known of it.

    Attributes:
        change: what became of it.
        check: the check's id; `title` says what holds when it passes.
        title: see `check`.
        severity: how much it matters.
        subject: `account/region/name`, `account/region`, a tenant or `estate`.
        account: part of the subject, empty where it does not apply; so are `region` and `forwarder`.
        region: see `account`.
        forwarder: see `account`.
        status: what this run says; None where it says nothing (GONE, or its target was not reached).
        before: the last definite status: FAILED, BLOCKED, WAIVED, or PASSED; None where none was known.
        since: when a run first saw this finding; UTC.
        told: the evidence: what was found; of a finding that is not there any more, what was found last.
        fingerprint: the same in every run for the same check, subject and evidence (docs/history.md).
    """

    change: Change
    check: str
    title: str
    severity: Severity
    subject: str
    account: str
    region: str
    forwarder: str
    status: Status | None
    before: Status | None
    since: datetime
    told: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of the history, in numbers.

    Attributes:
        id: the run's.
        taken: when its estate was looked at; UTC.
        mode: `audit`, `plan`, `fix in a sandbox`, ...
        code: its exit code.
        asked: targets asked for, `reached` of them reached; `forwarders` were found.
        reached: see `asked`.
        forwarders: see `asked`.
        counts: how many results ended in which status; those with none are left out.
    """

    id: str
    taken: datetime
    mode: str
    code: int
    asked: int
    reached: int
    forwarders: int
    counts: Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class Changes:
    """Every known finding that this run looked for. `elsewhere` counts the open ones in what it was not asked about."""

    previous: PastRun | None
    findings: tuple[ChangedFinding, ...] = ()
    elsewhere: int = 0

    @property
    def counts(self) -> Mapping[Change, int]:
        """How many findings became what, in the order of `Change`; what there is none of is left out."""
        found = Counter(finding.change for finding in self.findings)
        return {change: found[change] for change in Change if found[change]}

    def of(self, change: Change) -> tuple[ChangedFinding, ...]:
        """The findings of which that became, worst first."""
        return tuple(finding for finding in self.findings if finding.change is change)


@dataclass(frozen=True, slots=True)
class History:
    """What a run's reports tell of `--history`: the file's name, what changed, and the last runs."""

    file: str
    changes: Changes
    trend: tuple[PastRun, ...]
