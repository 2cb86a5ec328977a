"""A report that another plugin writes in place: refused beforehand, sent aside, and renamed when it is whole.

pytest-html and pytest's JUnit open their files for writing when the run ends, over the last report: a run that is
killed in between would leave half of one. And what they raise when the disk is full would take the verdict and every
other report with it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path

import pytest

from fixtures.accounts import AccountsFile
from fixtures.errors import InputError
from fixtures.options import Options
from fixtures.whole_file import aside_of, put_in_place, refuse_unwritable


class ReportFile:
    """One such file.

    Attributes:
        option: the option that names it, `--html`.
        typed: the path as the user gave it.
        path: where that leads.
        aside: where the other plugin shall write meanwhile.
        trouble: why it was not written in the end; empty where it was, or is not yet.
    """

    def __init__(self, option: str, typed: str) -> None:
        """Refuse what cannot be written; folders that are missing are made, as both plugins do.

        Raises:
            InputError: the path cannot be written.
        """
        if not typed:
            raise InputError(f"{option}=", "an empty path", "give a path, or leave the option out")
        self.option = option
        self.typed = typed
        self.path = Path.cwd().joinpath(Path(os.path.expandvars(typed)).expanduser()).resolve()
        refuse_unwritable(f"{option}={typed}", self.path, make_folders=True)
        self.aside = aside_of(self.path)
        self.trouble = ""

    @property
    def is_device(self) -> bool:
        """Whether it is written straight to, since nothing can be renamed over it."""
        return self.path.exists() and not self.path.is_file()

    def refuse_taken(self, options: Options | None, others: "tuple[ReportFile, ...]") -> None:
        """Refuse to write over another report, or over what this run reads or keeps elsewhere: a history, waivers.

        Raises:
            InputError: another option has that file.
        """
        known = [(other.option, other.path) for other in others]
        known += list(_files_of(options)) if options else []
        for option, path in known:
            if path.expanduser().resolve() == self.path and not self.is_device:
                raise InputError(f"{self.option}={self.typed}", f"that is the file of {option}", "name another file")

    def guard(self, plugins: pytest.PytestPluginManager, writer: object) -> None:
        """Have what writes the report keep its trouble to itself. Call before its `pytest_sessionfinish`."""
        finish = writer.pytest_sessionfinish  # type: ignore[attr-defined]  # a plugin of pytest's or pytest-html's

        @wraps(finish)  # its arguments and its place among the hooks
        def heeding(*given: object) -> None:
            with self._heeded():
                finish(*given)

        name = plugins.get_name(writer)
        plugins.unregister(writer)
        writer.pytest_sessionfinish = heeding  # type: ignore[attr-defined]  # same
        plugins.register(writer, name)

    def arrive(self) -> bool:
        """Put the whole file in its place, with the permissions of the older one; False where none was written."""
        if self.trouble or not self.aside.exists():
            return False
        with self._heeded():
            if self.path.exists():
                self.aside.chmod(stat.S_IMODE(self.path.stat().st_mode))
            put_in_place(self.aside, self.path)
        return not self.trouble

    @contextmanager
    def _heeded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.trouble = error.strerror or str(error)
            with suppress(OSError):
                self.aside.unlink(missing_ok=True)


def _files_of(options: Options) -> Iterator[tuple[str, Path]]:
    source = options.accounts_from
    named = {
        "--history": options.history, "--snapshot": options.snapshot, "--replay": options.replay,
        "--waivers": options.waivers, "--baseline": options.baseline, "--settings": options.settings,
        "--approved": options.approved, "--rollback-parameters": options.rollback_parameters,
        "--send-test-event": options.test_event,
        "--accounts": source.path if isinstance(source, AccountsFile) else None,
    }  # fmt: skip
    yield from ((option, path) for option, path in named.items() if path)
    yield from (("--export", export.path) for export in options.exports)
