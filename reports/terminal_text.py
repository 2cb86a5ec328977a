"""The terminal's summary as lines of text with their colours. Pure: printing is `reports.terminal`'s."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from checks.outcome import Severity, Status
from checks.result import Result
from checks.verdict import count
from fixtures.estate import Estate
from reports.coverage import Coverage, Gap
from reports.grouping import Group
from reports.summary import Fixable, Summary

MOST_GROUPS = 20
MOST_SUBJECTS = 5
COLOURS: Mapping[Status, str] = {
    Status.ERROR: "red",
    Status.FAILED: "red",
    Status.BLOCKED: "red",
    Status.UNKNOWN: "yellow",
    Status.NO_EVIDENCE: "yellow",
    Status.WAIVED: "cyan",
    Status.FIXED: "green",
    Status.PASSED: "green",
}
_BRIGHT = {Severity.CRITICAL, Severity.HIGH}
Teller: TypeAlias = "Callable[[Group, Limits], Iterator[Line]]"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `colour` is a word that pytest's terminal knows, or empty."""

    text: str
    colour: str = ""
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is told; `rest` says where the rest stands. None means all of it."""

    groups: int | None = MOST_GROUPS
    subjects: int | None = MOST_SUBJECTS
    rest: str = "-v shows all"


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of the summary."""

    title: str
    lines: tuple[Line, ...]


def sections(summary: Summary, limits: Limits) -> Iterator[Section]:
    """The parts that have something to say, the most important last: a terminal is read from its end."""
    run = summary.run
    if run.plan_lines:
        yield Section("plan", tuple(Line(text) for text in run.plan_lines))
    groups = (
        ("notes", summary.advice, _by_advice),
        ("no evidence", summary.quiet, _by_reason),
        ("could not tell", summary.unseen, _by_reason),
        ("fixed", summary.fixed, _by_finding),
        ("findings", summary.findings, _by_finding),
    )
    for title, members, tell in groups:
        if members:
            number = sum(len(group) for group in members)
            yield Section(f"{title}: {number:,}", tuple(_capped(members, tell, limits)))
    yield Section("summary", tuple(_totals(summary, limits)))


def _capped(groups: tuple[Group, ...], tell: Teller, limits: Limits) -> Iterator[Line]:
    for group in groups[: limits.groups]:
        yield from tell(group, limits)
    left = groups[len(groups[: limits.groups]) :]
    if left:
        yield Line(f"... and {count(len(left), 'more group')} with {sum(map(len, left)):,} results; {limits.rest}")


def _by_finding(group: Group, limits: Limits) -> Iterator[Line]:
    shared = group.shared
    head = f"{shared.status} {shared.severity}: {shared.title} [{shared.check}]"
    yield Line(head, COLOURS[shared.status], bold=shared.severity in _BRIGHT)
    yield from _evidence(shared)
    yield from _subjects(group.subjects, limits)


def _by_reason(group: Group, limits: Limits) -> Iterator[Line]:
    checks = sorted({result.check for result in group.results})
    shared = group.shared
    yield Line(f"{shared.reason or shared.title}", COLOURS[shared.status])
    yield Line(f"  {count(len(group), 'result')} of {_listed(checks, limits)}")
    yield from _subjects(group.subjects, limits)


def _by_advice(group: Group, limits: Limits) -> Iterator[Line]:
    yield Line(f"{group.shared.advice} [{group.shared.check}]", "cyan")
    yield from _subjects(group.subjects, limits)


def _evidence(shared: Result) -> Iterator[Line]:
    parts = (
        ("expected", shared.expected),
        ("was" if shared.status is Status.FIXED else "found", shared.found),
        ("reason", shared.reason),
        ("to do", shared.remedy),
    )
    for label, text in parts:
        for number, line in enumerate(text.splitlines()):
            yield Line(f"  {label if not number else '':<9} {line}")


def _subjects(subjects: tuple[str, ...], limits: Limits) -> Iterator[Line]:
    shown = subjects[: limits.subjects]
    for number, subject in enumerate(shown):
        yield Line(f"  {'on' if not number else '':<9} {subject}")
    if len(subjects) > len(shown):
        yield Line(f"  {'':<9} and {len(subjects) - len(shown):,} more; {limits.rest}")


def _totals(summary: Summary, limits: Limits) -> Iterator[Line]:
    if summary.coverage and summary.run.estate:
        yield from _coverage(summary.coverage, summary.run.estate, limits)
    if summary.forwarders:
        total = sum(summary.forwarders.values())
        yield Line(f"forwarders {total:,}: {_counted(summary.forwarders)}", _worst(summary.forwarders))
    yield Line(f"results    {sum(summary.counts.values()):,}: {_counted(summary.counts)}", _worst(summary.counts))
    for reason, checks in sorted(summary.run.not_applicable.items()):
        yield Line(f"not asked  {reason}: {_listed(checks, limits)}")
    yield from _fixing(summary)
    if summary.run.written:
        yield Line(f"written    {', '.join(summary.run.written)}")


def _coverage(seen: Coverage, estate: Estate, limits: Limits) -> Iterator[Line]:
    missing = seen.asked - seen.reached
    parts = [f"{seen.asked:,} asked", f"{seen.reached:,} reached"]
    parts += [f"{seen.partly:,} partly seen"] if seen.partly else []
    parts += [f"{missing:,} not reached"] if missing else []
    colour = "red" if missing else "yellow" if seen.partly else "green"
    yield Line(f"targets    {', '.join(parts)}; looked at {estate.taken:%Y-%m-%d %H:%M:%S} UTC", colour)
    yield from _gaps("not reached", seen.unreached, limits)
    yield from _gaps("not read", seen.unread, limits)


def _gaps(label: str, gaps: tuple[Gap, ...], limits: Limits) -> Iterator[Line]:
    for gap in gaps[: limits.groups]:
        yield Line(f"  {label}: {gap.cause} ({_listed(gap.targets, limits)})")
    if len(gaps) > len(gaps[: limits.groups]):
        left = gaps[len(gaps[: limits.groups]) :]
        yield Line(f"  {label}: {count(len(left), 'more cause')}; {limits.rest}")


def _fixing(summary: Summary) -> Iterator[Line]:
    run = summary.run
    if run.story:
        parts = {"planned": run.story.planned, "fixed": run.story.fixed, "blocked": run.story.blocked}
        numbers = [f"{number:,} {word}" for word, number in parts.items() if number]
        if numbers:
            yield Line(f"fix        {', '.join(numbers)}")
        for subject in run.story.failed:
            yield Line(f"fix        failed, or stopped after a write: {subject}", "red", bold=True)
        for note in run.story.notes:
            yield Line(f"           {note}")
    elif summary.fixable.findings and not run.fixing:
        yield Line(fixable_text(summary.fixable, has_release=run.has_release), "cyan")


def fixable_text(found: Fixable, *, has_release: bool) -> str:
    """`12 findings on 7 forwarders are fixable with --fix`, and what that needs."""
    where = [count(found.forwarders, "forwarder")] if found.forwarders else []
    where += [count(found.others, "other subject")] if found.others else []
    verb = "is" if found.findings == 1 else "are"
    needs = "" if has_release else ", given --release=DIR"
    return f"{count(found.findings, 'finding')} on {' and '.join(where)} {verb} fixable with --fix{needs} (see --plan)"


def _counted(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{number:,} {status.value.lower()}" for status, number in counts.items())


def _worst(counts: Mapping[Status, int]) -> str:
    return next((COLOURS[status] for status in counts), "")


def _listed(names: Iterable[str], limits: Limits) -> str:
    known = list(names)
    shown = known[: limits.subjects]
    more = f" and {len(known) - len(shown):,} more" if len(known) > len(shown) else ""
    return ", ".join(shown) + more
