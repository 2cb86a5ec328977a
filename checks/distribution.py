"""xdist: workers collect, so they know which checks could not be asked and why none was; the controller tells it."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest

from checks.state import NOT_APPLICABLE, REFUSAL
from fixtures.distribution import is_worker

_NOT_APPLICABLE = "forwarders_not_applicable"
_REFUSAL = "forwarders_refusal"


class _Node(Protocol):
    """What xdist hands to `pytest_testnodedown`; the output of a worker that crashed is missing."""

    workeroutput: Mapping[str, object]


class HandBack:
    """Both sides: a worker sends it home at its end, the controller keeps what any of them sent: all collect alike."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_sessionfinish(self) -> None:
        """Send it home; builtin types only."""
        if is_worker(self._config):
            output: dict[str, object] = self._config.workeroutput  # type: ignore[attr-defined]  # xdist adds it
            told = self._config.stash[NOT_APPLICABLE]
            output[_NOT_APPLICABLE] = {reason: list(names) for reason, names in told.items()}
            output[_REFUSAL] = self._config.stash.get(REFUSAL, "")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: _Node) -> None:
        """Keep it."""
        output: Mapping[str, object] = getattr(node, "workeroutput", {})
        told = output.get(_NOT_APPLICABLE)
        if isinstance(told, Mapping) and told:
            self._config.stash[NOT_APPLICABLE] = {reason: tuple(names) for reason, names in told.items()}
        refusal = output.get(_REFUSAL)
        if isinstance(refusal, str) and refusal:
            self._config.stash[REFUSAL] = refusal

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        """Refuse as the run without xdist does: a worker's own usage error would be told as a crash."""
        done = yield
        if REFUSAL in self._config.stash and not is_worker(self._config):
            raise pytest.UsageError(self._config.stash[REFUSAL])
        return done
