"""What became of each step that was planned, by the journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fixtures.answers import optional_text, texts
from remediation.journal import Entry

_NOT_BEGUN = "planned, and not begun"
_OPEN = "begun, and its end was not written: the run was killed, or goes on"


@dataclass(frozen=True, slots=True)
class Deed:
    """One step: when it was last heard of (UTC, ISO 8601; empty where it was not begun), and how it ended."""

    time: str
    step: str
    became: str


def deeds_of(entries: Iterable[Entry], planned: Iterable[str]) -> tuple[Deed, ...]:
    """The steps in the order in which they were last heard of, and behind them those that were not begun.

    One that was tried again stands there as it ended.

    Args:
        entries: the journal.
        planned: the names of the steps of the run's plans.
    """
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
    begun = (Deed(times[step], step, states[step]) for step in sorted(times, key=lambda name: (times[name], name)))
    return (*begun, *(Deed("", step, _NOT_BEGUN) for step in dict.fromkeys(planned) if step not in times))


def _items(found: object) -> Iterable[tuple[object, object]]:
    return found.items() if isinstance(found, Mapping) else ()
