"""`taegis-forwarders ledger`: which objects of a forwarder's bucket were delivered, as far as anything shows it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.verdict import INTERRUPTED
from fixtures.errors import InputError
from fixtures.ledger.inventory import parse_address
from fixtures.ledger.span import LOOKBACK, Span, parse_span
from fixtures.verb_parser import VerbParser
from fixtures.whole_file import refuse_unwritable
from reports.looking_run import QUIET, LookingRun, refuse_blind

VERB = "taegis-forwarders ledger"
_FACTS = frozenset({"identity", "stacks", "functions", "listed", "notification", "bucket_region", "topic"})
_FACTS_OF_OUTAGES = frozenset({"flow"})
_OUTAGE = "outage"
_ELSEWHERE = (
    "--budget",
    "--fix",
    "--plan",
    "--rollback",
    "--approved",
    "--shard",
    "--replay",
    "--merge",
    "--snapshot",
    "--resume",
)


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
    outage: bool
    objects: Path | None
    inventory: str | None
    every_key: bool


def parser() -> argparse.ArgumentParser:
    """The verb's own options; all others are an audit's."""
    made = VerbParser(
        prog=VERB,
        allow_abbrev=False,
        description="which objects that arrived in a span did the forwarders deliver, as far as anything shows it",
        epilog="Further: --regions, --accounts, --forwarders, --role, --external-id, --settings as for an audit "
        "(taegis-forwarders options). Reads only. Exit codes: 0 all are proved to be delivered, 1 some were not, "
        "2 interrupted, 4 usage, 10 some without evidence, or not everything could be seen.",
    )
    add = made.add_argument
    add("--since", metavar="T", help="from when objects arrived: 2026-11-01, 2026-11-01T06:00:00Z, or 7d, 36h ago; or "
        "outage: since each forwarder was last seen to deliver, up to 14 days back")  # fmt: skip
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
    outage = given.since == _OUTAGE
    span = parse_span(f"{LOOKBACK.days}d" if outage else given.since, given.until, now)
    return LedgerRequest(span, words, outage, objects, given.inventory, given.every_key), rest


def run_ledger_command(arguments: Sequence[str], to_pytest: Callable[[Sequence[str]], list[str]]) -> int:
    """Look, read and tell; returns the exit code.

    Args:
        arguments: the verb's own options, and those of an audit that say where to look and who enters.
        to_pytest: makes pytest's arguments for the suite's folder of an audit's.

    Raises:
        InputError: an option cannot be used.
    """
    request, words = parse_request(arguments, datetime.now(UTC))
    return int(pytest.main([*QUIET, *to_pytest(words)], plugins=[_Asked(request)]))


class _Asked(LookingRun):
    """A run that looks and tests nothing."""

    def __init__(self, request: LedgerRequest) -> None:
        self._request = request

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuse, before anything is asked of AWS, what could not be done after it."""
        refuse_blind(config, "ledger")

    @pytest.hookimpl(tryfirst=True)
    def pytest_forwarders_facts(self) -> frozenset[str]:
        """What says which objects are whose."""
        return _FACTS | _FACTS_OF_OUTAGES if self._request.outage else _FACTS

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        """Do it."""
        from reports.ledger_telling import LedgerTelling  # noqa: PLC0415 - the checks, once pytest is there

        try:
            self.code = LedgerTelling(config, self._request).carry_out()
        except InputError as error:
            raise pytest.UsageError(str(error)) from None
        except KeyboardInterrupt:
            sys.stdout.write("interrupted: nothing was written, and nothing can be said of what was not read\n")
            self.code = INTERRUPTED
