"""The suite's own checks as pytest items: one for each check and subject, much lighter than a test function's.

A check of ours takes facts and nothing else, so none of pytest's machinery for fixtures is needed: for a fleet it was
most of a run's time. Node ids, `-k`, `-m`, `--lf`, `-n` and every report are those of a parametrised test function. A
user's own checks, in files of their own, stay what they are: test functions with all of pytest's fixtures.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

import checks
from checks.arguments import ARGUMENTS, Asked
from checks.registry import Check, metadata_of
from checks.state import ADVICE
from checks.subjects import ESTATE_WIDE, NOT_ASKED, Subject, argument_of, subjects
from fixtures.state import ESTATE, OPTIONS

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr, TracebackStyle

_OWN = Path(checks.__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Question:
    """A check function with what all of its items share.

    Attributes:
        function: what is called.
        check: its metadata.
        marks: its markers.
        line: where it stands in its file, from 0.
        takes: its arguments, and what gives each of them.
        names: what a report calls keywords, one and the same for all.
    """

    function: Callable[..., None]
    check: Check
    marks: tuple[pytest.Mark, ...]
    line: int
    takes: tuple[tuple[str, Callable[[Asked], object]], ...]
    names: Mapping[str, Literal[1]]


class CheckItem(pytest.Item):
    """One check, asked about one subject."""

    def __init__(self, *, question: Question, subject: Subject, file: str, **kwargs: object) -> None:
        """Be made through `from_parent`; `file` is the module's path as node ids have it."""
        super().__init__(**kwargs)  # type: ignore[arg-type]  # what `from_parent` hands on
        self.question = question
        self.subject = subject
        self.own_markers.extend(question.marks)
        self.keywords.update((mark.name, mark) for mark in question.marks)
        self._file = file

    @property
    def location(self) -> tuple[str, int | None, str]:  # pytest keeps one for each item
        """Where the check stands, and its name with its subject."""
        return (self._file, self.question.line, self.name)

    @property
    def extra_keyword_matches(self) -> set[str]:  # pytest keeps an empty set for each item
        """More names for `-k`, which plugins may add."""
        found: set[str] = self.__dict__.setdefault("_matches", set())
        return found

    @extra_keyword_matches.setter
    def extra_keyword_matches(self, found: set[str]) -> None:
        if found:
            self.__dict__["_matches"] = found

    @property
    def check(self) -> Check:
        """The check's metadata."""
        return self.question.check

    @property
    def function(self) -> Callable[..., None]:
        """The check's function, as a test function has it: `-k` looks at its attributes."""
        return self.question.function

    @property
    def fixturenames(self) -> list[str]:
        """The names of the check's arguments, as a test function has them."""
        return [name for name, _ in self.question.takes]

    def runtest(self) -> None:
        """Ask the check: what it finds leaves as an exception (`checks/outcome.py`)."""
        asked = Asked(self.subject, self.config)
        if ADVICE in self.stash:  # `--fix` runs the same item again
            del self.stash[ADVICE]
        self.question.function(**{name: give(asked) for name, give in self.question.takes})
        if asked.notes:
            self.stash[ADVICE] = asked.notes

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the check stands."""
        return self.path, self.question.line, self.name

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: "TracebackStyle | None" = None
    ) -> "str | TerminalRepr":
        """The traceback of a check that crashed, from the check on."""
        excinfo.traceback = excinfo.traceback.cut(path=self.path)
        return super().repr_failure(excinfo, style)


def check_items(collector: pytest.Module | pytest.Class, name: str, found: object) -> list[CheckItem] | None:
    """The items of one of the suite's own checks; None for everything else, which pytest makes into tests itself."""
    if not inspect.isfunction(found) or collector.path.parent != _OWN or not hasattr(found, "pytestmark"):
        return None
    config = collector.config
    if ESTATE not in config.stash:
        return None
    marks: Sequence[pytest.Mark] = found.pytestmark
    names = tuple(inspect.signature(found).parameters)
    if [mark.name for mark in marks] != ["check"] or not ARGUMENTS.keys() >= {*names}:
        return None
    takes = tuple((argument, ARGUMENTS[argument]) for argument in names)
    # as pytest counts lines: from 0, and a decorator is part of its function
    question = Question(
        found,
        metadata_of(found),
        tuple(marks),
        found.__code__.co_firstlineno - 1,
        takes,
        {**dict.fromkeys(collector.keywords, 1), **dict.fromkeys((name, "check"), 1)},
    )
    file = collector.nodeid.partition("::")[0]
    home = getattr(collector, "id", None)  # a node id taken apart, where this pytest has such
    whole = home.child(name) if home else None
    items = []
    for subject in _asked(names, question.check, config):
        words = None if subject is None else _escaped(subject)
        called = name if words is None else f"{name}[{words}]"
        items.append(
            CheckItem.from_parent(
                collector,
                name=called,
                nodeid=whole.with_params(words) if whole else f"{collector.nodeid}::{called}",
                question=question,
                subject=subject or ESTATE_WIDE,
                file=file,
            )
        )
    return items


def _asked(arguments: tuple[str, ...], meta: Check, config: pytest.Config) -> Sequence[Subject | None]:
    """Whom a check is asked about; None for one that names nobody."""
    argument = argument_of(arguments)
    if argument is None:
        return [None]
    options = config.stash[OPTIONS]
    # A fix also asks what was not asked for (remediation/unselected.py). Else it is one item, which is then deselected.
    left_out = options.checks and meta.id not in options.checks and not (options.plan or options.may_write)
    return (not left_out and subjects(argument, config, config.stash[ESTATE], meta)) or [NOT_ASKED]


def _escaped(subject: Subject) -> str:
    """A subject in a node id, as pytest writes the id of a parameter."""
    text = str(subject)
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if plain else text.encode("unicode_escape").decode("ascii")
