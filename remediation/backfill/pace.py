"""How fast a forwarder is called, and when to stop: a rate that adapts, and an error budget.

The rate is what a share of the function's concurrency can work off: S3's own calls and those of others need the rest.
Lambda takes asynchronous calls faster than that into a queue, where they would age and hold up S3's own behind them.
"""

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fixtures.errors import InputError

RESERVED_SHARE: Final = 0.5  # of a concurrency that is the function's own: the other half is for new objects
POOL_SHARE: Final = 0.1  # of one that is shared with every other function of the account in the region
FASTEST: Final = 100.0  # calls a second, whatever the concurrency: a hundred more are a hundred more at XDR's door
SLOWEST: Final = 0.1
_GUESSED: Final = 5.0  # seconds that a call takes where nothing tells
_RISE: Final = 1 / 30  # of the top rate, for each second without trouble
_LEAST_ERRORS: Final = 5


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls of a function may run at a time, and whether they are its own (reserved) or everybody's."""

    number: int
    reserved: bool

    @property
    def share(self) -> float:
        """How many of them a backfill takes."""
        return max(1.0, self.number * (RESERVED_SHARE if self.reserved else POOL_SHARE))

    def __str__(self) -> str:
        """`half of its reserved concurrency of 20`."""
        if self.reserved:
            return f"half of its reserved concurrency of {self.number}"
        return f"a tenth of the account's unreserved concurrency of {self.number}"


def top_rate(concurrency: Concurrency, seconds: float | None, most: float | None = None) -> float:
    """Calls a second at most: the concurrency's share, each call taking `seconds`; `most` is the user's own limit."""
    taken = max(seconds or _GUESSED, 0.05)
    return max(SLOWEST, min(concurrency.share / taken, most or FASTEST, FASTEST))


@dataclass(frozen=True, slots=True)
class Function:
    """What is called.

    Attributes:
        name: the function.
        concurrency: how many of its calls may run at a time.
        seconds: how long a call takes, None where nothing tells.
        most: calls a second at most, by the user; None for no limit of their own.
    """

    name: str
    concurrency: Concurrency
    seconds: float | None
    most: float | None = None

    def rate(self, seen: float | None = None) -> float:
        """Calls a second at most, now that calls were seen to take so long."""
        return top_rate(self.concurrency, seen or self.seconds, self.most)


@dataclass
class Pace:
    """When the next call may go. Safe to use from many threads.

    It begins at a tenth of the top rate, rises by a thirtieth of it in each quiet second, and halves for a call that
    Lambda throttles, that fails, or when calls that were accepted do not come to an end.
    """

    top: float
    clock: Callable[[], float] = time.monotonic
    rate: float = field(init=False)
    slowed: int = field(default=0, init=False)
    _next: float = field(init=False)
    _changed: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin slowly."""
        self.rate = max(SLOWEST, self.top / 10)
        self._next = self._changed = self.clock()

    def take(self) -> float:
        """Reserve the next call; says in how many seconds it may go."""
        with self._lock:
            now = self.clock()
            risen = self.rate + (now - self._changed) * self.top * _RISE
            if now > self._changed:
                self.rate, self._changed = min(self.top, risen), now
            at = max(now, self._next)
            self._next = at + 1 / self.rate
            return at - now

    def slow_down(self, pause: float = 0.0) -> None:
        """Go half as fast from now on, and not at all for `pause` seconds; at most once for each second's calls."""
        with self._lock:
            now = self.clock()
            if now >= self._changed:  # what was under way when it was slowed says nothing new
                self.rate = max(SLOWEST, self.rate / 2)
                self._changed = now + max(pause, 1.0)
                self.slowed += 1
            self._next = max(self._next, now + pause)

    def set_top(self, top: float) -> None:
        """Another top rate, now that it is known how long calls take."""
        with self._lock:
            self.top = top
            self.rate = min(self.rate, top)


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """How many objects may fail before everything stops: a number, or a percentage of those that came to an end."""

    number: float
    percent: bool

    def is_spent(self, failed: int, ended: int) -> bool:
        """Whether the function, and not this object or that, is what fails; five may always fail."""
        return failed > self.allowed(ended)

    def allowed(self, ended: int) -> int:
        """How many may have failed by the time that so many have come to an end."""
        if not self.percent:
            return int(self.number)
        return max(_LEAST_ERRORS, math.ceil(ended * self.number / 100))

    def __str__(self) -> str:
        """`1% (at least 5)`, `20`."""
        return f"{self.number:g}% (at least {_LEAST_ERRORS})" if self.percent else f"{self.number:g}"


def parse_budget(given: str) -> ErrorBudget:
    """`1%` or `20`.

    Raises:
        InputError: neither.
    """
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(%?)", given)
    wrong = not match or (match[2] and float(match[1]) > 100) or (not match[2] and "." in match[1])
    if match is None or wrong:
        raise InputError(f"--error-budget={given}", "not a budget", "give a number of objects or a percentage, e.g. 1%")
    return ErrorBudget(float(match[1]), bool(match[2]))
