"""From a forwarder's ledger to the list of what is sent: without what is proved, cannot be read, or was sent before."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checks.ledger_scope import is_tagging
from fixtures.ledger.entry import Delivery, Entry
from fixtures.ledger.listing import Arrival
from fixtures.ledger.stream import Ledger
from fixtures.ledger.tagging import BATCH, Tags
from remediation.backfill.book import Book, Fate, Standing
from remediation.backfill.cost import cost_of
from remediation.backfill.earlier import earlier_runs
from remediation.backfill.lane import Item
from remediation.backfill.manifest import Manifest, write_manifest
from remediation.backfill.part import Part
from remediation.backfill.request import BackfillRequest
from remediation.backfill.sendable import Sendable, explained
from remediation.backfill.story import Planned
from remediation.s3_event import event_of

ACTIONS: Final = ("s3:GetObjectTagging",)
MARK: Final = "taegis-forwarders-backfill-"  # by which a backfill's events can be told from S3's own
_ASKED: Final = 100  # objects that S3 is asked about, to say more than the function said


@dataclass(frozen=True, slots=True)
class ToSend:
    """One line of a list as an event."""

    line: int
    payload: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A forwarder's list, and what a person is told of it."""

    part: Part
    manifest: Manifest
    told: Planned

    @property
    def number(self) -> int:
        """How many events there are."""
        return self.manifest.lines

    @property
    def lines(self) -> int:
        """As many as events."""
        return self.manifest.lines

    def begin(self) -> Mapping[str, object]:
        """What the journal says of it before the first call."""
        return {
            "subject": self.part.subject,
            "function": self.part.function.name,
            "bucket": self.manifest.bucket,
            "manifest": self.manifest.path.name,
            "sha256": self.manifest.sha256,
            "lines": self.manifest.lines,
            "uncertain": self.manifest.uncertain,
            "size": self.manifest.size,
        }

    def events(self, standing: Standing, run: str) -> Iterator[ToSend]:
        """What is left to send: what was begun and not taken, and what was never begun, in the order of the list."""
        again, cursor = set(standing.again), standing.cursor
        for line in self.manifest.read(after=min((*again, cursor + 1)) - 1):
            if line.number > cursor or line.number in again:
                yield ToSend(line.number, event_of(line.object, self.part.address, f"{MARK}{run}"))

    def taken(self, item: Item) -> None:
        """Nothing is to be done about an object of a list."""

    def aside(self, standing: Standing) -> Iterator[tuple[str, str]]:
        """What was not delivered, each object with its reason; S3 is asked about the first hundred of them."""
        wanted = set(standing.undelivered)
        asked = 0
        for line in self.manifest.read(after=min(wanted) - 1) if wanted else ():
            if line.number not in wanted:
                continue
            reason = standing.reasons[line.number]
            if standing.fate(line.number) is Fate.FAILED and asked < _ASKED:
                asked += 1
                reason = explained(self.part.writer, line.object, self.part.address.owner, reason)
            yield str(line.object), reason
            wanted.discard(line.number)
            if not wanted:
                return

    def look_again(self, book: Book) -> None:
        """Ask for the tags of those of which the log showed no upload, where the forwarder sets any."""
        standing = book.standing
        wanted = {line for fate in (Fate.QUIET, Fate.UNSEEN) for line in standing.of(fate)}
        if not (wanted and is_tagging(self.part.forwarder)):
            return
        lines = (line for line in self.manifest.read(after=min(wanted) - 1) if line.number in wanted)
        address = self.part.address
        with closing(Tags(self.part.writer.aws, address.region, address.owner)) as tags:
            while batch := list(itertools.islice(lines, BATCH)):
                found = tags.of([Arrival(line.object) for line in batch])
                tagged = [line.number for line, tag in zip(batch, found, strict=True) if tag is True]
                book.ended(Fate.PROVED, tagged)

    def left_over(self) -> str:
        """What is left although all was sent: nothing of a list is."""
        return ""


def listed(part: Part, ledger: Ledger, request: BackfillRequest, folder: Path) -> Listed:
    """Read a ledger to its end, and write what is to be sent into the run's folder; memory does not grow with it.

    Raises:
        InputError: the list cannot be written.
    """
    earlier = earlier_runs(folder.parent, part.subject, part.address.bucket, folder.name)
    sendable = Sendable(part.writer, part.address.owner)
    by_earlier: Counter[Fate] = Counter()
    doubtful = 0

    def chosen() -> Iterator[Entry]:
        nonlocal doubtful
        for entry in ledger.open_entries():
            fate = earlier.fate_of(entry.object)
            if fate is not None and not (request.again and fate is not Fate.PROVED):
                by_earlier[fate] += 1
            elif request.certain and entry.delivery is not Delivery.NOT_DELIVERED:
                doubtful += 1
            else:
                yield entry

    path = folder / f"{part.subject.replace('/', '_')}.objects.jsonl"
    manifest = write_manifest(path, part.address.bucket, sendable.sorted(chosen()))
    notes = [*part.notes, *ledger.notes, *earlier.notes]
    if doubtful:
        notes.append(f"{doubtful:,} objects without evidence are left out (--only-certain)")
    told = Planned(
        subject=part.subject,
        counts=ledger.counts,
        lines=manifest.lines,
        uncertain=manifest.uncertain,
        cost=cost_of(manifest.lines, manifest.size, part.function, part.listed.memory),
        unsendable=dict(sendable.left),
        by_earlier=dict(by_earlier),
        notes=tuple(dict.fromkeys(notes)),
        unlisted=ledger.unlisted,
    )
    return Listed(part, manifest, told)
