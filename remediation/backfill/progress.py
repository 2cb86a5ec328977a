"""What people see while events are sent: a bar for each forwarder on a terminal, a line now and then elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from remediation.backfill.book import Fate

_EVERY: Final = 15.0  # seconds between two lines where there is no terminal


@dataclass
class Seldom:
    """Passes a line on if the last one was a while ago: for what is told very often."""

    write: Callable[[str], None]
    _told: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, text: str) -> None:
        """A line, if it is time for one."""
        with self._lock:
            if time.monotonic() - self._told >= _EVERY:
                self._told = time.monotonic()
                self.write(text)


class Shown(Protocol):
    """Told by every lane, from its own threads."""

    def begin(self, subject: str, total: int | None) -> None:
        """A forwarder's events begin; `total` is None where nobody knows how many they are."""
        ...

    def taken(self, subject: str) -> None:
        """Lambda took one."""
        ...

    def ended(self, subject: str, fate: Fate) -> None:
        """One has come to its end."""
        ...

    def say(self, text: str) -> None:
        """Something is worth a line."""
        ...

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        ...


@dataclass
class Lines:
    """A line every quarter of a minute: for logs and pipes."""

    write: Callable[[str], None]
    _counts: Counter[str] = field(default_factory=Counter)
    _told: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, subject: str, total: int | None) -> None:
        """`111122223333/us-east-1/alb-edge: sending 500 events ...`."""
        self.say(f"{subject}: sending {'what is in its queues' if total is None else f'{total:,} events'} ...")

    def taken(self, subject: str) -> None:
        """Count it."""
        del subject
        self._count("taken by Lambda")

    def ended(self, subject: str, fate: Fate) -> None:
        """Count it."""
        del subject
        self._count(fate.name.lower())

    def say(self, text: str) -> None:
        """One line."""
        with self._lock:
            self.write(text)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
            if time.monotonic() - self._told >= _EVERY:
                self._told = time.monotonic()
                self.write("  " + ", ".join(f"{number:,} {name}" for name, number in self._counts.items()))

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class Bars:
    """A bar for each forwarder: how many of its events have come to an end, and how many were proved or failed."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._lock = threading.Lock()

    def begin(self, subject: str, total: int | None) -> None:
        """A bar more."""
        with self._lock:
            self._tasks[subject] = self._progress.add_task(subject, total=total, told="")
            self._counts[subject] = Counter()

    def taken(self, subject: str) -> None:
        """It is under way."""
        self._count(subject, "taken", 0)

    def ended(self, subject: str, fate: Fate) -> None:
        """The bar grows."""
        self._count(subject, fate.name.lower(), 1)

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False)

    def _count(self, subject: str, what: str, step: int) -> None:
        with self._lock:
            counts = self._counts[subject]
            counts[what] += 1
            told = ", ".join(f"{number:,} {name}" for name, number in counts.items())
            self._progress.update(self._tasks[subject], advance=step, told=told)

    def __enter__(self) -> Self:
        """Show them."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave them as they are at the end."""
        self._progress.stop()


def shown(write: Callable[[str], None]) -> Shown:
    """Bars on a terminal, lines elsewhere."""
    console = Console()
    return Bars(console) if console.is_terminal and not console.is_dumb_terminal else Lines(write)
