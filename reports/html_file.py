"""Where the HTML report is written: refused before anything is called, written aside, and renamed when it is whole.

pytest-html opens its file for writing at the end of the run, over the last report: a run that is killed in between
leaves half of one. It takes any path, so it is given one beside the real one.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from fixtures.errors import InputError


class HtmlFile:
    """The report's file; `typed` is the path as the user gave it, `path` where that leads."""

    def __init__(self, typed: str, run: str) -> None:
        self.typed = typed
        self.path = Path.cwd().joinpath(Path(os.path.expandvars(typed)).expanduser()).resolve()
        self._aside = self.path.with_name(f".{self.path.name}.{run}.part")

    def take(self, config: pytest.Config) -> None:
        """Refuse what cannot be written, and send pytest-html aside. Call before pytest-html is configured.

        A device is written straight to, and so is a report that pytest-html draws anew after each test.

        Raises:
            InputError: the path cannot be written.
        """
        option = f"--html={self.typed}"
        if self.path.is_dir():
            raise InputError(option, "a folder, not a file", "give a file")
        if self.path.exists() and not os.access(self.path, os.W_OK):
            raise InputError(option, "the file may not be written", "give another file, or make it writable")
        if self.path.exists() and not self.path.is_file():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._aside.unlink()
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(option, "what should be its folder is a file", "give a file in a folder") from error
        except OSError as error:
            raise InputError(
                option, error.strerror or str(error), "give a file in a folder that you may write to"
            ) from error
        if not config.getini("generate_report_on_test"):
            config.option.htmlpath = str(self._aside)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Put the whole file in its place, once pytest-html has written it."""
        yield
        if not self._aside.exists():
            return
        try:
            self._aside.replace(self.path)
        except OSError:  # a file that is mounted by itself cannot be renamed over
            self.path.write_bytes(self._aside.read_bytes())
            self._aside.unlink()
        plugins = session.config.pluginmanager
        for plugin in [known for known in plugins.get_plugins() if type(known).__module__.startswith("pytest_html.")]:
            plugins.unregister(plugin)  # the report would name the file where it was

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what pytest-html says, with the file's own name."""
        if self.path.is_file():
            terminalreporter.write_sep("-", f"Generated html report: {self.path.as_uri()}")
