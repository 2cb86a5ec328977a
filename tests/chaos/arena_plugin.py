"""The fixture of tests that let faults happen: one engine for a module, put back as it was before each case."""

from collections.abc import Iterator

import pytest

from tests.chaos.case import Arena
from tests.chaos.rollback import WholeArena


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Where cases are run; its engine is seeded when the first test of a module asks for it."""
    arena = WholeArena(tmp_path_factory.mktemp("arena"))
    yield arena
    arena.stop()
