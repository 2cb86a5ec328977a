"""What was there: before the first write and after the last, of the targets that the plan is about."""

from collections.abc import Iterator

from checks.verdict import count
from fixtures.estate import Estate, Target
from fixtures.estate_part import part_of
from fixtures.snapshot import snapshot_content
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, PackFile, Piece

FOLDER = "snapshots"
BEFORE = f"{FOLDER}/before.json.gz"
AFTER = f"{FOLDER}/after.json.gz"
SEEN = f"{FOLDER}/seen.json.gz"


def snapshots(material: Material) -> Iterator[Piece]:
    """The estate before and after of a run that may write, and what was seen of one that may not.

    Of the targets that the plan has steps for; of all, where it has none.
    """
    if not material.options.may_write:
        if material.estate is None:
            yield Lacking("the snapshot", "nothing was looked at")
        else:
            yield _file(
                SEEN, material, material.estate, frozenset(), "what was seen of every target that was asked for"
            )
        return
    concerned = material.concerned
    whose = f"{count(len(concerned), 'target')} with steps in the plan" if concerned else "all: nothing was planned"
    for path, name, estate in (
        (BEFORE, "before the first write", material.before),
        (AFTER, "after the last", material.after),
    ):
        if estate is None:
            yield Lacking(f"the snapshot {name}", "the run folder holds none: the run ended before it was taken")
        else:
            yield _file(path, material, estate, concerned, f"what was there {name}, of {whose}")


def _file(path: str, material: Material, estate: Estate, targets: frozenset[Target], about: str) -> PackFile:
    kept = part_of(estate, targets) if targets else estate
    when = f"{estate.taken:%Y-%m-%d %H:%M:%S} UTC"
    return PackFile(path, snapshot_content(kept, zipped=True, run=material.run), f"{about} ({when})")
