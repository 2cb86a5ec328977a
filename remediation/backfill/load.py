"""What a run sends, gathered: for each forwarder a list of objects or its queues; or why nothing is sent to it."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from checks.looked import why_unlisted
from fixtures.errors import InputError
from fixtures.estate import Estate, Forwarder, Target
from fixtures.ledger.listing import NoLedgerError
from remediation.backfill.book import Book, Standing
from remediation.backfill.earlier import manifest_in
from remediation.backfill.lane import Item
from remediation.backfill.listing import Listed, listed
from remediation.backfill.part import Part, Refused, part_of
from remediation.backfill.queued import queued
from remediation.backfill.request import BackfillRequest
from remediation.backfill.story import Planned
from remediation.engine import side_by_side
from remediation.ledger import Sources, open_ledger
from remediation.preflight import Obstacle
from remediation.writer import Writer


class Load(Protocol):
    """One forwarder's events, wherever they come from."""

    @property
    def part(self) -> Part:
        """Whose they are."""
        ...

    @property
    def told(self) -> Planned:
        """What a person is told of them."""
        ...

    @property
    def number(self) -> int:
        """How many there are; of a queue, roughly."""
        ...

    @property
    def lines(self) -> int:
        """How many lines a list has; 0 for a queue."""
        ...

    def begin(self) -> Mapping[str, object]:
        """What the journal says before the first call."""
        ...

    def events(self, standing: Standing, run: str) -> Iterator[Item]:
        """What is left to send."""
        ...

    def taken(self, item: Item) -> None:
        """Lambda took one."""
        ...

    def aside(self, standing: Standing) -> Iterator[tuple[str, str]]:
        """What was not delivered, with its reason."""
        ...

    def left_over(self) -> str:
        """What is left although all was sent."""
        ...

    def look_again(self, book: Book) -> None:
        """See what else proves the deliveries that the log does not."""
        ...


@dataclass
class Gathering:
    """Gathers what is sent.

    Attributes:
        refused: forwarders that are sent nothing, and why.
    """

    estate: Estate
    writer: Callable[[Target], Writer]
    request: BackfillRequest
    folder: Path
    stop: threading.Event
    refused: list[Refused] = field(default_factory=list)

    def listed(self, sources: Sources) -> tuple[Load, ...]:
        """Of each forwarder the objects that arrived in its span."""
        known = {(one.target, one.name) for one in self.estate.forwarders}
        for target, name in sorted((self.request.spans or {}).keys() - known):
            self._miss(f"{target}/{name}")
        return self._each(lambda part: self._list_of(part, sources))

    def queued(self, began: datetime) -> tuple[Load, ...]:
        """Of each forwarder the queues of its dead letters; those without any are left out without a word."""
        return self._each(lambda part: queued(part, began))

    def taken_up(
        self, begin: Mapping[str, object], standings: Mapping[str, Standing], began: datetime
    ) -> tuple[Load, ...]:
        """What a run that was stopped was sending.

        Raises:
            InputError: a list is gone, or is not the one that the journal speaks of.
        """
        parts = {part.subject: part for part in self._parts(lambda one: str(one) in standings)}
        found: list[Load] = []
        for subject, standing in standings.items():
            if subject not in parts:
                self._miss(subject)
            elif standing.lines == 0:
                load = queued(parts[subject], began)
                if isinstance(load, Refused):
                    self.refused.append(load)
                else:
                    found.append(load)
            else:
                manifest = manifest_in(begin, subject, self.folder)
                if manifest is None:
                    raise InputError(f"run {self.folder.name}", f"it does not say what {subject} is sent", "begin anew")
                manifest.refuse_another()
                told = Planned(subject, None, manifest.lines, manifest.uncertain, None)
                found.append(Listed(parts[subject], manifest, told))
        return tuple(found)

    def _each(self, load_of: Callable[[Part], Load | Refused]) -> tuple[Load, ...]:
        answers = side_by_side(load_of, self._parts(self.request.asks), self.stop)
        self.refused += [answer for answer in answers if isinstance(answer, Refused)]
        return tuple(answer for answer in answers if not isinstance(answer, Refused))

    def _parts(self, wanted: Callable[[Forwarder], bool]) -> Sequence[Part]:
        for seen in self.estate.targets:
            why = why_unlisted(seen)
            if why:
                missed = Obstacle(f"its forwarders could not be listed ({why})", "mend that, run again")
                self.refused.append(Refused(str(seen.target), seen.target, (missed,)))
        forwarders = sorted(filter(wanted, self.estate.forwarders), key=str)
        answers = side_by_side(
            lambda one: part_of(one, self.estate, self.writer(one.target), self.request.rate), forwarders, self.stop
        )
        self.refused += [answer for answer in answers if isinstance(answer, Refused)]
        return [answer for answer in answers if isinstance(answer, Part)]

    def _list_of(self, part: Part, sources: Sources) -> Load | Refused:
        span = self.request.span_of(part.forwarder)
        try:
            return listed(part, open_ledger(sources, part.forwarder, span), self.request, self.folder)
        except NoLedgerError as problem:
            obstacle = Obstacle(f"its bucket cannot be listed: {problem}", "mend that, run again")
            return Refused(part.subject, part.forwarder.target, (obstacle,))

    def _miss(self, subject: str) -> None:
        if all(one.subject != subject for one in self.refused):
            gone = Obstacle("it is not there any more, or was not looked at", "look where the run looked")
            account, region = subject.split("/")[:2]
            self.refused.append(Refused(subject, Target(account, region), (gone,)))
