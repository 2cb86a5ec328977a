"""From a forwarder's ledger to the list of what is sent: without what is proved, cannot be read, or was sent before."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fixtures.ledger.entry import Delivery, Entry
from fixtures.ledger.stream import Ledger
from remediation.backfill.book import Fate
from remediation.backfill.cost import cost_of
from remediation.backfill.earlier import earlier_runs
from remediation.backfill.manifest import Manifest, write_manifest
from remediation.backfill.part import Part
from remediation.backfill.request import BackfillRequest
from remediation.backfill.sendable import Sendable
from remediation.backfill.story import Planned


@dataclass(frozen=True, slots=True)
class Listed:
    """A forwarder's list, and what a person is told of it."""

    part: Part
    manifest: Manifest
    told: Planned


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
    if ledger.unlisted:
        notes.append(f"the listing ended early: {ledger.unlisted}")
    told = Planned(
        subject=part.subject,
        counts=ledger.counts,
        lines=manifest.lines,
        uncertain=manifest.uncertain,
        cost=cost_of(manifest.lines, manifest.size, part.function, part.listed.memory),
        unsendable=dict(sendable.left),
        by_earlier=dict(by_earlier),
        notes=tuple(dict.fromkeys(notes)),
    )
    return Listed(part, manifest, told)
