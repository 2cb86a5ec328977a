"""Where a journal's chain ends: what shows that lines at its end were cut, which the chain itself cannot."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from remediation.journal import START


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """How many whole lines, the digest of the last, and whether a torn one stands behind it: a kill leaves one."""

    lines: int
    last: str
    torn: bool


def end_of_journal(path: Path) -> JournalEnd:
    """The end of a journal; that of an empty one where there is none."""
    try:
        *whole, rest = path.read_bytes().split(b"\n")
    except OSError:
        return JournalEnd(0, START, torn=False)
    lines = [line for line in whole if line]
    return JournalEnd(len(lines), hashlib.sha256(lines[-1]).hexdigest() if lines else START, torn=bool(rest))
