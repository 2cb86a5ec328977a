"""A plan for people: steps of one shape are told once, with the places in which they are taken."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from fixtures.estate import Target
from remediation.step import Step


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is not touched in one place, why, and what a person must do; `subject` is empty for the whole target."""

    target: Target
    subject: str
    reasons: tuple[str, ...]
    to_do: tuple[str, ...]


Place: TypeAlias = tuple[Target, str]


def plan_lines(steps: Iterable[Step], refusals: Iterable[Refusal], *, calls: bool) -> Iterator[str]:
    """Steps, then refusals, each shape once: thousands of forwarders have a handful of shapes.

    Two steps have one shape when what they say differs in their own names only. With `calls`, a shape is told with the
    API calls and what is to be known about it.
    """
    planned = (((step.target, step.subject), _told(step), (step.subject, *step.forwarders)) for step in steps)
    for (title, actions, *notes), places in _by_shape(planned):
        yield f"{len(places):>4} x {title}"
        if calls:
            yield f"         calls {actions or 'nothing'}"
            yield from (f"         {note}" for note in notes)
        yield from _where(places)
    refused = (((found.target, found.subject), _reasons(found), (found.subject,)) for found in refusals)
    for (reason, *to_do), places in _by_shape(refused):
        yield f"{len(places):>4} x BLOCKED: {reason}"
        yield from (f"         to do: {text}" for text in to_do)
        yield from _where(places)


def _told(step: Step) -> tuple[str, ...]:
    accepts = f" (accepts shape {step.accepts})" if step.accepts else ""
    actions = ", ".join(f"{call.service}:{call.operation}" for call in step.calls())
    unknown = (f"not known yet: {what}" for what in step.unknown())
    return (step.title + accepts, actions, *step.notes(), *unknown, *step.change_set())


def advice_lines(found: Iterable[tuple[Target, str, str]]) -> Iterator[str]:
    """What should be known, each text once, with the places that it is said of."""
    said = (((target, subject), (text,), (subject,)) for target, subject, text in found)
    for (text,), places in _by_shape(said):
        yield f"{len(places):>4} x ADVICE: {text}"
        yield from _where(places)


def _reasons(refused: Refusal) -> tuple[str, ...]:
    return ("; ".join(refused.reasons), *refused.to_do)


def _by_shape(
    found: Iterable[tuple[Place, tuple[str, ...], tuple[str, ...]]],
) -> Iterator[tuple[tuple[str, ...], list[Place]]]:
    """What each shape says and its places, from (place, texts, own names); a text that all share stays as it is.

    Shapes come in the order in which they are met.
    """
    shapes: dict[tuple[str, ...], list[tuple[Place, tuple[str, ...]]]] = {}
    for place, texts, names in found:
        shape = tuple(_general(text, place[0], names) for text in texts)
        shapes.setdefault(shape, []).append((place, texts))
    for shape, members in shapes.items():
        own = zip(*(texts for _, texts in members), strict=True)
        told = tuple(texts[0] if len(set(texts)) == 1 else general for texts, general in zip(own, shape, strict=True))
        yield told, [place for place, _ in members]


def _where(places: Iterable[Place]) -> Iterator[str]:
    """One line for each target, with the names in it."""
    names: dict[Target, list[str]] = {}
    for target, subject in places:
        names.setdefault(target, []).append(subject)
    for target, subjects in names.items():
        listed = ", ".join(dict.fromkeys(filter(None, subjects)))
        yield f"       in {target}{f': {listed}' if listed else ''}"


def _general(text: str, target: Target, names: Iterable[str]) -> str:
    """The text without a step's own names; the vendor's function name counts as one, whatever the integration."""
    labels = dict.fromkeys(names, "<name>") | {target.account: "<account>", target.region: "<region>"}
    known = sorted((name for name in labels if len(name) > 2), key=len, reverse=True)
    pattern = "|".join(rf"{re.escape(name)}(?:-scwx-tdr-lambda-[A-Za-z0-9_-]+)?" for name in known)
    return re.sub(
        rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", lambda match: labels.get(match[0], "<function>"), text
    )
