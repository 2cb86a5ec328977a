"""Whether there is something to tell: by what changed since the last run, by what is open, or always."""

from checks.outcome import Status
from checks.verdict import HOLDS, count
from fixtures.delivery import Occasion
from reports.history.changes import Change, History
from reports.summary import Summary

_MOVED = (Change.NEW, Change.FIXED, Change.GONE)
_UNSEEN = (Status.UNKNOWN, Status.ERROR)
_OPEN = (Status.FAILED, Status.BLOCKED, *_UNSEEN)


def quiet(summary: Summary, occasion: Occasion, *, whole: bool) -> str:
    """Why nobody needs to be told, in a few words; empty where somebody does.

    What cannot be told (a history that could not be written, a run that was not brought to its end) is news, too.

    Args:
        summary: the run.
        occasion: what the user wants to hear of.
        whole: whether none of the targets' subjects was left out: only then its numbers compare with the last run's.
    """
    if occasion is Occasion.ALWAYS:
        return ""
    if occasion is Occasion.FINDING:
        is_open = any(summary.counts.get(status, 0) for status in _OPEN) or summary.verdict.code != HOLDS
        return "" if is_open else "nothing is open"
    history = summary.run.history
    if history is None or _has_moved(summary, history, whole=whole):
        return ""
    previous = history.changes.previous
    if previous is None:
        return "nothing is open, and this is the first run"
    return f"nothing changed since {previous.taken:%Y-%m-%d %H:%M} UTC"


def _has_moved(summary: Summary, history: History, *, whole: bool) -> bool:
    changes = history.changes
    if any(finding.change in _MOVED for finding in changes.findings):
        return True
    if any(finding.change is Change.WAIVED and finding.before is not Status.WAIVED for finding in changes.findings):
        return True
    previous = changes.previous
    if previous is None or not whole:
        return False
    seen = summary.coverage
    if seen and (seen.asked, seen.reached, seen.forwarders) != (previous.asked, previous.reached, previous.forwarders):
        return True
    unseen = [sum(counts.get(status, 0) for status in _UNSEEN) for counts in (summary.counts, previous.counts)]
    return unseen[0] != unseen[1] or summary.verdict.code != previous.code


def moved(history: History | None) -> str:
    """`2 new, 1 fixed`: what became of findings, but for what is as it was; empty where there is nothing."""
    if history is None:
        return ""
    counts = history.changes.counts
    told = [f"{counts[change]:,} {change}" for change in (*_MOVED, Change.UNKNOWN) if change in counts]
    return ", ".join(told)


def open_findings(summary: Summary) -> str:
    """`3 findings`, or `nothing open`."""
    number = summary.counts.get(Status.FAILED, 0) + summary.counts.get(Status.BLOCKED, 0)
    return count(number, "finding") if number else "nothing open"
