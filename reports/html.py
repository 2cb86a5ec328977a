"""The HTML report: pytest-html's page, filled with our own part. Registered only where pytest-html is installed.

pytest-html draws every row out of one JSON text, one millisecond and more each. So the rows of checks are ours, as
plain markup; its table holds what no check stands behind: crashes, broken teardowns, tests of the user's own.
"""

from collections.abc import Callable, Mapping, MutableSequence
from html import escape
from pathlib import Path
from typing import Protocol, TypeAlias

import pytest

from reports.html_page import summary_block
from reports.summary import Summary
from reports.tally import settled_status

TITLE = "Taegis forwarders"
Reported: TypeAlias = "pytest.TestReport | pytest.CollectReport"


class Page(Protocol):
    """What pytest-html lets a plugin set."""

    title: str

    def set_data(self, key: str, value: object) -> None:
        """Replace one part of the data that the page's script reads."""


class HtmlStory:
    """Hooks of pytest-html.

    `summarise` gives the summary once all results are in; `environment` says what the run was, without secrets;
    `page` is where the report will stand.
    """

    def __init__(
        self,
        summarise: Callable[[], Summary | None],
        environment: Callable[[], Mapping[str, str] | None],
        page: Path | None = None,
    ) -> None:
        self._summarise = summarise
        self._environment = environment
        self._page = page
        self._others = 0
        self._dropped = ""

    def pytest_html_report_title(self, report: Page) -> None:
        """Name the page and keep the environment to what is ours.

        pytest-metadata would put every variable of a CI system on the page; the script writes values as markup.
        """
        environment = self._environment()
        if environment is None:
            return
        report.title = f"{TITLE}: {environment['Mode']}"
        report.set_data("environment", {name: escape(text) for name, text in environment.items()})

    def pytest_html_results_table_row(self, report: Reported, cells: MutableSequence[str]) -> None:
        """Drop the row of a check's result, which is in our own table.

        pytest-html leaves a report without cells out of its data, and so out of its script's work. It takes the
        reports of one test together, teardown last; a passed teardown would still leave an empty entry for each test.
        """
        if self._environment() is None or not cells:
            return
        if isinstance(report, pytest.TestReport) and settled_status(report):
            self._dropped = report.nodeid
            del cells[:]
        elif report.passed and report.nodeid == self._dropped:
            del cells[:]
        elif not report.passed or getattr(report, "when", "") == "call":
            self._others += 1
            cells[1] = f'<td class="col-testId">{escape(report.nodeid)}</td>'

    def pytest_html_results_summary(self, prefix: MutableSequence[str]) -> None:
        """Put our part on top."""
        summary = self._summarise()
        if summary:
            prefix.insert(0, summary_block(summary, results_link=self._link(summary), others=self._others > 0))

    def _link(self, summary: Summary) -> str:
        """The results file as seen from the page, if it lies below the page's folder: it tells no path besides."""
        file = summary.run.results_file
        if not file or self._page is None:
            return ""
        whole = Path.cwd() / file
        return whole.relative_to(self._page.parent).as_posix() if whole.is_relative_to(self._page.parent) else ""
