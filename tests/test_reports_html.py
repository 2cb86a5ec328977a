import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checks.outcome import Severity, Status
from remediation.story import FixStory
from reports.html_page import summary_block
from reports.summary import Run, summarise
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

US = "111122223333/us-east-1"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<script>document.title = 'owned'</script>"
RESULTS = (
    case("code", Status.FIXED, f"{US}/alb", expected="the release's package", found="an old one"),
    case("reachable", Status.PASSED, US),
    case("runtime", Status.FAILED, f"{US}/trail", Severity.CRITICAL, expected="a custom runtime", found=HOSTILE,
         fix="forwarder-stack"),
    case("stack", Status.BLOCKED, f"{US}/waf", expected="a healthy stack", found="UPDATE_ROLLBACK_FAILED",
         reason="CloudFormation refuses\nan update", remedy="continue the rollback"),
    case("policy", Status.UNKNOWN, f"{US}/trail", reason="lambda:GetPolicy denied"),
    case("flow", Status.NO_EVIDENCE, f"{US}/flow", reason="no object arrived"),
    case("calendar", Status.PASSED, f"{US}/alb", Severity.LOW, advice="99 days are left"),
)  # fmt: skip
REFUSED = (
    case("healthy", Status.FAILED, f"{US}/waf", Severity.LOW, found="UPDATE_ROLLBACK_FAILED"),
    *(
        case(check, Status.BLOCKED, f"{US}/{name}", expected="new", found="old",
             reason="its stack is UPDATE_ROLLBACK_FAILED", remedy="continue the rollback")
        for check in ("code", "runtime")
        for name in ("alb", "waf")
    ),
)  # fmt: skip
OUTCOMES = {
    "FAILED": "Failed",
    "BLOCKED": "Failed",
    "UNKNOWN": "Skipped",
    "NO EVIDENCE": "Skipped",
    "FIXED": "Passed",
    "PASSED": "Passed",
}


def page_of(pytester: pytest.Pytester, *how: str) -> str:
    pytester.runpytest("--regions=us-east-1", "--html=page.html", "--self-contained-html", *how)
    return (pytester.path / "page.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, object]:
    blob = re.search(r'data-jsonblob="(.*?)"', page)
    assert blob
    data: dict[str, object] = json.loads(html.unescape(blob[1]))
    return data


def rows_of(page: str) -> list[dict[str, str]]:
    """The cells of each row by their column, as text."""
    tests = data_of(page)["tests"]
    assert isinstance(tests, dict)
    rows = []
    for test in (test for tests_of_one in tests.values() for test in tests_of_one):
        cells = [
            re.search(r'class="col-(\w+).*?>(?:<i hidden>.*?</i>)?(.*)</td>', cell) for cell in test["resultsTableRow"]
        ]
        rows.append(
            {"log": test["log"], **{match[1]: re.sub(r"<.*?>", " ", match[2]).strip() for match in cells if match}}
        )
    return rows


@pytest.mark.parametrize("how", [[], ["-n2"]], ids=["alone", "n2"])
def test_every_row_names_status_subject_and_evidence(pytester: pytest.Pytester, how: list[str]) -> None:
    write_run(pytester, RESULTS)

    rows = {row["check"].split()[-1]: row for row in rows_of(page_of(pytester, *how))}

    assert {row["status"] for row in rows.values()} == set(OUTCOMES)
    assert all(row["result"] == OUTCOMES[row["status"]] for row in rows.values())
    stack = rows["stack"]
    assert (stack["severity"], stack["account"], stack["region"], stack["forwarder"]) == (
        "high", "111122223333", "us-east-1", "waf",
    )  # fmt: skip
    for text in ("a healthy stack", "UPDATE_ROLLBACK_FAILED", "CloudFormation refuses", "continue the rollback"):
        assert text in stack["evidence"]
    assert "no object arrived" in rows["flow"]["evidence"]
    assert "Traceback" not in "".join(row["log"] for row in rows.values())


def test_text_from_aws_is_never_markup(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester)

    assert HOSTILE not in page
    assert HOSTILE not in json.dumps(data_of(page), ensure_ascii=False)
    assert html.escape(HOSTILE) in page


def test_the_verdict_and_the_coverage_stand_on_top(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester)
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))

    assert '<title id="head-title">Taegis forwarders: audit</title>' in page
    assert "2 findings remain on 2 forwarders (1 blocked: a person must act; 1 fixed and proved)." in text
    for tile in ("1  asked", "1  reached", "0  not reached", "1  no evidence", "no release was given: release-files"):
        assert tile in text
    assert "1 finding on 1 forwarder is fixable with --fix" in text


def test_findings_are_sorted_worst_first(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    data = data_of(page_of(pytester))
    tests = data["tests"]
    assert isinstance(tests, dict)
    keys = sorted((test["status"], test["severity"]) for tests_of_one in tests.values() for test in tests_of_one)

    assert data["initialSort"] == "status"
    assert [re.sub(r"<i.*?</i>|<.*?>", "", status) for status, _ in keys] == [
        "FAILED", "BLOCKED", "UNKNOWN", "NO EVIDENCE", "FIXED", "PASSED", "PASSED",
    ]  # fmt: skip


def test_the_environment_is_what_was_asked_for_and_nothing_of_the_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_URL", "https://user:canary-secret@ci.example/")  # read by pytest-metadata
    write_run(pytester, RESULTS)

    page = page_of(pytester, "--external-id=canary-secret")

    environment = data_of(page)["environment"]
    assert isinstance(environment, dict)
    assert environment["Regions"] == "us-east-1"
    assert "pytest" in environment
    assert "canary-secret" not in page


def test_a_test_that_is_no_check_has_a_row_of_the_same_width(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)
    pytester.makepyfile(test_own="def test_mine():\n    assert 1 == 2\n")

    page = page_of(pytester)
    tests = data_of(page)["tests"]
    assert isinstance(tests, dict)
    (own,) = tests["test_own.py::test_mine"]

    widths = {len(test["resultsTableRow"]) for tests_of_one in tests.values() for test in tests_of_one}
    assert widths == {8}
    assert own["result"] == "Failed"
    assert "assert 1 == 2" in own["log"]


def test_the_projects_own_tests_get_pytest_htmls_own_page(pytester: pytest.Pytester) -> None:
    write_run(pytester, [])
    pytester.makepyfile(test_fake="def test_one():\n    pass\n")
    pytester.runpytest("--html=page.html", "--self-contained-html")

    page = (pytester.path / "page.html").read_text(encoding="utf-8")

    assert "Duration" in page
    assert "Taegis" not in page


def test_the_file_stands_alone_without_being_asked_to(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)
    pytester.runpytest("--regions=us-east-1", "--html=page.html")

    page = (pytester.path / "page.html").read_text(encoding="utf-8")

    assert not (pytester.path / "assets").exists()
    assert "<link" not in page
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize(("option", "mode"), [("--plan", "Plan"), ("--fix", "Fix")])
def test_the_heading_says_what_kind_of_run_it_was_and_when(pytester: pytest.Pytester, option: str, mode: str) -> None:
    write_run(pytester, RESULTS)

    text = re.sub(r"<[^>]+>", "", page_of(pytester, option, "-p", "no:cacheprovider"))

    (folder,) = pytester.path.joinpath("forwarder-runs").iterdir()
    assert f"{mode} · no release given · looked at 2026-11-24 04:15:30 UTC · run {folder.name}" in text


def test_what_a_person_has_to_do_stands_once_with_the_checks_that_wait_for_it(pytester: pytest.Pytester) -> None:
    write_run(pytester, REFUSED)

    page = page_of(pytester)
    blocks = re.findall(r'<article class="status-(\w+)">(.*?)</article>', page)

    assert [status for status, _ in blocks] == ["failed", "blocked"]
    assert "<b>its stack is UPDATE_ROLLBACK_FAILED</b>" in blocks[1][1]
    assert "<dd>code, runtime</dd>" in blocks[1][1]
    assert f"<dd>{US}/alb, {US}/waf</dd>" in blocks[1][1]
    assert blocks[1][1].count("continue the rollback") == 1


def test_the_plan_of_a_plan_stands_open_and_is_never_markup() -> None:
    run = Run((RESULTS[0],), planning=True, story=FixStory(planned=2), plan_lines=("   2 x update <name>", "  in a, b"))

    block = summary_block(summarise(run))

    assert "<h3>Plan: 2 steps planned</h3>" in block
    assert re.search(
        r"<details [^>]*open><summary>Plan</summary><pre>   2 x update &lt;name&gt;<br>  in a, b</pre>", block
    )


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the page was not drawn")
def test_a_browser_draws_the_rows_and_its_filters_work(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)
    page_of(pytester)

    drawn = {query: _drawn(pytester.path / "page.html", query) for query in ("", "?visible=skipped")}

    order = re.findall(r'<span class="mark">([A-Z ]+)</span></td>', drawn[""])
    assert order == ["FAILED", "BLOCKED", "UNKNOWN", "NO EVIDENCE", "FIXED", "PASSED", "PASSED"]
    assert "owned" not in re.findall(r"<title.*?</title>", drawn[""])[0]
    assert re.findall(r'<span class="mark">([A-Z ]+)</span></td>', drawn["?visible=skipped"]) == [
        "UNKNOWN", "NO EVIDENCE",
    ]  # fmt: skip


def _drawn(page: Path, query: str) -> str:
    assert BROWSER
    profile = page.with_name("profile")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--dump-dom"]  # fmt: skip
    done = subprocess.run(
        [BROWSER, *options, f"{page.as_uri()}{query}"], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
