"""What arrived at the forwarders while they were changed, object by object, and whether it was delivered."""

from collections.abc import Iterator

from remediation.cutover_ledger import FILE
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, kept_file

FOLDER = "ledger"


def ledger(material: Material) -> Iterator[Piece]:
    """The ledger around the changes, as the run kept it."""
    path = material.folder / FILE
    if path.is_file():
        yield kept_file(f"{FOLDER}/{FILE}", path, "what arrived while forwarders were changed, object by object")
    elif material.options.may_write:
        yield Lacking("a ledger", "no forwarder was changed, or the run was stopped before it could be read")
    else:
        yield Lacking("a ledger", "nothing was changed")
