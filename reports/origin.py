"""The run that results come from, and what a history knows of each: what exports say beside the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.result import Result
from reports.history.changes import ChangedFinding
from reports.summary import Run


@dataclass(frozen=True, slots=True)
class Origin:
    """One run.

    Attributes:
        run: its id.
        taken: when the estate was looked at, UTC.
        version: the suite's.
        changes: by check and subject, how a finding stands to what was known of it; empty without a history.
        compared: whether a history held an earlier run, so that what it does not know is new.
    """

    run: str
    taken: datetime
    version: str
    changes: Mapping[tuple[str, str], ChangedFinding] = field(default_factory=dict)
    compared: bool = False

    def change(self, result: Result) -> ChangedFinding | None:
        """What became of it; None where nothing was or is known."""
        return self.changes.get((result.check, result.subject))

    def first_seen(self, result: Result) -> datetime:
        """When the finding was first seen: by this run, unless a history knows better."""
        known = self.change(result)
        return min(known.since, self.taken) if known else self.taken


def origin_of(run: Run, version: str) -> Origin:
    """The origin of a run's results; of a run that looked at nothing, the time is now."""
    findings = run.history.changes.findings if run.history else ()
    return Origin(
        run=run.id,
        taken=run.estate.taken if run.estate else datetime.now(UTC),
        version=version,
        changes={(found.check, found.subject): found for found in findings},
        compared=run.history is not None and run.history.changes.previous is not None,
    )
