"""The last look before a pack is written: what no file may hold. Everything before it masks; this one refuses."""

import gzip
import json
from collections.abc import Iterator

from reports.evidence.material import Material
from reports.evidence.piece import Lacking, PackFile, Piece

_SHORT = 8  # characters of an external id that any text may hold by chance
_GZIP = b"\x1f\x8b"


def guarded(piece: Piece, material: Material) -> Piece:
    """The piece; where it is a file that holds a secret of the run, what is said instead of it."""
    if isinstance(piece, Lacking) or not _holds(piece, forbidden(material)):
        return piece
    return Lacking(piece.path, "left out: it holds an external id or credentials, which never leave; report that")


def forbidden(material: Material) -> frozenset[bytes]:
    """The run's external ids and its releases' credentials, also as JSON writes them."""
    return frozenset(form.encode() for text in _secrets(material) for form in (text, json.dumps(text)[1:-1]))


def _secrets(material: Material) -> Iterator[str]:
    options = material.options
    for external_id in (options.external_id, *(account.external_id for account in options.fleet)):
        if external_id and len(external_id) >= _SHORT:
            yield external_id
    for tenant in material.desires.tenants if material.desires else ():
        if tenant.release and (text := tenant.release.credentials.reveal()):  # an empty one stands in every file
            yield text


def _holds(file: PackFile, secrets: frozenset[bytes]) -> bool:
    content = gzip.decompress(file.content) if file.content.startswith(_GZIP) else file.content
    return any(secret in content for secret in secrets)
