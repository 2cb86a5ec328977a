"""What was sent and not delivered, object by object with its reason: a file in the run's folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fixtures.whole_file import write_whole

FILE: Final = "not-delivered.jsonl"


def write_aside(path: Path, found: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Write forwarder, object and reason of each that was set aside; returns the same as lines for people."""
    rows = tuple(found)
    if rows:
        lines = [json.dumps({"forwarder": who, "object": what, "reason": why}) for who, what, why in rows]
        write_whole(path, (f"{line}\n" for line in lines))
    return tuple(f"{what}: {why}" for _, what, why in rows)
