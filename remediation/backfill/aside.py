"""What was sent and not delivered, object by object with its reason: a file in the run's folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fixtures.run_folder import write_private

FILE: Final = "not-delivered.jsonl"


def write_aside(path: Path, found: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Write forwarder, object and reason of each that was set aside; returns the same as lines for people."""
    rows = tuple(found)
    if rows:
        lines = [json.dumps({"forwarder": who, "object": what, "reason": why}) for who, what, why in rows]
        write_private(path, "\n".join(lines) + "\n")
    return tuple(f"{what}: {why}" for _, what, why in rows)
