"""How a run's waivers fared, as lines: which accept nothing any more, which end soon, which could not be judged."""

from collections.abc import Iterator

from checks.verdict import count
from checks.waiving import Waiving
from fixtures.waivers import Waiver
from reports.line import Limits, Line


def waiver_lines(waiving: Waiving, limits: Limits) -> Iterator[Line]:
    """A line in all, and one for each waiver that somebody has to look at."""
    waivers = waiving.waivers
    told = f"{count(len(waivers.entries), 'waiver')} of {waivers.file}, {count(waiving.accepted, 'finding')} waived"
    yield Line(f"waivers    {told}", "cyan")
    for text, colour in waiver_troubles(waiving):
        yield Line(f"           {text}", colour, bold=colour == "red")
    if waiving.unjudged:
        shown = waiving.unjudged[: limits.subjects]
        lines = ", ".join(str(waiver.line) for waiver in shown) + (
            ", ..." if len(shown) < len(waiving.unjudged) else ""
        )
        yield Line(f"           not judged: {len(waiving.unjudged):,} speak of what was not looked at (line {lines})")


def waiver_troubles(waiving: Waiving) -> Iterator[tuple[str, str]]:
    """What somebody has to do, and its colour: red for an error, yellow for a warning."""
    for waiver in waiving.idle:
        yield f"{_named(waiving, waiver)} accepts nothing any more: take it out", "red"
    for waiver in waiving.ending:
        yield f"{_named(waiving, waiver)} ends on {waiver.last_day}: {waiver.owner} has to decide again", "yellow"


def _named(waiving: Waiving, waiver: Waiver) -> str:
    return f"{waiving.waivers.place(waiver)} ({waiver.check} on {waiver.subject}, {waiver.ticket})"
