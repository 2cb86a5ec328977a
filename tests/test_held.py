"""Results held back: each test is told once, in its final state, with what it said first where that was cleared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import pytest

from checks.outcome import Severity, Status
from checks.result import Result, result_of
from fixtures.estate import Target
from remediation import held as module
from remediation.held import HeldResults
from remediation.plan import Blocked
from tests.estates import HERE

NAME = "cloudtrail-prod"
THERE = Target("444455556666", "eu-west-1")
FOUND = Result("code-current", "The function runs the release's package.", Severity.CRITICAL, "3", Status.FAILED,
               f"{HERE}/{NAME}", HERE.account, HERE.region, NAME, expected="this", found="that", fix="forwarder-stack",
               remedy="run --fix")  # fmt: skip
PASSED = replace(FOUND, status=Status.PASSED, expected="", found="", remedy="")
TOUCHED = frozenset({HERE})
OUTCOMES = {Status.PASSED: "passed", Status.FAILED: "failed", Status.UNKNOWN: "skipped", Status.NO_EVIDENCE: "skipped"}


@dataclass
class Item:
    """A test that says one thing after another."""

    says: list[Result]
    told: list[pytest.TestReport] = field(default_factory=list)
    nodeid: str = "checks/test_code.py::test_x"
    location: tuple[str, int, str] = ("checks/test_code.py", 1, "test_x")

    @property
    def ihook(self) -> SimpleNamespace:
        return SimpleNamespace(
            pytest_runtest_logstart=lambda **_: None,
            pytest_runtest_logfinish=lambda **_: None,
            pytest_runtest_logreport=self.tell,
        )

    def tell(self, report: pytest.TestReport) -> None:
        self.told.append(report)

    def reports(self) -> list[pytest.TestReport]:
        result = self.says.pop(0)
        made = []
        for when in ("setup", "call", "teardown"):
            outcome = OUTCOMES[result.status] if when == "call" else "passed"
            text = result.text() if outcome == "failed" else None
            report = pytest.TestReport(self.nodeid, self.location, {}, outcome, text, when,  # type: ignore[arg-type]
                                       user_properties=[("theirs", "kept")])  # fmt: skip
            if when == "call":
                report.user_properties += result.properties()
            made.append(report)
        return made


@pytest.fixture(autouse=True)
def _run_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def protocol(item: Item, **_: object) -> list[pytest.TestReport]:
        return item.reports()

    monkeypatch.setattr(module, "runtestprotocol", protocol)


def final(says: Sequence[Result], blocked: Sequence[Blocked] = (), touched: frozenset[Target] = TOUCHED) -> Result:
    """What is told of a test that said one thing, and another after the fix."""
    held, item = HeldResults(), Item(list(says))
    held.run(cast("pytest.Item", item))
    if len(says) > 1:
        held.run_again(touched or {HERE})
    held.tell(blocked, touched)
    (told,) = [found for report in item.told if (found := result_of(report))]
    return replace(told, nodeid="", seconds=0.0)


def refusal(subject: str = NAME, fix: str = "forwarder-stack", target: Target = HERE) -> Blocked:
    return Blocked(target, subject, frozenset({fix}), ("it is stuck", "it is odd"), ("mend it",))


UNKNOWN = replace(PASSED, status=Status.UNKNOWN, reason="denied")
FINALS = [
    pytest.param([FOUND], [], Status.FAILED, id="found"),
    pytest.param([PASSED], [], Status.PASSED, id="passed"),
    pytest.param([UNKNOWN], [], Status.UNKNOWN, id="unknown"),
    pytest.param([FOUND, PASSED], [], Status.FIXED, id="cleared"),
    pytest.param([FOUND, FOUND], [], Status.FAILED, id="not-cleared"),
    pytest.param([PASSED, FOUND], [], Status.FAILED, id="broken-by-a-fix"),
    pytest.param([FOUND, UNKNOWN], [], Status.UNKNOWN, id="cannot-be-told-any-more"),
    pytest.param([UNKNOWN, PASSED], [], Status.PASSED, id="readable-by-now"),
    pytest.param([FOUND], [refusal()], Status.BLOCKED, id="refused"),
    pytest.param([FOUND], [refusal("another")], Status.FAILED, id="another-forwarder-refused"),
    pytest.param([FOUND], [refusal(target=THERE)], Status.FAILED, id="one-of-that-name-elsewhere-refused"),
    pytest.param([FOUND], [refusal(fix="trigger")], Status.FAILED, id="another-fix-refused"),
    pytest.param([FOUND, PASSED], [refusal()], Status.FIXED, id="refused-once-and-cleared-later"),
    pytest.param([replace(FOUND, fix="")], [refusal(fix="")], Status.FAILED, id="no-fix-to-refuse"),
    pytest.param([PASSED], [refusal()], Status.PASSED, id="nothing-to-refuse"),
]


@pytest.mark.parametrize(("says", "blocked", "status"), FINALS)
def test_the_last_word_decides(says: list[Result], blocked: list[Blocked], status: Status) -> None:
    assert final(says, blocked).status is status


def test_what_passes_untouched_was_not_fixed_by_us() -> None:
    assert final([FOUND, PASSED], touched=frozenset()).status is Status.PASSED


def test_a_fixed_one_keeps_the_evidence_of_what_was_wrong() -> None:
    told = final([FOUND, PASSED])
    assert (told.expected, told.found) == ("this", "that")


def test_a_blocked_one_says_why_and_what_to_do() -> None:
    told = final([FOUND], [refusal()])
    assert (told.reason, told.remedy) == ("it is stuck; it is odd", "mend it")
    assert final([FOUND], [replace(refusal(), to_do=())]).remedy == "run --fix"


def test_a_target_itself_is_refused_by_an_empty_name() -> None:
    own = replace(FOUND, subject=str(HERE), forwarder="", fix="artifact")
    assert final([own], [refusal("", "artifact")]).status is Status.BLOCKED


def test_reports_carry_the_final_state_once_and_what_others_put_there() -> None:
    held, item = HeldResults(), Item([FOUND, PASSED])
    held.run(cast("pytest.Item", item))
    held.run_again([HERE])
    held.tell([], TOUCHED)
    held.tell([refusal()], TOUCHED)
    assert [report.when for report in item.told] == ["setup", "call", "teardown"]
    (call,) = [report for report in item.told if report.when == "call"]
    names = [name for name, _ in call.user_properties]
    assert len(names) == len(set(names))
    assert ("theirs", "kept") in call.user_properties
    assert dict(call.user_properties)["status"] == "FIXED"
    assert call.outcome == "passed"


def test_a_blocked_report_shows_why_instead_of_a_traceback() -> None:
    held, item = HeldResults(), Item([FOUND])
    held.run(cast("pytest.Item", item))
    held.tell([refusal()], TOUCHED)
    (call,) = [report for report in item.told if report.when == "call"]
    assert call.outcome == "failed"
    assert "it is stuck; it is odd" in str(call.longrepr)
    assert "mend it" in str(call.longrepr)


def test_only_touched_targets_are_asked_again() -> None:
    held, item = HeldResults(), Item([FOUND])
    held.run(cast("pytest.Item", item))
    held.run_again([THERE, Target(HERE.account, "eu-north-1")])
    assert held.results()[0].status is Status.FAILED


def test_counts_are_those_that_will_be_told() -> None:
    held = HeldResults()
    cases = ([FOUND, PASSED], [FOUND, FOUND], [PASSED, PASSED])
    for number, says in enumerate(cases):
        held.run(cast("pytest.Item", Item(list(says), nodeid=f"checks/test_x.py::test_{number}")))
    held.run_again([HERE])
    assert [held.count(status, [refusal()], TOUCHED) for status in (Status.FIXED, Status.BLOCKED, Status.PASSED)] == [
        1, 1, 1,
    ]  # fmt: skip
    assert len(held.tests) == 3


MADE = [
    pytest.param(PASSED, True, ["PASSED"], id="selected-and-passed"),
    pytest.param(FOUND, True, ["FAILED"], id="selected-and-found"),
    pytest.param(PASSED, False, [], id="left-out-and-passed"),
    pytest.param(FOUND, False, ["FAILED"], id="left-out-and-found"),
    pytest.param(UNKNOWN, False, ["UNKNOWN"], id="left-out-and-unknown"),
]


@pytest.mark.parametrize(("says", "selected", "told"), MADE)
def test_what_could_be_asked_only_of_what_a_fix_made_is_told_as_what_it_is(
    says: Result, selected: bool, told: list[str]
) -> None:
    held, item = HeldResults(), Item([says])
    held.run_new([cast("pytest.Item", item)], selected=selected)
    assert [result.found for result in held.against_what_was_made()] == (["that"] if says is FOUND else [])
    assert not held.broken()
    held.tell([], TOUCHED)
    assert [str(found.status) for report in item.told if (found := result_of(report))] == told


def test_what_a_fix_made_is_asked_again_like_everything_else() -> None:
    held, item = HeldResults(), Item([FOUND, PASSED])
    held.run_new([cast("pytest.Item", item)], selected=True)
    held.run_again([HERE])
    assert not held.against_what_was_made()
    assert [result.status for result in held.results()] == [Status.PASSED]
