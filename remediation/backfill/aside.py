"""What was sent and not delivered, object by object with its reason: a file in the run's folder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from fixtures.run_folder import write_private
from remediation.backfill.book import Fate, Standing
from remediation.backfill.listing import Listed
from remediation.backfill.sendable import explained

FILE: Final = "not-delivered.jsonl"
_FATES: Final = frozenset({Fate.FAILED, Fate.REFUSED, Fate.UNANSWERED})
_ASKED: Final = 100  # objects that S3 is asked about, to say more than the function said


def write_aside(path: Path, listed: Iterable[tuple[Listed, Standing]]) -> tuple[str, ...]:
    """Write every object that was set aside; returns the first few, each with its reason, for people."""
    lines: list[str] = []
    told: list[str] = []
    for one, standing in listed:
        for name, reason in _reasons(one, standing):
            lines.append(json.dumps({"forwarder": one.part.subject, "object": name, "reason": reason}))
            told.append(f"{name}: {reason}")
    if lines:
        write_private(path, "\n".join(lines) + "\n")
    return tuple(told)


def _reasons(listed: Listed, standing: Standing) -> Iterator[tuple[str, str]]:
    wanted = {line for line in standing.reasons if standing.fate(line) in _FATES}
    if not wanted:
        return
    part, asked = listed.part, 0
    for line in listed.manifest.read(after=min(wanted) - 1):
        if line.number not in wanted:
            continue
        reason = standing.reasons[line.number]
        if standing.fate(line.number) is Fate.FAILED and asked < _ASKED:
            asked += 1
            reason = explained(part.writer, line.object, part.address.owner, reason)
        yield str(line.object), reason
        wanted.discard(line.number)
        if not wanted:
            return
