"""What became of each step, by the journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fixtures.answers import optional_text, texts
from remediation.journal import Entry

_OPEN = "begun, and its end was not written: the run was killed, or goes on"


@dataclass(frozen=True, slots=True)
class Deed:
    """One step that was begun: when it was last heard of (UTC, ISO 8601), and how it ended."""

    time: str
    step: str
    became: str


def deeds_of(entries: Iterable[Entry]) -> tuple[Deed, ...]:
    """The steps in the order in which they were last heard of; one that was tried again stands there as it ended."""
    times: dict[str, str] = {}
    states: dict[str, str] = {}
    for entry in entries:
        content = entry.content
        if entry.kind == "begin":
            for step in texts(content, "steps"):
                times[step] = optional_text(content, "time") or ""
                states[step] = _OPEN
        elif entry.kind == "end":
            found = content.get("steps")
            states.update((str(step), str(state)) for step, state in _items(found))
        elif (heard := optional_text(content, "step") or "") in times:
            times[heard] = optional_text(content, "time") or ""
    return tuple(Deed(times[step], step, states[step]) for step in sorted(times, key=lambda name: (times[name], name)))


def _items(found: object) -> Iterable[tuple[object, object]]:
    return found.items() if isinstance(found, Mapping) else ()
