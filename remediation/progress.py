"""What people see while a plan is applied: a live table on a terminal, plain lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fixtures.estate import Target
from remediation.plan import Plan
from remediation.step import Step

if TYPE_CHECKING:
    from remediation.engine import StepOutcome

_FAILED: Final = "failed"
_STATES: Final = ("done", _FAILED, "blocked", "not done")  # of `remediation.engine.State`, in the order of the head
_ALWAYS: Final = ("done", _FAILED)
_FAILURES_SHOWN: Final = 3
_MARGIN: Final = 6  # lines of the screen that are left to the ends of steps


class Progress(Protocol):
    """Told by every lane, from its own thread."""

    def begin(self, step: Step) -> None:
        """A step begins."""
        ...

    def end(self, outcome: "StepOutcome") -> None:
        """A step has ended."""
        ...

    def note(self, target: Target, text: str) -> None:
        """Something worth knowing happens within a step."""
        ...

    def say(self, text: str) -> None:
        """Something concerns the whole run."""
        ...

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        ...


class PlainProgress:
    """One line for each end of a step: for logs and pipes."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()

    def begin(self, step: Step) -> None:
        """Say nothing: the end says more."""

    def end(self, outcome: "StepOutcome") -> None:
        """`done     111122223333/us-east-1: ...`."""
        with self._lock:
            self._write(f"  {outcome.state:<8} {outcome.step.target}: {outcome.told}")

    def note(self, target: Target, text: str) -> None:
        """Say nothing: lines are for ends."""

    def say(self, text: str) -> None:
        """One line."""
        with self._lock:
            self._write(text)

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where in the whole run a part of a plan stands.

    Attributes:
        name: `ring 2 of 3`.
        before: how many steps ended how before it.
        later: how many steps come after it.
    """

    name: str = ""
    before: Mapping[str, int] = field(default_factory=dict)
    later: int = 0


class LiveProgress:
    """A table as high as the screen allows: where the run is, what is at work now, and what failed.

    Every end of a step is a line above it, so that what was done can be scrolled back to.
    """

    def __init__(self, console: Console, plan: Plan, stage: Stage | None = None) -> None:
        self._lock = threading.RLock()
        self._stage = stage or Stage()
        self._left = {target.target: list(target.steps) for target in plan.targets if target.steps}
        self._total = {target: len(steps) for target, steps in self._left.items()}
        self._ended: Counter[str] = Counter()
        self._failed: list[str] = []
        self._now: dict[Target, str] = {}  # what is at work
        self._since: dict[Target, float] = {}  # when it began
        self._took: dict[str, list[float]] = {}  # seconds of the steps that are done, by kind
        self._said = ""
        self._begun = time.monotonic()
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._table)

    def begin(self, step: Step) -> None:
        """Show the step."""
        with self._lock:
            self._since[step.target] = time.monotonic()
            self._now[step.target] = step.title

    def end(self, outcome: "StepOutcome") -> None:
        """Count it, and keep a line of it above the table."""
        step, state = outcome.step, str(outcome.state)
        line = f"{step.target}: {outcome.told}"
        with self._lock:
            self._left[step.target] = self._left.get(step.target, [])[1:]
            self._ended[state] += 1
            self._now.pop(step.target, None)
            since = self._since.pop(step.target, None)
            if since is not None:
                self._took.setdefault(type(step).FIX, []).append(time.monotonic() - since)
            if state == _FAILED:
                self._failed.append(line)
        self._live.console.print(f"  {state:<8} {line}", markup=False, highlight=False)

    def note(self, target: Target, text: str) -> None:
        """Show what goes on."""
        with self._lock:
            if target in self._now:
                self._now[target] = text

    def say(self, text: str) -> None:
        """A line above the table, and in it until something else is said."""
        with self._lock:
            self._said = text
        self._live.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        """Show the table."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away."""
        self._live.__exit__(kind, error, trace)

    def _table(self) -> Group:
        with self._lock:
            head = [*self._head(), *([self._said] if self._said else [])]
            failed = [f"{_FAILED.upper()}  {line}" for line in self._failed[-_FAILURES_SHOWN:]]
            space = max(self._console.height - _MARGIN - len(head) - len(failed) - 1, 1)
            table = Table.grid(padding=(0, 2), expand=True)
            table.add_column(no_wrap=True)
            table.add_column(justify="right", no_wrap=True)
            table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
            for target, now in list(self._now.items())[:space]:
                total = self._total.get(target, 0)
                done = total - len(self._left.get(target, ()))
                table.add_row(Text(str(target)), Text(f"{done}/{total}"), _line(now))
            rest = self._rest(len(self._now) - space)
        return Group(*map(_line, head), *map(_line, failed), table, _line(rest))

    def _head(self) -> Iterator[str]:
        ended, total = sum(self._ended.values()), sum(self._total.values())
        left = self._seconds_left()
        ahead = f", about {_clock(left)} to go" if left else ""
        name = f"{self._stage.name}: " if self._stage.name else ""
        yield f"{name}{ended} of {total} steps, {_clock(time.monotonic() - self._begun)}{ahead}"
        whole = Counter(self._stage.before)
        whole.update(self._ended)
        counts = [f"{whole[state]} {state}" for state in _STATES if whole[state] or state in _ALWAYS]
        to_come = max(total - ended - len(self._now), 0) + self._stage.later
        yield f"in all: {', '.join(counts)}, {len(self._now)} at work, {to_come} to come"

    def _rest(self, hidden: int) -> str:
        waiting = sum(bool(left) and target not in self._now for target, left in self._left.items())
        through = sum(not left for left in self._left.values())
        parts = ((hidden, "more at work"), (waiting, "waiting"), (through, "through"))
        told = ", ".join(f"{count} {how}" for count, how in parts if count > 0)
        return f"of {len(self._total)} targets: {told}" if told else ""

    def _seconds_left(self) -> float:
        """How long this part takes yet: each step as long as those of its kind took, else as usually on AWS."""
        return max((sum(map(self._usual, left)) for left in self._left.values()), default=0.0)

    def _usual(self, step: Step) -> float:
        took = self._took.get(type(step).FIX)
        return sum(took) / len(took) if took else type(step).SECONDS


def _line(text: str) -> Text:
    """As it is: what AWS or a log says may hold what rich takes for markup ("[/var/task/bootstrap ...]")."""
    return Text(text, overflow="ellipsis", no_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
