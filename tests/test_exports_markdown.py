"""The summary for chats and pull requests: who must act, what changed, and nothing that draws or calls."""

import html
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from checks.outcome import Status
from checks.result import Result
from fixtures.estate import Estate
from remediation.story import FixStory
from reports.commands import Commands
from reports.exports.markdown import markdown
from reports.history.changes import Changes, History
from reports.summary import Run, Summary, summarise
from tests.fake_run import case, estate_of
from tests.many_results import history_of, many
from tests.some_options import parsed

WHERE = "111122223333/us-east-1/trail"


def summary_of(*results: Result, estate: Estate | None = None, history: History | None = None) -> Summary:
    commands = Commands(parsed("--regions=us-east-1", "--accounts=111122223333"))
    seen = estate or estate_of(results)
    return summarise(Run(results, seen, id="run-1", commands=commands, history=history, results_file="r.jsonl"))


def lines_of(*results: Result) -> list[str]:
    return markdown(summary_of(*results)).splitlines()


def test_it_begins_with_the_verdict_and_says_what_was_seen() -> None:
    told = lines_of(case("runtime-custom", Status.FAILED, WHERE), case("stack-healthy", Status.PASSED, WHERE))
    assert told[0] == "**1 finding remains on 1 forwarder.** (exit code 1)"
    assert "- targets: 1 asked, 1 reached" in told
    assert "- forwarders: 1 failed" in told
    assert "- results: 1 failed, 1 passed" in told
    assert told[-1] == "All 2 results: `r.jsonl`"


def test_who_must_act_gets_the_command() -> None:
    told = lines_of(case("runtime-custom", Status.FAILED, WHERE, fix="forwarder-stack"))
    place = told.index("## Who must act")
    assert told[place + 2] == "- **111122223333**: 1 finding in us-east-1; worst high; 1 fixable with --fix"
    assert told[place + 3] == "  - `pytest --regions=us-east-1 --accounts=111122223333 --fix`"


def test_findings_are_told_by_cause_with_evidence_and_what_to_do() -> None:
    refused = case("stack-healthy", Status.BLOCKED, WHERE, reason="it is broken", remedy="mend it")
    told = lines_of(
        refused,
        case("runtime-custom", Status.FAILED, WHERE, expected="provided.al2", found="go1.x", remedy="migrate it"),
    )
    assert told[told.index("## Findings by cause: 2") + 2 :][:7] == [
        "- **FAILED high**, 1 x: The property runtime-custom holds. (runtime-custom)",
        "  - expected provided.al2; found go1.x",
        "  - to do: migrate it",
        f"  - on {WHERE}",
        "- **BLOCKED high**, 1 x: it is broken",
        "  - to do: mend it",
        f"  - on {WHERE}",
    ]


def test_what_a_fix_would_do_or_did_is_told() -> None:
    failed = tuple(f"{WHERE}-{number}: update the stack" for number in range(12))
    found = summary_of(case("runtime-custom", Status.FAILED, WHERE, found="go1.x", fix="forwarder-stack"))
    story = FixStory(planned=13, fixed=4, failed=failed, notes=("to go on: --resume=run-1",))
    told = markdown(replace(found, run=replace(found.run, fixing=True, story=story))).splitlines()
    assert "- fix: 13 steps planned, 4 findings fixed" in told
    assert f"  - failed, or stopped after a write: {WHERE}-0: update the stack" in told
    assert "  - and 2 more failed, or stopped after a write" in told
    assert "  - to go on: --resume=run-1" in told
    assert "  - --fix would update the forwarder's stack through a gated change set" in told
    assert "## Findings by cause: 1" in told, "a fix that failed leaves more than a person's"
    undone = markdown(replace(found, run=replace(found.run, undoing=True, story=story))).splitlines()
    assert "- rollback: 13 steps planned, 4 findings fixed" in undone
    assert f"  - failed, or left to a person: {WHERE}-0: update the stack" in undone
    whole = markdown(replace(found, run=replace(found.run, fixing=True, story=FixStory(planned=1))))
    assert "## Left to a person: 1" in whole
    planned = markdown(replace(found, run=replace(found.run, planning=True, story=FixStory(planned=1))))
    assert "- plan: 1 step planned" in planned


def test_waived_and_fixed_are_told_for_the_record() -> None:
    waiver = {"owner": "jane@example.com", "ticket": "SEC-41", "expires": "2027-04-01T00:00:00Z", "reason": "goes"}
    told = lines_of(case("runtime-custom", Status.WAIVED, WHERE, **waiver), case("code-current", Status.FIXED, WHERE))
    assert "- 1 x runtime-custom: goes (accepted by jane@example.com (SEC-41), until 2027-04-01T00:00:00Z)" in told
    assert "- 1 x code-current: The property code-current holds." in told
    assert "## Who must act" not in told


def test_what_changed_links_to_the_report() -> None:
    results, estate = many(500, 0.1, accounts=20)
    text = markdown(summary_of(*results, estate=estate, history=history_of(results)), report_url="https://ci/r.html")
    assert "## Since 2026-11-23 04:15 UTC: 5 new, 5 fixed, 14 still, 5 waived, 5 gone, 5 unknown" in text
    new = [line for line in text.splitlines() if line.startswith("- new: ")]
    assert len(new) == 5
    assert all(line.startswith("- new: [") and "](https://ci/r.html#" in line for line in new)
    assert not any(line.startswith("- still") for line in text.splitlines())


def test_a_first_run_and_a_history_that_was_not_kept_say_so() -> None:
    found = summary_of(case("runtime-custom", Status.FAILED, WHERE), history=History("h", Changes(None), ()))
    assert "The first run in this history: nothing to compare with." in markdown(found)
    torn = replace(found, run=replace(found.run, history=None, history_trouble="disk full"))
    assert "What changed cannot be told: disk full" in markdown(torn)


@pytest.mark.parametrize(
    ("evil", "harmless"),
    [
        ("![x](http://evil)", r"!\[x\](http://evil)"),
        ("<img src=x>", r"\<img src=x>"),
        ("a `code` b", r"a \`code\` b"),
        ("ask @team now", "ask @\u200bteam now"),
        ("**bold** _it_ a_b_c", r"\*\*bold\*\* \_it\_ a_b_c"),
        ("two\nlines\n\n## heading", "two lines ## heading"),
    ],
)
def test_what_comes_from_elsewhere_marks_nothing_and_calls_nobody(evil: str, harmless: str) -> None:
    told = lines_of(case("runtime-custom", Status.FAILED, WHERE, expected="x", found=evil))
    assert f"  - expected x; found {harmless}" in told


EVIL = (
    "![x](http://evil.example/x.png)", "[click](http://evil.example)", "<img src=x onerror=alert(1)>", "<!channel>",
    "**bold** and `code` and _it_", "a\\\\*b", "# no heading", "- no item", "1. none", "> no quote",
    "&lt;b&gt;", "a  b",
)  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_a_renderer_shows_the_text_as_it_was(evil: str) -> None:
    found = case("runtime-custom", Status.BLOCKED, WHERE, reason=evil, remedy=evil)
    page = MarkdownIt("commonmark").render("\n".join(lines_of(found)))
    assert re.findall(r"<(img|a|h1|blockquote|ol|b|em)\b", page) == []
    shown = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert f"BLOCKED high, 1 x: {' '.join(evil.split())}\n" in shown
    assert f"to do: {' '.join(evil.split())}\n" in shown


def test_a_command_with_backticks_stays_one_piece_of_code() -> None:
    summary = summary_of(case("runtime-custom", Status.FAILED, WHERE))
    odd = replace(summary, run=replace(summary.run, results_file="a``b.jsonl"))
    assert markdown(odd).splitlines()[-1] == "All 1 results: ```a``b.jsonl```"


def test_a_fleet_is_told_in_a_few_thousand_characters() -> None:
    results, estate = many(24_000, 1.0)
    text = markdown(summary_of(*results, estate=estate, history=history_of(results)), report_url="https://ci/r.html")
    assert len(text) < 15_000
    assert "more accounts" in text
    assert "more causes" in text


def test_it_is_cut_between_lines_and_says_so() -> None:
    results, estate = many(500, 0.5, accounts=20)
    text = markdown(summary_of(*results, estate=estate), most=1000)
    assert len(text) <= 1000
    assert text.endswith("\n*cut here; the reports have all of it*\n")
    assert text.removesuffix("\n*cut here; the reports have all of it*\n") in markdown(
        summary_of(*results, estate=estate)
    )
