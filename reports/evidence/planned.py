"""What a saved plan has steps for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fixtures.estate import Target


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a saved plan."""

    target: Target
    name: str


def planned_steps(path: Path) -> Iterator[PlannedStep]:
    """The steps of a saved plan, in its order; none where it cannot be read."""
    try:
        plan = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    for target in _parts(plan, "targets"):
        place = Target(str(target.get("account")), str(target.get("region")))
        for step in _parts(target, "steps"):
            yield PlannedStep(place, str(step.get("name")))


def _parts(content: object, name: str) -> Iterator[Mapping[str, object]]:
    found = content.get(name) if isinstance(content, Mapping) else None
    yield from (part for part in found if isinstance(part, Mapping)) if isinstance(found, list) else ()
