"""What earlier backfills of this folder sent already: by their own journals, beside their lists of objects.

Lists and streams are both in the order of keys, so that they are read side by side and nothing is held.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fixtures.answers import Malformed, items, number, optional_text, text
from fixtures.errors import InputError
from fixtures.ledger.logged_object import LoggedObject
from remediation.backfill.book import TAKEN, Fate, Standing, read_book
from remediation.backfill.manifest import Manifest
from remediation.journal import BrokenJournalError, iter_journal

RECORD = "backfill.json"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """One forwarder's part of an earlier run."""

    run: str
    manifest: Manifest
    standing: Standing

    def sent(self) -> Iterator[tuple[str, LoggedObject, str, Fate]]:
        """Key, object, run and fate of what Lambda took, in the order of keys."""
        for line in self.manifest.read():
            fate = self.standing.fate(line.number)
            if fate in TAKEN:
                yield line.object.key, line.object, self.run, fate


@dataclass
class Earlier:
    """Asked for one object after the other, in the order of their keys.

    Attributes:
        notes: runs that cannot be relied on, and why.
    """

    runs: Sequence[EarlierRun]
    notes: list[str] = field(default_factory=list)
    _stream: Iterator[tuple[str, LoggedObject, str, Fate]] = field(init=False)
    _ahead: tuple[str, LoggedObject, str, Fate] | None = field(default=None, init=False)
    _here: list[tuple[LoggedObject, Fate]] = field(default_factory=list, init=False)
    _key: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin at the first key."""
        self._stream = heapq.merge(*(run.sent() for run in self.runs), key=lambda found: found[0])
        self._ahead = next(self._stream, None)

    def fate_of(self, found: LoggedObject) -> Fate | None:
        """What became of this very object, None where no run sent it; of several the best: PROVED before the others."""
        if found.key != self._key:
            self._go_to(found.key)
        fates = [fate for known, fate in self._here if _same(known, found)]
        return min(fates, key=_BEST.index, default=None)

    def _go_to(self, key: str) -> None:
        self._key, self._here = key, []
        while self._ahead is not None and self._ahead[0] <= key:
            if self._ahead[0] == key:
                self._here.append((self._ahead[1], self._ahead[3]))
            self._ahead = next(self._stream, None)


_BEST = (Fate.PROVED, Fate.QUIET, Fate.WAITING, Fate.UNSEEN)


def _same(one: LoggedObject, other: LoggedObject) -> bool:
    return one.modified == other.modified and one.etag == other.etag and one.version_id == other.version_id


def earlier_runs(runs: Path, subject: str, bucket: str, this: str) -> Earlier:
    """What the other backfills below `runs` say of a forwarder; a broken journal is noted, not believed."""
    found: list[EarlierRun] = []
    notes: list[str] = []
    for folder in sorted(path.parent for path in runs.glob(f"*/{RECORD}")) if runs.is_dir() else ():
        if folder.name == this or not (folder / JOURNAL).is_file():
            continue
        try:
            told = read_book(iter_journal(folder / JOURNAL))
            part = manifest_in(told.begin, subject, folder)
            if part is not None and part.bucket == bucket:
                part.refuse_another()
                found.append(EarlierRun(folder.name, part, told.standings[subject]))
        except (BrokenJournalError, InputError, Malformed) as problem:
            notes.append(f"run {folder.name} cannot be relied on, and what it sent may be sent again: {problem}")
    return Earlier(found, notes)


def manifest_in(begin: Mapping[str, object], subject: str, folder: Path) -> Manifest | None:
    """The list of a forwarder's objects that a journal's `begin` speaks of; None where there is none."""
    with suppress(StopIteration):
        part = next(one for one in items(begin, "forwarders") if text(one, "subject") == subject)
        name = optional_text(part, "manifest")
        if name:
            return Manifest(
                path=folder / name,
                bucket=text(part, "bucket"),
                sha256=text(part, "sha256"),
                lines=number(part, "lines"),
                uncertain=number(part, "uncertain"),
                size=number(part, "size"),
            )
    return None
