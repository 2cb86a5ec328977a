"""pytest's JUnit report, of which finished tests wait in a file: as trees in memory they are six kilobytes each.

The report is pytest's own in every part: its element of the whole, with a mark in the place of the tests, is written
by pytest, and the tests are put in the mark's place. Only a finished test's element is put together here.
"""

import re
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest
from _pytest.junitxml import LogXML, bin_xml_escape, xml_key

if TYPE_CHECKING:
    from _pytest.junitxml import _NodeReporter

_MARK = "finished-tests"
_SPECIAL = re.compile(r'[&<>"\r\n\t]')
_WRITTEN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#09;"}


class JunitStream(LogXML):
    """A JUnit report that holds only the tests that are under way."""

    def __init__(self, xml: LogXML) -> None:
        """Take the place of `xml`, which pytest has just made and which knows of no test yet."""
        super().__init__(
            xml.logfile, xml.prefix, xml.suite_name, xml.logging, xml.report_duration, xml.family, xml.log_passing_tests
        )
        self._finished: TextIO = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed at the end

    def _opentestcase(self, report: pytest.TestReport | pytest.CollectReport) -> "_NodeReporter":
        reporter = self.node_reporter(report)
        if not reporter.attrs:  # pytest puts them together again for each phase
            reporter.record_testreport(report)
        return reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """As pytest does; where a phase passed and no output is told, without asking for the test at every step."""
        alone = report.passed and report.when in {"call", "teardown"} and self.logging == "no"
        if not alone or self.open_reports:  # pytest looks among the open ones for the test whose teardown it is
            super().pytest_runtest_logreport(report)
            return
        reporter = self._opentestcase(report)
        if report.when == "call":
            reporter.append_pass(report)
        if self.report_duration in {"total", report.when}:
            reporter.duration += getattr(report, "duration", 0.0)
        if report.when == "teardown":
            self.finalize(report)

    def finalize(self, report: pytest.TestReport) -> None:
        """Write a test down whose last phase is told."""
        reporter = self.node_reporters.pop((report.id, getattr(report, "node", None)))
        self.node_reporters_ordered.remove(reporter)
        told = [(str(name), str(value)) for name, value in report.user_properties]
        self._finished.write(_element(reporter, told))

    def pytest_sessionfinish(self) -> None:
        """Write the report: pytest what is around the tests, and then the tests in the place of the mark."""
        with self._finished as finished:
            mark = _Mark()
            self.node_reporters_ordered.insert(0, mark)  # type: ignore[arg-type]  # all that is asked of it is `to_xml`
            super().pytest_sessionfinish()
            self.node_reporters_ordered.remove(mark)  # type: ignore[arg-type]  # same
            before, found, after = Path(self.logfile).read_text(encoding="utf-8").partition(mark.text)
            assert found
            with Path(self.logfile).open("w", encoding="utf-8") as file:
                file.write(before)
                finished.seek(0)
                shutil.copyfileobj(finished, file)
                file.write(after)


class _Mark:
    """Stands among the tests for those that are written down."""

    text = f"<{_MARK} />"

    @staticmethod
    def to_xml() -> ET.Element:
        return ET.Element(_MARK)


def stream(config: pytest.Config) -> None:
    """Put a stream in the place of the JUnit report that pytest has made."""
    whole = config.stash[xml_key]
    config.pluginmanager.unregister(whole)
    config.stash[xml_key] = JunitStream(whole)
    config.pluginmanager.register(config.stash[xml_key])
    config.stash[xml_key].pytest_sessionstart()


def _element(reporter: "_NodeReporter", told: Sequence[tuple[str, str]]) -> str:
    """A test's element, as `xml.etree` would write it."""
    properties = [*reporter.properties, *told]
    inside = "".join(ET.tostring(node, encoding="unicode") for node in reporter.nodes)
    if properties:
        listed = "".join(_property(name, value) for name, value in properties)
        inside = f"<properties>{listed}</properties>{inside}"
    given = {**reporter.attrs, "time": f"{reporter.duration:.3f}"}
    attributes = " ".join(f'{name}="{_text(value)}"' for name, value in given.items())
    return f"<testcase {attributes}>{inside}</testcase>" if inside else f"<testcase {attributes} />"


@lru_cache(maxsize=4096)  # very many are alike
def _property(name: str, value: str) -> str:
    return f'<property name="{_text(name)}" value="{_text(value)}" />'


def _text(value: str) -> str:
    """A value as it stands in an attribute, without what XML has no way to write."""
    sound = value if value.isascii() and value.isprintable() else bin_xml_escape(value)
    return _SPECIAL.sub(lambda found: _WRITTEN[found.group()], sound)
