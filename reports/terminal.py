"""What a person sees: our statuses while it runs, the summary, and the verdict as the last line."""

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import cast

import pytest

from checks.outcome import Status
from checks.verdict import HOLDS, NOT_SEEN
from reports.line import Limits, Line, Section
from reports.summary import Summary
from reports.tally import settled_status
from reports.terminal_text import sections
from reports.teststatus import WORDS

Told = tuple[str, str, tuple[str, Mapping[str, bool]]]


class TerminalStory:
    """Writes the summary through pytest's own terminal reporter.

    `summarise` gives the summary once all results are in, None where no check ran; `limits` says how much is told.
    """

    def __init__(self, summarise: Callable[[], Summary | None], limits: Callable[[], Limits]) -> None:
        self._summarise = summarise
        self._limits = limits
        self._untold: list[object] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the reports that pytest's terminal keeps and never tells: passed set-ups and teardowns."""
        reporter = _reporter(session)
        if reporter and session.config.getoption("durations", default=None) is None:
            self._untold = reporter.stats.setdefault("", [])

    def pytest_runtest_logfinish(self) -> None:
        """Let go of them: only `--durations` would look at them, and a fleet has a hundred thousand."""
        self._untold.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> Told | None:
        """Category, letter and word of a check's status; everything else stays pytest's."""
        status = settled_status(report) if isinstance(report, pytest.TestReport) else None
        return WORDS[status] if status else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Tell findings grouped, and leave pytest's failure sections to what is not a finding.

        pytest prints one section and one summary line per failure, thousands for a fleet. Its list is put back
        afterwards, so that its last line counts them as ever.
        """
        summary = self._summarise()
        if summary is None:
            return (yield)
        failed = terminalreporter.stats.get("failed", [])
        terminalreporter.stats["failed"] = [report for report in failed if not _is_finding(report)]
        try:
            yield
        finally:
            if failed:
                terminalreporter.stats["failed"] = failed
            else:
                del terminalreporter.stats["failed"]
        for section in sections(summary, self._limits()):
            _write(terminalreporter, section)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Say the verdict after everything else, also after pytest's own last line."""
        yield
        summary = self._summarise()
        reporter = _reporter(session)
        if summary and reporter and session.exitstatus != pytest.ExitCode.USAGE_ERROR:
            colour = {HOLDS: "green", NOT_SEEN: "yellow"}.get(summary.verdict.code, "red")
            reporter.ensure_newline()
            reporter.write_line(summary.verdict.sentence, bold=True, **{colour: True})


def _reporter(session: pytest.Session) -> pytest.TerminalReporter | None:
    return cast("pytest.TerminalReporter | None", session.config.pluginmanager.get_plugin("terminalreporter"))


def _is_finding(report: pytest.TestReport) -> bool:
    return settled_status(report) not in {None, Status.ERROR}


def _write(reporter: pytest.TerminalReporter, section: Section) -> None:
    reporter.write_sep("=", section.title)
    write_lines(reporter, section.lines)


def write_lines(reporter: pytest.TerminalReporter, lines: Iterable[Line]) -> None:
    """Write lines in their colours."""
    for line in lines:
        markup = {"bold": line.bold} | ({line.colour: True} if line.colour else {})
        reporter.write_line(line.text, **markup)
