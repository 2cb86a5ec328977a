"""The append-only record of every write that was intended, made and verified.

One JSON object a line, each with the SHA-256 of the line before it, flushed and fsynced before the write it speaks of
is sent. The chain shows integrity, not tampering by the file's owner. A torn last line is what a kill leaves: valid.
A line that is flushed only outlives its process, however that ends, and not the machine.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fixtures.errors import InputError, SuiteError

START = "0" * 64
VERSION = 1
RESUME = "resume"  # the run was stopped, and goes on from here
FINISHED = "finished"  # everything that was begun is done and proved


class BrokenJournalError(SuiteError):
    """A line does not follow from the one before it."""


class JournalError(SuiteError):
    """The journal cannot be written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line, taken apart."""

    number: int
    kind: str
    content: Mapping[str, object]


class Journal:
    """Writes one run's journal; safe from many threads."""

    def __init__(self, path: Path, *, take_up: bool = False) -> None:
        """Begin a journal readable by its owner only, or go on in that of a run that was stopped.

        Raises:
            InputError: the file cannot be written: nothing may be changed without a journal.
            BrokenJournalError: the chain of the journal to take up does not hold: what it says cannot be relied on.
        """
        self.path = path
        self._lock = threading.Lock()
        self._last = START
        self._number = 0
        self._broken = False
        how = os.O_WRONLY | os.O_APPEND | (0 if take_up else os.O_CREAT | os.O_EXCL)
        try:
            self._stream = os.fdopen(os.open(path, how, 0o600), "w", encoding="utf-8")
        except OSError as error:
            raise InputError(f"journal {path}", error.strerror or str(error), "start where you may write") from error
        if not _kept_from_others(self._stream.fileno()):
            self._stream.close()
            raise InputError(f"journal {path}", "another process is writing it", "wait until that run has ended")
        if take_up:  # only now: a line that looks torn may be one that a living run is just writing
            self._number, self._last = _whole(path)

    def write(self, kind: str, *, synced: bool = True, **content: object) -> int:
        """Append one entry and return its number; it is on the disk when this returns.

        `synced` is false for one of very many that the next synced entry takes along: it is then in the system's hands
        when this returns, safe from the end of this process.

        Raises:
            JournalError: it could not be written, now or earlier: nothing may be changed without a journal.
        """
        with self._lock:
            if self._broken:
                raise JournalError(f"journal {self.path} cannot be written any more: nothing further may be changed")
            entry = {
                "version": VERSION,
                "number": self._number + 1,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "kind": kind,
                **content,
                "previous": self._last,
            }
            line = json.dumps(entry, sort_keys=True, separators=(",", ":"))
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
                if synced:
                    os.fsync(self._stream.fileno())
            except (OSError, ValueError) as error:  # ValueError: it was closed
                # half a line may stand there: whatever came behind it would not be read any more
                self._broken = True
                raise JournalError(f"journal {self.path} cannot be written: {error}") from error
            self._number += 1
            self._last = hashlib.sha256(line.encode()).hexdigest()
            return self._number

    def close(self) -> None:
        """Close the file; what stands in it is on the disk already."""
        with self._lock, contextlib.suppress(OSError):
            self._stream.close()


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine is writing that journal: its run is alive.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return not _kept_from_others(stream.fileno())
    except OSError as error:
        raise InputError(f"journal {path}", error.strerror or str(error), "name the journal of a run") from error


def read_journal(path: Path) -> tuple[Entry, ...]:
    """Read a journal and hold its chain; a torn last line is left out.

    Raises:
        InputError: it cannot be read.
        BrokenJournalError: a line is not JSON (but for the last), or does not follow from the one before it.
    """
    return tuple(entry for entry, _, _ in _entries(path))


def iter_journal(path: Path) -> Iterator[Entry]:
    """The entries of a journal one by one, for one that is too long to be held; raises as `read_journal`."""
    return (entry for entry, _, _ in _entries(path))


def _entries(path: Path) -> Iterator[tuple[Entry, str, int]]:
    """Each entry with its line's digest and where the line ends in the file, in bytes."""
    last, end = START, 0
    try:
        with path.open("rb") as stream:
            for position, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    return  # the torn last line
                end += len(line)
                entry = _entry(path, position, line, last)
                last = hashlib.sha256(line[:-1]).hexdigest()
                yield entry, last, end
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"journal {path}", str(error), "name the journal of a run") from error


def _entry(path: Path, position: int, line: bytes, previous: str) -> Entry:
    try:
        content = json.loads(line)
    except UnicodeDecodeError:
        raise  # no journal at all
    except ValueError as error:
        raise BrokenJournalError(f"{path}, line {position}: not JSON") from error
    if not isinstance(content, dict) or content.get("previous") != previous or content.get("number") != position:
        raise BrokenJournalError(f"{path}, line {position}: it does not follow from the line before it")
    return Entry(position, str(content.get("kind")), content)


def read_stopped(path: Path) -> tuple[Entry, ...]:
    """The journal of a run that is to go on.

    Raises:
        InputError: there is none, or what it says cannot be relied on.
    """
    run = path.parent.name
    if not path.is_file():
        raise InputError(f"run {run}", "it was stopped before it changed anything", "run --fix again")
    try:
        return read_journal(path)
    except BrokenJournalError as broken:
        raise InputError(
            f"run {run}", f"its journal cannot be relied on ({broken})", "look at what it did, then run --fix again"
        ) from None


def is_finished(entries: Iterable[Entry]) -> bool:
    """Whether a run left nothing to go on with."""
    return any(entry.kind == FINISHED for entry in entries)


def _kept_from_others(descriptor: int) -> bool:
    """Take the file's lock, which ends with its process however that ends; False if another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: the chain will tell
    return True


def _whole(path: Path) -> tuple[int, str]:
    """Cut a torn last line off, and say how many lines there are and the digest of the last."""
    number, last, end = 0, START, 0
    for entry, last, end in _entries(path):  # noqa: B007  the last of each is what is asked for
        number = entry.number
    try:
        os.truncate(path, end)
    except OSError as error:
        raise InputError(f"journal {path}", error.strerror or str(error), "start where you may write") from error
    return number, last
