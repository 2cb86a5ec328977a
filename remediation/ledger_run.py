"""Reads the ledgers of many forwarders side by side; their objects wait on disk until they are written, in order."""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO

from fixtures.estate import Forwarder
from fixtures.fact import Absent, Unreadable
from fixtures.ledger.entry import Entry
from fixtures.ledger.listing import NoLedgerError
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Ledger
from fixtures.readers.timelines import read_object_count
from remediation.engine import side_by_side
from remediation.ledger import Sources, open_ledger
from remediation.step import Interrupted

_PAGE = 1000  # objects on a page of a listing


@dataclass(frozen=True, slots=True)
class Read:
    """One forwarder's ledger, read to its end.

    Attributes:
        forwarder: whose it is.
        ledger: the ledger with its counts; None where there is none.
        why_none: why there is none, empty where there is one.
        has_bucket: whether there can be one: it is called by a bucket at all.
        rows: its objects, a JSON object a line; None where nobody asked for them.
    """

    forwarder: Forwarder
    ledger: Ledger | None
    why_none: str = ""
    has_bucket: bool = True
    rows: IO[str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything that could be known of it is."""
        return self.ledger.complete if self.ledger else not self.has_bucket


def row_of(ledger: Ledger, entry: Entry) -> dict[str, object]:
    """One object of a ledger as plain data."""
    account, region, name = ledger.subject.split("/", 2)
    logged = entry.object
    return {
        "account": account,
        "region": region,
        "forwarder": name,
        "bucket": logged.bucket,
        "key": logged.key,
        "version_id": logged.version_id,
        "latest": logged.latest,
        "size": logged.size,
        "modified": logged.modified.isoformat(),
        "etag": logged.etag,
        "storage_class": logged.storage_class,
        "verdict": str(entry.delivery),
        "evidence": str(entry.evidence),
        "likely": entry.likely,
        "reason": entry.reason,
    }


def read_ledgers(
    sources: Sources,
    forwarders: Sequence[Forwarder],
    span_of: Callable[[Forwarder], Span],
    keeps: Callable[[Forwarder, Entry], bool] | None = None,
) -> list[Read]:
    """Every forwarder's ledger, read to its end, in their order. Ctrl-C ends all of them.

    Args:
        sources: what they are read with.
        forwarders: whose.
        span_of: which arrivals, for each.
        keeps: told every object, says whether its row is kept; None for no rows at all.

    Raises:
        InputError: an inventory cannot be used.
    """
    stop = threading.Event()

    def told(text: str) -> None:
        if stop.is_set():
            raise Interrupted("the ledger is not read any further")
        sources.how.told(text)

    heeding = replace(sources, how=replace(sources.how, told=told))

    def read(forwarder: Forwarder) -> Read:
        try:
            ledger = open_ledger(heeding, forwarder, span_of(forwarder))
        except NoLedgerError as problem:
            return Read(forwarder, None, str(problem), has_bucket=problem.has_bucket)
        rows = tempfile.TemporaryFile("w+", encoding="utf-8") if keeps else None  # noqa: SIM115  closed by its reader
        for entry in ledger:
            if stop.is_set():
                break
            if rows is not None and keeps is not None and keeps(forwarder, entry):
                rows.write(json.dumps(row_of(ledger, entry), ensure_ascii=False) + "\n")
        return Read(forwarder, ledger, rows=rows)

    return side_by_side(read, forwarders, stop)


def rows_in(reads: Sequence[Read]) -> Iterator[dict[str, object]]:
    """The kept objects of all ledgers, in order."""
    for read in reads:
        if read.rows is not None:
            read.rows.seek(0)
            yield from (json.loads(line) for line in read.rows)
            read.rows.close()


@dataclass(frozen=True, slots=True)
class Foretold:
    """What listing takes at most, as far as it is known: pages of the known buckets, and how many are not known."""

    pages: int
    unknown: int


def foretold(sources: Sources, forwarders: Sequence[Forwarder], now: datetime) -> Foretold:
    """What it takes to list the whole buckets of some forwarders, each once for each forwarder.

    By CloudWatch's daily metric of S3, one call a bucket. Where keys are dated, it takes a fraction of that.
    """
    stop = threading.Event()
    named = [forwarder for forwarder in forwarders if forwarder.bucket_name]

    def count(forwarder: Forwarder) -> int | None:
        aws = sources.access.get(forwarder.target.account)
        if aws is None:
            return None
        found = read_object_count(aws, forwarder.target.region, str(forwarder.bucket_name), now)
        return None if isinstance(found, Absent | Unreadable) else found // _PAGE + 1

    counts = side_by_side(count, named, stop)
    return Foretold(sum(found for found in counts if found is not None), counts.count(None))
