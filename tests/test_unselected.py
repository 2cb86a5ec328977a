"""What a selection leaves out is not told and not planned, but asked of whatever a fix touches."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.estate import Target
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from fixtures.sandbox.synthetic_release import write_release
from fixtures.state import ESTATE
from remediation import write_run
from remediation.unselected import Unselected
from tests.conftest import point_at
from tests.estates import HERE, OTHER_ACCOUNT, a_forwarder, a_legacy_forwarder, an_estate
from tests.replayed import ROOT, kept, run_suite

pytest_plugins = ["pytester"]

THERE = Target(OTHER_ACCOUNT, "eu-west-1")
TRAIL, OTHER = f"{HERE}/trail", f"{THERE}/trail"


class Collected:
    """Notes which tests were chosen, and which were not and are to be asked all the same."""

    def __init__(self, *targets: Target) -> None:
        self._targets = targets
        self.chosen: list[str] = []
        self.rest: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        unselected = session.config.pluginmanager.get_plugin("forwarders-unselected")
        assert isinstance(unselected, Unselected)
        self.chosen = [item.nodeid for item in session.items]
        self.rest = [item.nodeid for item in unselected.of(self._targets)]


@pytest.fixture
def fleet(pytester: pytest.Pytester) -> str:
    return kept(pytester, an_estate(a_forwarder("trail"), a_forwarder("trail", THERE)))


def collected(pytester: pytest.Pytester, *options: str, paths: tuple[object, ...] = (ROOT / "checks",)) -> Collected:
    watch = Collected(HERE, THERE)
    run_suite(pytester, "--plan", "--collect-only", *options, paths=paths, plugins=[watch])
    return watch


def test_without_a_selection_nothing_is_left_out(pytester: pytest.Pytester, fleet: str) -> None:
    watch = collected(pytester, fleet)
    assert len(watch.chosen) > 20
    assert watch.rest == []


ONE = f"{ROOT}/checks/test_runtime.py::test_runs_on_a_custom_runtime[{TRAIL}]"
SELECTIONS = [
    pytest.param(["--checks=runtime-custom"], [ROOT / "checks"], id="checks"),
    pytest.param(["-k", "custom_runtime"], [ROOT / "checks"], id="k"),
    pytest.param(["-m", "not check"], [ROOT / "checks"], id="m"),
    pytest.param([], [ROOT / "checks" / "test_runtime.py"], id="a-file"),
    pytest.param([], [ONE], id="a-test"),
    pytest.param(["--deselect", ONE.removeprefix(f"{ROOT}/")], [ROOT / "checks"], id="deselect"),
]


@pytest.mark.parametrize(("options", "paths"), SELECTIONS)
def test_chosen_and_left_out_are_together_every_check_once(
    pytester: pytest.Pytester, fleet: str, options: list[str], paths: list[object]
) -> None:
    whole = collected(pytester, fleet).chosen
    watch = collected(pytester, fleet, *options, paths=tuple(paths))
    about_a_target = [nodeid for nodeid in whole if HERE.account in nodeid or THERE.account in nodeid]
    assert len(watch.chosen) < len(whole)
    assert sorted({*watch.chosen, *about_a_target}) == sorted([*watch.chosen, *watch.rest])


def test_what_last_failed_leaves_whole_files_out_and_they_are_asked(pytester: pytest.Pytester) -> None:
    fleet = kept(pytester, an_estate(a_forwarder("trail"), a_legacy_forwarder("waf")))
    run_suite(pytester, fleet)
    watch = collected(pytester, fleet, "--lf")
    assert [nodeid for nodeid in watch.chosen if f"{HERE}/trail]" in nodeid] == []
    assert ONE.removeprefix(f"{ROOT}/") in watch.rest


def test_a_users_own_check_is_asked_too(pytester: pytest.Pytester, fleet: str) -> None:
    own = pytester.mkdir("mine") / "test_mine.py"
    own.write_text('''
from checks.outcome import Severity
from checks.registry import check

def test_plain(forwarder):
    assert forwarder

class TestThem:
    @check("mine-memory", severity=Severity.LOW, step="ours", facts=["listed"])
    def test_memory(self, forwarder):
        """A forwarder has memory."""
''', encoding="utf-8")  # fmt: skip
    watch = collected(pytester, fleet, "--checks=runtime-custom", paths=(own, ROOT / "checks"))
    own_rest = [nodeid.rpartition("::")[2] for nodeid in watch.rest if "::TestThem::" in nodeid]
    assert own_rest == [f"test_memory[{TRAIL}]", f"test_memory[{OTHER}]"]
    assert not [nodeid for nodeid in watch.rest if "test_plain" in nodeid], "what is no check is not asked"


class Made(Collected):
    """A fix makes the shared stack: which checks can be asked only now, selected and not; and once more."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        unselected = session.config.pluginmanager.get_plugin("forwarders-unselected")
        assert isinstance(unselected, Unselected)
        before = session.testscollected
        unselected.of([HERE])  # as a run does before it writes
        session.config.stash[ESTATE] = an_estate(a_forwarder("trail"), a_forwarder("trail", THERE))
        chosen, rest = unselected.made_since(frozenset({HERE}))
        self.chosen, self.rest = [item.nodeid for item in chosen], [item.nodeid for item in rest]
        assert session.testscollected == before + len(chosen)
        assert unselected.made_since(frozenset({HERE})) == ((), ())


def shared_checks(nodeids: list[str]) -> set[str]:
    assert all(nodeid.endswith(f"[{HERE}]") for nodeid in nodeids), "what was there, or is elsewhere, is not new"
    return {nodeid.rpartition("::")[2].partition("[")[0] for nodeid in nodeids}


TEMPLATE_CHECK = "test_shared_stack_has_the_releases_template"
SECRET_CHECK = "test_shared_secret_is_there"
MADE = [
    pytest.param([], [ROOT / "checks"], {TEMPLATE_CHECK, SECRET_CHECK}, set(), id="all"),
    pytest.param(["--checks=shared-stack,shared-stack-secret"], [ROOT / "checks"], {SECRET_CHECK}, {TEMPLATE_CHECK},
                 id="checks"),
    pytest.param(["-k", "has_the_releases_template or custom_runtime"], [ROOT / "checks"], {TEMPLATE_CHECK},
                 {SECRET_CHECK}, id="k"),
    pytest.param([], [ROOT / "checks" / "test_runtime.py"], set(), {TEMPLATE_CHECK, SECRET_CHECK}, id="a-file"),
    pytest.param([], [ONE], set(), {TEMPLATE_CHECK, SECRET_CHECK}, id="a-test"),
    pytest.param(["--deselect", "checks/test_shared_stack.py"], [ROOT / "checks"], set(),
                 {TEMPLATE_CHECK, SECRET_CHECK}, id="deselect"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "paths", "chosen", "rest"), MADE)
def test_what_is_asked_of_what_a_fix_made_follows_the_selection(
    pytester: pytest.Pytester, options: list[str], paths: list[object], chosen: set[str], rest: set[str]
) -> None:
    pair = an_estate(a_forwarder("trail"), a_forwarder("trail", THERE), shared=())
    release = f"--release={write_release(pytester.path / 'release')}"
    watch = Made(HERE)
    run_suite(pytester, kept(pytester, pair), release, "--plan", "--collect-only", *options, paths=paths,
              plugins=[watch])  # fmt: skip
    assert shared_checks(watch.chosen) == chosen
    assert shared_checks(watch.rest) == rest


# A whole fix, of which another hand breaks what nobody selected.

ACCOUNT, REGION = "111122223333", "us-east-1"
FIRST, SECOND = "flow-core", "umbrella-dns"


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,)), tmp_path / "sandbox") as running:
        point_at(monkeypatch, dict(running.environment))
        yield running


def test_a_fix_that_breaks_what_nobody_asked_about_is_told_and_stops(
    sandbox: Sandbox, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forwarder of the first ring loses S3's permission; only its runtime was asked about."""
    place = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
    function = f"{FIRST}-scwx-tdr-lambda-awsvpcflowlogs"
    look_again, looks = write_run.look_again, []

    def spoiled(config: pytest.Config, targets: frozenset[Target]) -> object:
        if not looks:
            for statement in json.loads(str(place.call("lambda", "get_policy", FunctionName=function)["Policy"]))[
                "Statement"
            ]:
                place.call("lambda", "remove_permission", FunctionName=function, StatementId=statement["Sid"])
        looks.append(targets)
        return look_again(config, targets)

    monkeypatch.setattr(write_run, "look_again", spoiled)
    ran = run_suite(
        pytester, f"--regions={REGION}", f"--release={sandbox.release_dir}", f"--forwarders={FIRST},{SECOND}", "--fix",
        "--yes", "--checks=runtime-custom", "--rings=1,100%", "--proof-timeout=1s",
        "--allow=create-bucket,remove-stale-rules",
    )  # fmt: skip

    assert ran.code == 11
    first, second = f"{ACCOUNT}/{REGION}/{FIRST}", f"{ACCOUNT}/{REGION}/{SECOND}"
    assert ran.statuses["runtime-custom", first] == "FIXED"
    assert ran.statuses["runtime-custom", second] == "FAILED", "the second ring was not begun"
    assert ran.statuses["trigger-permission", first] == "FAILED"
    others = {name for name in ran.statuses if name[0] != "runtime-custom"}
    assert others == {("trigger-permission", first)}, "nothing else that was not asked for is told"
    assert f"{first} held trigger-permission before, and now:" in ran.text
    assert "steps of later rings were not begun" in ran.text
