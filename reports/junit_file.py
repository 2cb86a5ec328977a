"""Where the JUnit report is written: aside, until pytest has written all of it."""

from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.junitxml import xml_key

from reports.junit_stream import stream
from reports.report_file import ReportFile


class JunitFile:
    """The file of `--junitxml`.

    Raises:
        InputError: the path cannot be written.
    """

    def __init__(self, typed: str) -> None:
        self.file = ReportFile("--junitxml", typed)

    @property
    def path(self) -> Path:
        """Where the report will stand."""
        return self.file.path

    def take(self, config: pytest.Config) -> None:
        """Send pytest aside. Call before its JUnit report is configured. A device is written straight to."""
        if not self.file.is_device:
            config.option.xmlpath = str(self.file.aside)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep finished tests out of memory; a device takes the report as pytest writes it."""
        if not self.file.is_device:
            stream(session.config)
        self.file.guard(session.config.pluginmanager, session.config.stash[xml_key])

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Put the whole file in its place, once pytest has written it, and have it named where it is."""
        yield
        xml = session.config.stash.get(xml_key, None)
        if self.file.arrive() and xml is not None:
            xml.logfile = str(self.file.path)
        elif self.file.trouble and xml is not None:
            session.config.pluginmanager.unregister(xml)  # it would say that there is a report
            del session.config.stash[xml_key]
