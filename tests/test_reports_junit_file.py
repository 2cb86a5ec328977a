"""Where the JUnit report is written: refused before anything is called, and never half there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from _pytest.junitxml import LogXML

from checks.outcome import Status
from reports.junit_stream import JunitStream
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

OLD = "<testsuites/>"


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    write_run(pytester, [case("runtime", Status.FAILED, "111122223333/us-east-1/trail")])
    return pytester


def test_a_path_that_cannot_be_written_is_refused_before_anything_is_looked_at(run: pytest.Pytester) -> None:
    run.path.joinpath("file").write_text(OLD, encoding="utf-8")

    done = run.runpytest("--regions=us-east-1", "--junitxml=file/junit.xml")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    told = done.stderr.str()
    assert re.search(r"--junitxml=file/junit.xml: .*its folder is a file", told)
    assert "Traceback" not in told
    assert "test_fake" not in done.stdout.str()


@pytest.mark.parametrize("how", [(), ("-n2",)], ids=["alone", "distributed"])
def test_a_whole_report_takes_the_place_of_the_old_one_and_the_terminal_says_where(
    run: pytest.Pytester, how: tuple[str, ...]
) -> None:
    report = run.path / "out" / "junit.xml"
    done = run.runpytest("--regions=us-east-1", "--junitxml=out/junit.xml", *how)

    assert 'name="check" value="runtime"' in report.read_text(encoding="utf-8")
    assert [path.name for path in report.parent.iterdir()] == ["junit.xml"]
    assert f"generated xml file: {report}" in done.stdout.str()
    assert "written    out/junit.xml" in done.stdout.str()
    assert ".part" not in done.stdout.str()


def test_a_run_that_is_killed_while_it_writes_leaves_the_old_report_whole(run: pytest.Pytester) -> None:
    report = run.path / "junit.xml"
    report.write_text(OLD, encoding="utf-8")
    conftest = run.path / "conftest.py"
    killed = (
        "import os, signal\n"
        "import _pytest.junitxml as junit\n"
        "whole = junit.ET.tostring\n"
        "def torn(element, **more):\n"
        "    if element.tag == 'testsuites':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(element, **more)\n"
        "junit.ET.tostring = torn\n"
    )
    conftest.write_text(f"{conftest.read_text(encoding='utf-8')}\n\n{killed}", encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "--regions=us-east-1", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=run.path, env=environment, capture_output=True, check=False)

    assert done.returncode == -9
    assert report.read_text(encoding="utf-8") == OLD
    assert len(list(run.path.glob(".junit.xml.*.part"))) == 1


ODD = 'a "quote", an <element>, an & a line\nbreak, a bell \a and an umlaut: ü'
PLAIN = """
def test_of_the_users_own(request):
    request.node.user_properties += [("twice", "one"), ("twice", "two")]

def test_that_fails():
    assert 0
"""


@pytest.mark.parametrize("how", [(), ("-n2",)], ids=["alone", "distributed"])
def test_what_is_written_is_what_pytest_would_have_written(
    run: pytest.Pytester, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [case("runtime", status, f"111122223333/us-east-1/{number}") for number, status in enumerate(Status)]
    write_run(run, [*cases, case("odd", Status.FAILED, "111122223333/us-east-1/trail", found=ODD, remedy=ODD)])
    run.path.joinpath("test_plain.py").write_text(PLAIN, encoding="utf-8")
    run.runpytest_inprocess("--regions=us-east-1", "--junitxml=streamed.xml", *how)
    monkeypatch.setattr("reports.junit_file.stream", lambda _: None)
    run.runpytest_inprocess("--regions=us-east-1", "--junitxml=whole.xml", *how)

    streamed, whole = (_read(run.path / name) for name in ("streamed.xml", "whole.xml"))
    assert streamed == whole
    assert len(streamed) == len(Status) + 5  # the odd one, two tests of the user, and what is before and behind them


def _read(path: Path) -> list[str]:
    """Every element of a report, sorted; times and where the file is left out."""
    text = re.sub(r' (time|timestamp)="[^"]*"|0x[0-9a-f]+', "", path.read_text(encoding="utf-8"))
    return sorted(re.split(r"(?=<testcase )|(?=</testsuite>)", text))


@pytest.mark.parametrize("duration", ["total", "call"])
def test_the_time_of_a_test_is_that_of_the_phases_pytest_would_have_counted(
    duration: Literal["total", "call"], tmp_path: Path
) -> None:
    told = []
    for kind in ("whole", "streamed"):
        xml = LogXML(tmp_path / kind, None, report_duration=duration)
        report = JunitStream(xml) if kind == "streamed" else xml
        report.pytest_sessionstart()
        for when, seconds in (("setup", 1.0), ("call", 2.0), ("teardown", 4.0)):
            report.pytest_runtest_logreport(
                pytest.TestReport("a.py::test", ("a.py", 1, "test"), {}, "passed", None, when, duration=seconds)  # type: ignore[arg-type]
            )
        report.pytest_sessionfinish()
        told.append(re.findall(r"<testcase [^>]*>", (tmp_path / kind).read_text(encoding="utf-8")))
    assert told[0] == told[1]
    assert len(told[0]) == 1
