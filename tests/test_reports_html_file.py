"""Where the HTML report is written: refused before anything is called, and never half there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checks.outcome import Status
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

OLD = "the report of last night"


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    write_run(pytester, [case("runtime", Status.FAILED, "111122223333/us-east-1/trail")])
    return pytester


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("folder", "a folder, not a file"),
        ("file/page.html", "its folder is a file"),
        ("file/deep/page.html", "its folder is a file"),
        ("/dev/null/page.html", "its folder is a file"),
    ],
    ids=["folder", "below a file", "deep below a file", "below a device"],
)
def test_a_path_that_cannot_be_written_is_refused_before_anything_is_looked_at(
    run: pytest.Pytester, path: str, why: str
) -> None:
    run.path.joinpath("folder").mkdir()
    run.path.joinpath("file").write_text(OLD, encoding="utf-8")

    done = run.runpytest("--regions=us-east-1", f"--html={path}")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    told = done.stderr.str()
    assert re.search(rf"--html={path}: .*{why}", told)
    assert "Traceback" not in told
    assert "test_fake" not in done.stdout.str()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_or_file_without_the_right_to_write_is_refused(run: pytest.Pytester) -> None:
    run.path.joinpath("closed").mkdir(mode=0o500)
    protected = run.path / "protected.html"
    protected.write_text(OLD, encoding="utf-8")
    protected.chmod(0o400)

    codes = [run.runpytest("--regions=us-east-1", f"--html={path}").ret for path in ("closed/a.html", "protected.html")]

    assert codes == [pytest.ExitCode.USAGE_ERROR] * 2


def test_a_refusal_leaves_nothing_behind_and_the_old_report_as_it_was(run: pytest.Pytester) -> None:
    page = run.path / "page.html"
    page.write_text(OLD, encoding="utf-8")
    run.runpytest("--regions=", "--html=page.html")

    assert page.read_text(encoding="utf-8") == OLD
    assert [path.name for path in run.path.iterdir() if path.name.endswith(".part")] == []


def test_a_whole_page_takes_the_place_of_the_old_one_and_the_terminal_says_where(run: pytest.Pytester) -> None:
    page = run.path / "out" / "page.html"
    done = run.runpytest("--regions=us-east-1", "--html=out/page.html")

    assert "Taegis forwarders" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    assert f"Generated html report: {page.as_uri()}" in done.stdout.str()
    assert "written    out/page.html" in done.stdout.str()
    assert ".part" not in done.stdout.str()


@pytest.mark.parametrize(("option", "name"), [("--html", "page.html"), ("--junitxml", "run.xml")])
def test_who_may_read_the_old_report_may_read_the_new_one_and_nobody_else(
    run: pytest.Pytester, option: str, name: str
) -> None:
    kept = run.path / name
    kept.write_text(OLD, encoding="utf-8")
    kept.chmod(0o600)

    run.runpytest("--regions=us-east-1", f"{option}={name}")

    assert OLD not in kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(run: pytest.Pytester) -> None:
    run.path.joinpath("latest.html").symlink_to("page.html")
    run.runpytest("--regions=us-east-1", "--html=latest.html")

    assert run.path.joinpath("latest.html").is_symlink()
    assert "Taegis forwarders" in run.path.joinpath("page.html").read_text(encoding="utf-8")


def test_a_device_stays_a_device(run: pytest.Pytester) -> None:
    done = run.runpytest("--regions=us-east-1", "--html=/dev/null")

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert Path("/dev/null").is_char_device()


def test_a_run_that_is_killed_while_it_writes_leaves_the_old_report_whole(run: pytest.Pytester) -> None:
    page = run.path / "page.html"
    page.write_text(OLD, encoding="utf-8")
    conftest = run.path / "conftest.py"
    killed = (
        "import io, os, signal\n"
        "class Torn(io.TextIOWrapper):\n"
        "    def write(self, text):\n"
        "        super().write(text[: len(text) // 2])\n"
        "        self.flush()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "def pytest_sessionfinish():\n"
        "    whole = pathlib.Path.open\n"
        "    def torn(self, mode='r', **more):\n"
        "        return Torn(whole(self, 'wb'), encoding='utf-8') if mode == 'w' else whole(self, mode, **more)\n"
        "    pathlib.Path.open = torn\n"
    )
    conftest.write_text(f"{conftest.read_text(encoding='utf-8')}\n\n{killed}", encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "--regions=us-east-1", "--html=page.html", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=run.path, env=environment, capture_output=True, check=False)

    assert done.returncode == -9
    assert page.read_text(encoding="utf-8") == OLD
    assert len(list(run.path.glob(".page.html.*.part"))) == 1
