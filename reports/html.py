"""The HTML report: pytest-html's page, filled with our statuses and evidence.

pytest-html knows only pytest's outcomes: its filters and colours read a column called `result`. That column stays,
hidden, and ours stand beside it. Registered only where pytest-html is installed.
"""

from collections.abc import Callable, Mapping, MutableSequence
from html import escape
from typing import Protocol, TypeAlias

import pytest

from checks.outcome import Status
from reports.html_page import summary_block
from reports.html_rows import HEADERS, cells_of, cells_of_other, details
from reports.summary import Summary
from reports.tally import settled

TITLE = "Taegis forwarders"
Reported: TypeAlias = "pytest.TestReport | pytest.CollectReport"


class Page(Protocol):
    """What pytest-html lets a plugin set."""

    title: str

    def set_data(self, key: str, value: object) -> None:
        """Replace one part of the data that the page's script reads."""


class HtmlStory:
    """Hooks of pytest-html.

    `summarise` gives the summary once all results are in; `environment` says what the run was, without secrets.
    """

    def __init__(
        self, summarise: Callable[[], Summary | None], environment: Callable[[], Mapping[str, str] | None]
    ) -> None:
        self._summarise = summarise
        self._environment = environment

    def pytest_html_report_title(self, report: Page) -> None:
        """Name the page, sort it worst first and keep the environment to what is ours.

        pytest-metadata would put every variable of a CI system on the page; the script writes values as markup.
        """
        environment = self._environment()
        if environment is None:
            return
        report.title = f"{TITLE}: {environment['Mode']}"
        report.set_data("initialSort", "status")
        report.set_data("renderCollapsed", ["all"])
        report.set_data("environment", {name: escape(text) for name, text in environment.items()})

    def pytest_html_results_table_header(self, cells: MutableSequence[str]) -> None:
        """Put our columns in place of pytest-html's."""
        if self._environment() is not None:
            cells[:] = HEADERS

    def pytest_html_results_table_row(self, report: Reported, cells: MutableSequence[str]) -> None:
        """Fill a row; tests that are not checks get one of the same width."""
        if self._environment() is None or not cells:
            return
        result = settled(report) if isinstance(report, pytest.TestReport) else None
        cells[:] = cells_of(result, cells[0]) if result else cells_of_other(report.nodeid, report.when, cells[0])

    def pytest_html_results_table_html(self, report: Reported, data: MutableSequence[str]) -> None:
        """Show what else is known of a check in place of its log; a crash keeps its traceback."""
        if self._environment() is None:
            return
        result = settled(report) if isinstance(report, pytest.TestReport) else None
        if result and result.status is not Status.ERROR:
            data[:] = [details(result)]

    def pytest_html_results_summary(self, prefix: MutableSequence[str]) -> None:
        """Put the verdict, the coverage and the grouped findings on top."""
        summary = self._summarise()
        if summary:
            prefix.insert(0, summary_block(summary))
