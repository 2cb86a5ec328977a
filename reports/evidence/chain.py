"""Where a journal's chain ends: what shows that lines at its end were cut, which the chain itself cannot."""

import hashlib
from pathlib import Path

from remediation.journal import START
from reports.evidence.manifest import ChainEnd


def chain_end(path: Path) -> ChainEnd:
    """Number of whole lines of a journal, and the digest of the last; a torn last line does not count."""
    try:
        lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line]
    except OSError:
        lines = []
    return ChainEnd(lines=len(lines), last=hashlib.sha256(lines[-1]).hexdigest() if lines else START)
