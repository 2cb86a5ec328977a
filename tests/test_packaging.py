import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.outcome import Status
from fixtures.snapshot import write_snapshot
from reports.command import ROOT
from tests.fake_run import case, estate_of

PARTS = ("checks", "fixtures", "remediation", "reports")
NAME = "taegis_forwarders"
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "build", "dist", "*.egg-info", "forwarder-runs", "node_modules", "*.html"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves folders behind in what it builds."""
    setuptools = pytest.importorskip("setuptools", reason="the wheel is built with setuptools, of the dev group")
    if int(setuptools.__version__.partition(".")[0]) < 77:
        pytest.skip(f"setuptools {setuptools.__version__} cannot build it: pyproject.toml asks for 77")
    copy, out = tmp_path_factory.mktemp("source") / "copy", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, copy, ignore=NOT_SOURCE)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh environment with only the wheel in it, which finds its dependencies in this one: quick, and offline."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True, capture_output=True
    )
    site = next(home.glob("lib/python*/site-packages"))
    neighbours = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    (site / "neighbours.pth").write_text("\n".join(neighbours), encoding="utf-8")
    yield home
    shutil.rmtree(home)


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, from `folder`, with a home of its own."""
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "AWS_"))
    }
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [installed / "bin" / "taegis-forwarders", *arguments],
        cwd=folder, env={**environment, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder to stand in."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_nothing_generic_is_installed_at_the_top(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {NAME}


def test_the_wheel_holds_every_part_of_the_suite_and_nothing_else(wheel: Path) -> None:
    packed = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"{NAME}/")}
    sources = {
        str(path.relative_to(ROOT))
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert sorted(sources - packed) == []
    assert sorted(packed - sources) == ["conftest.py", "pyproject.toml"]


def test_the_installed_command_explains_itself(installed: Path, empty: Path) -> None:
    told = run(installed, empty, "--help")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("usage: taegis-forwarders")


def test_the_installed_command_knows_its_checks(installed: Path, empty: Path) -> None:
    told = run(installed, empty, "explain", "stack-healthy")

    assert (told.returncode, told.stderr) == (0, "")
    assert "stack-healthy" in told.stdout


def test_an_audit_from_an_empty_folder_writes_only_what_was_asked_for(installed: Path, empty: Path) -> None:
    write_snapshot(estate_of([case("any", Status.PASSED, "111122223333/us-east-1/trail")]), empty / "kept.json")
    before = sorted(files_of(installed))

    done = run(installed, empty, "--replay=kept.json", "--html=drift.html", "--self-contained-html", "--junitxml=j.xml")

    assert done.returncode in {1, 10}, done.stdout + done.stderr
    assert sorted(path.name for path in empty.iterdir()) == ["drift.html", "j.xml", "kept.json"]
    assert sorted(files_of(installed)) == before


def test_an_audit_of_nothing_is_a_usage_error_that_names_the_option(installed: Path, empty: Path) -> None:
    done = run(installed, empty)

    assert done.returncode == 4
    assert "--regions" in done.stdout + done.stderr


def files_of(folder: Path) -> Iterator[Path]:
    """Every file but the bytecode that Python keeps."""
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
