"""Setting up says in one line what is missing; the targets that people are told of are there."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = ("demo", "test", "lint", "bench", "lock", "clean")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Enough of a checkout for setting up."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str, python: object = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**environment, "PYTHON": str(python)}, capture_output=True, text=True, check=False
    )


def stand_in(folder: Path, before: str) -> Path:
    """An interpreter that runs `before` ahead of any `-c` code."""
    path = folder / "stand-in-python"
    path.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -c "{before}\n$1"\n', encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("import sys; sys.version_info = (3, 10, 4)", "is Python 3.10.4, too old"),
        ("import sys; sys.modules['venv'] = None", "has no venv module"),
        ("import sys; sys.modules['ensurepip'] = None", "has no venv module"),
    ],
    ids=["too old", "no venv", "no ensurepip"],
)
def test_an_interpreter_that_will_not_do_is_refused_in_one_line(before: str, told: str, checkout: Path) -> None:
    done = make(checkout, "test", python=stand_in(checkout, before))

    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "***" not in line]
    assert len(said) == 1
    assert told in said[0]
    assert not (checkout / ".venv").exists()


def test_an_interpreter_that_is_not_there_is_named(checkout: Path) -> None:
    done = make(checkout, "test", python=checkout / "nowhere" / "python3")

    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "***" not in line]
    assert [str(checkout / "nowhere" / "python3") in line and "PYTHON=" in line for line in said] == [True]


def test_make_alone_tells_what_can_be_made(checkout: Path) -> None:
    told = make(checkout).stdout

    assert [target for target in TARGETS if f"make {target}" not in told] == []


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "clean"])
def test_every_target_does_its_own_set_up(target: str, checkout: Path) -> None:
    planned = make(checkout, "--dry-run", target).stdout

    assert "-m venv" in planned
    assert "--require-hashes -r requirements.lock" in planned


def test_what_is_set_up_is_not_set_up_again(checkout: Path) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    (checkout / ".venv").mkdir()
    then = (checkout / "requirements.lock").stat().st_mtime
    for stamp in (f".locked-{version}", f".ready-{version}"):
        (checkout / ".venv" / stamp).touch()
        os.utime(checkout / ".venv" / stamp, (then + 10, then + 10))

    assert "-m venv" not in make(checkout, "--dry-run", "test").stdout
    os.utime(checkout / "requirements.lock", (then + 20, then + 20))
    assert "-m venv" in make(checkout, "--dry-run", "test").stdout


def test_nothing_is_used_that_the_make_of_macos_lacks() -> None:
    assert re.findall(r"^\.ONESHELL|!=|\$\(file |^\.SHELLFLAGS|::=|&:", MAKEFILE, re.MULTILINE) == []


def test_what_ci_runs_is_a_program_that_bash_understands() -> None:
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert {"make lint || failed=1", "make test || failed=1", 'exit "$failed"'} <= set(text.splitlines())
