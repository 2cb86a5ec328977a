"""One forwarder's calls: sent in order at a bounded rate, watched in its log, set aside where one object fails.

The first event goes alone, and the next one only when its call has come to an end: an event that the function cannot
use would else be sent ten thousand times.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from fixtures.answers import Answer, optional_number, optional_part, optional_text, use_up
from fixtures.aws import CallFailed
from fixtures.fact import Cause
from remediation.backfill.book import TAKEN, Book, Fate
from remediation.backfill.metric_watch import MetricWatch
from remediation.backfill.pace import ErrorBudget, Function, Pace
from remediation.backfill.watch import LogWatch
from remediation.call import Call
from remediation.writer import Writer

ACTIONS: Final = ("lambda:InvokeFunction",)
BATCH: Final = 50  # events between two synced lines of the journal
_WIDEST: Final = 16  # calls under way at once
_ANSWER: Final = 0.1  # seconds that Lambda takes to accept a call, roughly
_ACCEPTED: Final = 202
_LOOK_EVERY: Final = 2.0  # seconds between two looks into the log, AWS's rate being five a second for all
_QUEUED: Final = 60.0  # seconds' worth of calls that may wait for their end
_LEAST_QUEUED: Final = 20
_IN_A_ROW: Final = 5  # calls that nobody answers, one after the other
_LONGEST_PAUSE: Final = 30.0  # seconds after a throttled call
_TRIES: Final = 8  # of a call that Lambda throttles
# Lambda refuses the call whatever object it names: the next one would be refused as well.
_FATAL: Final = frozenset({"ResourceNotFoundException", "ResourceConflictException", "KMSAccessDeniedException",
                           "KMSDisabledException", "KMSNotFoundException", "InvalidRuntimeException"})  # fmt: skip


class Item(Protocol):
    """One event to send."""

    @property
    def line(self) -> int:
        """Its number in the journal."""
        ...

    @property
    def payload(self) -> str:
        """The event, as JSON."""
        ...

    @property
    def message(self) -> str:
        """Id of the dead letter that it is, empty for an object of a list."""
        ...


@dataclass
class Lane:
    """Sends one forwarder's events.

    Attributes:
        ended: told of each line that has come to its end.
        stopped: why it sends no more, empty as long as it does.
    """

    writer: Writer
    function: Function
    book: Book
    watch: LogWatch
    metrics: MetricWatch
    budget: ErrorBudget
    patience: float
    ended: Callable[[int, Fate], None] = lambda _line, _fate: None
    taken: Callable[[Item], None] = lambda _item: None
    stopped: str = ""
    pace: Pace = field(init=False)
    _good: int = field(default=0, init=False)
    _bad: int = field(default=0, init=False)
    _silent: int = field(default=0, init=False)
    _looked: float = field(default=0.0, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin slowly; what an earlier run left waiting is waited for."""
        self.pace = Pace(self.function.rate())
        for line, taken in self.book.standing.waiting.items():
            self.watch.expect(line, taken.request)

    def send(self, items: Iterable[Item]) -> None:
        """Send all of it, as long as nothing speaks against it; returns when the last was taken or it was stopped."""
        left = iter(items)
        while not self._proven and not self._halted:
            batch = tuple(itertools.islice(left, 1))
            if not batch:
                return
            self._send_batch(batch)
            self._await_first()
        for batch in _batches(left, self._size):
            if self._halted:
                return
            self._send_batch(batch)
            self._look()
            self._hold_back()

    def finish(self) -> None:
        """Wait until every call has come to its end, as long as there is patience; the others are unseen."""
        for _ in self.writer.wait(self.patience, first=1.0, longest=_LOOK_EVERY * 2):
            self._look(now=True)
            if not self.watch.outstanding or self.watch.blind:
                break
        if not self.writer.stop.is_set():
            self._give_up()

    @property
    def _halted(self) -> bool:
        return bool(self.stopped) or self.writer.stop.is_set()

    @property
    def _proven(self) -> bool:
        """Whether one call has come to a good end, also since a resume: the function can use these events."""
        return self._good > 0 or bool(self.watch.blind)

    @property
    def _width(self) -> int:
        return max(1, min(_WIDEST, math.ceil(self.pace.rate * _ANSWER)))

    def _size(self) -> int:
        """How many events make a batch: some seconds' worth, so that a kill leaves little open."""
        return max(1, min(BATCH, int(self.pace.rate * 5)))

    def _send_batch(self, batch: Sequence[Item]) -> None:
        width = min(self._width, len(batch))
        intent = self.book.begin([item.line for item in batch], width, self._call(f"{len(batch)} events"))
        self.writer.trail.changes += 1
        if width == 1:
            for item in batch:
                self._deliver(item, intent)
        else:
            with ThreadPoolExecutor(width, thread_name_prefix="send") as pool:  # in order: see `Standing.maybe_sent`
                for _ in pool.map(partial(self._deliver, intent=intent), batch):
                    pass
        self.book.through(intent)

    def _deliver(self, item: Item, intent: int) -> None:
        """Send one event, again as long as Lambda throttles it; what cannot be sent is left for another time."""
        for attempt in range(_TRIES):
            if self.writer.stop.wait(self.pace.take()) or self.stopped:
                return
            try:
                answer = self.writer.one_of(
                    intent, "lambda", "Invoke", FunctionName=self.function.name, InvocationType="Event",
                    Payload=item.payload,
                )  # fmt: skip
                use_up(answer)
            except CallFailed as failure:
                if failure.cause is Cause.THROTTLED:
                    self.pace.slow_down(min(2.0**attempt, _LONGEST_PAUSE))
                    continue
                self._failed(item, intent, failure)
                return
            self._answered(item, intent, answer)
            return
        self._stop(f"Lambda throttles every call of {self.function.name}")

    def _answered(self, item: Item, intent: int, answer: Answer) -> None:
        request = optional_text(optional_part(answer, "ResponseMetadata"), "RequestId") or ""
        if optional_number(answer, "StatusCode") != _ACCEPTED:
            self._unanswered(item, intent, f"Lambda answered {answer.get('StatusCode')}, not {_ACCEPTED}")
            return
        with self._guard:
            self._silent = 0
        self.book.accepted(intent, item.line, request, item.message)
        self.watch.expect(item.line, request)
        self.taken(item)

    def _failed(self, item: Item, intent: int, failure: CallFailed) -> None:
        if failure.cause in {Cause.DENIED, Cause.EXPIRED} or failure.code in _FATAL:
            self._stop(str(failure))
        elif not failure.refused:
            self._unanswered(item, intent, str(failure))
        else:
            self.book.refused(intent, item.line, str(failure))
            self.ended(item.line, Fate.REFUSED)
            with self._guard:
                self._bad += 1
            self._hold_to_budget()

    def _unanswered(self, item: Item, intent: int, reason: str) -> None:
        self.book.unanswered(intent, item.line, reason)
        self.pace.slow_down()
        with self._guard:
            self._silent += 1
            silent = self._silent
        if silent >= _IN_A_ROW:
            self._stop(f"{silent} calls in a row had no answer, the last: {reason}")

    def _await_first(self) -> None:
        """Wait until the event that was sent alone has failed or come to a good end."""
        before = len(self.watch.failing)
        for _ in self.writer.wait(self.patience, first=0.5, longest=_LOOK_EVERY):
            self._look(now=True)
            fails = len(self.watch.failing) > before
            if self._proven or self._halted or fails or not self.watch.outstanding:
                return
        if self.watch.outstanding and not self._halted:
            self._stop(f"what became of the first call was not seen within {self.patience:.0f} s")
            self._give_up()

    def _hold_back(self) -> None:
        """Send nothing while too many calls wait for their end: they would age in Lambda's queue."""
        most = max(_LEAST_QUEUED, int(self.pace.top * _QUEUED))
        if self.watch.blind and self.watch.outstanding >= most:
            self._give_up()  # nobody will tell: they are not kept in memory
        last, since = self.watch.outstanding, time.monotonic()
        while self.watch.outstanding >= most and not self._halted and not self.watch.blind:
            self.writer.stop.wait(_LOOK_EVERY)
            self._look(now=True)
            if self.watch.outstanding < last:
                last, since = self.watch.outstanding, time.monotonic()
            elif time.monotonic() - since > self.patience:
                self._stop(f"{last} calls that Lambda took did not come to an end within {self.patience:.0f} s")

    def _look(self, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._looked < _LOOK_EVERY:
            return
        before = len(self.watch.failing)
        found: dict[tuple[Fate, str], list[int]] = {}
        for one in self.watch.look():
            found.setdefault((one.fate, one.reason), []).append(one.line)
        for (fate, reason), lines in found.items():
            self.book.ended(fate, lines, reason)
            for line in lines:
                self.ended(line, fate)
            self._good += len(lines) * (fate is not Fate.FAILED)
            self._bad += len(lines) * (fate is Fate.FAILED)
        if len(self.watch.failing) > before or any(fate is Fate.FAILED for fate, _ in found):
            self.pace.slow_down()
            self._hold_to_budget()
        if self.watch.blind:
            self._look_at_metrics()
        if self.watch.seconds:
            self.pace.set_top(self.function.rate(self.watch.seconds))
        self._looked = time.monotonic()

    def _look_at_metrics(self) -> None:
        """Where the log is not shown, CloudWatch's errors are what stops a function that fails on everything."""
        self.metrics.look()
        if self.metrics.throttled:
            self.pace.slow_down()
        failed, sent = self.metrics.failed + self.metrics.dropped, self.book.standing.count(*TAKEN)
        if self.budget.is_spent(failed, sent):
            self._stop(
                f"CloudWatch counts {failed} of {sent} calls as failed, more than the error budget of {self.budget}"
            )

    def _hold_to_budget(self) -> None:
        failed = self._bad + len(self.watch.failing)
        ended = failed + self._good
        if self.budget.is_spent(failed, ended):
            last = [*self.watch.failing.values(), *self.book.standing.reasons.values()][-1]
            self._stop(f"{failed} of {ended} calls failed, more than the error budget of {self.budget}; last: {last}")

    def _give_up(self) -> None:
        left = self.watch.give_up()
        self.book.ended(Fate.UNSEEN, left, self.watch.blind or f"not seen within {self.patience:.0f} s")
        for line in left:
            self.ended(line, Fate.UNSEEN)

    def _stop(self, why: str) -> None:
        with self._guard:
            self.stopped = self.stopped or why

    def _call(self, what: str) -> Call:
        parameters = {"FunctionName": self.function.name, "InvocationType": "Event"}
        return Call("lambda", "Invoke", parameters, f"call it for {what}, one each")


def _batches(items: Iterator[Item], size: Callable[[], int]) -> Iterator[tuple[Item, ...]]:
    while batch := tuple(itertools.islice(items, size())):
        yield batch
