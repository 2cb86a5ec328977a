"""What people see while a plan is applied: a live table on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fixtures.estate import Target
from remediation.plan import Plan
from remediation.step import Step

if TYPE_CHECKING:
    from remediation.engine import StepOutcome


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


class LiveProgress:
    """A table with a row for each target: how far it is, and what it does now."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._lock = threading.Lock()
        self._total = {target.target: len(target.steps) for target in plan.targets if target.steps}
        self._done = dict.fromkeys(self._total, 0)
        self._now = dict.fromkeys(self._total, "waiting")
        self._begun = time.monotonic()
        self._live = Live(self._table(), console=console, refresh_per_second=4, transient=True)

    def begin(self, step: Step) -> None:
        """Show the step."""
        self._show(step.target, step.title)

    def end(self, outcome: "StepOutcome") -> None:
        """Count it, and keep a line of it above the table."""
        target = outcome.step.target
        with self._lock:
            self._done[target] += 1
        self._live.console.print(f"  {outcome.state:<8} {target}: {outcome.told}", markup=False, highlight=False)
        self._show(target, outcome.told)

    def note(self, target: Target, text: str) -> None:
        """Show what goes on."""
        self._show(target, text)

    def say(self, text: str) -> None:
        """A line above the table."""
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

    def _show(self, target: Target, text: str) -> None:
        with self._lock:
            if target in self._now:
                self._now[target] = text
            table = self._table()
        self._live.update(table)

    def _table(self) -> Table:
        seconds = time.monotonic() - self._begun
        done, total = sum(self._done.values()), sum(self._total.values())
        table = Table(title=f"{done} of {total} steps, {seconds:.0f} s", title_justify="left", expand=True)
        table.add_column("target", no_wrap=True)
        table.add_column("steps", justify="right", no_wrap=True)
        table.add_column("now", overflow="ellipsis", no_wrap=True, ratio=1)
        for target, count in self._total.items():
            # as text: what AWS or a log says may hold what rich takes for markup ("[/var/task/bootstrap ...]")
            now = Text(self._now[target], overflow="ellipsis", no_wrap=True)
            table.add_row(Text(str(target)), f"{self._done[target]}/{count}", now)
        return table
