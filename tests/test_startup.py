"""What an audit loads before it asks anything: neither the engine of a fix nor what delivers or exports reports."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAY = """
import sys
sys.path.insert(0, sys.argv[1])
from reports.command import pytest_arguments
import pytest
class Say:
    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config):
        loaded = [name for name in sys.modules if name.partition(".")[0] in {"remediation", "reports"}]
        print("loaded", *sorted(loaded), sep="\\n")
        pytest.exit("that is all", returncode=0)
sys.exit(pytest.main(pytest_arguments(sys.argv[2:]), plugins=[Say()]))
"""
ENGINE = {"remediation.engine", "remediation.writer", "remediation.two_passes", "remediation.plan"}
DELIVERY = {"reports.delivery.deliveries", "reports.delivery.message"}
EXPORTS = {"reports.exports.exporting", "reports.exports.ocsf"}


def loaded(folder: Path, *options: str) -> set[str]:
    """The suite's modules that are there when a run is configured."""
    command = [sys.executable, "-c", SAY, str(ROOT), "--regions=us-east-1", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    _, marked, names = done.stdout.partition("loaded\n")
    assert marked, done.stdout + done.stderr
    return set(names.split())


def test_an_audit_loads_neither_engine_nor_delivery_nor_exports(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert "remediation.plugin" in found
    assert "reports.plugin" in found
    assert found & (ENGINE | DELIVERY | EXPORTS) == set()


@pytest.mark.parametrize("option", ["--plan", "--fix"])
def test_a_run_that_plans_or_writes_loads_the_engine(option: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, option) >= ENGINE


def test_a_run_that_delivers_loads_what_delivers(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--notify=arn:aws:sns:us-east-1:111122223333:alarms", "--notify-on=finding") >= DELIVERY


def test_a_run_that_exports_loads_what_exports(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--export=results.csv") >= EXPORTS
