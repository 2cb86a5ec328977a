"""The checks that `-k`, `-m`, `--lf`, `--checks` or the arguments left out: asked of what a fix touches all the same.

A selection says what is reported and planned. Whoever writes must know all: a fix of one thing can break another.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import checks
from checks.registry import check_of
from checks.subjects import has_no_subject, subject_of
from fixtures.estate import Target


class Unselected:
    """Watches what pytest collects, and makes the items of the rest when somebody asks for them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._modules: dict[Path, pytest.Module] = {}
        self._selected: frozenset[str] = frozenset()
        self._deselected = False
        self._session: pytest.Session | None = None
        self._items: tuple[pytest.Item, ...] | None = None

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Remember a module of tests, also one out of which nothing is chosen."""
        if isinstance(collector, pytest.Module):
            self._modules.setdefault(collector.path, collector)

    def pytest_deselected(self) -> None:
        """Something is left out."""
        self._deselected = True

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what was chosen."""
        self._session = session
        self._selected = frozenset(item.nodeid for item in session.items)

    def of(self, targets: Iterable[Target]) -> tuple[pytest.Item, ...]:
        """The checks of these targets that were not chosen; they are collected when they are first wanted."""
        wanted = frozenset(targets)
        if self._items is None:
            self._items = tuple(self._rest())
        return tuple(item for item in self._items if subject_of(item).target in wanted)

    def _rest(self) -> Iterator[pytest.Item]:
        if self._session is None or not self._is_narrowed():
            return
        missing = sorted(_own_modules() - set(self._modules))
        others = (pytest.Module.from_parent(self._session, path=path) for path in missing)
        for module in (*self._modules.values(), *others):
            for item in _collected(module):
                chosen = item.nodeid in self._selected
                if not chosen and check_of(item) and not has_no_subject(self._config, item):
                    yield item

    def _is_narrowed(self) -> bool:
        """Whether anything can have been left out: the many thousand checks of a fleet are not made twice in vain."""
        by_name = any("::" in argument for argument in self._config.args)
        last_failed = bool(self._config.getoption("lf", default=False))  # it leaves files out without a word
        return self._deselected or by_name or last_failed or bool(_own_modules() - set(self._modules))


def _own_modules() -> frozenset[Path]:
    return frozenset(Path(checks.__file__).resolve().parent.glob("test_*.py"))


def _collected(collector: pytest.Collector) -> Iterator[pytest.Item]:
    """Every item below a collector, past the plugins that choose among them."""
    for found in collector.collect():
        if isinstance(found, pytest.Item):
            yield found
        elif isinstance(found, pytest.Collector):
            yield from _collected(found)
