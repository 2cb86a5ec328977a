from dataclasses import replace

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import LeftOut, Target
from fixtures.fact import Cause, Unreadable
from remediation.story import FixStory
from reports.grouping import by_finding, by_reason, by_refusal, shape
from reports.line import EVERYTHING, Limits
from reports.summary import Fixable, Run, fixable, summarise
from reports.terminal_text import sections
from tests.fake_run import case, estate, forwarder, seen

A, B = Target("111122223333", "us-east-1"), Target("444455556666", "eu-west-1")
TRAIL, WAF = f"{A}/trail", f"{B}/waf"


def told(run: Run, limits: Limits | None = None) -> str:
    parts = sections(summarise(run), limits or Limits())
    return "\n".join(line.text for part in parts for line in (*part.lines,))


SHAPES = {
    "forwarder": ("bucket logs-trail is gone", "bucket logs-<forwarder> is gone"),
    "account and region": ("no key in 111122223333 us-east-1", "no key in <account> <region>"),
    "function, whatever its integration": (
        "arn:aws:lambda:us-east-1:111122223333:function:trail-scwx-tdr-lambda-awscloudtrail",
        "arn:aws:lambda:<region>:<account>:function:<function>",
    ),
    "function, in the other spelling": ("trail-scwx-tdr-lambda-for-okta", "<function>"),
    "part of a word is not a name": ("trailing 1111222233334", "trailing 1111222233334"),
    "nothing of its own": ("go1.x", "go1.x"),
    "what was counted since when": (
        "1,204 requests since 2026-11-24 05:14:22 UTC, none well",
        "<number> requests since <time>, none well",
    ),
    "other numbers and times tell something": (
        "1 of 2 rules; made 2026-11-24 05:14:22 UTC",
        "1 of 2 rules; made 2026-11-24 05:14:22 UTC",
    ),
}


@pytest.mark.parametrize(("text", "general"), SHAPES.values(), ids=SHAPES)
def test_a_shape_is_what_is_left_without_the_subjects_own_names(text: str, general: str) -> None:
    assert shape(case("any", Status.FAILED, TRAIL, found=text)).found == general


def test_a_name_of_one_letter_is_too_common_to_be_replaced() -> None:
    assert shape(case("any", Status.FAILED, f"{A}/a", found="a bucket is gone")).found == "a bucket is gone"


def test_findings_of_one_shape_are_one_group_and_keep_their_own_words_when_alone() -> None:
    pair = [case("wired", Status.FAILED, TRAIL, found="no rule in logs-trail"),
            case("wired", Status.FAILED, WAF, found="no rule in logs-waf")]  # fmt: skip

    (together,) = by_finding(pair)
    (alone,) = by_finding(pair[:1])

    assert (together.shared.found, together.subjects) == ("no rule in logs-<forwarder>", (TRAIL, WAF))
    assert alone.shared.found == "no rule in logs-trail"


def test_groups_stand_worst_first_then_largest() -> None:
    results = [
        case("low", Status.FAILED, TRAIL, Severity.LOW),
        case("stuck", Status.BLOCKED, TRAIL, Severity.CRITICAL),
        case("one", Status.FAILED, TRAIL, Severity.HIGH),
        case("two", Status.FAILED, TRAIL, Severity.HIGH),
        case("two", Status.FAILED, WAF, Severity.HIGH),
        case("crash", Status.ERROR, TRAIL, Severity.LOW),
    ]

    assert [group.shared.check for group in by_finding(results)] == ["crash", "two", "one", "low", "stuck"]


def test_one_missing_permission_is_one_group_whichever_check_met_it() -> None:
    results = [case(f"check-{n}", Status.UNKNOWN, TRAIL, reason="kms:GetKeyPolicy denied") for n in range(3)]

    (group,) = by_reason(results)

    assert (len(group), group.subjects) == (3, (TRAIL,))


STUCK = "its stack is UPDATE_ROLLBACK_FAILED"
REFUSED = [
    case(
        check, Status.BLOCKED, subject, severity, expected="new", found=f"old {check}", reason=STUCK, remedy="continue"
    )
    for check, severity in (("template", Severity.HIGH), ("code", Severity.CRITICAL))
    for subject in (TRAIL, WAF)
]


def test_one_refusal_is_one_group_whichever_checks_wait_for_it() -> None:
    (group,) = by_refusal(REFUSED)

    assert group.checks == ("code", "template")
    assert group.subjects == (TRAIL, WAF)
    assert group.shared.severity is Severity.CRITICAL


def test_refusals_that_need_another_act_are_another_group() -> None:
    other = [case("code", Status.BLOCKED, f"{A}/alb", reason=STUCK, remedy="call the owner")]

    assert [len(group) for group in by_refusal([*REFUSED, *other])] == [4, 1]


def test_what_failed_stands_before_what_is_blocked_whatever_its_severity() -> None:
    run = Run((*REFUSED, case("tags", Status.FAILED, TRAIL, Severity.LOW)), fixing=True)

    assert told(run).startswith(
        "FAILED low: The property tags holds. [tags]\n"
        f"  on        {TRAIL}\n"
        f"BLOCKED critical: {STUCK}\n"
        "  to do     continue\n"
        "  checks    code, template\n"
        f"  on        {TRAIL}, {WAF}\n"
    )


def many(number: int, check: str, status: Status, **texts: str) -> list[Result]:
    return [case(check, status, f"{A}/stack-{n}", Severity.HIGH, **texts) for n in range(number)]


def test_what_nobody_must_act_on_is_one_line_for_each_cause() -> None:
    results = (
        *many(22, "code", Status.FIXED, expected="new", found="old"),
        *many(7, "flow", Status.NO_EVIDENCE, reason="no object arrived"),
        *many(9, "letters", Status.PASSED, advice="no dead-letter queue"),
    )

    text = told(Run(results, fixing=True))

    assert text.startswith(
        "    9 x letters: no dead-letter queue\n"
        "    7 x flow: no object arrived\n"
        "FIXED    22 x code: The property code holds.\n"
        "run  "
    )


def test_verbose_tells_where_and_what_was_found() -> None:
    results = (
        *many(8, "code", Status.FIXED, expected="new", found="old"),
        *many(8, "flow", Status.NO_EVIDENCE, reason="no object arrived"),
    )

    text = told(Run(results, fixing=True), EVERYTHING)

    assert text.count(f"{A}/stack-7") == 2
    assert "  expected  new\n  was       old\n" in text


def test_whatever_is_found_the_last_screen_names_all_causes_and_the_numbers() -> None:
    results = [
        result
        for number in range(12)
        for kind in range(3)
        for result in many(30, f"check-{number:02}", Status.FAILED, found=f"{kind} of 9", remedy=f"do {number}")
    ] + many(30, "code", Status.BLOCKED, reason=STUCK, remedy="continue the rollback")

    lines = told(Run(tuple(results), fixing=True, story=FixStory(planned=1, blocked=1, failed=(TRAIL,) * 90))).split(
        "\n"
    )
    screen = "\n".join(lines[-36:])  # of 40: pytest's last line, the verdict, two headings

    for number in range(12):
        assert f"FAILED  high        90 x check-{number:02}: do {number}\n" in screen
    assert f"BLOCKED high        30 x {STUCK}; to do: continue the rollback\n" in screen
    assert "85 more failed; -v shows all" in screen
    assert "results    1,110: 1,080 failed, 30 blocked" in screen


def test_few_findings_are_not_told_twice() -> None:
    titles = [part.title for part in sections(summarise(Run(tuple(REFUSED), fixing=True)), Limits())]

    assert titles == ["left to a person: 4", "summary"]


@pytest.mark.parametrize("how", [{"pytest_code": 2}, {"story": FixStory(failed=(WAF,))}], ids=["interrupted", "failed"])
def test_what_a_fix_leaves_that_was_stopped_is_not_called_a_matter_for_a_person(how: dict[str, object]) -> None:
    titles = [part.title for part in sections(summarise(Run(tuple(REFUSED), fixing=True, **how)), Limits())]  # type: ignore[arg-type]

    assert titles[0] == "findings: 4"


def test_a_forwarder_counts_once_by_what_tells_most_about_it() -> None:
    results = (
        case("one", Status.PASSED, TRAIL),
        case("two", Status.BLOCKED, TRAIL),
        case("one", Status.FIXED, WAF),
        case("two", Status.PASSED, WAF),
        case("one", Status.NO_EVIDENCE, f"{A}/flow"),
        case("reached", Status.FAILED, str(A)),
        case("code", Status.FIXED, f"{A}/quiet"),
        case("flow", Status.NO_EVIDENCE, f"{A}/quiet"),
    )

    assert dict(summarise(Run(results)).forwarders) == {Status.BLOCKED: 1, Status.FIXED: 2, Status.NO_EVIDENCE: 1}


def test_the_same_name_in_two_accounts_is_two_forwarders() -> None:
    results = (case("one", Status.PASSED, f"{A}/trail"), case("one", Status.PASSED, f"{B}/trail"))

    assert dict(summarise(Run(results)).forwarders) == {Status.PASSED: 2}


def test_only_open_findings_that_name_a_fix_are_fixable() -> None:
    results = [
        case("code", Status.FAILED, TRAIL, fix="forwarder-stack"),
        case("runtime", Status.FAILED, TRAIL, fix="forwarder-stack"),
        case("shared", Status.FAILED, str(A), fix="shared-stack"),
        case("keys", Status.FAILED, TRAIL),
        case("code", Status.BLOCKED, WAF, fix="forwarder-stack"),
        case("code", Status.FIXED, f"{A}/alb", fix="forwarder-stack"),
    ]

    assert fixable(results) == Fixable(findings=3, forwarders=1, others=1)


def test_coverage_names_each_cause_once_without_the_targets_own_names() -> None:
    others = [Target(f"77778888{number:04}", "eu-west-1") for number in range(7)]
    run = Run(
        (case("one", Status.PASSED, TRAIL),),
        estate(seen(A, forwarder(TRAIL)), seen(B, unread=True), *(seen(target, reached=False) for target in others)),
    )

    text = told(run)

    assert "targets    9 asked, 2 reached, 1 partly seen, 7 not reached; looked at 2026-11-24 04:15:30 UTC" in text
    assert text.count("sts:AssumeRole denied: not authorized in <account>") == 1
    assert "(777788880000/eu-west-1, " in text
    assert " and 2 more)" in text
    assert "not read: lambda:ListFunctions denied: no permission in <region> (444455556666/eu-west-1)" in text


def test_accounts_that_are_not_audited_are_named_once_per_cause_and_count_as_no_target() -> None:
    left_out = (
        LeftOut("777788880001", "SUSPENDED in the organization", "acme-old"),
        LeftOut("777788880002", "SUSPENDED in the organization"),
        LeftOut("777788880003", "CLOSED in the organization"),
    )
    looked = replace(estate(seen(A, forwarder(TRAIL))), left_out=left_out)
    run = Run((case("one", Status.PASSED, TRAIL),), looked)

    text = told(run)

    assert "targets    1 asked, 1 reached, 3 accounts not audited; looked at" in text
    assert "  not audited: SUSPENDED in the organization (777788880001 acme-old, 777788880002)" in text
    assert "  not audited: CLOSED in the organization (777788880003)" in text
    assert summarise(run).verdict.code == 0


def test_a_target_that_stands_for_all_regions_leaves_the_words_of_its_reason_alone() -> None:
    why = Unreadable("account:ListRegions", Cause.FAILED, f"all of {A.account} is not to be listed")
    unlisted = replace(seen(Target(A.account, "all"), reached=False), identity=why)
    found = summarise(Run((), estate(unlisted))).coverage

    assert found is not None
    assert [gap.cause for gap in found.unreached] == [
        "account:ListRegions call failed: all of <account> is not to be listed"
    ]


def test_facts_that_nobody_asked_for_are_no_gap() -> None:
    found = summarise(Run((), estate(seen(A, forwarder(TRAIL))))).coverage

    assert found is not None
    assert (found.asked, found.reached, found.partly, found.unread) == (1, 1, 0, ())


def test_what_a_fix_would_need_is_said() -> None:
    results = (case("code", Status.FAILED, TRAIL, fix="forwarder-stack"),)

    assert "1 finding on 1 forwarder is fixable with --fix, given --release=DIR (see --plan)" in told(
        Run(results, has_release=False)
    )
    assert "fixable" not in told(Run(results, fixing=True))


def test_the_story_of_a_fix_is_told() -> None:
    story = FixStory(planned=4, fixed=3, blocked=1, failed=(WAF,), notes=("The journal is in forwarder-runs/x.",))

    text = told(Run((case("code", Status.FIXED, TRAIL),), fixing=True, story=story))

    assert "fix        4 steps planned, 3 findings fixed, 1 subject blocked" in text
    assert f"failed, or stopped after a write: {WAF}" in text
    assert "The journal is in forwarder-runs/x." in text


def test_the_story_of_a_rollback_is_told_in_its_own_words() -> None:
    story = FixStory(planned=4, failed=(WAF, "run x is not undone as a whole: 2 writes wait for a person"))

    run = Run((case("code", Status.FAILED, TRAIL),), undoing=True, story=story)
    text = told(run)

    assert "rollback   4 steps planned" in text
    assert f"rollback   failed, or left to a person: {WAF}" in text
    assert "fix " not in text
    assert summarise(run).verdict.sentence.startswith("The rollback of 2 subjects failed")


def test_under_plan_whatever_would_change_is_not_green() -> None:
    results = (case("code", Status.PASSED, TRAIL),)
    looked = estate(seen(A, forwarder(TRAIL)))

    codes = [
        summarise(Run(results, looked, planning=planning, story=FixStory(planned=steps))).verdict.code
        for planning, steps in ((True, 2), (True, 0), (False, 2))
    ]

    assert codes == [1, 0, 0]


def test_the_summary_says_what_kind_of_run_it_was() -> None:
    run = Run(
        (case("code", Status.PASSED, TRAIL),), mode="fix in a sandbox", releases=("1f0c2a9be4d7" * 5,), id="20261124"
    )

    assert told(run).startswith("run        20261124: fix in a sandbox, release 1f0c2a9be4d7\n")


def test_the_plan_is_shown_before_the_summary() -> None:
    text = told(Run((case("code", Status.PASSED, TRAIL),), plan_lines=("1. update stack trail",)))

    assert text.index("1. update stack trail") < text.index("results    1: 1 passed")


def test_evidence_of_several_lines_stays_aligned() -> None:
    text = told(Run((case("code", Status.FAILED, TRAIL, expected="one\ntwo", found="three"),)))

    assert "  expected  one\n            two\n  found     three" in text


def test_an_estate_without_forwarders_is_not_green() -> None:
    assert summarise(Run((case("reached", Status.PASSED, str(A)),), estate(seen(A)))).verdict.code == 10


def test_what_was_not_asked_is_said_once() -> None:
    results: tuple[Result, ...] = (case("code", Status.PASSED, TRAIL),)

    text = told(Run(results, not_applicable={"no --release given": ("code-current", "template-current")}))

    assert "not asked  no --release given: code-current, template-current" in text
