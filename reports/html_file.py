"""Where the HTML report is written: aside, until pytest-html has written all of it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from reports.report_file import ReportFile


class HtmlFile:
    """The report's file.

    Raises:
        InputError: the path cannot be written.
    """

    def __init__(self, typed: str) -> None:
        self.file = ReportFile("--html", typed)

    @property
    def path(self) -> Path:
        """Where the report will stand."""
        return self.file.path

    def take(self, config: pytest.Config) -> None:
        """Send pytest-html aside. Call before it is configured.

        A device is written straight to, and so is a report that pytest-html draws anew after each test.
        """
        if not self.file.is_device and not config.getini("generate_report_on_test"):
            config.option.htmlpath = str(self.file.aside)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Have a full disk told, and not raised."""
        plugins = session.config.pluginmanager
        for writer in _writers(plugins):
            self.file.guard(plugins, writer)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Put the whole file in its place, once pytest-html has written it."""
        yield
        if self.file.arrive() or self.file.trouble:
            plugins = session.config.pluginmanager
            for writer in _writers(plugins):
                plugins.unregister(writer)  # the report would name the file where it was

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what pytest-html says, with the file's own name."""
        if self.path.is_file() and not self.file.trouble:
            terminalreporter.write_sep("-", f"Generated html report: {self.path.as_uri()}")


def _writers(plugins: pytest.PytestPluginManager) -> list[object]:
    return [one for one in plugins.get_plugins() if type(one).__module__.startswith("pytest_html.")]
