"""Reads the ledger of a run: what arrived while forwarders were changed, and since they were last seen to deliver."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fixtures.estate import Estate, Forwarder
from fixtures.ledger.entry import Entry
from fixtures.ledger.listing import Bounds
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Counts
from remediation.cutover import Cutovers
from remediation.cutover_ledger import CutoverLedger, Outage
from remediation.ledger import How, Sources
from remediation.ledger_run import Read, read_ledgers, rows_in
from remediation.outage import outages_of

_MOST_LOG_PAGES = 20  # of 10,000 lines each
_MOST_TAGS = 5_000  # a quarter of a minute at the rate that S3 is asked
_MOST_PAGES = 50  # LIST calls for one forwarder: 50,000 objects; more is for the verb, which says what it takes


@dataclass(frozen=True, slots=True)
class RunLedger:
    """The ledger of a run: each forwarder's, and the rows of what arrived while it was changed."""

    forwarders: tuple[CutoverLedger, ...]
    reads: tuple[Read, ...]

    def lines(self) -> Iterator[Mapping[str, object]]:
        """The forwarders, then the objects; can be read once."""
        yield from (one.facts() for one in self.forwarders)
        yield from ({"kind": "object", **row} for row in rows_in(self.reads))


def ledger_of_run(cutovers: Cutovers, before: Estate, sources: Sources) -> RunLedger:
    """Read the ledger of every forwarder that was changed.

    Args:
        cutovers: when they were.
        before: what was seen before the run.
        sources: what ledgers are read with: what was seen last.
    """
    spans = cutovers.spans
    changed = [found for found in sources.estate.forwarders if (found.target, found.name) in spans]
    old = {(found.target, found.name): found for found in before.forwarders}
    begun = {where: span.since for where, span in spans.items()}
    outages = outages_of(sources, [old.get((one.target, one.name), one) for one in changed], begun)
    counts = {(one.target, one.name): (Counts(), Counts()) for one in changed}

    def span_of(forwarder: Forwarder) -> Span:
        where = forwarder.target, forwarder.name
        outage = outages.get(where)
        return Span(outage.since if outage else spans[where].since, spans[where].until)

    def keeps(forwarder: Forwarder, entry: Entry) -> bool:
        where = forwarder.target, forwarder.name
        meanwhile = entry.object.modified >= spans[where].since
        counts[where][not meanwhile].add(entry)
        return meanwhile

    how = How(Bounds(most=_MOST_PAGES), tags=_MOST_TAGS, log_pages=_MOST_LOG_PAGES, told=sources.how.told)
    limited = replace(sources, how=how)
    reads = read_ledgers(limited, changed, span_of, keeps)
    told = tuple(
        _told(read, spans[where], outages.get(where), *counts[where])
        for read in reads
        for where in [(read.forwarder.target, read.forwarder.name)]
    )
    return RunLedger(told, tuple(reads))


def _told(read: Read, span: Span, outage: Outage | None, meanwhile: Counts, before: Counts) -> CutoverLedger:
    ledger = read.ledger
    if ledger:  # where there were fewer calls than objects, fewer are likely
        meanwhile.likely = min(meanwhile.likely, ledger.counts.likely)
    return CutoverLedger(
        target=read.forwarder.target,
        forwarder=read.forwarder.name,
        span=span,
        meanwhile=meanwhile,
        outage=outage,
        before=before,
        complete=read.is_whole,
        why_not=ledger.unlisted if ledger else read.why_none,
        notes=tuple(dict.fromkeys(ledger.notes)) if ledger else (),
    )
