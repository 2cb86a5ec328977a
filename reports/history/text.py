"""What changed since the last run, in one or two lines."""

from collections.abc import Iterator

from checks.verdict import count
from reports.history.changes import Change, History
from reports.line import Line

_COLOURS = {Change.NEW: "red", Change.UNKNOWN: "yellow"}
_QUIET = "green"
MOST = 5


def history_lines(history: History) -> Iterator[Line]:
    """How many findings became what, and the first that are new."""
    changes = history.changes
    if changes.previous is None:
        yield Line(f"history    {history.file}: the first run, nothing to compare with")
        return
    counts = changes.counts
    parts = [f"{number:,} {change}" for change, number in counts.items()] or ["no finding, then and now"]
    colour = next((colour for change, colour in _COLOURS.items() if change in counts), _QUIET)
    aside = f"; {count(changes.elsewhere, 'known one')} not asked about" if changes.elsewhere else ""
    yield Line(f"changes    since {changes.previous.taken:%Y-%m-%d %H:%M} UTC: {', '.join(parts)}{aside}", colour)
    new = changes.of(Change.NEW)
    if new:
        told = ", ".join(f"{one.check} on {one.subject}" for one in new[:MOST])
        more = f" and {len(new) - MOST:,} more" if len(new) > MOST else ""
        yield Line(f"  new: {told}{more}", colour)
