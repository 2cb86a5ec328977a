"""Where the HTML report is written: aside, until pytest-html has written all of it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from reports.report_file import ReportFile


class HtmlFile:
    """The report's file; `typed` is the path as the user gave it, `path` where that leads.

    Raises:
        InputError: the path cannot be written.
    """

    def __init__(self, typed: str) -> None:
        self._file = ReportFile("--html", typed)
        self.typed = typed

    @property
    def path(self) -> Path:
        """Where the report will stand."""
        return self._file.path

    def take(self, config: pytest.Config) -> None:
        """Send pytest-html aside. Call before it is configured.

        A device is written straight to, and so is a report that pytest-html draws anew after each test.
        """
        if not self._file.is_device and not config.getini("generate_report_on_test"):
            config.option.htmlpath = str(self._file.aside)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Put the whole file in its place, once pytest-html has written it."""
        yield
        if self._file.arrive():
            plugins = session.config.pluginmanager
            for plugin in [one for one in plugins.get_plugins() if type(one).__module__.startswith("pytest_html.")]:
                plugins.unregister(plugin)  # the report would name the file where it was

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what pytest-html says, with the file's own name."""
        if self.path.is_file():
            terminalreporter.write_sep("-", f"Generated html report: {self.path.as_uri()}")
