"""Groups of results as lines of text: what a person must act on with its evidence, the rest in one line for each."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from checks.outcome import Severity, Status
from checks.result import Result
from checks.verdict import count
from reports.grouping import Group
from reports.line import COLOURS, Limits, Line

MOST_IN_SHORT = 15
WIDTH_IN_SHORT = 120
_BRIGHT = {Severity.CRITICAL, Severity.HIGH}
Teller: TypeAlias = "Callable[[Group, Limits], Iterator[Line]]"


def told(groups: tuple[Group, ...], tell: Teller, limits: Limits) -> Iterator[Line]:
    """The groups within the limits, and how much was left out."""
    shown = groups[: limits.groups]
    for group in shown:
        yield from tell(group, limits)
    left = groups[len(shown) :]
    if left:
        yield Line(f"... and {count(len(left), 'more group')} with {sum(map(len, left)):,} results; {limits.rest}")


def by_finding(group: Group, limits: Limits) -> Iterator[Line]:
    """A finding: what was expected and found, what to do, and where."""
    shared = group.shared
    yield Line(f"{_head(shared)}: {shared.title} [{shared.check}]", COLOURS[shared.status], bold=_is_bright(shared))
    yield from _evidence(shared)
    yield from _subjects(group.subjects, limits)


def left_to_a_person(group: Group, limits: Limits) -> Iterator[Line]:
    """A finding, or one reason for which a fix was refused, whichever checks met it."""
    shared = group.shared
    if shared.status is not Status.BLOCKED or not shared.reason:
        yield from by_finding(group, limits)
        return
    first, *more = shared.reason.splitlines()
    yield Line(f"{_head(shared)}: {first}", COLOURS[shared.status], bold=_is_bright(shared))
    yield from (Line(f"  {'':<9} {line}") for line in more)
    yield from _labelled("to do", shared.remedy)
    yield from _labelled("checks", ", ".join(group.checks))
    yield from _subjects(group.subjects, limits)


def by_reason(group: Group, limits: Limits) -> Iterator[Line]:
    """One reason for which nothing can be said, the checks that met it, and where."""
    shared = group.shared
    yield Line(f"{shared.reason or shared.title}", COLOURS[shared.status])
    yield Line(f"  {count(len(group), 'result')} of {listed(group.checks, limits)}")
    yield from _subjects(group.subjects, limits)


def fixed(group: Group, limits: Limits) -> Iterator[Line]:
    """What was wrong and is proved to be gone: a line for each check; with details what was found before, and where."""
    if limits.details:
        yield from by_finding(group, limits)
        return
    shared = group.shared
    yield Line(f"FIXED {len(group):>5,} x {shared.check}: {shared.title}", COLOURS[shared.status])


def quiet(group: Group, limits: Limits) -> Iterator[Line]:
    """One line for a reason that proves nothing either way; where it is only with details."""
    text = group.shared.reason or group.shared.title
    yield Line(f"{len(group):>5,} x {listed(group.checks, limits)}: {text}", COLOURS[group.shared.status])
    if limits.details:
        yield from _subjects(group.subjects, limits)


def waived(group: Group, limits: Limits) -> Iterator[Line]:
    """One line for what was accepted together; where it is only with details."""
    shared = group.shared
    text = f"{shared.reason} (accepted {shared.accepted})"
    yield Line(f"{len(group):>5,} x {listed(group.checks, limits)}: {text}", COLOURS[shared.status])
    if limits.details:
        yield from _subjects(group.subjects, limits)


def advice(group: Group, limits: Limits) -> Iterator[Line]:
    """One line for a note; where it is only with details."""
    yield Line(f"{len(group):>5,} x {group.shared.check}: {group.shared.advice}", "cyan")
    if limits.details:
        yield from _subjects(group.subjects, limits)


def in_short(groups: tuple[Group, ...]) -> Iterator[Line]:
    """One line for each group, so that many of them still fit on the last screen."""
    for group in groups[:MOST_IN_SHORT]:
        shared = group.shared
        remedies = {result.remedy for result in group.results}
        if shared.status is Status.BLOCKED and shared.reason:
            text = f"{shared.reason}; to do: {shared.remedy}" if shared.remedy else shared.reason
        else:
            text = f"{shared.check}: {shared.remedy if len(remedies) == 1 and shared.remedy else shared.title}"
        line = f"{shared.status:<7} {shared.severity:<8} {len(group):>5,} x {' '.join(text.split())}"
        short = line if len(line) <= WIDTH_IN_SHORT else f"{line[: WIDTH_IN_SHORT - 4]} ..."
        yield Line(short, COLOURS[shared.status], bold=_is_bright(shared))
    left = groups[MOST_IN_SHORT:]
    if left:
        yield Line(f"... and {count(len(left), 'more group')} with {sum(map(len, left)):,} results")


def listed(names: Iterable[str], limits: Limits) -> str:
    """`a, b, c, d, e and 7 more`."""
    known = list(names)
    shown = known[: limits.subjects]
    more = f" and {len(known) - len(shown):,} more" if len(known) > len(shown) else ""
    return ", ".join(shown) + more


def _head(shared: Result) -> str:
    return f"{shared.status} {shared.severity}"


def _is_bright(shared: Result) -> bool:
    return shared.severity in _BRIGHT


def _evidence(shared: Result) -> Iterator[Line]:
    yield from _labelled("expected", shared.expected)
    yield from _labelled("was" if shared.status is Status.FIXED else "found", shared.found)
    yield from _labelled("reason", shared.reason)
    yield from _labelled("to do", shared.remedy)


def _labelled(label: str, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines()):
        yield Line(f"  {'' if number else label:<9} {line}")


def _subjects(subjects: tuple[str, ...], limits: Limits) -> Iterator[Line]:
    """All of them on lines of their own, so that they can be searched; a few of many share one."""
    text = "\n".join(subjects) if limits.subjects is None else listed(subjects, limits)
    yield from _labelled("on", text)
