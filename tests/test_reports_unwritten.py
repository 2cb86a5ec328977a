"""A report that cannot be written in the end, or would be written over another file, costs nothing but itself."""

import re
from pathlib import Path

import pytest

from checks.outcome import Status
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

OLD = "the report of last night"
REPORTS = [("--html", "htmlpath"), ("--junitxml", "xmlpath")]
# What no report can be written to any more, once the run has begun.
BLOCKED = """
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    pathlib.Path(session.config.option.{name}).mkdir()
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    write_run(pytester, [case("runtime", Status.FAILED, "111122223333/us-east-1/trail")])
    return pytester


def block(run: pytest.Pytester, name: str) -> None:
    conftest = run.path / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    conftest.write_text(f"import pytest\n{text}\n{BLOCKED.format(name=name)}", encoding="utf-8")


@pytest.mark.parametrize(("option", "name"), REPORTS)
def test_it_is_said_and_verdict_other_reports_and_the_old_one_stay(
    run: pytest.Pytester, option: str, name: str
) -> None:
    block(run, name)
    run.path.joinpath("report").write_text(OLD, encoding="utf-8")
    others = ["--export=night.jsonl", "--history=night.sqlite"]

    done = run.runpytest("--regions=us-east-1", f"{option}=report", *others)

    said = done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in said + done.stderr.str()
    assert "Traceback" not in said + done.stderr.str()
    assert f"report     {option}=report not written: Is a directory" in said
    assert said.rstrip().splitlines()[-1] == "1 finding remains on 1 forwarder."
    assert not re.search(r"generated (html|xml)|^written", said, re.IGNORECASE | re.MULTILINE)
    assert run.path.joinpath("report").read_text(encoding="utf-8") == OLD
    assert run.path.joinpath("night.jsonl").read_text(encoding="utf-8").count("\n") == 1
    assert run.path.joinpath("night.sqlite").is_file()


@pytest.mark.parametrize(("option", "name"), REPORTS)
def test_an_evidence_pack_holds_no_report_of_an_earlier_run(run: pytest.Pytester, option: str, name: str) -> None:
    block(run, name)
    run.path.joinpath("report").write_text(OLD, encoding="utf-8")

    run.runpytest("--regions=us-east-1", f"{option}=report", "--evidence=pack")

    held = [path for path in run.path.joinpath("pack").rglob("*") if path.is_file()]
    assert held
    assert not [path for path in held if OLD in path.read_text(encoding="utf-8", errors="replace")]
    assert "it could not be written: Is a directory" in run.path.joinpath("pack/README.md").read_text(encoding="utf-8")


def test_results_that_cannot_be_kept_are_said_and_the_reports_are_written(run: pytest.Pytester) -> None:
    conftest = run.path / "conftest.py"
    blocked = """
from fixtures.run_folder import run_folder
def pytest_collection_finish(session):
    run_folder(session.config).joinpath("results.jsonl").mkdir()
"""
    conftest.write_text(f"{conftest.read_text(encoding='utf-8')}\n{blocked}", encoding="utf-8")

    done = run.runpytest("--regions=us-east-1", "--plan", "--html=page.html", "--export=night.csv")

    said = done.stdout.str()
    assert re.search(r"^report     forwarder-runs/\S+/results.jsonl not written: Is a directory", said, re.MULTILINE)
    assert "Traceback" not in said + done.stderr.str()
    assert said.rstrip().splitlines()[-1].startswith("1 finding remains on 1 forwarder")
    assert run.path.joinpath("page.html").is_file()
    assert run.path.joinpath("night.csv").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("option", ["--html", "--junitxml"])
def test_a_full_device_is_said(run: pytest.Pytester, option: str) -> None:
    done = run.runpytest("--regions=us-east-1", f"{option}=/dev/full")

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert f"report     {option}=/dev/full not written: No space left on device" in done.stdout.str()
    assert done.stdout.str().rstrip().endswith("1 finding remains on 1 forwarder.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--html=kept", "--history=kept"], "--html=kept: that is the file of --history"),
        (["--html=kept", "--waivers=kept"], "--html=kept: that is the file of --waivers"),
        (["--junitxml=kept", "--snapshot=./kept"], "--junitxml=kept: that is the file of --snapshot"),
        (["--html=kept.csv", "--export=kept.csv"], "--html=kept.csv: that is the file of --export"),
        (["--html=kept", "--accounts=kept.toml"], ""),
        (["--html=kept.toml", "--accounts=kept.toml"], "--html=kept.toml: that is the file of --accounts"),
        (["--html=kept", "--junitxml=kept"], "--junitxml=kept: that is the file of --html"),
        (["--html=/dev/null", "--junitxml=/dev/null"], ""),
        (["--html="], "--html=: an empty path"),
        (["--junitxml="], "--junitxml=: an empty path"),
    ],
)
def test_a_file_that_another_option_names_is_refused_and_left_as_it_is(
    run: pytest.Pytester, words: list[str], told: str
) -> None:
    for name in ("kept", "kept.csv", "kept.toml"):
        run.path.joinpath(name).write_text(OLD, encoding="utf-8")

    done = run.runpytest("--regions=us-east-1", *words)

    if not told:
        assert "that is the file of" not in done.stderr.str()
        return
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert told in done.stderr.str()
    assert "Traceback" not in done.stderr.str()
    assert [run.path.joinpath(name).read_text(encoding="utf-8") for name in ("kept", "kept.csv", "kept.toml")] == [
        OLD
    ] * 3
