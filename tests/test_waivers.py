"""Waivers: what a good file says, what a bad one gets, what they accept, and which accept nothing any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks.looked import Looked
from checks.outcome import Severity, Status
from checks.waiving import accepted, waiving
from fixtures.errors import InputError
from fixtures.estate import Rule, Target
from fixtures.settings import Settings
from fixtures.waivers import Waivers, read_waivers
from remediation.planner import make_plan
from tests.estates import CREATED, HERE, a_bucket, a_legacy_forwarder, a_seen, an_arn, an_estate, some_desires
from tests.estates import NOW as DAY
from tests.fake_run import case
from tests.planning import an_intent, findings, told
from tests.replayed import ROOT, kept, run_suite

pytest_plugins = ("pytester",)

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
ONE = """
[[waiver]]
check = "runtime-custom"
subject = "111122223333/us-east-1/alb-edge"
reason = "switched off next week"
owner = "jane@example.com"
ticket = "SEC-42"
expires = 2026-12-31
"""


def read(folder: Path, text: str, settings: Settings | None = None, now: datetime = NOW) -> Waivers:
    path = folder / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    return read_waivers(path, settings or Settings(), now)


def test_a_day_counts_to_its_end_and_a_time_to_itself(tmp_path: Path) -> None:
    (day,) = read(tmp_path, ONE).entries
    (time,) = read(tmp_path, ONE.replace("2026-12-31", "2026-12-31T18:00:00Z")).entries
    assert (day.expires, day.last_day.isoformat()) == (datetime(2027, 1, 1, tzinfo=UTC), "2026-12-31")
    assert (time.expires, time.line) == (datetime(2026, 12, 31, 18, tzinfo=UTC), 2)


def changed(old: str, new: str) -> str:
    assert old in ONE
    return ONE.replace(old, new)


REFUSALS = {
    "not-toml": (changed('"SEC-42"', '"SEC-42'), "waivers {}: not TOML:"),
    "empty": ("", "waivers {}: it holds no waiver; write a [[waiver]]"),
    "another-table": ("[settings]\nx = 1", "waivers {}: unknown key settings;"),
    "a-table-of-one-bracket": (changed("[[waiver]]", "[waiver]"), "waivers {}: it holds no waiver"),
    "a-misspelt-key": (changed("ticket =", "tiket ="), "{} line 7: unknown key tiket; did you mean ticket?"),
    "no-owner": (changed('owner = "jane@example.com"\n', ""), "{} line 2: owner is missing;"),
    "no-end": (changed("expires = 2026-12-31\n", ""), "{} line 2: expires is missing;"),
    "an-empty-reason": (changed("switched off next week", " "), "{} line 5: reason: is empty"),
    "an-end-as-text": (changed("2026-12-31", '"2026-12-31"'), "{} line 8: expires: '2026-12-31' is not a date:"),
    "an-end-without-a-zone": (changed("2026-12-31", "2026-12-31T18:00:00"), "{} line 8: expires: 2026-12-31T18:00:00 "),
    "an-end-in-another-zone": (changed("2026-12-31", "2026-12-31T18:00:00+09:00"), "is not in UTC:"),
    "expired-yesterday": (changed("2026-12-31", "2026-11-23"), "{} line 2: it expired on 2026-11-23 (runtime-custom"),
    "too-long": (changed("2026-12-31", "2027-11-25"), "{} line 2: it holds until 2027-11-25, and waiver_max_days is"),
    "a-short-account": (changed("111122223333/", "11112222333/"), "{} line 4: subject: '11112222333' is not an acc"),
    "a-region-that-is-none": (changed("us-east-1", "us_east_1"), "{} line 4: subject: 'us_east_1' is not a region"),
    "too-many-parts": (changed("/alb-edge", "/alb-edge/x"), "{} line 4: subject: '111122223333/us-east-1/alb-edge/x'"),
    "twice": (ONE + ONE, "{} line 10: runtime-custom on 111122223333/us-east-1/alb-edge is waived in line 2 already;"),
    "a-number": ("waiver = 3", "waivers {}: it holds no waiver"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bad_file_gets_one_line_that_names_the_place(name: str, tmp_path: Path) -> None:
    text, expected = REFUSALS[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert expected.format(tmp_path / "waivers.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_end_on_the_last_allowed_day_and_today_are_good(tmp_path: Path) -> None:
    for day in ("2027-11-24", "2026-11-24"):
        assert read(tmp_path, changed("2026-12-31", day)).entries


def test_a_text_that_looks_like_a_header_does_not_move_the_lines(tmp_path: Path) -> None:
    odd = ONE.replace('"switched off next week"', '"""\n[[waiver]]\nis a word here"""')
    waivers = read(tmp_path, odd + ONE.replace("alb-edge", "other"))
    assert [waiver.line for waiver in waivers.entries] == [2, 12]


def test_an_unknown_check_names_the_near_ones(tmp_path: Path) -> None:
    waivers = read(tmp_path, changed("runtime-custom", "runtime-costum"))
    with pytest.raises(InputError, match=r"line 2: no such check 'runtime-costum'; did you mean runtime-custom\?"):
        waivers.refuse_unknown({"runtime-custom", "code-current"})


@pytest.mark.parametrize(
    ("pattern", "subject", "covered"),
    [
        ("111122223333/us-east-1/alb-*", "111122223333/us-east-1/alb-edge", True),
        ("111122223333/*/alb-edge", "111122223333/eu-west-1/alb-edge", True),
        ("111122223333/*", "111122223333/us-east-1/alb-edge", False),
        ("111122223333/us-east-1", "111122223333/us-east-1", True),
        ("*", "estate", True),
        ("*/*/ALB-EDGE", "111122223333/us-east-1/alb-edge", False),
    ],
)
def test_a_star_stays_inside_of_its_part(pattern: str, subject: str, covered: bool, tmp_path: Path) -> None:
    (waiver,) = read(tmp_path, changed("111122223333/us-east-1/alb-edge", pattern)).entries
    assert waiver.covers("runtime-custom", subject) is covered
    assert not waiver.covers("code-current", subject)


SUBJECT = "111122223333/us-east-1/alb-edge"


@pytest.mark.parametrize("status", Status)
def test_only_a_finding_is_waived(status: Status, tmp_path: Path) -> None:
    result = accepted(case("runtime-custom", status, SUBJECT), read(tmp_path, ONE))
    assert (result.status is Status.WAIVED) is (status in {Status.FAILED, Status.WAIVED})
    if status is Status.FAILED:
        assert (result.reason, result.owner, result.ticket) == ("switched off next week", "jane@example.com", "SEC-42")
        assert result.expires == "2027-01-01T00:00:00Z"
        assert result.advice == ""


def test_an_end_that_is_near_is_said_with_every_finding(tmp_path: Path) -> None:
    waivers = read(tmp_path, ONE, now=datetime(2026, 12, 20, tzinfo=UTC))
    result = accepted(case("runtime-custom", Status.FAILED, SUBJECT), waivers)
    assert "ends on 2026-12-31" in result.advice
    assert waiving(waivers, [result], looked()).ending == waivers.entries


def test_of_several_that_of_the_latest_end_is_told(tmp_path: Path) -> None:
    waivers = read(tmp_path, ONE + ONE.replace("alb-edge", "*").replace("2026-12-31", "2027-02-01"))
    result = accepted(case("runtime-custom", Status.FAILED, SUBJECT), waivers)
    assert result.expires.startswith("2027-02-02")
    assert waiving(waivers, [result], looked()).idle == ()


TARGET = Target("111122223333", "us-east-1")
OTHER = Target("111122223333", "eu-west-1")


def looked(**changes: object) -> Looked:
    both = frozenset({TARGET})
    return replace(Looked(frozenset({"runtime-custom"}), both, both, whole=True, accounts=True, regions=True),
                   **changes)  # type: ignore[arg-type]  # fmt: skip


ANY_REGION = "111122223333/*/alb-edge"
ANY_ACCOUNT = "*/us-east-1/alb-edge"
JUDGED = {
    "it-accepts": (SUBJECT, [Status.WAIVED], {}, ""),
    "it-was-fixed-in-this-run": (SUBJECT, [Status.FIXED], {}, ""),
    "the-check-holds": (SUBJECT, [Status.PASSED], {}, "idle"),
    "the-check-holds-in-a-narrowed-run": (SUBJECT, [Status.PASSED], {"whole": False}, "idle"),
    "the-subject-is-gone": (SUBJECT, [], {}, "idle"),
    "it-could-not-be-told": (SUBJECT, [Status.UNKNOWN], {}, "unjudged"),
    "nothing-proves-it": (SUBJECT, [Status.NO_EVIDENCE], {}, "unjudged"),
    "the-check-was-not-asked": (SUBJECT, [], {"checks": frozenset({"code-current"})}, "unjudged"),
    "subjects-were-left-out": (SUBJECT, [], {"whole": False}, "unjudged"),
    "the-target-was-not-asked-for": (SUBJECT, [], {"asked": frozenset({OTHER})}, "unjudged"),
    "the-target-was-not-reached": (SUBJECT, [], {"reached": frozenset()}, "unjudged"),
    "regions-were-left-out": (ANY_REGION, [], {"regions": False}, "unjudged"),
    "accounts-were-left-out": (ANY_ACCOUNT, [], {"accounts": False}, "unjudged"),
    "all-regions-were-looked-at": (ANY_REGION, [], {}, "idle"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_waiver_is_idle_only_where_that_is_certain(name: str, tmp_path: Path) -> None:
    subject, statuses, changes, expected = JUDGED[name]
    waivers = read(tmp_path, changed(SUBJECT, subject))
    found = waiving(waivers, [case("runtime-custom", status, SUBJECT) for status in statuses], looked(**changes))
    assert [bool(found.idle), bool(found.unjudged)] == [expected == "idle", expected == "unjudged"]


def test_a_plan_mends_nothing_that_is_waived_and_says_what_it_leaves_for_it() -> None:
    wanted = findings({"forwarder-stack": ["one"]})
    (left,) = findings({"forwarder-stack": ["one"]})
    left = replace(left, check="code-current", status=Status.WAIVED, expires="2027-01-01T00:00:00Z", ticket="SEC-42")
    estate = an_estate(a_legacy_forwarder("one"))
    (free,) = make_plan(wanted, estate, some_desires(), an_intent(), DAY).targets
    (held,) = make_plan([*wanted, left], estate, some_desires(), an_intent(), DAY).targets
    assert any(line.startswith("do UpdateForwarderStack one") for line in told(free))
    assert not [line for line in told(held) if line.startswith("do UpdateForwarderStack")]
    assert any("code-current is waived until 2027-01-01T00:00:00Z (SEC-42)" in line for line in told(held))
    assert make_plan([left], estate, some_desires(), an_intent(), DAY).targets == ()


@pytest.mark.parametrize(
    ("fix", "name", "step"),
    [("shared-stack", "", "UpdateForwarderStack"), ("trigger", "one", "MergeNotification"),
     ("stale-rules", "one-logs", "MergeNotification")],
)  # fmt: skip
def test_what_a_step_would_mend_besides_is_left_too(fix: str, name: str, step: str) -> None:
    gone = Rule("function", an_arn("lambda", "function:decommissioned"), (CREATED,), "archive/")
    seen = a_seen(a_legacy_forwarder("one", policy=()), shared=())
    estate = an_estate(targets=[seen], buckets=[a_bucket("one-logs", gone)])
    wanted = findings({"forwarder-stack": ["one"]} if fix == "shared-stack" else {"trigger": ["one"]})
    left = [replace(one, status=Status.WAIVED, expires="2027-01-01T00:00:00Z", ticket="SEC-42")
            for one in findings({fix: [name]})]  # fmt: skip
    intent = an_intent(allow=frozenset({"remove-stale-rules"}))
    (free,) = make_plan(wanted, estate, some_desires(), intent, DAY).targets
    (held,) = make_plan([*wanted, *left], estate, some_desires(), intent, DAY).targets
    assert any(line.startswith(f"do {step} ") for line in told(free))
    # no write waits for the stale rule any more: it is left as well, though taking it out was allowed
    assert [line for line in told(held) if line.startswith("do ")] == []
    assert any("(SEC-42)" in line for line in told(held))


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "distributed"])
def test_a_waived_finding_is_told_everywhere_and_does_not_fail_the_run(
    workers: list[str], pytester: pytest.Pytester
) -> None:
    today = datetime.now(UTC).date()
    name = f"{HERE}/cloudtrail-prod"
    text = ONE.replace(SUBJECT, name).replace("2026-12-31", str(today + timedelta(days=5)))
    waivers = pytester.path / "waivers.toml"
    waivers.write_text(text, encoding="utf-8")
    estate = kept(pytester, an_estate(a_legacy_forwarder("cloudtrail-prod")))
    options = (estate, "--checks=runtime-custom", f"--waivers={waivers}", f"--junitxml={pytester.path}/junit.xml")
    ran = run_suite(pytester, *options, *workers)
    assert ran.statuses == {("runtime-custom", name): "WAIVED"}
    assert ran.code == 0
    assert "1 finding waived" in ran.text
    assert f"ends on {today + timedelta(days=5)}: jane@example.com has to decide again" in ran.text
    junit = pytester.path.joinpath("junit.xml").read_text(encoding="utf-8")
    assert 'type="pytest.xfail"' in junit
    assert '<property name="ticket" value="SEC-42"' in junit
    assert '<property name="waiver" value=' in junit
    waivers.write_text(text + text.replace("cloudtrail-prod", "left-long-ago"), encoding="utf-8")
    ran = run_suite(pytester, *options, *workers)
    assert ran.code == 1
    assert ran.text.rstrip().endswith("Nothing is open, but 1 waiver no longer accepts anything: take it out.")
    assert f"{waivers} line 10 (runtime-custom on {HERE}/left-long-ago, SEC-42) accepts nothing any more" in ran.text


def test_a_waiver_of_no_check_is_refused_before_anything_is_judged(pytester: pytest.Pytester) -> None:
    waivers = pytester.path / "waivers.toml"
    waivers.write_text(ONE.replace("runtime-custom", "runtime-custm"), encoding="utf-8")
    estate = kept(pytester, an_estate(a_legacy_forwarder()))
    ran = run_suite(pytester, estate, f"--waivers={waivers}")
    assert (ran.code, ran.results) == (4, {})
    assert "did you mean runtime-custom" in ran.text


def test_a_check_of_the_users_own_can_be_waived(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        from checks.outcome import Severity, expect
        from checks.registry import check

        @check("my-own", severity=Severity.LOW, step="own", facts=["listed"])
        def test_own(forwarder):
            \"\"\"It is ours.\"\"\"
            expect(False, expected="ours", found="theirs")
        """
    )
    waivers = pytester.path / "waivers.toml"
    day = datetime.now(UTC).date() + timedelta(days=60)
    text = ONE.replace(SUBJECT, f"{HERE}/cloudtrail-prod").replace("2026-12-31", str(day))
    waivers.write_text(text.replace("runtime-custom", "my-own"), encoding="utf-8")
    estate = kept(pytester, an_estate(a_legacy_forwarder("cloudtrail-prod")))
    own = pytester.path / "test_own.py"
    both = (own, ROOT / "checks")
    ran = run_suite(pytester, estate, f"--waivers={waivers}", "--checks=my-own", paths=both)
    assert (ran.statuses, ran.code) == ({("my-own", f"{HERE}/cloudtrail-prod"): "WAIVED"}, 0)
    waivers.write_text(text.replace("runtime-custom", "my-owm"), encoding="utf-8")
    ran = run_suite(pytester, estate, f"--waivers={waivers}", paths=both)
    assert ran.code == 4
    assert "no such check 'my-owm'" in ran.text


def test_severity_stays_what_it_was(tmp_path: Path) -> None:
    result = accepted(case("runtime-custom", Status.FAILED, SUBJECT, Severity.CRITICAL), read(tmp_path, ONE))
    assert result.severity is Severity.CRITICAL
