"""Python's garbage collector while a run looks at AWS, and that it is afterwards as it was before."""

import gc

import pytest

from tests.estates import a_forwarder, an_estate
from tests.replayed import ROOT, kept, run_suite

pytest_plugins = ["pytester"]


class Watch:
    """Notes the collector's state while checks are asked."""

    def __init__(self) -> None:
        self.threshold = 0
        self.frozen = 0

    def pytest_runtest_logreport(self) -> None:
        self.threshold, self.frozen = gc.get_threshold()[0], gc.get_freeze_count()


def test_collections_are_rare_while_checks_are_asked_and_as_before_when_they_are_over(
    pytester: pytest.Pytester,
) -> None:
    before, watch = gc.get_threshold(), Watch()
    ran = run_suite(pytester, kept(pytester, an_estate(a_forwarder("trail"))), plugins=[watch])

    assert ran.results
    assert watch.threshold > 10 * before[0]
    assert watch.frozen > 10_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_other_tests_are_run_as_pytest_runs_them(pytester: pytest.Pytester) -> None:
    before, watch = gc.get_threshold(), Watch()
    ran = run_suite(pytester, paths=[ROOT / "tests" / "test_verdict.py"], plugins=[watch])

    assert ran.code == 0
    assert (watch.threshold, watch.frozen) == (before[0], 0)
