"""Workers that are killed: nothing hangs, nothing is lost, and what ends every worker is told."""

from pathlib import Path

import pytest

from tests.estates import a_forwarder, an_estate
from tests.replayed import ROOT, Ran, kept, run_suite

pytest_plugins = ["pytester"]

NAMES = ("alb", "trail", "waf", "flow", "dns")
KILLER = """
import os
import signal
from pathlib import Path

from checks.outcome import Severity
from checks.registry import check

FLAG = Path(__file__).with_name("killed")


@check("mine-kill", severity=Severity.LOW, step="ours")
def test_kill(forwarder):
    \"\"\"Something of ours holds.\"\"\"
    if forwarder.name == "trail" and (ALWAYS or not FLAG.exists()):
        FLAG.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def ran(pytester: pytest.Pytester, *options: str, always: bool = False, killed: bool = False) -> Ran:
    folder = pytester.path / "mine"
    folder.mkdir(exist_ok=True)
    folder.joinpath("test_mine.py").write_text(f"ALWAYS = {always}\n{KILLER}", encoding="utf-8")
    if killed:
        folder.joinpath("killed").touch()
    estate = kept(pytester, an_estate(*(a_forwarder(name) for name in NAMES)))
    return run_suite(pytester, estate, *options, paths=[folder, ROOT / "checks" / "test_stack.py"])


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_a_worker_that_is_killed_changes_nothing(dist: str, pytester: pytest.Pytester) -> None:
    found = ran(pytester, "-n2", f"--dist={dist}")
    expected = ran(pytester, killed=True)
    assert Path(pytester.path / "mine" / "killed").exists()
    assert found.statuses == expected.statuses
    assert found.code == expected.code
    assert len([name for name in found.checks if name == "mine-kill"]) == 1


def test_what_ends_every_worker_is_told_and_the_rest_is_asked(pytester: pytest.Pytester) -> None:
    found = ran(pytester, "-n2", always=True)
    assert found.code == 1
    assert "crashed while running" in found.text
    assert {check for check, _ in found.statuses} >= {"stack-healthy", "mine-kill"}
    assert len([name for name, _ in found.statuses if name == "mine-kill"]) == len(NAMES) - 1
