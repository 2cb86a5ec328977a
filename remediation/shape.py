"""The shape of an update: what is left when names, ids and accounts are taken out.

A thousand forwarders have a handful of shapes, so that a person can look at each once and accept it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from remediation.change_set import ResourceChange
from remediation.prediction import PredictedChange
from remediation.replacement_rules import HARMLESS


@dataclass(frozen=True, slots=True)
class Shape:
    """Attributes: `id`, twelve hex digits of the text's SHA-256, stable across runs and versions; `text`, one line."""

    id: str
    text: str


def shape_of(changes: Iterable[ResourceChange]) -> Shape:
    """Give the shape of a real change set."""
    return _shape(
        _line(
            change.action or "?",
            change.resource_type or "?",
            (change.replacement or "?") if change.action == "Modify" else None,
            {detail.name or detail.attribute or "?" for detail in change.details or ()},
        )
        for change in changes
    )


def predicted_shape(changes: Iterable[PredictedChange]) -> Shape:
    """Give the shape of what is certain in a prediction, and of every loss that is only possible.

    A real change set may hold more harmless changes, and so another shape; a person who accepts this one has seen all
    that could be lost.
    """
    return _shape(
        _line(
            change.action if change.certain else f"perhaps {change.action}",
            change.resource_type,
            change.replacement if change.action == "Modify" else None,
            {*change.properties, *change.attributes},
        )
        for change in changes
        if change.certain or _may_lose(change)
    )


def _may_lose(change: PredictedChange) -> bool:
    return change.action == "Remove" or (change.replacement != "False" and change.resource_type not in HARMLESS)


def _line(action: str, resource_type: str, replacement: str | None, names: set[str]) -> str:
    how = f" replacement {replacement}" if replacement is not None else ""
    what = f" ({', '.join(sorted(names))})" if names else ""
    return f"{action} {resource_type}{how}{what}"


def _shape(lines: Iterable[str]) -> Shape:
    counted = Counter(lines)
    text = "; ".join(f"{count} x {line}" if count > 1 else line for line, count in sorted(counted.items())) or "nothing"
    return Shape(hashlib.sha256(text.encode()).hexdigest()[:12], text)
