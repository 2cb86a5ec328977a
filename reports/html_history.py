"""What changed since the last run, and the trend of the last runs as small plots."""

from collections.abc import Callable, Sequence
from html import escape

from checks.outcome import Status
from checks.verdict import count
from reports.history.changes import Change, ChangedFinding, History, PastRun
from reports.html_markup import anchor, css_class, section

MOST_CHANGES = 20
_TOLD = (Change.NEW, Change.FIXED, Change.GONE, Change.UNKNOWN)
_PLOTS: tuple[tuple[str, Callable[[PastRun], int]], ...] = (
    ("open findings", lambda run: sum(run.counts.get(status, 0) for status in (Status.FAILED, Status.BLOCKED))),
    ("could not tell", lambda run: run.counts.get(Status.UNKNOWN, 0)),
    ("waived", lambda run: run.counts.get(Status.WAIVED, 0)),
    ("targets not reached", lambda run: run.asked - run.reached),
    ("forwarders", lambda run: run.forwarders),
)
_WIDTH, _HEIGHT, _EDGE = 200, 44, 4


def changes_block(history: History) -> str:
    """How many findings are new, fixed, still there, waived, gone or unknown, and the first of those that moved."""
    changes = history.changes
    previous = changes.previous
    if previous is None:
        return section(
            "changes", "What changed", f"<p>The first run in {escape(history.file)}: nothing to compare.</p>"
        )
    counts = changes.counts
    tiles = "".join(f'<li class="change-{change}"><b>{counts.get(change, 0):,}</b> {change}</li>' for change in Change)
    lists = "".join(_list(change, changes.of(change)) for change in _TOLD)
    aside = f"<p>{count(changes.elsewhere, 'open finding')} known where this run did not look.</p>"
    since = f"since {previous.taken:%Y-%m-%d %H:%M} UTC, run {previous.id} ({previous.mode})"
    body = f'<ul class="numbers">{tiles}</ul>{lists}{aside if changes.elsewhere else ""}'
    return section("changes", "What changed", body, note=since)


def trend_block(history: History) -> str:
    """One plot for each number; empty for a single run, of which there is no trend."""
    runs = history.trend
    if len(runs) < 2:
        return ""
    plots = "".join(_plot(title, runs, number) for title, number in _PLOTS)
    span = f"{count(len(runs), 'run')}, {runs[0].taken:%Y-%m-%d} to {runs[-1].taken:%Y-%m-%d}"
    return section("trend", "Trend", f'<div class="plots">{plots}</div>', note=span)


def _list(change: Change, findings: Sequence[ChangedFinding]) -> str:
    if not findings:
        return ""
    items = "".join(_finding(found) for found in findings[:MOST_CHANGES])
    more = f"<li>and {len(findings) - MOST_CHANGES:,} more</li>" if len(findings) > MOST_CHANGES else ""
    open_now = " open" if change is Change.NEW else ""
    return f"<details{open_now}><summary>{change} <b>{len(findings):,}</b></summary><ul>{items}{more}</ul></details>"


def _finding(found: ChangedFinding) -> str:
    name = f"{escape(found.subject)} <code class=check>{escape(found.check)}</code>"
    if found.status not in {None, Status.PASSED}:
        name = f'<a href="#{anchor(found.check, found.subject)}">{name}</a>'
    css = css_class(found.status or Status.UNKNOWN)
    word = f'<span class="mark">{escape(found.status)}</span> ' if found.status else ""
    return f'<li class="{css}">{word}{name} {escape(found.told)} <small>since {found.since:%Y-%m-%d}</small></li>'


def _plot(title: str, runs: Sequence[PastRun], number: Callable[[PastRun], int]) -> str:
    """A line of the last runs; its numbers stand in words beside it, and in a title at each point."""
    numbers = [number(run) for run in runs]
    low, high = min(numbers), max(numbers)
    points = [
        (
            _EDGE + index * (_WIDTH - 2 * _EDGE) / (len(numbers) - 1),
            _HEIGHT - _EDGE - (value - low) * (_HEIGHT - 2 * _EDGE) / ((high - low) or 1),
        )
        for index, value in enumerate(numbers)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 if index == len(points) - 1 else 1.5}">'
        f"<title>{runs[index].taken:%Y-%m-%d %H:%M}: {numbers[index]:,}</title></circle>"
        for index, (x, y) in enumerate(points)
    )
    told = f"{title}: {numbers[-1]:,} now, {numbers[-2]:,} before; {low:,} to {high:,} in {count(len(runs), 'run')}"
    return (
        f"<figure><figcaption>{title} <b>{numbers[-1]:,}</b> <small>{low:,} to {high:,}</small></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{told}"><polyline points="{line}"/>{dots}</svg>'
        "</figure>"
    )
