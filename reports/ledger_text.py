"""The ledgers of some forwarders as lines for people."""

from collections import Counter
from collections.abc import Iterable, Iterator

from checks.verdict import count
from fixtures.ledger.entry import Delivery
from fixtures.ledger.logged_object import KeyFilter
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Counts
from remediation.ledger_run import Read

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
_STEP = 1000


def ledger_lines(read: Read) -> Iterator[str]:
    """One forwarder's ledger."""
    ledger = read.ledger
    if ledger is None:
        yield f"{read.forwarder}: no ledger: {read.why_none}"
        return
    yield f"{ledger.subject}"
    yield f"  objects   {told_counts(ledger.counts, complete=ledger.complete)}"
    yield f"  of        s3://{ledger.bucket}, {_filters(ledger.filters)}"
    for (delivery, reason), number in sorted(ledger.counts.reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"  {str(delivery).lower():<14} {number:>9,}: {reason}"
    if ledger.counts.likely:
        yield f"  likely delivered, not proved: {ledger.counts.likely:,} (enough calls around them, none failed)"
    if ledger.counts.first_open and ledger.counts.last_open:
        yield f"  open ones arrived {Span(ledger.counts.first_open, ledger.counts.last_open)}"
    yield from _left_out(ledger.counts.left_out)
    if ledger.unlisted:
        yield f"  the listing ended early: {ledger.unlisted}"
    for note in dict.fromkeys(ledger.notes):
        yield f"  note      {note}"


def told_counts(counts: Counts, *, complete: bool) -> str:
    """`12 delivered (3 MB), 3 not delivered (12 KB), none without evidence`; "at least" where not all was listed."""
    told = ", ".join(
        f"{counts.objects[kind]:,} {words} ({told_size(counts.size[kind])})"
        for kind, words in (
            (Delivery.DELIVERED, "delivered"),
            (Delivery.NOT_DELIVERED, "not delivered"),
            (Delivery.NO_EVIDENCE, "without evidence"),
        )
        if counts.objects[kind]
    )
    at_least = "" if complete else "at least, not counted to the end: "
    return f"{at_least}{told or 'none arrived'}"


def told_size(size: float) -> str:
    """`1.2 GB`."""
    for unit in _UNITS:
        if size < _STEP or unit == _UNITS[-1]:
            return f"{size:,.0f} {unit}" if unit == _UNITS[0] or size >= 100 else f"{size:,.1f} {unit}"
        size /= _STEP
    raise AssertionError("the last unit takes everything")


def totals(reads: Iterable[Read]) -> Counts:
    """All ledgers' counts together."""
    found = Counts()
    for read in reads:
        if read.ledger:
            found.objects.update(read.ledger.counts.objects)
            found.size.update(read.ledger.counts.size)
            found.likely += read.ledger.counts.likely
    return found


def verdict_line(reads: Iterable[Read]) -> str:
    """The last line."""
    known = tuple(reads)
    counts = totals(known)
    forwarders = count(sum(1 for read in known if read.ledger), "forwarder")
    if counts.objects[Delivery.NOT_DELIVERED]:
        return f"{count(counts.objects[Delivery.NOT_DELIVERED], 'object')} of {forwarders} were not delivered."
    if counts.objects[Delivery.NO_EVIDENCE]:
        unproved = count(counts.objects[Delivery.NO_EVIDENCE], "object")
        return f"There is no evidence of the delivery of {unproved} of {forwarders}."
    if not all(read.is_whole for read in known):
        return "Nothing was found that was not delivered, but not everything could be seen."
    if not counts.total:
        return f"No object arrived at {forwarders}."
    return f"All {count(counts.total, 'object')} of {forwarders} are proved to be delivered."


def _filters(filters: tuple[KeyFilter, ...]) -> str:
    return ", ".join(f"{one.prefix}*{one.suffix}" if one.prefix or one.suffix else "every object" for one in filters)


def _left_out(left_out: Counter[str]) -> Iterator[str]:
    if left_out:
        told = ", ".join(f"{number:,} of {reason}" for reason, number in sorted(left_out.items()))
        yield f"  not logs  {told}"
