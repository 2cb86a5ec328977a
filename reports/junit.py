"""Gives JUnit the properties of a check's result: pytest writes the last phase's, and a check has its in the call.

Each phase of a test has a report of its own. The result stands in that of the call (or of a set-up that did not get
further), and under `--fix` it is settled long after the call; `pytest.junitxml` takes the teardown's properties.
"""

import pytest
from _pytest.junitxml import xml_key

from checks.waiving import Waiving
from reports.tally import settled_status
from reports.waivers_text import waiver_troubles

Properties = list[tuple[str, object]]


class JunitProperties:
    """Hands each result's properties on to its test's teardown; the teardown is nobody's verdict all the same."""

    def __init__(self) -> None:
        self._settled: dict[str, Properties] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what the call says, and let the teardown say it too."""
        if settled_status(report):
            self._settled[report.nodeid] = report.user_properties
        elif report.when == "teardown" and report.nodeid in self._settled:
            report.user_properties = self._settled.pop(report.nodeid)


def tell_waivers(config: pytest.Config, waiving: Waiving) -> None:
    """Tell waivers that accept nothing any more, or end soon, as properties of the whole suite."""
    xml = config.stash.get(xml_key, None)
    if xml is not None:
        for text, _ in waiver_troubles(waiving):
            xml.add_global_property("waiver", text)
