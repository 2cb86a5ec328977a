import json
import re
import stat
import xml.etree.ElementTree as ET

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

ALONE_AND_DISTRIBUTED = pytest.mark.parametrize("how", [[], ["-n2"]], ids=["alone", "n2"])
REGIONS = "--regions=us-east-1"
US, EU = "111122223333/us-east-1", "111122223333/eu-west-1"

ONE_OF_EACH = (
    case("runtime", Status.FAILED, f"{US}/trail", Severity.CRITICAL, expected="a custom runtime", found="go1.x",
         fix="forwarder-stack"),
    case("runtime", Status.FAILED, f"{EU}/umbrella", Severity.CRITICAL, expected="a custom runtime", found="go1.x",
         fix="forwarder-stack"),
    case("stack", Status.BLOCKED, f"{US}/waf", expected="a healthy stack", found="UPDATE_ROLLBACK_FAILED",
         reason="CloudFormation refuses an update", remedy="continue the rollback"),
    case("code", Status.FIXED, f"{US}/alb", expected="the release's package", found="an old one"),
    case("policy", Status.UNKNOWN, f"{US}/trail", reason="lambda:GetPolicy denied: no permission on trail"),
    case("policy", Status.UNKNOWN, f"{EU}/umbrella", reason="lambda:GetPolicy denied: no permission on umbrella"),
    case("flow", Status.NO_EVIDENCE, f"{US}/flow", reason="no object arrived"),
    case("reachable", Status.PASSED, US),
    case("calendar", Status.PASSED, f"{US}/alb", advice="99 days are left"),
)  # fmt: skip


def lines_of(result: pytest.RunResult) -> str:
    return "\n".join(result.outlines)


@ALONE_AND_DISTRIBUTED
def test_every_status_is_counted_under_its_own_name(pytester: pytest.Pytester, how: list[str]) -> None:
    write_run(pytester, ONE_OF_EACH)

    result = pytester.runpytest(REGIONS, *how)

    summary = next(line for line in reversed(result.outlines) if " in " in line and "failed" in line)
    for count in ("2 failed", "1 blocked", "1 fixed", "2 unknown", "1 no evidence", "2 passed"):
        assert count in summary
    assert result.ret == 1


@ALONE_AND_DISTRIBUTED
def test_the_last_line_is_the_verdict(pytester: pytest.Pytester, how: list[str]) -> None:
    write_run(pytester, ONE_OF_EACH)

    result = pytester.runpytest(REGIONS, *how)

    assert result.outlines[-1] == (
        "3 findings remain on 3 forwarders (1 blocked: a person must act; 1 fixed and proved)."
    )


@ALONE_AND_DISTRIBUTED
def test_findings_are_told_once_per_cause_and_without_a_traceback(pytester: pytest.Pytester, how: list[str]) -> None:
    write_run(pytester, ONE_OF_EACH)

    text = lines_of(pytester.runpytest(REGIONS, *how))

    assert text.count("The property runtime holds.") == 1
    assert text.count("expected  a custom runtime") == 1
    assert f"on        {EU}/umbrella, {US}/trail\n" in text
    assert "to do     continue the rollback" in text
    assert "FAILURES" not in text
    assert "Traceback" not in text
    assert "lambda:GetPolicy denied: no permission on <forwarder>\n  2 results of policy" in text
    assert "2 findings on 2 forwarders are fixable with --fix (see --plan)" in text
    assert "not asked  no release was given: release-files" in text
    assert re.search(r"forwarders 5: 2 failed, 1 blocked, 1 fixed, 1 no evidence", text)


def test_a_verbose_run_names_our_statuses(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)

    result = pytester.runpytest(REGIONS, "-v")

    result.stdout.fnmatch_lines_random(
        ["*waf] BLOCKED*", "*alb] FIXED*", "*policy*trail] UNKNOWN*", "*flow] NO EVIDENCE*", "*us-east-1] PASSED*"]
    )


def test_a_crashed_check_shows_its_traceback_and_is_an_internal_error(pytester: pytest.Pytester) -> None:
    write_run(pytester, [case("broken", Status.ERROR, f"{US}/trail"), case("fine", Status.PASSED, f"{US}/trail")])

    result = pytester.runpytest(REGIONS)

    assert result.ret == 3
    result.stdout.fnmatch_lines(["*ZeroDivisionError: a bug in a check*", "1 check crashed*"])


def test_thousands_of_findings_stay_readable(pytester: pytest.Pytester) -> None:
    many = [
        case(
            f"check-{number % 40}", Status.FAILED, f"{US}/stack-{number}", expected=f"value {number % 40}", found="none"
        )
        for number in range(400)
    ]
    write_run(pytester, many)

    result = pytester.runpytest(REGIONS, "-q")

    assert len(result.outlines) < 250
    assert "... and 20 more groups with 200 results; -v shows all" in lines_of(result)


def test_verbose_shows_all_of_them(pytester: pytest.Pytester) -> None:
    many = [case("one", Status.FAILED, f"{US}/stack-{number}", expected="x", found="y") for number in range(30)]
    write_run(pytester, many)

    result = pytester.runpytest(REGIONS, "-v")

    assert all(f"  {US}/stack-{number}" in lines_of(result) for number in range(30))


def test_the_projects_own_tests_keep_pytests_words_and_exit_code(pytester: pytest.Pytester) -> None:
    write_run(pytester, [])
    pytester.makepyfile(test_fake="def test_one():\n    assert 1 == 2\n")

    result = pytester.runpytest()

    assert result.ret == 1
    assert "FAILURES" in lines_of(result)
    assert "forwarders" not in lines_of(result)
    assert "1 failed" in result.outlines[-1]


def test_collecting_only_is_not_called_green(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)

    assert "All holds" not in lines_of(pytester.runpytest(REGIONS, "--collect-only"))


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 10), (["--fail-on=finding"], 0), (["--fail-on=no-evidence"], 0)],
    ids=["default", "findings only", "no evidence only"],
)
def test_fail_on_decides_what_counts(pytester: pytest.Pytester, options: list[str], code: int) -> None:
    write_run(pytester, [case("policy", Status.UNKNOWN, f"{US}/trail", reason="denied")])

    assert pytester.runpytest(REGIONS, *options).ret == code


def test_a_fix_that_failed_after_a_write_has_an_exit_code_of_its_own(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH, {"planned": 4, "fixed": 1, "failed": [f"{US}/trail"]})

    result = pytester.runpytest(REGIONS, "--fix", "-p", "no:cacheprovider")

    assert result.ret == 11
    result.stdout.fnmatch_lines(["fix *failed, or stopped after a write: */trail", "The fix of 1 subject failed*"])


@ALONE_AND_DISTRIBUTED
def test_junit_tells_the_same_truth(pytester: pytest.Pytester, how: list[str]) -> None:
    write_run(pytester, ONE_OF_EACH)
    pytester.runpytest(REGIONS, "--junitxml=found.xml", *how)

    cases = ET.parse(pytester.path / "found.xml").getroot().iter("testcase")  # noqa: S314 - written two lines above
    found = [({entry.attrib["name"]: entry.attrib["value"] for entry in node.iter("property")}, node) for node in cases]

    assert len(found) == len(ONE_OF_EACH)
    kinds = {"FAILED": "failure", "BLOCKED": "failure", "UNKNOWN": "skipped", "NO EVIDENCE": "skipped"}
    for properties, node in found:
        told = [child for child in node if child.tag != "properties"]
        expected = kinds.get(properties["status"])
        assert [child.tag for child in told] == ([expected] if expected else [])
        if told:
            evidence = properties.get("found") if expected == "failure" else properties["reason"]
            assert evidence
            assert evidence in told[0].attrib["message"]
    assert {properties["status"] for properties, _ in found} == {str(result.status) for result in ONE_OF_EACH}
    fixed = next(properties for properties, _ in found if properties["status"] == "FIXED")
    assert fixed["forwarder"] == "alb"


@pytest.mark.parametrize("options", [["--plan"], ["--fix"], ["--snapshot=kept.json"], ["--plan", "-n2"]], ids=" ".join)
def test_a_run_that_keeps_something_leaves_results_only_its_owner_may_read(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    write_run(pytester, ONE_OF_EACH)
    pytester.runpytest(REGIONS, *options)

    (folder,) = pytester.path.joinpath("forwarder-runs").iterdir()
    kept = folder / "results.jsonl"
    rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]

    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", folder.name)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sorted(row["status"] for row in rows) == sorted(str(result.status) for result in ONE_OF_EACH)
    assert {row["schema"] for row in rows} == {1}
    assert {row["run"] for row in rows} == {folder.name}
    known = {"change", "since", "fingerprint"}
    assert set(rows[0]) == {"schema", "run", *Result.__dataclass_fields__, *known}


def test_a_plain_audit_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    pytester.runpytest(REGIONS)

    assert not pytester.path.joinpath("forwarder-runs").exists()


def test_the_files_that_a_run_leaves_are_named_at_its_end(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)

    result = pytester.runpytest(REGIONS, "--plan", "--html=drift.html", "--junitxml=found.xml")

    (folder,) = pytester.path.joinpath("forwarder-runs").iterdir()
    assert f"written    drift.html, found.xml, forwarder-runs/{folder.name}" in result.outlines[-4:]


def test_a_run_folder_that_cannot_be_made_is_refused_before_anything_runs(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    pytester.path.joinpath("forwarder-runs").touch()

    result = pytester.runpytest(REGIONS, "--fix")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: run folder *forwarder-runs: cannot be created or written; stand in a folder*"])


def test_an_interrupted_run_says_so(pytester: pytest.Pytester) -> None:
    write_run(pytester, ONE_OF_EACH)
    pytester.makepyfile(test_aaa="def test_one():\n    raise KeyboardInterrupt\n")

    result = pytester.runpytest(REGIONS, no_reraise_ctrlc=True)

    assert result.ret == 2
    assert result.outlines[-1] == "Interrupted before everything was judged."
