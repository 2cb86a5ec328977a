"""Ctrl-C and SIGTERM while a run may write: the first ends it in order, the second at once; both can be resumed."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED: Final = 2  # pytest's exit code
_STDERR: Final = 2
_STOPPING: Final = "stopping: what is in flight is finished or abandoned safely (again: leave at once) ..."
_SHOW_CURSOR: Final = "\x1b[?25h"  # a live table hides it


@dataclass
class Interrupts:
    """Turns the first signal into `stop`, which whatever writes heeds between and within its steps.

    A `KeyboardInterrupt` in the middle of a write would leave open whether it was made; it is raised only where
    nothing is written. The journal is on the disk at every moment: a second signal needs no farewell.

    Attributes:
        stop: set by the first signal.
        way_on: how to go on, told by the second.
        say: tells people that the run is being stopped.
    """

    stop: threading.Event
    way_on: str
    say: Callable[[str], None]
    _abandonable: bool = field(default=False, init=False)
    _terminal: int = field(default=_STDERR, init=False)

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Handle the signals in this block; a block outside the main thread is left alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._terminal = os.dup(_STDERR)  # pytest may capture what stands there by then
        former = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            os.close(self._terminal)

    @contextlib.contextmanager
    def abandonable(self) -> Iterator[None]:
        """In this block nothing is written: the first signal ends it with `KeyboardInterrupt`."""
        self._abandonable = True
        try:
            yield
        finally:
            self._abandonable = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.stop.is_set():
            self._leave()
        self.stop.set()
        if self._abandonable:
            raise KeyboardInterrupt
        # not here: this thread may hold the very lock that saying something takes
        threading.Thread(target=self.say, args=(_STOPPING,), daemon=True).start()

    def _leave(self) -> None:
        with contextlib.suppress(Exception):  # whatever the first signal interrupted may hold the stream
            sys.stdout.flush()
        shown = _SHOW_CURSOR if os.isatty(self._terminal) else ""
        with contextlib.suppress(OSError):
            os.write(self._terminal, f"{shown}\nLeft at once. To go on: {self.way_on}\n".encode())
        os._exit(_INTERRUPTED)
