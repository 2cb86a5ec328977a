"""Whether calls end well, by the request ids that Lambda gave: each is logged by the call it was given for.

The same line proves an upload here as everywhere (`fixtures/log_lines.py`): the vendor's, in a request that logged no
error and ended with an ordinary REPORT. Lambda repeats a call that failed, under the same request id; only when every
attempt has failed has the call.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fixtures.answers import Answer, Malformed, items, number, optional_text, text
from fixtures.aws import CallFailed
from fixtures.log_lines import LoggedRequest, LogLine, LogRequests
from remediation.backfill.book import Fate
from remediation.writer import Writer

ACTIONS: Final = ("logs:FilterLogEvents",)
_OVERLAP: Final = timedelta(seconds=30)  # lines reach the log a little late, those of one stream in order
_PAGES: Final = 20  # a look; the rest is read by the next one
_WEIGHT: Final = 0.1  # of the newest call in the average


@dataclass(frozen=True, slots=True)
class Ended:
    """One call that has come to an end: of which line, how, and with what error."""

    line: int
    fate: Fate
    reason: str = ""


@dataclass
class LogWatch:
    """Reads one function's log from `since` on, look by look.

    Attributes:
        retries: how often Lambda repeats a call that failed.
        pages: of the log, for one look at most.
        blind: why the log cannot be read; empty where it can.
        failing: lines whose last attempt failed and that Lambda will try again.
        seconds: how long calls take, a moving average; None until one has ended.
    """

    writer: Writer
    group: str
    since: datetime
    retries: int
    pages: int = _PAGES
    blind: str = ""
    failing: dict[int, str] = field(default_factory=dict)
    seconds: float | None = None
    _lines: dict[str, int] = field(default_factory=dict)
    _attempts: Counter[str] = field(default_factory=Counter)
    _sorting: LogRequests = field(default_factory=LogRequests)
    _seen: dict[str, int] = field(default_factory=dict)
    _token: str | None = None
    _window: tuple[int, int] | None = None

    @property
    def outstanding(self) -> int:
        """How many calls are waited for."""
        return len(self._lines)

    def expect(self, line: int, request: str) -> None:
        """Wait for the end of a call; may be told from any thread."""
        self._lines[request] = line

    def give_up(self) -> tuple[int, ...]:
        """Wait for none of them any more; says which lines they were."""
        left = tuple(sorted(self._lines.values()))
        self._lines.clear()
        return left

    def look(self) -> tuple[Ended, ...]:
        """What has come to an end since the last look; nothing where the log cannot be read."""
        try:
            lines = tuple(self._new_lines())
        except CallFailed as failure:
            self.blind = "" if failure.code == "ResourceNotFoundException" else str(failure)
            return ()
        except Malformed as problem:
            self.blind = f"logs:FilterLogEvents: {problem}"
            return ()
        self.blind = ""
        return tuple(ended for line in lines if (ended := self._judged(line)))

    def _judged(self, line: LogLine) -> Ended | None:
        request = self._sorting.take(line).request
        if not request.reported:
            return None
        if request.milliseconds:
            taken = request.milliseconds / 1000
            self.seconds = taken if self.seconds is None else self.seconds + (taken - self.seconds) * _WEIGHT
        number_of = self._lines.get(request.id)
        return None if number_of is None else self._settled(number_of, request)

    def _settled(self, line: int, request: LoggedRequest) -> Ended | None:
        if request.failed:
            self._attempts[request.id] += 1
            self.failing[line] = in_words(request.error)
            if self._attempts[request.id] <= self.retries:
                return None
        del self._lines[request.id]
        self._attempts.pop(request.id, None)
        self.failing.pop(line, None)
        if request.failed:
            return Ended(line, Fate.FAILED, in_words(request.error))
        return Ended(line, Fate.PROVED if request.proved else Fate.QUIET)

    def _new_lines(self) -> Iterator[LogLine]:
        """Lines that were not seen before; a search that is longer than a look goes on with the next one."""
        now = datetime.now(UTC)
        if self._token is None or self._window is None:
            self._window = (_milliseconds(self.since), _milliseconds(now + timedelta(seconds=1)))
        begin, end = self._window
        for _ in range(self.pages):
            page = self.writer.read(
                "logs",
                "FilterLogEvents",
                logGroupName=self.group,
                startTime=begin,
                endTime=end,
                **({"nextToken": self._token} if self._token else {}),
            )
            for event in items(page, "events", required=True):
                if self._is_new(event):
                    yield LogLine(
                        optional_text(event, "logStreamName") or "", number(event, "timestamp"), text(event, "message")
                    )
            self._token = optional_text(page, "nextToken")
            if self._token is None:
                self.since = max(self.since, now - _OVERLAP)
                self._forget(_milliseconds(self.since))
                return

    def _is_new(self, event: Answer) -> bool:
        at = number(event, "timestamp")
        name = optional_text(event, "eventId") or f"{event.get('logStreamName')} {at} {event.get('message')}"
        known = name in self._seen
        self._seen[name] = at
        return not known

    def _forget(self, before: int) -> None:
        self._seen = {name: at for name, at in self._seen.items() if at >= before}


def in_words(error: str) -> str:
    """An error line without its time and level, so that equal ones are told as one: `cannot forward: no such key`."""
    try:
        found = json.loads(error)
    except ValueError:
        return error
    if not isinstance(found, dict):
        return error
    named = (found.get(name) for name in ("message", "msg", "error", "err", "errorMessage"))
    return ": ".join(dict.fromkeys(text for text in named if isinstance(text, str) and text)) or error


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
