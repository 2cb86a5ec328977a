"""What a backfill's journal holds, written and read: batches that were meant to be sent, and what became of each event.

    begin      what is sent: each forwarder with its manifest's digest
    intent     a batch is about to be sent: lines of a manifest, in order, so many at a time; synced before the first
    accepted   Lambda took one, with the request id that its function logs; in the system's hands at once
    unanswered one may have been taken: nobody answered
    refused    Lambda will not take one
    result     the batch is through; synced, with everything before it
    ended      how calls came to an end: proved, quiet, failed (with why), unseen

A process that is killed leaves a batch without its result. Its events were begun in order, `width` at a time at most,
so that of those without a word the first `width` may have been sent, and none behind them: so many objects may reach
XDR twice when the run goes on, which is what the journal predicts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from fixtures.answers import Malformed, as_answer, items, moment, number, optional_text, text
from remediation.call import Call
from remediation.journal import FINISHED, RESUME, Entry, Journal

BEGIN: Final = "begin"
INTENT, RESULT = "intent", "result"
ACCEPTED, UNANSWERED, REFUSED, ENDED = "accepted", "unanswered", "refused", "ended"
ONE_EVENT: Final = frozenset({ACCEPTED, UNANSWERED, REFUSED, ENDED})  # of which there are as many as events


class Fate(IntEnum):
    """What became of one line of a manifest."""

    OPEN = 0
    WAITING = 1  # Lambda took it; how its call ended was not seen yet
    PROVED = 2  # its call uploaded and ended well
    QUIET = 3  # its call ended without an error, and logged no upload
    UNSEEN = 4  # Lambda took it, and no more was seen in time
    FAILED = 5  # the function failed on it, in every attempt
    REFUSED = 6  # Lambda did not take it
    UNANSWERED = 7  # sent, and nobody answered


_FATES: Final[Mapping[str, Fate]] = {
    ACCEPTED: Fate.WAITING,
    UNANSWERED: Fate.UNANSWERED,
    REFUSED: Fate.REFUSED,
}
TAKEN: Final = frozenset({Fate.WAITING, Fate.PROVED, Fate.QUIET, Fate.UNSEEN})
UNDELIVERED: Final = frozenset({Fate.FAILED, Fate.REFUSED, Fate.UNANSWERED})


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that Lambda took: its request id, and when that was known, in UTC."""

    request: str
    at: datetime


@dataclass
class Standing:
    """Where the sending of one manifest stands, by its journal.

    Attributes:
        subject: the forwarder, or its queue.
        lines: how many there are to send; 0 where that is not known beforehand.
        cursor: the last line that some batch held; those behind it were never begun.
        waiting: what Lambda took and what has not come to its end, by line.
        reasons: why a line failed or was refused.
        predicted: how many lines may be sent twice, over all resumptions so far.
        messages: ids of the dead letters that Lambda took.
    """

    subject: str
    lines: int
    cursor: int = 0
    waiting: dict[int, Taken] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    predicted: int = 0
    messages: set[str] = field(default_factory=set)
    _fates: bytearray = field(default_factory=bytearray)
    _batches: dict[int, tuple[list[int], int]] = field(default_factory=dict)

    def fate(self, line: int) -> Fate:
        """What became of a line."""
        return Fate(self._fates[line]) if line < len(self._fates) else Fate.OPEN

    def set(self, line: int, fate: Fate, reason: str = "") -> None:
        """Another fate of a line."""
        if line >= len(self._fates):
            self._fates.extend(bytes(max(line + 1, self.lines + 1) - len(self._fates)))
        self._fates[line] = fate
        if fate is not Fate.WAITING:
            self.waiting.pop(line, None)
        if fate in TAKEN:  # of which there may be millions: why one was not seen stands in the journal
            self.reasons.pop(line, None)
        elif reason:
            self.reasons[line] = reason

    def count(self, *fates: Fate) -> int:
        """How many lines had one of these fates."""
        return sum(self._fates.count(fate) for fate in fates)

    def of(self, fate: Fate) -> Iterator[int]:
        """The lines that had this fate, in order."""
        position = self._fates.find(fate)
        while position != -1:
            yield position
            position = self._fates.find(fate, position + 1)

    @property
    def waits_since(self) -> datetime:
        """When the first of those was taken that wait for their end; now where none does."""
        return min((taken.at for taken in self.waiting.values()), default=datetime.now(UTC))

    @property
    def again(self) -> tuple[int, ...]:
        """Lines of begun batches that are to be sent (again): nobody said that they were taken.

        None where there is no list: a dead letter that was not taken out of its queue is read there again.
        """
        if not self.lines:
            return ()
        left = {line for lines, _ in self._batches.values() for line in lines if self.fate(line) is Fate.OPEN}
        return tuple(sorted(left | set(self.of(Fate.UNANSWERED))))

    @property
    def undelivered(self) -> tuple[int, ...]:
        """The lines that were sent and are known not to have been delivered, in order."""
        return tuple(line for line in sorted(self.reasons) if self.fate(line) in UNDELIVERED)

    @property
    def maybe_sent(self) -> int:
        """How many of `again` may have been taken all the same."""
        cut = sum(
            min(width, sum(self.fate(line) is Fate.OPEN for line in lines)) for lines, width in self._batches.values()
        )
        return cut + self.count(Fate.UNANSWERED)

    def begun(self, intent: int, lines: Sequence[int], width: int) -> None:
        """A batch is about to be sent."""
        self._batches[intent] = (list(lines), width)
        self.cursor = max(self.cursor, *lines)

    def through(self, intent: int) -> None:
        """A batch is through: what is open of it was not sent, and will be."""
        lines, _ = self._batches.pop(intent)
        left = [line for line in lines if self.fate(line) is Fate.OPEN]
        if left:
            self._batches[intent] = (left, 0)


class Book:
    """Writes one forwarder's part of the journal and keeps its standing; safe from many threads for single events."""

    def __init__(self, journal: Journal, standing: Standing, where: Mapping[str, str]) -> None:
        self._journal = journal
        self._where: dict[str, object] = {**where, "step": f"backfill {standing.subject}"}
        self.standing = standing

    def begin(self, lines: Sequence[int], width: int, call: Call) -> int:
        """A batch is about to be sent; it is on the disk when this returns."""
        said = {"call": call.shown(), "before": None, "lines": _ranges(lines), "width": width}
        intent = self._journal.write(INTENT, synced=True, **self._where, **said)
        self.standing.begun(intent, lines, width)
        return intent

    def accepted(self, intent: int, line: int, request: str, message: str = "") -> None:
        """Lambda took one; `message` is the id of the dead letter that it was, if it was one."""
        more = {"message": message} if message else {}
        self._journal.write(ACCEPTED, synced=False, intent=intent, line=line, request=request, **more)
        self.standing.set(line, Fate.WAITING)
        if message:
            self.standing.messages.add(message)
        self.standing.waiting[line] = Taken(request, datetime.now(UTC))

    def unanswered(self, intent: int, line: int, reason: str) -> None:
        """Nobody answered."""
        self._journal.write(UNANSWERED, synced=False, intent=intent, line=line, reason=reason)
        self.standing.set(line, Fate.UNANSWERED, reason)

    def refused(self, intent: int, line: int, reason: str) -> None:
        """Lambda will not take one."""
        self._journal.write(REFUSED, synced=False, intent=intent, line=line, reason=reason)
        self.standing.set(line, Fate.REFUSED, reason)

    def through(self, intent: int) -> None:
        """The batch is through; everything said of it is on the disk when this returns."""
        self._journal.write(RESULT, synced=True, **self._where, intent=intent, request_id="")
        self.standing.through(intent)

    def ended(self, fate: Fate, lines: Sequence[int], reason: str = "") -> None:
        """Calls came to an end, or are not waited for any more."""
        if lines:
            self._journal.write(
                ENDED, synced=False, **self._where, fate=fate.name, lines=_ranges(sorted(lines)), reason=reason
            )
        for line in lines:
            self.standing.set(line, fate, reason)


@dataclass(frozen=True, slots=True)
class Told:
    """What a whole journal says: each forwarder's standing, and whether everything came to an end."""

    standings: Mapping[str, Standing]
    begin: Mapping[str, object]
    resumed: int
    finished: bool


def read_book(entries: Iterable[Entry]) -> Told:
    """Read a backfill's journal, entry by entry; memory grows by a byte for each line.

    Raises:
        Malformed: an entry lacks what this suite writes into each.
    """
    reading = _Reading()
    for entry in entries:
        reading.take(entry)
    return Told(reading.standings, reading.begin, reading.resumed, reading.finished)


@dataclass
class _Reading:
    standings: dict[str, Standing] = field(default_factory=dict)
    begin: Mapping[str, object] = field(default_factory=dict)
    resumed: int = 0
    finished: bool = False
    _of_intent: dict[int, Standing] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        content = entry.content
        match entry.kind:
            case kind if kind in _FATES:
                self._take_one(content, _FATES[kind])
            case "ended":
                standing, fate = self._standing(content), Fate[text(content, "fate")]
                for line in _numbers(content):
                    standing.set(line, fate, optional_text(content, "reason") or "")
            case "intent" if content.get("lines") is not None:  # not one of the target's lock
                standing = self._of_intent[entry.number] = self._standing(content)
                standing.begun(entry.number, tuple(_numbers(content)), number(content, "width"))
            case "result" if number(content, "intent") in self._of_intent:
                intent = number(content, "intent")
                self._of_intent.pop(intent).through(intent)
            case _:
                self._take_of_run(entry)

    def _take_of_run(self, entry: Entry) -> None:
        if entry.kind == BEGIN:
            self.begin = entry.content
            for part in items(entry.content, "forwarders"):
                subject = text(part, "subject")
                self.standings[subject] = Standing(subject, number(part, "lines"))
        elif entry.kind == RESUME:
            self.resumed += 1
            for subject, predicted in as_answer(entry.content.get("predicted"), "predicted").items():
                self.standings[subject].predicted += int(str(predicted))
        elif entry.kind == FINISHED:
            self.finished = True

    def _take_one(self, content: Mapping[str, object], fate: Fate) -> None:
        standing, line = self._of_intent[number(content, "intent")], number(content, "line")
        standing.set(line, fate, optional_text(content, "reason") or "")
        if fate is Fate.WAITING:
            message = optional_text(content, "message")
            if message:
                standing.messages.add(message)
            at = moment(content, "time") or datetime.now(UTC)
            standing.waiting[line] = Taken(text(content, "request"), at)

    def _standing(self, content: Mapping[str, object]) -> Standing:
        return self.standings[text(content, "step").removeprefix("backfill ")]


def _ranges(lines: Iterable[int]) -> list[list[int]]:
    """`[[1, 50], [52, 52]]`: neighbours together, in the order in which they come."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found


def _numbers(content: Mapping[str, object]) -> Iterator[int]:
    pairs = content.get("lines")
    if not isinstance(pairs, list):
        raise Malformed("lines is not a list")
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, int) for end in pair)):
            raise Malformed("lines holds what is not a range")
        yield from range(pair[0], pair[1] + 1)
