"""What was delivered, as lines of the summary: what did not get there stands out."""

from collections.abc import Iterator

from checks.verdict import count
from reports.delivery.outcome import Delivered, Imported
from reports.line import Limits, Line
from reports.terminal_groups import listed


def delivery_lines(delivered: Delivered, limits: Limits) -> Iterator[Line]:
    """A line for those who were told, one for each who was not, and how Security Hub took it."""
    told = [message.to for message in delivered.messages if not message.trouble]
    if told:
        yield Line(f"notified   {listed(tuple(told), limits)}", "green")
    if delivered.quiet:
        yield Line(f"notified   nobody: {delivered.quiet}")
    for message in delivered.failed:
        yield Line(f"notified   NOT {message.to}: {message.trouble}", "red", bold=True)
    if delivered.hub:
        yield from _hub(delivered.hub, limits)


def _hub(hub: Imported, limits: Limits) -> Iterator[Line]:
    parts = [f"{count(hub.imported, 'finding')} into Security Hub in {count(hub.targets, 'target')}"]
    parts += [f"{number:,} {done}" for number, done in (
        (hub.archived, "archived"), (hub.suppressed, "suppressed"), (hub.reopened, "no longer suppressed"),
        (hub.placeless, "left out, about no account and region"),
    ) if number]  # fmt: skip
    yield Line(f"imported   {', '.join(parts)}", "red" if hub.troubles else "green")
    for trouble in hub.troubles:
        yield Line(f"           NOT: {trouble.cause} ({listed(trouble.where, limits)})", "red", bold=True)
