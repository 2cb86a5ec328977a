"""A backfill told to people: what would be sent and what it takes, and what became of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from checks.verdict import count
from fixtures.ledger.stream import Counts
from fixtures.prices import Prices
from remediation.backfill.book import Fate, Standing
from remediation.backfill.cost import Cost, bytes_told, time_told
from remediation.backfill.part import Refused

_MOST = 10  # lines of one kind


@dataclass(frozen=True, slots=True)
class Planned:
    """What one forwarder would be sent.

    Attributes:
        counts: what the ledger came to; None for dead letters.
        lines: how many events.
        uncertain: how many of them may have been delivered already.
        unsendable: objects that cannot be delivered, by reason.
        by_earlier: objects that earlier runs sent, by what became of them.
        notes: what a person should know.
        unlisted: why the listing ended early, empty where it did not: there may be more.
    """

    subject: str
    counts: Counts | None
    lines: int
    uncertain: int
    cost: Cost | None
    unsendable: Mapping[str, int] = field(default_factory=dict)
    by_earlier: Mapping[Fate, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unlisted: str = ""


def plan_lines(planned: Sequence[Planned], refused: Sequence[Refused], prices: Prices) -> Iterator[str]:
    """The plan, forwarder by forwarder, and the whole."""
    for part in planned:
        yield f"{part.subject}:"
        yield from (f"  {line}" for line in _part_lines(part, prices))
    yield from refused_lines(refused)
    if not planned and not refused:
        yield "no forwarder was found: look at --regions, --accounts and --forwarders"
    sent = sum(part.lines for part in planned)
    uncertain = sum(part.uncertain for part in planned)
    price = sum(part.cost.price(prices) for part in planned if part.cost)
    size = sum(part.cost.size for part in planned if part.cost)
    letters = any(part.counts is None for part in planned)
    what = f"about {count(sent, 'dead letter')}" if letters else f"{count(sent, 'object')} ({bytes_told(size)})"
    yield f"to send: {what}, about {price:.2f} {prices} (an estimate)"
    if uncertain:
        yield (f"of {uncertain:,} of them nothing shows whether they were delivered: XDR may receive them twice "
               "(--only-certain leaves them out)")  # fmt: skip


def _part_lines(part: Planned, prices: Prices) -> Iterator[str]:
    if part.counts is None:
        yield f"about {part.lines:,} dead letters; of which objects they are is seen when they are read"
    else:
        maybe = f", {part.uncertain:,} of them without evidence" if part.uncertain else ""
        yield f"{count(part.lines, 'object')} to send{maybe}"
    if part.cost and part.cost.calls:
        cost = part.cost
        size = f"{bytes_told(cost.size)}; " if cost.size else ""
        taken = f"{cost.seconds:.1f} s a call" + (", a guess" if cost.guessed else "")
        yield (
            f"{size}at most {cost.rate:.1f} calls a second, so about {time_told(cost.time)}; "
            f"{cost.gb_seconds:,.0f} GB-s ({taken}), about {cost.price(prices):.2f} {prices.currency} (an estimate)"
        )
    if part.counts:
        yield from _ledger_lines(part.counts)
    yield from _left_lines(part)
    for note in part.notes:
        yield f"note: {note}"
    if part.unlisted:
        yield f"NOT LISTED to the end, so there may be more: {part.unlisted}"


def _ledger_lines(counts: Counts) -> Iterator[str]:
    """What the ledger came to."""
    for (verdict, reason), number in counts.reasons.most_common(_MOST):
        yield f"{number:,} {verdict}: {reason}"
    if counts.total > counts.open:
        yield f"{counts.total - counts.open:,} more are proved to be delivered"
    for reason, number in counts.left_out.most_common(_MOST):
        yield f"{number:,} left out: {reason}"


def _left_lines(part: Planned) -> Iterator[str]:
    """What is open and not sent."""
    for fate, number in part.by_earlier.items():
        yield f"{number:,} were sent by an earlier run: {_EARLIER[fate]}"
    for reason, number in sorted(part.unsendable.items()):
        yield f"{number:,} cannot be sent: {reason}"


_EARLIER: Mapping[Fate, str] = {
    Fate.PROVED: "proved to be delivered",
    Fate.QUIET: "its call ended well and logged no upload (--again sends them once more)",
    Fate.WAITING: "Lambda took it (--again sends them once more)",
    Fate.UNSEEN: "Lambda took it, and no more was seen (--again sends them once more)",
}


def refused_lines(refused: Sequence[Refused]) -> Iterator[str]:
    """The forwarders that are not called, each reason once for all whom it stops."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in refused:
        for obstacle in one.obstacles:
            groups.setdefault((obstacle.reason, obstacle.to_do), []).append(one.subject)
    for (reason, to_do), subjects in groups.items():
        yield f"REFUSED {reason}"
        yield f"  to do     {to_do}"
        yield f"  on        {_some(subjects)}"


def end_lines(standings: Iterable[Standing], stopped: Mapping[str, str]) -> Iterator[str]:
    """What became of each forwarder's events."""
    for standing in standings:
        counts = Counter({fate: standing.count(fate) for fate in _TOLD})
        told = ", ".join(f"{counts[fate]:,} {_TOLD[fate]}" for fate in _TOLD if counts[fate]) or "nothing was sent"
        yield f"{standing.subject}: {told}"
        if standing.predicted:
            yield f"  up to {standing.predicted:,} of them may have reached XDR twice: the run was killed in between"
        if standing.subject in stopped:
            yield f"  STOPPED: {stopped[standing.subject]}"
        groups: dict[str, list[int]] = {}
        for line in standing.undelivered:
            groups.setdefault(standing.reasons[line], []).append(line)
        for reason, lines in sorted(groups.items())[:_MOST]:
            yield f"  {len(lines):,} not delivered: {reason}"


_TOLD: Mapping[Fate, str] = {
    Fate.PROVED: "proved to be delivered",
    Fate.QUIET: "ended well without an upload line (no evidence)",
    Fate.UNSEEN: "taken by Lambda, and no more was seen (no evidence)",
    Fate.WAITING: "taken by Lambda, and not seen to end yet",
    Fate.FAILED: "failed in every attempt",
    Fate.REFUSED: "refused by Lambda",
    Fate.UNANSWERED: "sent without an answer",
}


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
