"""Logs are seen to flow, or not, or nothing could be seen; and nobody waits for what cannot come."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from fixtures.aws import Aws
from fixtures.estate import Estate, Forwarder, Function, LogFlow, Metrics, Target
from fixtures.fact import Absent, Fact, Unreadable
from remediation.call import Call
from remediation.engine import Outcome, State, StepOutcome
from remediation.proof import Changed, FlowProof, changed_by, expected_calls, had_traffic, prove_all, prove_flows
from remediation.step import Step
from remediation.steps.event import SendTestEvent
from remediation.writer import Writer
from tests.aws_answers import REGION
from tests.estates import CHANGED, HERE, NOW, a_flow, a_forwarder, a_function, an_estate, denied
from tests.planning import target_plan
from tests.writing import Bench, a_bench

NAME = "cloudtrail-prod"
THERE = Target("444455556666", "us-east-1")
QUIET = a_flow(requests=0, uploads=0, proved=0, last_proved=None)
FAILING = a_flow(uploads=0, proved=0, last_proved=None, errors=("first", "no credentials"))
SILENT = a_flow(uploads=0, proved=0, last_proved=None)


# Called a thousand times in a second before the fix: evidence is to be expected at once.
BUSY = a_forwarder(flow=a_flow(since=NOW - timedelta(seconds=1), requests=1000))


class Answers:
    """What the readers of functions and logs say, look after look; the last for ever."""

    def __init__(self) -> None:
        self.function: Fact[Function] = a_function(last_modified=CHANGED)
        self.flows: dict[str, list[Fact[LogFlow]]] = {}
        self.earlier: Fact[LogFlow] = a_flow(requests=100)  # of the time before the update
        self.looks: list[str] = []
        self.since: list[object] = []

    def read_function(self, _aws: Aws, _region: str, _name: str) -> Fact[Function]:
        return self.function

    def read_flow(self, _aws: Aws, _region: str, group: str, since: datetime, until: datetime) -> Fact[LogFlow]:
        if isinstance(self.function, Function) and until == self.function.last_modified:
            return self.earlier
        self.looks.append(group)
        self.since.append(since)
        waiting = self.flows.get(group) or self.flows["*"]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers()
    monkeypatch.setattr("remediation.proof.read_function", made.read_function)
    monkeypatch.setattr("remediation.proof.read_flow", made.read_flow)
    return made


@pytest.fixture
def bench(fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    made = a_bench(fake_account, tmp_path, REGION)
    yield made
    made.close()


def prove(bench: Bench, *flows: Fact[LogFlow], answers: Answers, forwarder: Forwarder | None = None,
          tested: Sequence[str] = ()) -> FlowProof:  # fmt: skip
    answers.flows = {"*": list(flows)}
    changed = Changed(HERE, frozenset({NAME}), frozenset(tested))
    (proof,) = prove_flows(bench.writer, changed, an_estate(forwarder or BUSY))
    return proof


PROOFS = [
    pytest.param([a_flow()], "it uploads: last at 04:10:30 UTC", 1, id="an-upload"),
    pytest.param([QUIET, SILENT, a_flow()], "it uploads", 3, id="an-upload-later"),
    pytest.param([FAILING, a_flow()], "it uploads", 2, id="an-error-first-then-an-upload"),
    pytest.param([denied("logs:FilterLogEvents"), a_flow()], "it uploads", 2, id="unreadable-for-a-moment"),
]


@pytest.mark.parametrize(("flows", "told", "looks"), PROOFS)
def test_a_line_in_a_good_request_proves_it(
    bench: Bench, answers: Answers, flows: list[Fact[LogFlow]], told: str, looks: int
) -> None:
    proof = prove(bench, *flows, answers=answers)
    assert proof.holds
    assert told in proof.told
    assert len(answers.looks) == looks


def test_a_proof_names_the_request_and_its_line_in_the_log(bench: Bench, answers: Answers) -> None:
    line = '{"level":"debug","message":"Uploading data to s3"}'
    facts = prove(bench, a_flow(last_request="8f5", last_line=line), answers=answers).facts()
    assert (facts["forwarder"], facts["holds"], facts["request"], facts["line"]) == (NAME, True, "8f5", line)
    assert facts["at"] == "2026-11-24T04:10:30.000+00:00"


def test_what_proves_nothing_names_no_request(bench: Bench, answers: Answers) -> None:
    bench.writer = replace(bench.writer, limits=replace(bench.writer.limits, proof=0.05))
    facts = prove(bench, replace(FAILING, last_request="old"), answers=answers).facts()
    assert (facts["holds"], facts["request"], facts["line"], facts["at"]) == (False, None, None, None)
    assert "no credentials" in str(facts["told"])


UNPROVED = [
    pytest.param(SILENT, "3 requests, none with the upload line", id="no-line"),
    pytest.param(FAILING, "its last error is: no credentials", id="an-error"),
    pytest.param(Absent("log group x"), "log group x does not exist", id="no-log"),
    pytest.param(denied("logs:FilterLogEvents"), "logs:FilterLogEvents denied", id="denied"),
]


@pytest.mark.parametrize(("flow", "told"), UNPROVED)
def test_a_forwarder_that_was_called_before_and_proves_nothing_now_has_failed(
    bench: Bench, answers: Answers, flow: Fact[LogFlow], told: str
) -> None:
    bench.writer = replace(bench.writer, limits=replace(bench.writer.limits, proof=0.05))
    proof = prove(bench, flow, answers=answers)
    assert proof.holds is False
    assert told in proof.told
    assert len(answers.looks) > 1


NOT_CALLED = a_forwarder(flow=QUIET, metrics=Metrics(None, None, None, None))


def test_nobody_waits_for_one_that_was_quiet_before(bench: Bench, answers: Answers) -> None:
    proof = prove(bench, QUIET, answers=answers, forwarder=NOT_CALLED)
    assert proof.holds is None
    assert len(answers.looks) == 1


def test_one_that_was_sent_a_test_event_has_to_have_a_line(bench: Bench, answers: Answers) -> None:
    bench.writer = replace(bench.writer, limits=replace(bench.writer.limits, proof=0.05))
    assert prove(bench, QUIET, answers=answers, forwarder=NOT_CALLED, tested=[NAME]).holds is False
    assert prove(bench, QUIET, a_flow(), answers=answers, forwarder=NOT_CALLED, tested=[NAME]).holds is True


TRAFFIC = [
    pytest.param(a_flow(), Metrics(None, None, None, None), True, id="requests-in-the-log"),
    pytest.param(QUIET, Metrics(2.0, 0.0, 0.0, None), True, id="calls-in-the-metrics"),
    pytest.param(denied("logs:X"), Metrics(2.0, None, None, None), True, id="calls-while-the-log-is-unreadable"),
    pytest.param(QUIET, Metrics(0.0, None, None, None), False, id="none-at-all"),
    pytest.param(denied("logs:X"), denied("cloudwatch:X"), False, id="nothing-readable"),
    pytest.param(Absent("log"), Metrics(None, None, None, None), False, id="no-log-yet"),
]


@pytest.mark.parametrize(("flow", "metrics", "called"), TRAFFIC)
def test_whether_evidence_is_to_be_expected(flow: Fact[LogFlow], metrics: Fact[Metrics], called: bool) -> None:
    assert had_traffic(a_forwarder(flow=flow, metrics=metrics)) is called


def test_lines_count_since_the_update_and_in_the_functions_own_log(bench: Bench, answers: Answers) -> None:
    answers.function = a_function(last_modified=CHANGED + timedelta(hours=1), log_group="/somewhere/else")
    prove(bench, a_flow(), answers=answers)
    assert answers.since == [CHANGED + timedelta(hours=1)]
    assert answers.looks == ["/somewhere/else"]


@pytest.mark.parametrize("function", [denied("lambda:GetFunction"), Absent("function x")])
def test_a_function_that_cannot_be_read_proves_nothing(
    bench: Bench, answers: Answers, function: Absent | Unreadable
) -> None:
    answers.function = function
    proof = prove(bench, a_flow(), answers=answers, forwarder=NOT_CALLED)
    assert proof.holds is None
    assert str(function) in proof.told


def test_a_run_that_is_stopped_does_not_wait(bench: Bench, answers: Answers) -> None:
    bench.writer.stop.set()
    proof = prove(bench, SILENT, answers=answers)
    assert proof.holds is None, "what nobody waited for has not failed"
    assert proof.told == "the run was stopped before it was seen to forward: 3 requests, none with the upload line"
    assert len(answers.looks) == 1


def called(requests: int, over: timedelta, **changes: object) -> Forwarder:
    """A forwarder that was called so often in so long before the fix."""
    unknown = Metrics(None, None, None, None)
    return a_forwarder(**{"metrics": unknown, "flow": a_flow(since=NOW - over, requests=requests), **changes})


QUARTER = 900.0
RATES = [
    pytest.param(called(1, timedelta(days=1)), 0.0104, id="one-old-call-in-a-day"),
    pytest.param(called(288, timedelta(days=1)), 3.0, id="every-five-minutes"),
    pytest.param(called(3, timedelta(days=1), metrics=Metrics(960.0, None, None, None)), 10.0, id="metrics-know-more"),
    pytest.param(called(1, timedelta(minutes=3)), 5.0, id="updated-lately"),
    pytest.param(called(1, timedelta()), QUARTER, id="just-now"),
    pytest.param(a_forwarder(flow=Absent("log"), metrics=Metrics(960.0, None, None, None)), 5.0, id="other-log"),
    pytest.param(a_forwarder(flow=denied("x:Y"), listed=denied("x:Y")), 0.0, id="nothing-known"),
    pytest.param(a_forwarder(flow=QUIET, metrics=Metrics(None, None, None, None)), 0.0, id="never-called"),
]


@pytest.mark.parametrize(("forwarder", "calls"), RATES)
def test_how_many_calls_are_to_be_expected_is_told_by_how_many_there_were(forwarder: Forwarder, calls: float) -> None:
    assert expected_calls(forwarder, NOW, QUARTER) == pytest.approx(calls, rel=0.01)


def test_one_old_call_in_the_window_makes_nobody_wait_and_is_no_failure(bench: Bench, answers: Answers) -> None:
    proof = prove(bench, QUIET, answers=answers, forwarder=called(1, timedelta(days=1)))
    assert proof.holds is None
    assert len(answers.looks) == 1


def test_one_that_is_being_called_is_waited_for_however_seldom_that_is(bench: Bench, answers: Answers) -> None:
    rare = called(1, timedelta(days=1))
    assert prove(bench, FAILING, a_flow(), answers=answers, forwarder=rare).holds is True
    bench.writer = replace(bench.writer, limits=replace(bench.writer.limits, proof=0.05))
    assert prove(bench, FAILING, answers=answers, forwarder=rare).holds is False


SILENT_ONES = [
    pytest.param(BUSY, a_flow(requests=100), False, id="called-all-the-time"),
    pytest.param(BUSY, a_flow(requests=1), None, id="called-in-bursts-and-not-lately"),
    pytest.param(BUSY, denied("logs:X"), False, id="called-when-cannot-be-told"),
    pytest.param(called(70, timedelta(seconds=1)), a_flow(requests=100), None, id="three-calls-to-expect"),
]


@pytest.mark.parametrize(("forwarder", "earlier", "holds"), SILENT_ONES)
def test_silence_speaks_against_the_fix_only_where_calls_were_sure_to_come(
    bench: Bench, answers: Answers, forwarder: Forwarder, earlier: Fact[LogFlow], holds: bool | None
) -> None:
    bench.writer = replace(bench.writer, limits=replace(bench.writer.limits, proof=0.05))
    answers.earlier = earlier
    proof = prove(bench, QUIET, answers=answers, forwarder=forwarder)
    assert proof.holds is holds
    assert len(answers.looks) > 1, "it was worth waiting for"


class Done(Step):
    """A step of which only the name counts."""

    ACTIONS: ClassVar[tuple[str, ...]] = ()
    FIX: ClassVar[str] = "forwarder-stack"
    title = "done"

    def calls(self) -> tuple[Call, ...]:
        return ()

    def run(self, writer: Writer) -> str:
        raise NotImplementedError


def an_event(name: str) -> SendTestEvent:
    return SendTestEvent(HERE, name, (name,), function="f", partition="aws", bucket="b", filters=(), payload=None)


def test_only_what_was_done_is_proved() -> None:
    outcome = Outcome((
        StepOutcome(Done(HERE, "one", ("one",)), State.DONE, ""),
        StepOutcome(an_event("one"), State.DONE, ""),
        StepOutcome(Done(HERE, "two", ("two",)), State.BLOCKED, ""),
        StepOutcome(Done(HERE, "bucket", ()), State.DONE, ""),
        StepOutcome(Done(THERE, "x", ("x",)), State.FAILED, ""),
    ))  # fmt: skip
    assert changed_by(outcome) == (Changed(HERE, frozenset({"one"}), frozenset({"one"})),)


def test_what_is_done_beside_the_function_is_proved_by_what_comes_after_it(bench: Bench, answers: Answers) -> None:
    """A trigger or a secret leaves the function's last update where it was: an older upload proves nothing of them."""
    (merge,) = target_plan(an_estate(a_forwarder(policy=())), {"trigger": [NAME]}).steps
    (rotated,) = target_plan(an_estate(a_forwarder()), {}, rotate=True).steps
    for step in (merge, rotated):
        (changed,) = changed_by(Outcome((StepOutcome(step, State.DONE, "", ended=NOW),)))
        answers.flows, answers.since = {"*": [a_flow()]}, []
        prove_flows(bench.writer, changed, an_estate(BUSY))
        assert answers.since == [NOW]
    assert NOW > CHANGED


def test_all_targets_are_proved_at_once(bench: Bench, answers: Answers) -> None:
    estate: Estate = an_estate(a_forwarder("one"), a_forwarder("x", THERE))
    answers.flows = {"*": [a_flow()]}
    lanes = [Changed(HERE, frozenset({"one"}), frozenset()), Changed(THERE, frozenset({"x"}), frozenset())]
    proofs = prove_all(lanes, lambda _: bench.writer, estate, threading.Event())
    found: Mapping[str, bool | None] = {proof.forwarder: proof.holds for proof in proofs}
    assert found == {"one": True, "x": True}
    assert prove_all((), lambda _: bench.writer, estate, threading.Event()) == ()
