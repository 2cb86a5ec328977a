"""The suite's own checks as items: asked in one go, told as any test, by phases where somebody looks."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from checks.items import CheckItem
from fixtures.fact import Cause, Unreadable
from tests.estates import HERE, a_forwarder, a_legacy_forwarder, a_seen, an_estate
from tests.replayed import ROOT, Ran, kept, run_suite

pytest_plugins = ["pytester"]

SELECTED = "--checks=runtime-custom,code-current,stack-healthy,target-lookalikes,target-reached"


@pytest.fixture
def fleet(pytester: pytest.Pytester) -> str:
    denied = Unreadable("lambda:GetFunction", Cause.DENIED, "AccessDenied")
    here = [a_forwarder("alb"), a_legacy_forwarder("trail"), a_forwarder("waf", listed=denied, function=denied)]
    return kept(pytester, an_estate(*here, targets=[a_seen(*here, lookalikes=("tdr-dashboards",))]))


class Phases:
    """A plugin of somebody else, who looks at the phases of each test."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.seen[item.nodeid] += 1

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self.seen[item.nodeid] += 1


Phases.pytest_runtest_setup.__module__ = "somebody_elses"


class Reports:
    """Counts the phases that are told."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.shown: set[tuple[str, int | None, str]] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.told[str(report.when)] += 1
        self.shown.add(report.location)


def told(ran: Ran) -> dict[tuple[str, str], object]:
    return {name: (replace(result, seconds=0.0), ran.outcomes[name]) for name, result in ran.results.items()}


def test_in_one_go_and_by_phases_a_check_says_the_same(pytester: pytest.Pytester, fleet: str) -> None:
    at_once, by_phases = Reports(), Reports()
    one = run_suite(pytester, fleet, SELECTED, plugins=[at_once])
    other = run_suite(pytester, fleet, SELECTED, "--setup-show", plugins=[by_phases])
    asked = len(one.results)

    assert asked == 8
    assert {result.status for result in one.results.values()} == {"PASSED", "FAILED", "UNKNOWN"}
    assert any(result.advice for result in one.results.values())
    assert told(one) == told(other)
    assert at_once.shown == by_phases.shown
    # the last in a row goes through all phases, for what tests before it have left set up
    assert at_once.told == {"setup": 1, "call": asked, "teardown": asked}
    assert by_phases.told == {"setup": asked, "call": asked, "teardown": asked}


def test_somebody_elses_plugin_sees_every_phase_of_every_check(pytester: pytest.Pytester, fleet: str) -> None:
    watch = Phases()
    ran = run_suite(pytester, fleet, SELECTED, plugins=[watch])

    assert watch.seen == dict.fromkeys(ran.nodeids, 2)


OWN = """
import pytest

@pytest.fixture(scope="session")
def whole():
    print("whole is there")
    yield 1
    print("whole is gone")

@pytest.fixture(scope="module", autouse=True)
def module(whole):
    print("module is there")
    yield 2
    print("module is gone")

def test_one(whole, forwarder):
    assert whole == 1

def test_two(module, target):
    assert module == 2
"""


class Mixed:
    """Puts tests of the user's own between checks."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        ours = [item for item in items if isinstance(item, CheckItem)]
        theirs = [item for item in items if not isinstance(item, CheckItem)]
        items[:] = [*ours[:2], theirs[0], *ours[2:4], *theirs[1:2], *ours[4:], *theirs[2:]]


def test_tests_of_the_users_own_stand_between_checks_with_what_they_set_up(
    pytester: pytest.Pytester, fleet: str
) -> None:
    folder = pytester.mkdir("mine")
    (folder / "test_mine.py").write_text(OWN, encoding="utf-8")
    ran = run_suite(pytester, fleet, SELECTED, "-s", paths=[folder, ROOT / "checks"], plugins=[Mixed()])

    assert set(ran.others.values()) == {"passed"}
    assert len(ran.others) == 4
    assert len(ran.results) == 8
    assert "was not torn down" not in ran.text
    assert ran.text.count("whole is there") == ran.text.count("whole is gone") == ran.text.count("module is gone") - 2


def crash() -> None:
    raise KeyError("a bug")


class Crashing:
    """Puts a check that crashes in the place of one of the suite's."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        first = items[0]
        assert isinstance(first, CheckItem)
        first.question = replace(first.question, function=crash, takes=())
        first.path = Path(__file__)


def test_a_check_that_crashes_shows_where_and_nothing_of_the_way_there(pytester: pytest.Pytester, fleet: str) -> None:
    ran = run_suite(pytester, fleet, SELECTED, plugins=[Crashing()])

    assert Counter(str(result.status) for result in ran.results.values())["ERROR"] == 1
    assert "KeyError: 'a bug'" in ran.text
    assert "checks/items.py" not in ran.text
    assert "_pytest/" not in ran.text


def test_a_selected_test_is_found_by_its_node_id_in_every_way(pytester: pytest.Pytester, fleet: str) -> None:
    name = "test_runs_on_a_custom_runtime"
    file = ROOT / "checks" / "test_runtime.py"
    whole = run_suite(pytester, fleet, paths=[f"{file}::{name}"])
    one = run_suite(pytester, fleet, paths=[f"{file}::{name}[{HERE}/trail]"])
    none = run_suite(pytester, fleet, paths=[f"{file}::{name}[{HERE}/nobody]"])

    assert {subject for _, subject in whole.results} == {f"{HERE}/{name}" for name in ("alb", "trail", "waf")}
    assert {subject for _, subject in one.results} == {f"{HERE}/trail"}
    assert "not found" in none.text


@pytest.mark.parametrize("option", ["-q", "--nf"])
def test_node_ids_of_all_times_are_kept_only_for_who_asks_for_the_new_first(
    option: str, pytester: pytest.Pytester, fleet: str
) -> None:
    run_suite(pytester, fleet, SELECTED, option)

    assert (pytester.path / "cache" / "v" / "cache" / "nodeids").exists() is (option == "--nf")
