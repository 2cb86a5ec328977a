"""What arrived while forwarders were changed, and before, since they were last seen to deliver: the ledger of a run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from fixtures.estate import Estate, Forwarder, Target
from fixtures.ledger.entry import Entry as Judged
from fixtures.ledger.listing import Bounds
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Counts
from remediation.engine import Outcome
from remediation.journal import Entry
from remediation.ledger import How, Sources
from remediation.ledger_run import Read, read_ledgers, rows_in
from remediation.outage import Outage, outages_of
from remediation.proof import changed_by

FILE = "ledger.jsonl"
_MOST_LOG_PAGES = 20  # of 10,000 lines each
_MOST_TAGS = 5_000  # a quarter of a minute at the rate that S3 is asked
_MOST_PAGES = 50  # LIST calls for one forwarder: 50,000 objects; more is for the verb, which says what it takes


@dataclass
class Cutovers:
    """When each forwarder of a run was changed: from before the first write until it was proved, or not."""

    spans: dict[tuple[Target, str], Span] = field(default_factory=dict)

    def add(self, outcome: Outcome, begun: datetime, ended: datetime) -> None:
        """One part of a plan was carried out in that time."""
        for lane in changed_by(outcome):
            for name in lane.forwarders:
                before = self.spans.get((lane.target, name))
                self.spans[lane.target, name] = Span(min(begun, before.since) if before else begun, ended)

    def behind(self, earlier: Iterable[Entry]) -> "Cutovers":
        """The same, of a run that goes on with one that was stopped, by its journal.

        What that one had proved is in it, and what this one did again began when that one began to write.
        """
        begun: datetime | None = None
        first: datetime | None = None
        spans: dict[tuple[Target, str], Span] = {}
        for entry in earlier:
            time, facts = entry.content.get("time"), entry.content.get("facts")
            at = datetime.fromisoformat(time) if isinstance(time, str) else None
            if entry.kind == "begin":
                begun = at
                first = first or at
            elif entry.kind == "proof" and begun and at and isinstance(facts, dict):
                target = Target(str(facts.get("account")), str(facts.get("region")))
                spans[target, str(facts.get("forwarder"))] = Span(begun, at)
        for where, span in self.spans.items():
            spans[where] = Span(min(first or span.since, span.since), span.until)
        return Cutovers(spans)


@dataclass(frozen=True, slots=True)
class CutoverLedger:
    """What is known of the objects of one forwarder that was changed.

    Attributes:
        target: where.
        forwarder: its name.
        span: from before the first write to it until it was proved.
        meanwhile: what arrived in that span.
        outage: since when it was not seen to deliver before that; None where it did until shortly before.
        before: what arrived in the outage.
        complete: whether everything was listed; else the numbers are "at least".
        why_not: why it was not, or why there is no ledger; empty where there is one that is complete.
        notes: what a person must know to read it.
    """

    target: Target
    forwarder: str
    span: Span
    meanwhile: Counts
    outage: Outage | None
    before: Counts
    complete: bool
    why_not: str
    notes: tuple[str, ...]

    @property
    def open_span(self) -> Span:
        """The span of the outage and the change: what a backfill is told."""
        return Span(self.outage.since if self.outage else self.span.since, self.span.until)

    def facts(self) -> Mapping[str, object]:
        """As plain data, for a file."""
        return {
            "kind": "forwarder",
            "account": self.target.account,
            "region": self.target.region,
            "forwarder": self.forwarder,
            "begun": self.span.since.isoformat(),
            "ended": self.span.until.isoformat(),
            "meanwhile": _counted(self.meanwhile),
            "outage_since": self.outage.since.isoformat() if self.outage else None,
            "outage_source": self.outage.source if self.outage else None,
            "before": _counted(self.before),
            "complete": self.complete,
            "why_not": self.why_not,
            "notes": list(self.notes),
        }


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

    def keeps(forwarder: Forwarder, entry: Judged) -> bool:
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


def _counted(counts: Counts) -> Mapping[str, object]:
    return {
        "objects": {str(kind): number for kind, number in counts.objects.items()},
        "bytes": {str(kind): number for kind, number in counts.size.items()},
        "open": counts.open,
        "likely": counts.likely,
    }
