"""`taegis-forwarders ledger`: which objects of a forwarder's bucket were delivered, as far as anything shows it."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import pytest

from checks.verdict import FINDINGS, HOLDS, INTERRUPTED, NOT_SEEN
from fixtures.errors import InputError
from fixtures.ledger.inventory import parse_address
from fixtures.ledger.listing import Bounds
from fixtures.ledger.span import Span, parse_span
from fixtures.prices import prices_with
from fixtures.state import ESTATE, OPTIONS, SETTINGS
from fixtures.whole_file import refuse_unwritable, write_whole

if TYPE_CHECKING:
    from remediation.ledger import Sources
    from remediation.ledger_run import Read

VERB = "taegis-forwarders ledger"
_FACTS = frozenset({"identity", "stacks", "functions", "listed", "notification", "bucket_region", "topic"})
# Nothing is collected and nothing is told but what is told here; xdist would only start processes.
_QUIET = ("-qq", "--collect-only", "-p", "no:xdist")
_ELSEWHERE = ("--fix", "--plan", "--rollback", "--approved", "--shard", "--replay", "--merge", "--snapshot", "--resume")


@dataclass(frozen=True, slots=True)
class LedgerRequest:
    """One ledger.

    Attributes:
        span: when the objects arrived; `words` are its options as they were given. Where `until` is not among them, it
            ends when everything was looked at.
        objects: a file for all objects with their verdicts, None for none.
        inventory: address of an S3 Inventory's manifest to read in place of listing, None for none.
        every_key: list everything, whatever date a key bears.
    """

    span: Span
    words: tuple[str, ...]
    objects: Path | None
    inventory: str | None
    every_key: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(VERB, message, "see taegis-forwarders ledger --help")


def parser() -> argparse.ArgumentParser:
    """The verb's own options; all others are an audit's."""
    made = _Parser(
        prog=VERB,
        allow_abbrev=False,
        description="which objects that arrived in a span did the forwarders deliver, as far as anything shows it",
        epilog="Further: --regions, --accounts, --forwarders, --role, --external-id, --settings as for an audit "
        "(taegis-forwarders options). Reads only. Exit codes: 0 all are proved to be delivered, 1 some were not, "
        "2 interrupted, 4 usage, 10 some without evidence, or not everything could be seen.",
    )
    add = made.add_argument
    add("--since", metavar="T", help="from when objects arrived: 2026-11-01, 2026-11-01T06:00:00Z, or 7d, 36h ago")
    add("--until", metavar="T", help="until when; default: now")
    add("--objects", metavar="FILE", help="write every object with its verdict: .csv or .jsonl")
    add("--inventory", metavar="S3-ADDRESS", help="read the S3 Inventory with this manifest.json (CSV) instead of "
        "listing the bucket; for one forwarder")  # fmt: skip
    add("--every-key", action="store_true", help="list the whole prefix, also keys whose dates lie outside of the span")
    return made


def parse_request(arguments: Sequence[str], now: datetime) -> tuple[LedgerRequest, list[str]]:
    """The request, and the arguments that are an audit's.

    Raises:
        InputError: a value cannot be used.
    """
    given, rest = parser().parse_known_args(list(arguments))
    for option in _ELSEWHERE:
        if any(word == option or word.startswith(f"{option}=") for word in rest):
            raise InputError(f"{VERB}: {option}", "it is for audits and fixes", "leave it out")
    objects = Path(given.objects).expanduser() if given.objects is not None else None
    if objects is not None:
        from reports.ledger_file import refuse_suffix  # noqa: PLC0415 - the exports, only where they are asked for

        refuse_suffix(objects)
        refuse_unwritable(f"--objects={given.objects}", objects)
    if given.inventory is not None:
        parse_address(given.inventory)
    words = tuple(f"--{name}={text}" for name in ("since", "until") if (text := getattr(given, name)) is not None)
    span = parse_span(given.since, given.until, now)
    return LedgerRequest(span, words, objects, given.inventory, given.every_key), rest


def run_ledger_command(arguments: Sequence[str], to_pytest: Callable[[Sequence[str]], list[str]]) -> int:
    """Look, read and tell; returns the exit code.

    Args:
        arguments: the verb's own options, and those of an audit that say where to look and who enters.
        to_pytest: makes pytest's arguments for the suite's folder of an audit's.

    Raises:
        InputError: an option cannot be used.
    """
    request, words = parse_request(arguments, datetime.now(UTC))
    return int(pytest.main([*_QUIET, *to_pytest(words)], plugins=[_Asked(request)]))


class _Asked:
    """A run that looks and tests nothing."""

    def __init__(self, request: LedgerRequest) -> None:
        self._request = request
        self._code = 0

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuse, before anything is asked of AWS, what could not be done after it."""
        if not config.stash[OPTIONS].looks:
            raise pytest.UsageError(str(InputError("ledger", "nothing to look at", "add --regions=us-east-1")))

    @pytest.hookimpl(tryfirst=True)
    def pytest_forwarders_facts(self) -> frozenset[str]:
        """What says which objects are whose."""
        return _FACTS

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        """Do it."""
        try:
            self._code = _Telling(config, self._request).carry_out()
        except InputError as error:
            raise pytest.UsageError(str(error)) from None
        except KeyboardInterrupt:
            _say("interrupted: nothing was written, and nothing can be said of what was not read")
            self._code = INTERRUPTED

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        """Collect nothing."""
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End with the verb's own code; that nothing was collected is no failure."""
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = self._code


class _Telling:
    """Reads the ledgers of what was seen, and tells them."""

    def __init__(self, config: pytest.Config, request: LedgerRequest) -> None:
        self._config = config
        self._request = request

    def carry_out(self) -> int:
        from remediation.ledger_run import read_ledgers  # noqa: PLC0415 - the checks, once pytest is there

        estate = self._config.stash[ESTATE]
        unseen = [seen for seen in estate.targets if not seen.reached]
        for seen in unseen:
            _say(f"{seen.target}: not reached: {seen.identity}")
        forwarders = estate.forwarders
        if not forwarders:
            _say("No forwarder was found: that proves nothing.")
            return NOT_SEEN
        if self._request.inventory and len(forwarders) > 1:
            raise InputError(
                "--inventory", f"it is of one bucket, and there are {len(forwarders)} forwarders",
                "name one with --forwarders=NAME",
            )  # fmt: skip
        if not any(word.startswith("--until") for word in self._request.words):
            until = max(datetime.now(UTC), self._request.span.until)
            self._request = replace(self._request, span=Span(self._request.span.since, until))
        sources = self._sources()
        if not self._request.inventory:
            self._foretell(sources)
        keeps = (lambda *_: True) if self._request.objects else None
        with _Progress() as progress:
            told = self._sources(progress)
            reads = read_ledgers(told, forwarders, lambda _: self._request.span, keeps)
        self._tell(reads)
        return self._code(reads, unseen=bool(unseen))

    def _sources(self, told: Callable[[str], None] = lambda _: None) -> "Sources":
        from remediation.ledger import How, sources_of  # noqa: PLC0415 - as above

        how = How(Bounds(whole=self._request.every_key), self._request.inventory, told=told)
        return sources_of(self._config, max(self._request.span.until, datetime.now(UTC)), how)

    def _foretell(self, sources: "Sources") -> None:
        """What it takes, before it is done."""
        from checks.ledger_scope import is_tagging  # noqa: PLC0415 - as above
        from remediation.ledger_run import foretold  # noqa: PLC0415 - as above

        found = foretold(sources, sources.estate.forwarders, sources.now)
        prices = prices_with(getattr(self._config.stash[SETTINGS], "prices", {}))
        lists, reads = prices.of["s3_thousand_lists"], prices.of["s3_thousand_reads"]
        if found.pages:
            _say(f"it takes at most {found.pages:,} LIST calls ({found.pages / 1000 * lists:.2f} {prices}); where keys "
                 "bear dates, a fraction of them")  # fmt: skip
        if found.unknown:
            _say(f"how much {found.unknown} of the buckets hold is not known: a LIST call for each 1,000 objects, of "
                 f"which a thousand cost {lists:g} {prices}")  # fmt: skip
        if any(is_tagging(forwarder) for forwarder in sources.estate.forwarders):
            _say(f"with EnableObjectTagging, what arrived is asked for its tag: {reads:g} for a thousand objects")

    def _tell(self, reads: "Sequence[Read]") -> None:
        from remediation.ledger_run import rows_in  # noqa: PLC0415 - as above
        from reports.commands import INSTALLED, Commands, Scope  # noqa: PLC0415 - as above
        from reports.ledger_file import object_parts  # noqa: PLC0415 - as above
        from reports.ledger_text import ledger_lines, verdict_line  # noqa: PLC0415 - as above

        _say(f"objects that arrived {self._request.span}:")
        for read in reads:
            for line in ledger_lines(read):
                _say(line)
        if self._request.objects is not None:
            try:
                write_whole(self._request.objects, object_parts(self._request.objects, rows_in(reads)))
            except OSError as error:
                thing = f"--objects={self._request.objects}"
                raise InputError(thing, error.strerror or str(error), "name a file that can be written") from error
            _say(f"objects  {self._request.objects}")
        behind = [read.forwarder for read in reads if read.ledger and read.ledger.counts.open]
        if behind:
            scope = Scope(
                accounts=tuple(sorted({forwarder.target.account for forwarder in behind})),
                regions=tuple(sorted({forwarder.target.region for forwarder in behind})),
                forwarders=tuple(sorted({forwarder.name for forwarder in behind})),
            )
            command = Commands(self._config.stash[OPTIONS], INSTALLED).backfill(scope, self._request.span.options)
            _say(f"to send what is open: {command}")
        _say(verdict_line(reads))

    def _code(self, reads: "Sequence[Read]", *, unseen: bool) -> int:
        from fixtures.ledger.entry import Delivery  # noqa: PLC0415 - as above
        from reports.ledger_text import totals  # noqa: PLC0415 - as above

        counts = totals(reads)
        if counts.objects[Delivery.NOT_DELIVERED]:
            return FINDINGS
        whole = all(read.is_whole for read in reads)
        return HOLDS if whole and not unseen and not counts.open else NOT_SEEN


class _Progress:
    """One line that changes on a terminal, one now and then elsewhere; on stderr, so that stdout is what was found."""

    def __init__(self) -> None:
        from remediation.backfill.progress import Seldom  # noqa: PLC0415 - rich, only here

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
