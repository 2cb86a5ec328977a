"""Sends what was gathered: a lane for each forwarder, one lock for each target, and one word for each that stops."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fixtures.errors import SuiteError
from fixtures.estate import Estate
from fixtures.fact import Absent, value
from remediation.backfill.book import Book, Standing
from remediation.backfill.lane import Item, Lane
from remediation.backfill.load import Load
from remediation.backfill.metric_watch import MetricWatch
from remediation.backfill.pace import ErrorBudget
from remediation.backfill.part import Part
from remediation.backfill.progress import Shown, shown
from remediation.engine import side_by_side
from remediation.journal import Journal
from remediation.lock import TargetLocks
from remediation.step import StepBlocked

_LATE: Final = timedelta(seconds=5)  # by which clocks may differ
_PASSES: Final = 2  # what nobody answered for is sent once more, behind all others


@dataclass
class Sending:
    """Sends every load, side by side.

    Attributes:
        stopped: why a forwarder's events were not all sent, by its name.
    """

    run: str
    journal: Journal
    estate: Estate
    locks: TargetLocks
    budget: ErrorBudget
    stop: threading.Event
    say: Callable[[str], None]
    stopped: dict[str, str] = field(default_factory=dict)
    _locking: threading.Lock = field(default_factory=threading.Lock)

    def send(self, loads: Sequence[Load], standings: Mapping[str, Standing]) -> None:
        """Send all of it, and wait for every call's end."""
        with shown(self.say) as progress:
            side_by_side(lambda load: self._lane(load, standings[load.part.subject], progress), loads, self.stop)

    def _lane(self, load: Load, standing: Standing, progress: Shown) -> None:
        part, subject = load.part, load.part.subject
        progress.begin(subject, load.lines or None)

        def taken(item: Item) -> None:
            load.taken(item)
            progress.taken(subject)

        lane = Lane(
            writer=part.writer,
            function=part.function,
            book=Book(self.journal, standing, part.where),
            watch=part.watch(standing.waits_since - _LATE),
            metrics=MetricWatch(part.writer, part.function.name, standing.waits_since - _LATE, part.retries),
            budget=self.budget,
            patience=part.writer.limits.proof,
            ended=lambda _, fate: progress.ended(subject, fate),
            taken=taken,
        )
        why = ""
        try:
            for _ in range(_PASSES if load.lines else 1):
                lane.send(self._events(load, standing))
                lane.finish()
            load.look_again(lane.book)
        except StepBlocked as refusal:
            why = f"{refusal}; {refusal.to_do}"
        except SuiteError as problem:  # the journal cannot be written, the list is gone: others go on if they can
            why = str(problem)
        why = why or lane.stopped
        if why:
            self.stopped[subject] = why
            progress.say(f"{subject}: STOPPED: {why}")

    def _events(self, load: Load, standing: Standing) -> Iterator[Item]:
        """What is left to send, as long as the target is ours."""
        for item in load.events(standing, self.run):
            self._lock(load.part)
            yield item

    def _lock(self, part: Part) -> None:
        """Take or renew the target's lock; there is none while the artifact bucket is missing or not known."""
        target = part.forwarder.target
        artifact = value(self.estate.seen(target).artifact)
        if artifact is None or isinstance(artifact.region, Absent):
            return
        with self._locking:
            self.locks.take(part.writer, target, artifact.name)
