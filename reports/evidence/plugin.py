"""`--evidence=DIR` as a pytest plugin: refused beforehand, written when every other report is."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from checks.verdict import count
from fixtures.options import Options
from fixtures.run_folder import earlier_run, run_folder, run_id
from fixtures.state import DESIRES, OPTIONS, WAIVERS
from reports.evidence.folder import refuse_unusable
from reports.evidence.material import Material
from reports.evidence.pack import Written, write_pack
from reports.line import Line
from reports.summary import Summary
from reports.terminal import write_lines

_BROKEN_OFF = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
_SELECTION = ("keyword", "markexpr", "lf", "maxfail", "deselect")  # pytest's own options that narrow a run


class WrittenReport(Protocol):
    """A report of this run that stands where it belongs at the end."""

    @property
    def path(self) -> Path:
        """Where."""


def _nothing() -> None:
    return None


class EvidenceTold:
    """Tells of the pack behind the summary. Register it after what writes that: of wrappers the last is outermost."""

    def __init__(self, lines: Callable[[], Iterable[Line]]) -> None:
        self._lines = lines

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Say it last: whoever asked for evidence looks for it."""
        yield
        write_lines(terminalreporter, self._lines())


class EvidencePack:
    """Writes the pack at the run's end.

    Register it before the reports that are written at the end: of pytest's wrappers that come last, the one that is
    registered first ends after the others.

    Raises:
        InputError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        refuse_unusable(folder)
        self._folder = folder.absolute()
        self._typed = folder
        self._summarise: Callable[[], Summary | None] = _nothing
        self._reports: Mapping[str, WrittenReport | None] = {}
        self._written: Written | None = None
        self._trouble = ""

    def made_from(self, summarise: Callable[[], Summary | None], reports: Mapping[str, "WrittenReport | None"]) -> None:
        """Say where the summary comes from once all results are in, and which reports there will be, by option."""
        self._summarise = summarise
        self._reports = reports

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Write the pack once the verdict is drawn and every other report stands where it belongs."""
        yield
        summary = self._summarise()
        if summary is None:
            if session.exitstatus in _BROKEN_OFF:
                self._trouble = "the run ended before anything was looked at"
            return
        try:
            self._written = write_pack(self._folder, self._material(session.config, summary))
        except OSError as error:
            self._trouble = error.strerror or str(error)

    def _material(self, config: pytest.Config, summary: Summary) -> Material:
        options = config.stash[OPTIONS]
        return Material(
            run=run_id(config),
            made=datetime.now(UTC),
            folder=run_folder(config),
            summary=summary,
            options=options,
            desires=config.stash.get(DESIRES, None),
            waivers=config.stash.get(WAIVERS, None),
            selection=_selection(config),
            reports={option: report.path for option, report in self._reports.items() if report},
            undone=_undone(config, options),
        )

    def told(self) -> EvidenceTold:
        """What tells of the pack on the terminal."""
        return EvidenceTold(self._lines)

    def _lines(self) -> Iterator[Line]:
        """Where the pack is and by what it can be known again, or that there is none."""
        if self._trouble:
            yield Line(f"evidence   NOT WRITTEN to {self._typed}: {self._trouble}", "red", bold=True)
        elif self._written:
            absent = count(self._written.absent, "piece")
            yield Line(
                f"evidence   {self._typed}: {count(self._written.files, 'file')}, {absent} absent, each with its reason"
            )
            yield Line(f"           SHA-256 of its manifest, for the ticket: {self._written.digest}")


def _undone(config: pytest.Config, options: Options) -> Path | None:
    return earlier_run(config, options.rollback) if options.rollback else None


def _selection(config: pytest.Config) -> dict[str, str]:
    """What pytest itself was told to leave out, by option."""
    found = {name: config.getoption(name, default=None) for name in _SELECTION}
    return {name: str(value) for name, value in found.items() if value}
