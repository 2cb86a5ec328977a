"""`taegis-forwarders backfill`: send forwarders the objects that they did not deliver."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.accounts import Organization
from fixtures.errors import InputError
from fixtures.run_folder import ROOT, refuse_unwritable, run_folder, take_up
from fixtures.state import DESIRES, OPTIONS
from remediation.backfill.earlier import RECORD
from remediation.backfill.record import BackfillRecord, read_record, write_record
from remediation.backfill.request import BackfillRequest, parse_request
from reports.looking_run import QUIET, LookingRun, refuse_blind


def run_backfill_command(arguments: Sequence[str], to_pytest: Callable[[Sequence[str]], list[str]]) -> int:
    """Show, send and watch; returns the exit code.

    Args:
        arguments: the verb's own options, and those of an audit that say where to look and who enters.
        to_pytest: makes pytest's arguments for the suite's folder of an audit's.

    Raises:
        InputError: an option cannot be used, or there is no such run.
    """
    request, words = parse_request(arguments, datetime.now(UTC))
    folder = None
    if request.resume:
        folder = _earlier(request.resume)
        record = read_record(folder)
        request, words = record.applied_to(request), [*record.arguments, *words]
    return int(pytest.main([*QUIET, *to_pytest(words)], plugins=[_Backfill(request, words, folder)]))


def _earlier(run: str) -> Path:
    for folder in (ROOT / run, Path(run)):
        if (folder / RECORD).is_file():
            return folder.resolve()
    raise InputError(f"--resume={run}", f"no such backfill below {ROOT}", "give its id, or the path of its folder")


class _Backfill(LookingRun):
    """A run that looks, tests nothing, and sends."""

    def __init__(self, request: BackfillRequest, words: Sequence[str], folder: Path | None) -> None:
        self._request = request
        self._words = tuple(words)
        self._folder = folder

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuse, before anything is asked of AWS, what could not be done after it."""
        refuse_blind(config, "backfill")
        if self._folder is not None:
            take_up(config, self._folder)
            return
        try:
            refuse_unwritable(config)
        except InputError as error:
            raise pytest.UsageError(str(error)) from None

    def pytest_forwarders_desired(self, config: pytest.Config) -> None:
        """With more than one account it must be known whose they are, as for a fix."""
        options = config.stash[OPTIONS]
        several = len(options.accounts) > 1 or isinstance(options.accounts_from, Organization)
        if several and not config.stash[DESIRES].mapped:
            raise InputError(
                "backfill of several accounts",
                "it is not said which tenant they belong to",
                "map them in the settings: [tenants.NAME] accounts = [...]",
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_forwarders_facts(self) -> frozenset[str]:
        """What decides whether a forwarder may be called, and what its events are made from."""
        from remediation.backfill.obstacles import FACTS  # noqa: PLC0415 - the checks, once pytest is there

        return FACTS

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        """Do it."""
        from remediation.backfill.run import BackfillRun  # noqa: PLC0415 - as above

        if self._folder is None:
            record = BackfillRecord.of(self._request, self._words)
            write_record(run_folder(config), record)
        try:
            self.code = BackfillRun(config, self._request, _say).carry_out()
        except InputError as error:
            raise pytest.UsageError(str(error)) from None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
