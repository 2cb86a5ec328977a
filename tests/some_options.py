"""Options as the command line gives them, without pytest around: every default, and what the test changes."""

import argparse
from dataclasses import replace
from typing import cast

import pytest

from fixtures.option_groups import add_options
from fixtures.options import Options, parse_options


class _Parser:
    """Declares options as pytest's parser does, with argparse alone."""

    def __init__(self) -> None:
        self._arguments = argparse.ArgumentParser(exit_on_error=False)
        self.addoption = self._arguments.add_argument

    def getgroup(self, _: str) -> "_Parser":
        return self

    def parse(self, words: tuple[str, ...]) -> argparse.Namespace:
        return self._arguments.parse_args(words)


class _Config:
    def __init__(self, words: tuple[str, ...]) -> None:
        parser = _Parser()
        add_options(cast("pytest.Parser", parser))
        self._given = parser.parse(words)

    def getoption(self, name: str) -> object:
        return getattr(self._given, name)


def parsed(*words: str) -> Options:
    """What a run with this command line would work with.

    Raises:
        InputError: as a run would.
    """
    return parse_options(cast("pytest.Config", _Config(words)))


def some_options(**changes: object) -> Options:
    """The defaults with some fields changed."""
    return replace(parsed(), **changes)  # type: ignore[arg-type]
