import html
import json
import re

import pytest

from checks.outcome import Severity, Status
from remediation.story import FixStory
from reports.html_page import summary_block
from reports.summary import Run, summarise
from tests.fake_run import case, write_run

pytest_plugins = ["pytester"]

US = "111122223333/us-east-1"
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
    case("waived", Status.WAIVED, f"{US}/alb", reason="until the move", owner="ops", ticket="OPS-1",
         expires="2027-01-31"),
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


def page_of(pytester: pytest.Pytester, *how: str) -> str:
    pytester.runpytest("--regions=us-east-1", "--html=page.html", "--self-contained-html", *how)
    return (pytester.path / "page.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, object]:
    blob = re.search(r'data-jsonblob="(.*?)"', page)
    assert blob
    data: dict[str, object] = json.loads(html.unescape(blob[1]))
    return data


def rows_of(page: str) -> dict[str, str]:
    """Each row's text by its address."""
    found = re.findall(r'<tr id="([^"]+)" class="row [^"]*"[^>]*>(.*?)</tr>', page)
    return {name: html.unescape(re.sub(r"<[^>]+>", " ", text)) for name, text in found}


@pytest.mark.parametrize("how", [[], ["-n2"]], ids=["alone", "n2"])
def test_what_a_person_must_read_has_a_row_worst_first_and_what_passed_has_none(
    pytester: pytest.Pytester, how: list[str]
) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester, *how)
    rows = rows_of(page)

    assert list(rows) == [
        f"runtime/{US}/trail", f"stack/{US}/waf", f"policy/{US}/trail", f"flow/{US}/flow", f"waived/{US}/alb",
        f"code/{US}/alb",
    ]  # fmt: skip
    for text in ("BLOCKED", "high", f"{US}/waf", "a healthy stack", "UPDATE_ROLLBACK_FAILED", "CloudFormation refuses",
                 "continue the rollback"):  # fmt: skip
        assert text in rows[f"stack/{US}/waf"]
    assert "by ops (OPS-1), until 2027-01-31" in rows[f"waived/{US}/alb"]
    assert "6 rows. 2 passed and have no row." in page
    assert "99 days are left" in page
    assert "Traceback" not in page


def test_pytest_htmls_own_table_holds_no_row_of_a_check_and_is_not_shown(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester)

    assert data_of(page)["tests"] == {}
    assert 'id="only-checks"' in page


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


def test_the_account_that_must_act_stands_above_with_the_command_to_type(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester, "--accounts=111122223333,444455556666", "--role=Audit", "--external-id=canary")
    act = re.search(r'<section class="part" id="act">(.*?)</section>', page)

    assert act
    text = html.unescape(re.sub(r"<[^>]+>", "", act[1]))
    assert "1 fixable with --fix, 1 left to a person" in text
    assert "pytest --regions=us-east-1 --accounts=111122223333 --role=Audit --fix" in text
    assert '--external-id="$EXTERNAL_ID"' in text
    assert page.index('id="act"') < page.index('id="where"') < page.index('id="rows"')


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


def test_the_page_tells_no_path_of_this_machine(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester, "--plan", "--release=downloads")

    assert str(pytester.path) not in page
    assert str(pytester.path.parent) not in page


def test_a_test_that_is_no_check_stays_in_pytest_htmls_table(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)
    pytester.makepyfile(
        test_own="import pytest\n@pytest.mark.parametrize('x', ['<b>'])\ndef test_mine(x):\n    assert 1 == 2\n"
    )

    page = page_of(pytester)
    tests = data_of(page)["tests"]
    assert isinstance(tests, dict)
    (own,) = tests["test_own.py::test_mine[<b>]"]

    assert own["result"] == "Failed"
    assert "assert 1 == 2" in own["log"]
    assert "<b>" not in "".join(own["resultsTableRow"])
    assert 'id="only-checks"' not in page


def test_a_broken_teardown_of_a_check_is_not_lost(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS[:2])
    conftest = pytester.path / "conftest.py"
    broken = "@pytest.fixture(autouse=True)\ndef breaks():\n    yield\n    raise OSError('broken teardown')\n"
    conftest.write_text(f"{conftest.read_text(encoding='utf-8')}\n\n{broken}", encoding="utf-8")

    tests = data_of(page_of(pytester))["tests"]

    assert isinstance(tests, dict)
    assert len(tests) == 2
    assert "broken teardown" in json.dumps(tests)


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


def test_the_results_file_is_linked_from_where_the_page_stands(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    page = page_of(pytester, "--plan")

    (folder,) = pytester.path.joinpath("forwarder-runs").iterdir()
    link = f"forwarder-runs/{folder.name}/results.jsonl"
    assert f'<a href="{link}">{link}</a>' in page
    assert (pytester.path / link).is_file()


def test_a_page_elsewhere_names_the_results_file_and_links_nothing(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)
    pytester.runpytest("--regions=us-east-1", "--plan", "--html=out/page.html")

    page = (pytester.path / "out" / "page.html").read_text(encoding="utf-8")

    assert re.search(r"<code>forwarder-runs/[^/]+/results.jsonl</code>, where the run was made", page)


def test_a_run_that_kept_no_results_says_how_to_keep_them(pytester: pytest.Pytester) -> None:
    write_run(pytester, RESULTS)

    assert "were not kept beside this page. A run with <code>--snapshot=FILE</code>" in page_of(pytester)


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

    assert "Plan: 2 steps planned</h2>" in block
    assert re.search(
        r"<details [^>]*open><summary><h2>Plan</h2></summary><pre>   2 x update &lt;name&gt;<br>  in a, b</pre>", block
    )
