"""Puts a forwarder's ledger together: reads what speaks of all objects, then judges them one by one as they are listed.

It only reads. It stands here because those who need it do: a fix, which says what arrived meanwhile, and a backfill.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from checks.delivery import LONGEST_TRY, Evidence, Witnesses, judged
from checks.ledger_scope import LedgerScope, ledger_scope, left_out
from fixtures.aws import Aws
from fixtures.estate import Estate, Forwarder
from fixtures.fact import NOT_READ, Absent, Fact, Unreadable
from fixtures.ledger.calls import Calls
from fixtures.ledger.entry import Delivery, Entry
from fixtures.ledger.inventory import inventoried, parse_address, refuse_unusable
from fixtures.ledger.listing import Arrival, Bounds, Listing, NoLedgerError
from fixtures.ledger.log_names import LogNames
from fixtures.ledger.log_reading import MOST_PAGES, Log, LogRead, read_log_into
from fixtures.ledger.logged_object import takes_any
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Ledger
from fixtures.ledger.tagging import Tags, batches
from fixtures.ledger.walk import Unlisted
from fixtures.look import LOOK
from fixtures.readers.inventory import read_manifest
from fixtures.readers.queues import read_waiting
from fixtures.readers.timelines import read_timeline
from fixtures.state import ESTATE
from remediation.lock import KEY as LOCK_KEY

# Looked at before the span too: a function that is seen to be called at other times is one whose calls are counted.
_BEFORE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class How:
    """How ledgers are made.

    Attributes:
        bounds: how buckets are listed.
        inventory: `s3://` address of the manifest of an S3 Inventory to read in place of a listing; None for none.
        dead_letters: keys that dead letters name, by bucket; they are not received here.
        tags: objects that are asked for their tags, None for all.
        log_pages: pages of a log that are read, of 10,000 lines each.
        told: told from time to time what is going on, in a few words.
    """

    bounds: Bounds = field(default_factory=Bounds)
    inventory: str | None = None
    dead_letters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tags: int | None = None
    log_pages: int = MOST_PAGES
    told: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Sources:
    """What ledgers are read with.

    Attributes:
        estate: what was seen of the forwarders and their buckets.
        access: access by account.
        now: when it was begun, in UTC: what arrives later is in no ledger of these.
        how: how they are made.
    """

    estate: Estate
    access: Mapping[str, Aws]
    now: datetime
    how: How = field(default_factory=How)


def sources_of(config: pytest.Config, now: datetime, how: How | None = None) -> Sources:
    """Those of a run that has looked: its estate, and the accounts that it entered for reading."""
    look = config.stash[LOOK]
    access = {entrance.target.account: entrance.aws for entrance in look.entrances if entrance.aws}
    return Sources(config.stash[ESTATE], access, now, how or How())


def open_ledger(sources: Sources, forwarder: Forwarder, span: Span, *, after: str = "") -> Ledger:
    """A forwarder's ledger of a span, as a stream that is read once; its log and metrics are read now.

    Args:
        sources: what it is read with.
        forwarder: whose it is.
        span: which arrivals.
        after: the key behind which the stream begins.

    Raises:
        NoLedgerError: it names no bucket, the bucket is gone, or its account was not entered.
        InputError: the inventory cannot be used.
    """
    scope = ledger_scope(forwarder, sources.estate)
    if isinstance(scope, str):
        raise NoLedgerError(scope, has_bucket=forwarder.bucket_name is not None)
    aws, owner = sources.access.get(forwarder.target.account), sources.access.get(scope.owner)
    if aws is None or owner is None:
        raise NoLedgerError(f"account {forwarder.target.account if aws is None else scope.owner} was not entered")
    return _Making(sources, forwarder, scope, span, aws, owner, after).ledger()


@dataclass
class _Making:
    """One ledger being made; `owner` is access of the account that the bucket belongs to."""

    sources: Sources
    forwarder: Forwarder
    scope: LedgerScope
    span: Span
    aws: Aws
    owner: Aws
    after: str

    def ledger(self) -> Ledger:
        names = LogNames(self.scope.bucket, partial(takes_any, self.scope.filters))
        log = self._log(names)
        timeline = self._timeline()
        found = Ledger(str(self.forwarder), self.scope.bucket, self.scope.filters, self.span, iter(()))
        found.notes += [*self.scope.notes, *([log.why_not] if log.why_not else [])]
        if isinstance(timeline, Unreadable):
            found.notes.append(f"its metrics could not be read ({timeline})")
        found.notes += self._waiting()
        calls = tuple(one for one in (timeline, log.calls) if isinstance(one, Calls))
        witnesses = Witnesses(self.sources.now, calls, log.whole, self.scope.tags_since)
        arrivals = self._inventory(found) if self.sources.how.inventory else self._listing(found)
        found.entries = self._entries(found, arrivals, witnesses, names)
        return found

    def _entries(
        self, ledger: Ledger, arrivals: Iterator[Arrival], witnesses: Witnesses, names: LogNames
    ) -> Iterator[Entry]:
        """The stream: a batch is listed, asked for its tags and judged before the next one is listed."""
        dead = self.sources.how.dead_letters.get(self.scope.bucket, frozenset())
        tags_work = False
        with (
            closing(names),
            closing(Tags(self.owner, self.scope.region, self.scope.owner, self.sources.how.tags)) as tags,
        ):
            try:
                for batch in batches(self._of_logs(ledger, arrivals)):
                    named = [names.of(one.object.key, one.object.modified, one.replaced) for one in batch]
                    found = self._tags(tags, batch, proved=[bool(one and one.well) for one in named])
                    tags_work = tags_work or any(tag is True for tag in found)
                    for arrival, tag, said in zip(batch, found, named, strict=True):
                        evidence = Evidence(tag, self.scope.tags, tags_work, said, arrival.object.key in dead)
                        yield judged(arrival.object, evidence, witnesses)
            except Unlisted as problem:
                ledger.unlisted = str(problem)
            if tags.refused:
                ledger.notes.append(f"tags could not be read ({tags.refused})")
        ledger.notes += _too_few_calls(ledger, witnesses)

    def _of_logs(self, ledger: Ledger, arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
        """Without what is no log; that is counted."""
        own = frozenset({LOCK_KEY})
        for arrival in arrivals:
            reason = left_out(arrival.object.key, arrival.object.size, own)
            if reason:
                ledger.counts.left_out[reason] += 1
            else:
                yield arrival

    def _tags(self, tags: Tags, batch: list[Arrival], proved: list[bool]) -> list[Fact[bool]]:
        """The tags of those that nothing else proves, where the forwarder sets any."""
        if not self.scope.tags:
            return [NOT_READ] * len(batch)
        asked = [arrival for arrival, known in zip(batch, proved, strict=True) if not known]
        found = iter(tags.of(asked))
        return [NOT_READ if known else next(found) for known in proved]

    def _listing(self, ledger: Ledger) -> Iterator[Arrival]:
        how = self.sources.how
        bounds = replace(how.bounds, after=max(self.after, how.bounds.after))

        def told(pages: int) -> None:
            how.told(
                f"{ledger.subject}: {pages:,} LIST calls, {ledger.counts.total:,} objects, {ledger.counts.open:,} open"
            )

        scope = self.scope
        listing = Listing(self.owner, scope.bucket, scope.owner, scope.region, scope.filters, self.span, bounds, told)
        listing.notes = ledger.notes
        return listing.arrivals()

    def _inventory(self, ledger: Ledger) -> Iterator[Arrival]:
        address = parse_address(str(self.sources.how.inventory))
        manifest = read_manifest(self.owner, self.scope.region, address)
        if isinstance(manifest, Absent | Unreadable):
            raise NoLedgerError(f"the inventory could not be read: {manifest}")
        refuse_unusable(manifest, address, self.scope.bucket)
        if manifest.taken < self.span.until:
            ledger.unlisted = (
                f"the inventory is of {manifest.taken:%Y-%m-%d %H:%M:%S} UTC: what arrived later is not in it"
            )

        def arrivals() -> Iterator[Arrival]:
            for found in inventoried(self.owner, self.scope.region, manifest):
                if self.span.holds(found.modified) and takes_any(self.scope.filters, found.key):
                    # when another version came is in another row: what the log says cannot be told apart
                    yield Arrival(found, None if found.latest else found.modified)

        return arrivals()

    def _log(self, names: LogNames) -> LogRead:
        if self.scope.log_group is None:
            names.ready()
            return LogRead(None, whole=False)
        how, now = self.sources.how, self.sources.now
        span = Span(self.span.since, max(self.span.until, min(now, self.span.until + LONGEST_TRY)))
        log = Log(self.aws, self.forwarder.target.region, self.scope.log_group, span, now, how.log_pages)
        return read_log_into(names, log, lambda pages: how.told(f"{self.forwarder}: {pages:,} pages of its log"))

    def _timeline(self) -> Fact[Calls]:
        if self.scope.function is None:
            return NOT_READ
        until = min(self.sources.now, self.span.until + LONGEST_TRY)
        span = Span(self.span.since - _BEFORE, until)
        return read_timeline(self.aws, self.forwarder.target.region, self.scope.function, span, self.sources.now)

    def _waiting(self) -> Iterator[str]:
        """What waits in a dead-letter queue: counted, and not received, which would hide it from others."""
        arn = self.scope.dead_letters
        if arn is None or arn.split(":")[2] != "sqs":
            return
        waiting = read_waiting(self.aws, self.forwarder.target.region, arn)
        if isinstance(waiting, Absent | Unreadable):
            yield f"how much waits in the dead-letter queue is not known ({waiting})"
        elif waiting:
            queue = arn.rpartition(":")[2]
            yield f"about {waiting:,} messages wait in the dead-letter queue {queue}; they were not read"


def _too_few_calls(ledger: Ledger, witnesses: Witnesses) -> Iterator[str]:
    """Fewer calls than objects: some were not called for, whichever they are, and so many are not likely delivered."""
    counts = ledger.counts
    for calls in witnesses.calls:
        counted = round(calls.between(ledger.span.since, ledger.span.until + LONGEST_TRY).calls)
        if calls.any and calls.complete and counted < counts.total:
            counts.likely = max(0, min(counts.likely, counted - counts.objects[Delivery.DELIVERED]))
            objects = "1 object" if counts.total == 1 else f"{counts.total:,} objects"
            yield f"{calls.source} counts {counted:,} calls for {objects}, and S3 calls for each"
