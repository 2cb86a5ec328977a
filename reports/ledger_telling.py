"""Reads the ledgers that the verb was asked for, and tells them: what it takes, what was found, what sends it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

import pytest

from checks.ledger_scope import is_tagging
from checks.verdict import FINDINGS, HOLDS, NOT_SEEN
from fixtures.errors import InputError
from fixtures.estate import Forwarder
from fixtures.ledger.entry import Delivery
from fixtures.ledger.listing import Bounds
from fixtures.ledger.span import Span
from fixtures.prices import prices_with
from fixtures.state import ESTATE, OPTIONS, SETTINGS
from fixtures.whole_file import write_whole
from remediation.backfill.progress import Seldom
from remediation.cutover_ledger import Outage
from remediation.ledger import How, Sources, sources_of
from remediation.ledger_run import Read, foretold, read_ledgers, rows_in
from remediation.outage import outages_of
from reports.commands import INSTALLED, Commands, Scope
from reports.ledger_command import LedgerRequest
from reports.ledger_file import object_parts
from reports.ledger_text import ledger_lines, totals, verdict_line

_MOST_COMMANDS = 5


@dataclass
class LedgerTelling:
    """One ledger of what a run saw."""

    config: pytest.Config
    request: LedgerRequest
    outages: Mapping[str, Outage | None] = field(default_factory=dict)

    def carry_out(self) -> int:
        """Read and tell; returns the exit code.

        Raises:
            InputError: the inventory cannot be used, or the file not be written.
        """
        estate = self.config.stash[ESTATE]
        unseen = [seen for seen in estate.targets if not seen.reached]
        for seen in unseen:
            _say(f"{seen.target}: not reached: {seen.identity}")
        if not estate.forwarders:
            _say("No forwarder was found: that proves nothing.")
            return NOT_SEEN
        self._refuse_shared_inventory(len(estate.forwarders))
        self._end_the_span()
        sources = self._sources()
        if not self.request.inventory:
            self._foretell(sources)
        with _Progress() as progress:
            reads = self._read(self._sources(progress), estate.forwarders)
        self._tell(reads)
        return _code(reads, unseen=bool(unseen))

    def _refuse_shared_inventory(self, forwarders: int) -> None:
        if self.request.inventory and forwarders > 1:
            reason = f"it is of one bucket, and there are {forwarders} forwarders"
            raise InputError("--inventory", reason, "name one with --forwarders=NAME")

    def _end_the_span(self) -> None:
        """Where nobody said until when, it is when everything was looked at."""
        if not any(word.startswith("--until") for word in self.request.words):
            span = self.request.span
            self.request = replace(self.request, span=Span(span.since, max(datetime.now(UTC), span.until)))

    def _sources(self, told: Callable[[str], None] = lambda _: None) -> Sources:
        how = How(Bounds(whole=self.request.every_key), self.request.inventory, told=told)
        return sources_of(self.config, max(self.request.span.until, datetime.now(UTC)), how)

    def _foretell(self, sources: Sources) -> None:
        """What it takes, before it is done."""
        found = foretold(sources, sources.estate.forwarders, sources.now)
        prices = prices_with(getattr(self.config.stash[SETTINGS], "prices", {}))
        lists, reads = prices.of["s3_thousand_lists"], prices.of["s3_thousand_reads"]
        if found.pages:
            _say(f"it takes at most {found.pages:,} LIST calls ({found.pages / 1000 * lists:.2f} {prices}); where keys "
                 "bear dates, a fraction of them")  # fmt: skip
        if found.unknown:
            _say(f"how much {found.unknown} of the buckets hold is not known: a LIST call for each 1,000 objects, of "
                 f"which a thousand cost {lists:g} {prices}")  # fmt: skip
        if any(is_tagging(forwarder) for forwarder in sources.estate.forwarders):
            _say(f"with EnableObjectTagging, what arrived is asked for its tag: {reads:g} for a thousand objects")

    def _read(self, sources: Sources, forwarders: Sequence[Forwarder]) -> list[Read]:
        keeps = (lambda *_: True) if self.request.objects else None
        if not self.request.outage:
            return read_ledgers(sources, forwarders, lambda _: self.request.span, keeps)
        until = self.request.span.until
        begun = {(one.target, one.name): until for one in forwarders}
        found = outages_of(sources, forwarders, begun)
        self.outages = {str(one): found[one.target, one.name] for one in forwarders}
        behind = [one for one in forwarders if self.outages[str(one)] or not one.bucket_name]
        reads = {str(read.forwarder): read for read in read_ledgers(sources, behind, self._span_of, keeps)}
        fine = "no outage is seen: it delivered until shortly before"
        return [reads.get(str(one)) or Read(one, None, fine, has_bucket=False) for one in forwarders]

    def _span_of(self, forwarder: Forwarder) -> Span:
        outage = self.outages.get(str(forwarder))
        return Span(outage.since, self.request.span.until) if outage else self.request.span

    def _tell(self, reads: Sequence[Read]) -> None:
        _say("objects that arrived since each forwarder was last seen to deliver:" if self.request.outage
             else f"objects that arrived {self.request.span}:")  # fmt: skip
        for read in reads:
            for line in ledger_lines(read):
                _say(line)
            outage = self.outages.get(str(read.forwarder))
            if outage and read.ledger:
                _say(f"  since     {outage.since:%Y-%m-%d %H:%M:%S} UTC: {outage.source}")
        self._write(reads)
        for command in self._commands([read.forwarder for read in reads if read.ledger and read.ledger.counts.open]):
            _say(f"to send what is open: {command}")
        _say(verdict_line(reads))

    def _write(self, reads: Sequence[Read]) -> None:
        path = self.request.objects
        if path is None:
            return
        try:
            write_whole(path, object_parts(path, rows_in(reads)))
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"--objects={path}", reason, "name a file that can be written") from error
        _say(f"objects  {path}")

    def _commands(self, behind: Sequence[Forwarder]) -> Iterator[str]:
        """What sends what is open: one command where all have one span."""
        commands = Commands(self.config.stash[OPTIONS], INSTALLED)
        if not self.request.outage:
            if behind:
                yield commands.backfill(_scope(behind), self.request.span.options)
            return
        for one in behind[:_MOST_COMMANDS]:
            yield commands.backfill(_scope([one]), self._span_of(one).options)
        if len(behind) > _MOST_COMMANDS:
            yield f"... and of {len(behind) - _MOST_COMMANDS} more forwarders, each from its own time on"


def _scope(forwarders: Sequence[Forwarder]) -> Scope:
    return Scope(
        accounts=tuple(sorted({forwarder.target.account for forwarder in forwarders})),
        regions=tuple(sorted({forwarder.target.region for forwarder in forwarders})),
        forwarders=tuple(sorted({forwarder.name for forwarder in forwarders})),
    )


def _code(reads: Sequence[Read], *, unseen: bool) -> int:
    counts = totals(reads)
    if counts.objects[Delivery.NOT_DELIVERED]:
        return FINDINGS
    whole = all(read.is_whole for read in reads)
    return HOLDS if whole and not unseen and not counts.open else NOT_SEEN


class _Progress:
    """One line that changes on a terminal, one now and then elsewhere; on stderr, so that stdout is what was found."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._seldom = Seldom(lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201  it is told there

    def __call__(self, text: str) -> None:
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
        else:
            self._seldom(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
