"""Delivers when a run has ended and its reports are written; what fails here is told and changes no verdict."""

from collections.abc import Generator
from typing import Protocol

import pytest

from checks.looked import Looked
from fixtures.delivery import resolved
from fixtures.errors import InputError
from fixtures.notify_target import Target
from fixtures.rates import Rates
from fixtures.state import OPTIONS, SETTINGS
from reports.delivery.access import Access, refuse_fix_role
from reports.delivery.message import message_of
from reports.delivery.news import quiet
from reports.delivery.notify import notify
from reports.delivery.outcome import INTERRUPTED, Delivered, Imported, broken, not_imported
from reports.delivery.security_hub import import_run
from reports.summary import Summary

_TO_ITS_END = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED})


class Ending(Protocol):
    """Who draws the verdict of the run."""

    def summary(self) -> Summary | None:
        """The run's summary; None where no check ran."""
        ...

    def looked(self) -> Looked:
        """What the run looked at."""
        ...

    def tell(self, delivered: Delivered) -> None:
        """Take what became of the run's deliveries."""
        ...


class Deliveries:
    """Sends what the run was told to send, once everything else is written.

    Register it before all that is written at the end: of pytest's wrappers that come last, the one that is registered
    first ends after the others.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ending: Ending | None = None
        self._targets: tuple[Target, ...] = ()
        self._door: Access | None = None

    def made_from(self, ending: Ending) -> None:
        """Say who knows how the run ended, and takes what became of its deliveries."""
        self._ending = ending

    def pytest_forwarders_desired(self, config: pytest.Config) -> None:
        """Look up who is named, and refuse what cannot be, before anything is called."""
        options = config.stash[OPTIONS]
        refuse_fix_role(options)
        self._targets = resolved(options.delivery, config.stash[SETTINGS].notify)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        """Deliver after all reports are written and before the terminal tells the summary: a kill loses no report."""
        yield
        summary = self._ending.summary() if self._ending else None
        if self._ending and summary:
            self._ending.tell(self._delivered(summary, self._ending.looked()))

    def _delivered(self, summary: Summary, looked: Looked) -> Delivered:
        options = self._config.stash[OPTIONS]
        hub = self._imported(summary, looked) if options.delivery.security_hub else None
        if not self._targets:
            return Delivered(hub=hub)
        if summary.run.pytest_code == pytest.ExitCode.INTERRUPTED:
            return Delivered(quiet="the run was interrupted", hub=hub)
        nobody = quiet(summary, options.delivery.occasion, whole=looked.whole)
        if nobody:
            return Delivered(quiet=nobody, hub=hub)
        return Delivered(notify(self._targets, message_of(summary, options.delivery.report_url), self._access), hub=hub)

    def _imported(self, summary: Summary, looked: Looked) -> Imported:
        run = summary.run
        if run.estate is None or run.pytest_code not in _TO_ITS_END:
            return not_imported("the run was not brought to its end")
        try:
            return import_run(run, looked, self._access)
        except InputError as error:  # no credentials: it is too late to refuse the run
            return not_imported(str(error))
        except KeyboardInterrupt:
            return not_imported(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the verdict is another matter
            return not_imported(broken(error))

    def _access(self, region: str) -> Access:
        if self._door is None:
            options = self._config.stash[OPTIONS]
            # the sandbox is on this machine: there is nobody's production to spare
            rates = None if options.sandbox else Rates(self._config.stash[SETTINGS].rates)
            self._door = Access(options, rates, region)
        return self._door
