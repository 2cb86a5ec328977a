"""Who was told of the run, and what came of that."""

from collections.abc import Iterator

from reports.delivery.record import FILE
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, kept_file


def deliveries(material: Material) -> Iterator[Piece]:
    """What became of each message and of the import into Security Hub, where either was asked for."""
    path = material.folder / FILE
    if path.is_file():
        yield kept_file(FILE, path, "what became of each message, and of the import into Security Hub")
    else:
        yield Lacking("deliveries", "nobody was to be told (--notify, --security-hub)")
