"""What a pack is made from: the run's folder, its summary, and what it was asked for. Read once, for all parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from fixtures.desired import Desires
from fixtures.errors import SuiteError
from fixtures.estate import Estate, Target
from fixtures.options import Options
from fixtures.snapshot import read_snapshot
from fixtures.waivers import Waivers
from remediation.journal import Entry, is_finished, read_journal
from remediation.write_run import AFTER, BEFORE, JOURNAL
from reports.evidence.planned import PlannedStep, planned_steps
from reports.summary import Summary


@dataclass(frozen=True)
class Material:
    """Everything that the parts of a pack read.

    Attributes:
        run: the run's id.
        made: when the pack is made, UTC.
        folder: the run's folder.
        options: what was asked for; `selection` are pytest's own options that narrow it, by name.
        reports: the reports that were asked for, by option; where each stands.
        undone: the folder of the run that is taken back, under `--rollback`.
    """

    run: str
    made: datetime
    folder: Path
    summary: Summary
    options: Options
    desires: Desires | None = None
    waivers: Waivers | None = None
    selection: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Path] = field(default_factory=dict)
    undone: Path | None = None

    @property
    def estate(self) -> Estate | None:
        """What was last seen."""
        return self.summary.run.estate

    @cached_property
    def journal(self) -> tuple[Entry, ...]:
        """The journal; empty where there is none, or where it cannot be relied on."""
        try:
            return read_journal(self.folder / JOURNAL) if (self.folder / JOURNAL).is_file() else ()
        except SuiteError:
            return ()

    def entries(self, *kinds: str) -> tuple[Entry, ...]:
        """The journal's lines of these kinds."""
        return tuple(entry for entry in self.journal if entry.kind in kinds)

    @property
    def finished(self) -> bool:
        """Whether everything that a fix began is done and proved; a run without a journal began nothing."""
        return not self.journal or is_finished(self.journal)

    @cached_property
    def before(self) -> Estate | None:
        """What was seen before the first write; None where nothing may be written, or nothing was kept."""
        return _snapshot(self.folder / BEFORE)

    @cached_property
    def after(self) -> Estate | None:
        """What was seen at the end of a run that may write."""
        return _snapshot(self.folder / AFTER)

    @cached_property
    def planned(self) -> tuple[PlannedStep, ...]:
        """The steps of every plan of the run, each once, in the order in which they were planned."""
        found = {step.name: step for path in sorted(self.folder.glob("plan*.json")) for step in planned_steps(path)}
        return tuple(found.values())

    @cached_property
    def concerned(self) -> frozenset[Target]:
        """The targets that a plan of the run has steps for, or in which a write was begun."""
        return frozenset((*(step.target for step in self.planned), *_places(self.entries("intent"))))


def _snapshot(path: Path) -> Estate | None:
    try:
        return read_snapshot(path) if path.is_file() else None
    except SuiteError:
        return None


def _places(entries: Iterable[Entry]) -> Iterator[Target]:
    for entry in entries:
        yield Target(str(entry.content.get("account")), str(entry.content.get("region")))
