"""What is known of the objects that arrived while a forwarder was changed, and in an outage before: the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fixtures.estate import Target
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Counts

FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Outage:
    """What may have been lost before a repair.

    Attributes:
        since: from when on nothing is seen to be delivered, in UTC.
        source: who says so, as half a sentence.
    """

    since: datetime
    source: str


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


def _counted(counts: Counts) -> Mapping[str, object]:
    return {
        "objects": {str(kind): number for kind, number in counts.objects.items()},
        "bytes": {str(kind): number for kind, number in counts.size.items()},
        "open": counts.open,
        "likely": counts.likely,
    }
