"""The checks that `-k`, `-m`, `--lf`, `--checks` or the arguments left out: asked of what a fix touches all the same.

A selection says what is reported and planned. Whoever writes must know all: a fix of one thing can break another, and
what a fix makes can be asked about only then.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _pytest.mark import deselect_by_keyword, deselect_by_mark

import checks
from checks.registry import check_of
from checks.state import CONFINED, NOT_APPLICABLE
from checks.subjects import has_no_subject, subject_of
from fixtures.estate import Target
from fixtures.state import OPTIONS


class Unselected:
    """Watches what pytest collects, and makes the items of the rest when somebody asks for them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._modules: dict[Path, pytest.Module] = {}
        self._missing: dict[Path, pytest.Module] = {}
        self._selected: frozenset[str] = frozenset()
        self._deselected = False
        self._session: pytest.Session | None = None
        self._items: tuple[pytest.Item, ...] | None = None
        self._made: set[str] = set()

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
        return tuple(item for item in self._rest_once() if subject_of(item).target in wanted)

    def made_since(self, targets: frozenset[Target]) -> tuple[tuple[pytest.Item, ...], tuple[pytest.Item, ...]]:
        """The checks of these targets that can be asked only now, since a fix made what they are about.

        Those that the selection takes, and those that it leaves out. Each is given once.
        """
        if self._session is None:
            return (), ()
        known = {*self._selected, *self._made, *(item.nodeid for item in self._rest_once())}
        with _confined(self._config, targets):
            found = [item for item in self._all() if item.nodeid not in known and subject_of(item).target in targets]
        self._made |= {item.nodeid for item in found}
        taken = self._taken(found)
        others = tuple(item for item in found if item not in taken)
        self._session.testscollected += len(taken)
        asked = {meta.id for item in taken if (meta := check_of(item))}
        idle = self._config.stash[NOT_APPLICABLE].items()
        still = {reason: tuple(name for name in names if name not in asked) for reason, names in idle}
        self._config.stash[NOT_APPLICABLE] = {reason: names for reason, names in still.items() if names}
        return taken, others

    def _taken(self, found: list[pytest.Item]) -> tuple[pytest.Item, ...]:
        """Those that `--checks`, `-k`, `-m`, `--deselect` would have taken; none where single tests were named."""
        if self._names_tests():
            return ()
        wanted, option = self._config.stash[OPTIONS].checks, self._config.option
        prefixes = tuple(option.deselect or ())
        kept = [
            item
            for item in found
            if item.path in self._modules
            and (not wanted or getattr(check_of(item), "id", "") in wanted)
            and not (prefixes and item.nodeid.startswith(prefixes))
        ]
        deselect_by_keyword(kept, self._config)
        deselect_by_mark(kept, self._config)
        return tuple(kept)

    def _rest_once(self) -> tuple[pytest.Item, ...]:
        if self._items is None:
            self._items = tuple(self._rest())
        return self._items

    def _rest(self) -> Iterator[pytest.Item]:
        if self._session is not None and self._is_narrowed():
            yield from (item for item in self._all() if item.nodeid not in self._selected)

    def _all(self) -> Iterator[pytest.Item]:
        """Every check that can be asked as things are."""
        assert self._session is not None
        for path in sorted(_own_modules() - set(self._modules) - set(self._missing)):
            self._missing[path] = pytest.Module.from_parent(self._session, path=path)
        for module in (*self._modules.values(), *self._missing.values()):
            for item in _collected(module):
                if check_of(item) and not has_no_subject(self._config, item):
                    yield item

    def _is_narrowed(self) -> bool:
        """Whether anything can have been left out: the many thousand checks of a fleet are not made twice in vain."""
        return self._deselected or self._names_tests() or bool(_own_modules() - set(self._modules))

    def _names_tests(self) -> bool:
        """Whether single tests are named, or `--lf` names them, which leaves files out without a word."""
        by_name = any("::" in argument for argument in self._config.args)
        return by_name or bool(self._config.getoption("lf", default=False))


@contextmanager
def _confined(config: pytest.Config, targets: frozenset[Target]) -> Iterator[None]:
    """Have checks made for these targets only."""
    config.stash[CONFINED] = targets
    try:
        yield
    finally:
        del config.stash[CONFINED]


def _own_modules() -> frozenset[Path]:
    return frozenset(Path(checks.__file__).resolve().parent.glob("test_*.py"))


def _collected(collector: pytest.Collector) -> Iterator[pytest.Item]:
    """Every item below a collector, past the plugins that choose among them."""
    for found in collector.collect():
        if isinstance(found, pytest.Item):
            yield found
        elif isinstance(found, pytest.Collector):
            yield from _collected(found)
