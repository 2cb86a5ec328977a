"""xdist: workers collect, so they know which checks could not be asked and why none was; the controller tells it."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest

from checks.state import NOT_APPLICABLE, REFUSAL
from fixtures.distribution import is_worker
from fixtures.state import ESTATE

_NOT_APPLICABLE = "forwarders_not_applicable"
_REFUSAL = "forwarders_refusal"


class _Node(Protocol):
    """What xdist hands to `pytest_testnodedown`; the output of a worker that crashed is missing."""

    workeroutput: Mapping[str, object]


class _Schedule(Protocol):
    """What xdist hands to `pytest_handlecrashitem`."""

    def mark_test_pending(self, item: str) -> None:
        """Let another worker run it."""


class HandBack:
    """Both sides: a worker sends it home at its end, the controller keeps what any of them sent: all collect alike."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._crashed: set[str] = set()

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

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: _Schedule) -> None:
        """Ask again, once, what a worker was asked that died: facts do not change, and a result would be missing.

        A check that ends its worker twice is told as failed, as xdist does.
        """
        if ESTATE not in self._config.stash or crashitem in self._crashed:
            return
        self._crashed.add(crashitem)
        with contextlib.suppress(NotImplementedError):  # `--dist=loadscope` runs the rest of the scope again by itself
            sched.mark_test_pending(crashitem)
            report.outcome = "rerun"  # type: ignore[assignment]  # the word of xdist's own example

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        """Refuse as the run without xdist does: a worker's own usage error would be told as a crash."""
        done = yield
        if REFUSAL in self._config.stash and not is_worker(self._config):
            raise pytest.UsageError(self._config.stash[REFUSAL])
        return done
