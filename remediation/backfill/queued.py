"""A forwarder's dead letters as what is sent: read out of its queues one after the other, and taken out when taken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fixtures.aws import CallFailed
from remediation.backfill.book import Book, Standing
from remediation.backfill.cost import cost_of
from remediation.backfill.dead_letters import Letter, Letters, Queue, hidden_in, queues_of
from remediation.backfill.lane import Item
from remediation.backfill.part import Part, Refused
from remediation.backfill.story import Planned


@dataclass
class Queued:
    """A forwarder's queues; `began` is when the run did: what comes later is left.

    Attributes:
        left: messages that stay, by reason.
        names: what each letter's event names, by its line.
    """

    part: Part
    queues: Sequence[Queue]
    began: datetime
    left: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """How many messages there are, roughly."""
        return sum(queue.messages for queue in self.queues)

    @property
    def lines(self) -> int:
        """None: a queue is no list."""
        return 0

    @property
    def told(self) -> Planned:
        """What a person is told of it."""
        names = ", ".join(f"{queue.name} ({queue.messages:,} messages)" for queue in self.queues)
        cost = cost_of(self.number, 0, self.part.function, self.part.listed.memory)
        kept = f"out of {names}" if names else "nothing keeps its failed events: list its bucket with --since"
        notes = (*self.part.notes, kept)
        return Planned(self.part.subject, None, self.number, 0, cost, notes=notes)

    def begin(self) -> Mapping[str, object]:
        """What the journal says of it before the first call."""
        return {
            "subject": self.part.subject,
            "function": self.part.function.name,
            "bucket": self.part.address.bucket,
            "queues": [queue.arn for queue in self.queues],
            "lines": 0,
        }

    def events(self, standing: Standing, run: str) -> Iterator[Letter]:
        """Every event that was there when the run began and was not sent by an earlier part of it."""
        del run
        for queue in self.queues:
            letters = Letters(
                self.part.writer, queue, self.part.address.bucket, self.began, frozenset(standing.messages)
            )
            for letter in letters.read(standing.cursor + 1):
                self.names[letter.line] = ", ".join(letter.objects)
                yield letter
            for reason, number in letters.left.items():
                self.left[reason] = self.left.get(reason, 0) + number

    def taken(self, item: Item) -> None:
        """Take the message out of its queue."""
        if isinstance(item, Letter):
            try:
                item.take_out(self.part.writer)
            except CallFailed as failure:
                reason = f"sent, and could not be taken out of the queue: {failure}"
                self.left[reason] = self.left.get(reason, 0) + 1

    def aside(self, standing: Standing) -> Iterator[tuple[str, str]]:
        """What was not delivered; its message is in the queue, or comes back there."""
        for line in standing.undelivered:
            yield self.names.get(line) or f"dead letter {line}", standing.reasons[line]

    def left_over(self) -> str:
        """What stays in the queues, in words; empty where nothing does that this run could have sent."""
        told = [f"{number:,} stay in the queue: {reason}" for reason, number in self.left.items()]
        hidden = sum(hidden_in(self.part.writer, queue) for queue in self.queues) - sum(self.left.values())
        if hidden > 0:
            told.append(
                f"{hidden:,} are hidden by somebody who reads them, for 15 minutes if it was this run: run again"
            )
        return "; ".join(told)

    def look_again(self, book: Book) -> None:
        """Nothing else proves what became of a letter: the tag of its object may be older than it."""


def queued(part: Part, began: datetime) -> Queued | Refused:
    """A forwarder's queues, or why there is nothing to read."""
    queues, obstacles = queues_of(part.writer, part.forwarder, part.destination)
    if obstacles:
        return Refused(part.subject, part.forwarder.target, obstacles)
    return Queued(part, queues, began)
