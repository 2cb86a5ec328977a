"""Exports as users ask for them: every format of one run, alone and distributed, and what becomes of mistakes."""

import csv
import json
import os
import re
import stat
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from checks.outcome import Status
from checks.result import Result
from fixtures.errors import InputError
from fixtures.export_file import Export, ExportFormat
from tests.fake_run import case, write_run
from tests.some_options import parsed

pytest_plugins = ["pytester"]

REGIONS = "--regions=us-east-1"
WHERE = "111122223333/us-east-1/trail"
WAIVER = {"owner": "jane@example.com", "ticket": "SEC-41", "expires": "2027-04-01T00:00:00Z", "reason": "goes away"}
ONE_OF_EACH = [
    case("runtime", Status.FAILED, WHERE, expected="a custom runtime", found="go1.x", fix="forwarder-stack"),
    case("stack", Status.BLOCKED, WHERE, expected="a healthy stack", found="a broken one", remedy="mend it"),
    case("policy", Status.UNKNOWN, WHERE, reason="denied"),
    case("flow", Status.NO_EVIDENCE, WHERE, reason="a quiet bucket"),
    case("trigger", Status.WAIVED, WHERE, **WAIVER),
    case("code", Status.FIXED, WHERE, expected="the release's", found="another"),
    case("keys", Status.PASSED, WHERE),
    case("release", Status.PASSED, "estate"),
]
ALL = ("night.csv", "night.jsonl", "night.md", "night.ocsf.json", "night.asff.json")
SCHEMA = json.loads((Path(__file__).parents[1] / "reports" / "results.schema.json").read_text(encoding="utf-8"))


def statuses(folder: Path) -> dict[str, Counter[str]]:
    """How each file of the run tells its statuses."""
    lines = (folder / "night.jsonl").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader((folder / "night.csv").read_text(encoding="utf-8").splitlines())
    asff = json.loads((folder / "night.asff.json").read_text(encoding="utf-8"))
    ocsf = json.loads((folder / "night.ocsf.json").read_text(encoding="utf-8"))
    return {
        "jsonl": Counter(json.loads(line)["status"] for line in lines),
        "csv": Counter(row["status"] for row in rows),
        "asff": Counter(finding["ProductFields"]["taegis-forwarders/Status"] for finding in asff),
        "ocsf": Counter(finding["status_code"] for finding in ocsf),
    }


@pytest.mark.parametrize("how", [(), ("-n2",)], ids=["alone", "distributed"])
@pytest.mark.parametrize("kind", ["", "--plan", "--fix"], ids=["audit", "plan", "fix"])
def test_every_format_tells_every_status_of_every_kind_of_run(
    pytester: pytest.Pytester, kind: str, how: tuple[str, ...]
) -> None:
    write_run(pytester, ONE_OF_EACH)
    done = pytester.runpytest(REGIONS, *(f"--export={name}" for name in ALL), *filter(None, [kind]), *how)

    expected = Counter(str(one.status) for one in ONE_OF_EACH)
    told = statuses(pytester.path)
    assert told["jsonl"] == told["csv"] == told["ocsf"] == expected
    assert told["asff"] == expected - Counter(["PASSED"])  # the release is in no account
    judge = jsonschema.Draft202012Validator(SCHEMA)
    lines = (pytester.path / "night.jsonl").read_text(encoding="utf-8").splitlines()
    assert [error for line in lines for error in judge.iter_errors(json.loads(line))] == []
    page = (pytester.path / "night.md").read_text(encoding="utf-8")
    assert page.startswith("**2 findings remain on 1 forwarder")
    assert "accepted by jane@example.com (SEC-41), until 2027-04-01T00:00:00Z" in page
    out = done.stdout.str()
    assert f"exports    {', '.join(ALL)}" in out
    assert "night.asff.json: 1 result about no account or no region is not in it" in out
    modes = {stat.S_IMODE((pytester.path / name).stat().st_mode) for name in ALL}
    assert modes == {0o600}
    assert list(pytester.path.glob(".night*")) == []


def test_an_export_changes_nothing_of_the_verdict(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    assert pytester.runpytest(REGIONS).ret == pytester.runpytest(REGIONS, "--export=a.csv").ret == 1


def test_a_run_that_is_interrupted_exports_what_is_known(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    write_run(pytester, ONE_OF_EACH[:3])
    conftest = pytester.path / "conftest.py"
    stop = "\n\ndef pytest_runtest_logfinish(nodeid):\n    if 'stack' in nodeid:\n        raise KeyboardInterrupt\n"
    conftest.write_text(conftest.read_text(encoding="utf-8") + stop, encoding="utf-8")
    done = pytester.runpytest_subprocess(REGIONS, "--export=night.jsonl", "--export=night.md")
    assert done.ret == 2
    lines = (pytester.path / "night.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["check"] for line in lines] == ["runtime", "stack"]
    assert (pytester.path / "night.md").read_text(encoding="utf-8").startswith("**Interrupted before everything")


def test_a_run_that_looks_at_nothing_leaves_the_old_file(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    (pytester.path / "a.csv").write_text("old", encoding="utf-8")
    pytester.runpytest(REGIONS, "--export=a.csv", "--collect-only")
    pytester.runpytest("--regions=", "--export=a.csv")
    assert (pytester.path / "a.csv").read_text(encoding="utf-8") == "old"


def test_what_cannot_be_written_in_the_end_is_said_and_the_rest_is_written(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    (pytester.path / "gone").mkdir()
    conftest = pytester.path / "conftest.py"
    gone = "\n\ndef pytest_collection_finish():\n    (HERE / 'gone').rmdir()\n"
    conftest.write_text(conftest.read_text(encoding="utf-8") + gone, encoding="utf-8")
    done = pytester.runpytest(REGIONS, "--export=gone/a.csv", "--export=b.csv")
    assert done.ret == 1
    assert "exports    b.csv\n" in done.stdout.str()
    assert "exports    gone/a.csv not written: No such file or directory" in done.stdout.str()
    assert (pytester.path / "b.csv").is_file()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--export=night.xml"], "ends in .csv, .jsonl, .md, .ocsf.json or .asff.json"),
        (["--export=night.json"], "no format has this suffix"),
        (["--export="], "no format has this suffix"),
        (["--export=a.csv", "--export=./a.csv"], "--export=a.csv: that file was named twice"),
        (["--export=h.md", "--history=h.md"], "--export: that file is read or kept by another option"),
        (["--export=h.jsonl", "--snapshot=h.jsonl"], "--export: that file is read or kept by another option"),
        (["--snapshot=w.toml", "--waivers=./w.toml"], "--snapshot: that file is read or kept by another option"),
        (["--snapshot=h", "--history=h"], "--snapshot: that file is read or kept by another option"),
    ],
    ids=["unknown", "json", "empty", "twice", "history", "snapshot", "snapshot over waivers", "snapshot over history"],
)
def test_an_export_or_snapshot_that_makes_no_sense_is_refused(given: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        parsed(*given)


def test_the_suffix_says_the_format_whatever_its_case() -> None:
    found = parsed("--export=a.CSV", "--export=b.Ocsf.JSON", "--export=~/c.md").exports
    assert found == (
        Export(Path("a.CSV"), ExportFormat.CSV),
        Export(Path("b.Ocsf.JSON"), ExportFormat.OCSF),
        Export(Path("~/c.md").expanduser(), ExportFormat.MARKDOWN),
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/a.csv", "there is no folder"),
        ("folder.csv", "a folder, not a file"),
        ("file/a.csv", "its folder is a file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_audit(
    pytester: pytest.Pytester, path: str, why: str
) -> None:
    write_run(pytester, ONE_OF_EACH)
    (pytester.path / "folder.csv").mkdir()
    (pytester.path / "file").write_text("", encoding="utf-8")
    done = pytester.runpytest(REGIONS, f"--export={path}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(rf"--export={path}: .*{why}", done.stderr.str())
    assert "test_fake" not in done.stdout.str()


def test_without_the_extra_ocsf_is_refused_before_the_audit(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(pytester, ONE_OF_EACH)
    monkeypatch.setitem(sys.modules, "py_ocsf_models", None)
    done = pytester.runpytest_inprocess(REGIONS, "--export=a.ocsf.json")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "py-ocsf-models is not installed; run: pip install 'taegis-forwarders[ocsf]'" in done.stderr.str()


class TestJobSummary:
    def test_it_is_added_to_what_the_job_said_before(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_run(pytester, ONE_OF_EACH)
        page = pytester.path / "step.md"
        page.write_text("# Before\n", encoding="utf-8")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
        done = pytester.runpytest(REGIONS, "-n2", "--export=night.md")
        said = (pytester.path / "night.md").read_text(encoding="utf-8")
        assert page.read_text(encoding="utf-8") == f"# Before\n{said}\n"
        assert "GITHUB_STEP_SUMMARY" not in done.stdout.str()

    def test_what_cannot_be_added_is_said_and_changes_nothing(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_run(pytester, ONE_OF_EACH)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "missing" / "step.md"))
        done = pytester.runpytest(REGIONS)
        assert done.ret == 1
        assert re.search(r"the job's summary \(GITHUB_STEP_SUMMARY=.*\) not written: No such file", done.stdout.str())

    def test_a_run_that_looks_at_nothing_adds_nothing(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_run(pytester, ONE_OF_EACH)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "step.md"))
        pytester.runpytest(REGIONS, "--collect-only")
        assert not (pytester.path / "step.md").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    (pytester.path / "closed").mkdir(mode=0o500)
    assert pytester.runpytest(REGIONS, "--export=closed/a.csv").ret == pytest.ExitCode.USAGE_ERROR


def test_names_that_would_draw_or_run_are_harmless_in_every_format(pytester: pytest.Pytester) -> None:
    evil: list[Result] = [
        case("runtime", Status.FAILED, WHERE, expected="x", found='=HYPERLINK("http://evil")<img src=x>')
    ]
    write_run(pytester, evil)
    pytester.runpytest(REGIONS, *(f"--export={name}" for name in ALL))
    assert "'=HYPERLINK" in (pytester.path / "night.csv").read_text(encoding="utf-8")
    assert r"\<img" in (pytester.path / "night.md").read_text(encoding="utf-8")
    for name in ("night.ocsf.json", "night.asff.json"):
        (found,) = json.loads((pytester.path / name).read_text(encoding="utf-8"))
        assert '=HYPERLINK("http://evil")<img src=x>' in json.dumps(found, ensure_ascii=False).replace('\\"', '"')
