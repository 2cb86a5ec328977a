"""Applying a plan: in order, lanes side by side, honest about what was written, and stopping where it must."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from fixtures.aws import Aws, CallFailed
from fixtures.errors import SuiteError
from fixtures.estate import Target
from fixtures.fact import Cause
from remediation.call import Call
from remediation.engine import Lanes, Outcome, State, StepOutcome, apply
from remediation.journal import JournalError
from remediation.lock import TargetLocks
from remediation.plan import Plan, TargetPlan
from remediation.progress import PlainProgress
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer
from tests.aws_answers import REGION
from tests.fake_aws import FakeAws, refusal
from tests.sandbox_engine import eventually
from tests.writing import Bench, a_bench

HERE = Target("111122223333", REGION)
THERE = Target("444455556666", REGION)
Act = Callable[[Writer], str]


@dataclass(frozen=True)
class Acting(Step):
    """A step that does what the test says."""

    ACTIONS: ClassVar[tuple[str, ...]] = ()
    FIX: ClassVar[str] = "forwarder-stack"

    act: Act
    done: list[str] = field(default_factory=list, compare=False)

    @property
    def title(self) -> str:
        return f"act on {self.subject}"

    def calls(self) -> tuple[Call, ...]:
        return ()

    def run(self, writer: Writer) -> str:
        self.done.append(f"{self.subject} {','.join(self.forwarders)}".strip())
        return self.act(writer)


@dataclass(frozen=True)
class ActingShared(Acting):
    """What the target's forwarders need."""

    FIX: ClassVar[str] = "artifact"
    shared: ClassVar[bool] = True


@dataclass(frozen=True)
class ActingOnBucket(Acting):
    """Clears findings of the bucket that it is done to, beside those of forwarders."""

    @property
    def clears(self) -> Mapping[str, frozenset[str]]:
        return {**super().clears, self.subject: frozenset({"stale-rules"})}


def works(_writer: Writer) -> str:
    return "it works"


def doing(error: BaseException, *, wrote: bool = False) -> Act:
    def act(writer: Writer) -> str:
        writer.trail.changes += wrote
        raise error

    return act


@pytest.fixture
def bench(fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    made = a_bench(fake_account, tmp_path, REGION)
    yield made
    made.close()


@dataclass
class Watched:
    """Runs plans of acting steps."""

    bench: Bench
    done: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def step(self, name: str, act: Act, *forwarders: str, target: Target = HERE, shared: bool = False) -> Acting:
        kind = ActingShared if shared else Acting
        return kind(target, name, forwarders or (() if shared else (name,)), act, self.done)

    def apply(self, *steps: Acting, bucket: str = "") -> Outcome:
        targets = sorted({step.target for step in steps})
        plans = tuple(TargetPlan(t, tuple(s for s in steps if s.target == t), (), bucket) for t in targets)
        writer = self.bench.writer
        lanes = Lanes(lambda _: writer, PlainProgress(self.lines.append), writer.stop, TargetLocks("run-1"))
        return apply(Plan("run-1", datetime.now(UTC), plans), lanes)


@pytest.fixture
def watched(bench: Bench) -> Watched:
    return Watched(bench)


def states(outcome: Outcome) -> list[str]:
    return [f"{o.step.subject}: {o.state}" for o in outcome.steps]


def failed(*, refused: bool) -> CallFailed:
    return CallFailed("s3:PutObject", Cause.DENIED, "AccessDenied", "no", refused=refused)


ENDS = [
    pytest.param(StepBlocked("no", "do"), False, State.BLOCKED, id="refused"),
    pytest.param(StepBlocked("no", "do"), True, State.FAILED, id="refused-after-a-write"),
    pytest.param(StepFailed("no"), False, State.FAILED, id="not-as-intended"),
    pytest.param(StepFailed("no"), True, State.FAILED, id="not-as-intended-after-a-write"),
    pytest.param(failed(refused=True), False, State.BLOCKED, id="aws-refused-the-first-call"),
    pytest.param(failed(refused=True), True, State.FAILED, id="aws-refused-a-later-call"),
    pytest.param(Interrupted("stop"), False, State.SKIPPED, id="stopped"),
    pytest.param(Interrupted("stop"), True, State.FAILED, id="stopped-after-a-write"),
    pytest.param(SuiteError("no"), False, State.BLOCKED, id="an-error-of-ours"),
    pytest.param(SuiteError("no"), True, State.FAILED, id="an-error-of-ours-after-a-write"),
    pytest.param(ZeroDivisionError("bug"), False, State.FAILED, id="a-bug"),
    pytest.param(JournalError("full"), False, State.BLOCKED, id="no-journal"),
]


@pytest.mark.parametrize(("error", "wrote", "state"), ENDS)
def test_what_was_written_decides_how_an_error_is_told(
    watched: Watched, error: Exception, wrote: bool, state: State
) -> None:
    outcome = watched.apply(watched.step("a", doing(error, wrote=wrote)))
    assert [o.state for o in outcome.steps] == [state]
    assert outcome.touched == (frozenset({HERE}) if state is State.FAILED else frozenset())
    assert outcome.failed == (frozenset({HERE}) if state is State.FAILED else frozenset())
    assert bool(outcome.blocked) is (state is State.BLOCKED)


def test_a_refusal_after_a_write_still_says_what_to_do(watched: Watched) -> None:
    (told,) = watched.apply(watched.step("a", doing(StepBlocked("it is odd", "look"), wrote=True))).steps
    assert told.told == "it is odd; look"


def test_one_steps_writes_are_not_the_next_ones(watched: Watched) -> None:
    def writes(writer: Writer) -> str:
        writer.trail.changes += 1
        return "written"

    outcome = watched.apply(watched.step("a", writes), watched.step("b", doing(StepBlocked("no"))))
    assert states(outcome) == ["a: done", "b: blocked"]


def test_a_refused_forwarder_stops_nobody_else(watched: Watched) -> None:
    outcome = watched.apply(
        watched.step("a", doing(StepBlocked("no", "mend a"))),
        watched.step("a-again", works, "a"),
        watched.step("b", works),
    )
    assert states(outcome) == ["a: blocked", "a-again: blocked", "b: done"]
    assert watched.done == ["a a", "b b"]
    assert {(b.subject, b.reasons) for b in outcome.blocked} == {("a", ("no",)), ("a", ("act on a: no",))}


def test_what_is_for_several_is_done_for_those_that_were_not_refused(watched: Watched) -> None:
    outcome = watched.apply(
        watched.step("a", doing(StepBlocked("no"))), watched.step("bucket", works, "a", "b"), watched.step("c", works)
    )
    assert states(outcome) == ["a: blocked", "bucket: blocked", "bucket: done", "c: done"]
    assert watched.done == ["a a", "bucket b", "c c"]
    assert {b.subject for b in outcome.blocked} == {"a"}


def test_a_refused_bucket_without_forwarders_stops_nobody(watched: Watched) -> None:
    bucket = replace(watched.step("bucket", doing(StepBlocked("no"))), forwarders=())
    outcome = watched.apply(bucket, watched.step("b", works))
    assert states(outcome) == ["bucket: blocked", "b: done"]


def test_a_refused_bucket_is_not_gone_on_with_by_a_later_step(watched: Watched) -> None:
    first = ActingOnBucket(HERE, "bucket", (), doing(StepBlocked("no", "look")), watched.done)
    second = ActingOnBucket(HERE, "bucket", ("a",), works, watched.done)
    outcome = watched.apply(first, second, watched.step("b", works))
    assert states(outcome) == ["bucket: blocked", "bucket: blocked", "b: done"]
    assert {found.subject for found in outcome.blocked} == {"bucket", "a"}


def test_nothing_goes_on_without_what_is_shared_and_everybody_is_told_why(watched: Watched) -> None:
    outcome = watched.apply(
        watched.step("", doing(StepBlocked("no bucket", "make one")), shared=True),
        watched.step("a", works),
        watched.step("x", works, target=THERE),
    )
    assert states(outcome) == [": blocked", "a: blocked", "x: done"]
    assert [(b.subject, b.reasons, sorted(b.fixes)) for b in outcome.blocked] == [
        ("", ("no bucket",), ["artifact"]),
        ("a", ("act on : no bucket",), ["forwarder-stack"]),
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_a_failure_stops_its_target_and_no_other(watched: Watched, shared: bool) -> None:
    outcome = watched.apply(
        watched.step("a", doing(StepFailed("odd")), shared=shared),
        watched.step("b", works),
        watched.step("x", works, target=THERE),
    )
    assert states(outcome) == ["a: failed", "b: not done", "x: done"]
    assert outcome.of(State.SKIPPED)[0].told == f"{HERE} was stopped after: odd"
    assert not outcome.blocked
    assert outcome.failed == {HERE}
    assert outcome.touched == {HERE, THERE}


def test_targets_are_worked_on_at_the_same_time(watched: Watched) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meets(_writer: Writer) -> str:
        meeting.wait()
        return "met"

    outcome = watched.apply(watched.step("a", meets), watched.step("x", meets, target=THERE))
    assert states(outcome) == ["a: done", "x: done"]


def test_a_bug_is_told_as_one_with_its_trace_in_the_journal(watched: Watched) -> None:
    (told,) = watched.apply(watched.step("a", doing(ZeroDivisionError("a bug")))).steps
    assert told.told == "internal error: ZeroDivisionError: a bug (see the journal)"
    (entry,) = watched.bench.entries
    assert (entry.kind, entry.content["step"]) == ("error", told.step.name)
    assert "in act" in str(entry.content["trace"])


def test_a_bug_is_told_even_where_the_journal_is_broken(watched: Watched) -> None:
    watched.bench.close()
    outcome = watched.apply(
        watched.step("a", doing(ZeroDivisionError("a bug"))), watched.step("x", works, target=THERE)
    )
    assert states(outcome) == ["a: failed", "x: done"]


def test_a_run_that_is_stopped_begins_nothing_new(watched: Watched) -> None:
    def stops(writer: Writer) -> str:
        writer.stop.set()
        return "done"

    outcome = watched.apply(watched.step("a", stops), watched.step("b", works))
    assert states(outcome) == ["a: done", "b: not done"]
    assert outcome.of(State.SKIPPED)[0].told == "the run was stopped"


def test_ctrl_c_lets_every_lane_end_what_is_in_flight_and_begin_nothing(watched: Watched) -> None:
    ended: list[str] = []
    both = threading.Barrier(2, timeout=10)

    def interrupts(writer: Writer) -> str:
        both.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert writer.stop.wait(10)
        ended.append("first")
        return "done"

    def waits(writer: Writer) -> str:
        both.wait()
        assert writer.stop.wait(10)
        ended.append("second")
        raise Interrupted("abandoned")

    with pytest.raises(KeyboardInterrupt):
        watched.apply(
            watched.step("a", interrupts),
            watched.step("b", works),
            watched.step("x", waits, target=THERE),
            watched.step("y", works, target=THERE),
        )
    # a thread pool does not wait for a thread whose start was interrupted
    assert eventually(lambda: sorted(ended) == ["first", "second"])
    assert sorted(watched.done) == ["a a", "x x"]
    assert "stopping: what is in flight is finished or abandoned safely ..." in watched.lines


def test_ctrl_c_while_lanes_are_begun_stops_those_that_run(watched: Watched) -> None:
    writer = watched.bench.writer

    def interrupted(target: Target) -> Writer:
        if target == THERE:
            raise KeyboardInterrupt
        return writer

    def waits(writer: Writer) -> str:
        assert writer.stop.wait(10)
        return "done"

    plans = tuple(
        TargetPlan(target, (watched.step("a", waits, target=target), watched.step("b", works, target=target)), ())
        for target in (HERE, THERE)
    )
    lanes = Lanes(interrupted, PlainProgress(watched.lines.append), writer.stop, TargetLocks("run-1"))
    with pytest.raises(KeyboardInterrupt):
        apply(Plan("run-1", datetime.now(UTC), plans), lanes)
    assert watched.done == ["a a"]


def test_each_end_is_one_line(watched: Watched) -> None:
    watched.apply(watched.step("a", works), watched.step("b", doing(StepBlocked("no"))))
    assert watched.lines == [f"  done     {HERE}: it works", f"  blocked  {HERE}: no"]


def test_a_plan_without_steps_is_applied_to_nothing(watched: Watched) -> None:
    assert watched.apply() == Outcome(())


def test_a_target_that_another_run_works_on_is_refused_before_its_first_write(watched: Watched, fake: FakeAws) -> None:
    with fake.saying("s3:PutObject", refusal("AccessDenied", status=403)):
        outcome = watched.apply(watched.step("a", works), bucket="artifacts")
    assert states(outcome) == ["a: blocked"]
    assert "the lock of" in outcome.blocked[0].reasons[0]
    assert not watched.done
    assert not outcome.touched


def test_what_was_done_says_when(watched: Watched) -> None:
    before = datetime.now(UTC)
    done, refused = watched.apply(watched.step("a", works), watched.step("b", doing(StepBlocked("no")))).steps
    assert done.ended
    assert before <= done.ended <= datetime.now(UTC)
    assert refused.ended is None


def test_an_outcome_is_sorted_by_state() -> None:
    step = Acting(HERE, "a", ("a",), works)
    outcome = Outcome((StepOutcome(step, State.DONE, "x"), StepOutcome(step, State.FAILED, "y")))
    assert [o.told for o in outcome.of(State.FAILED)] == ["y"]
    found: Sequence[StepOutcome] = outcome.of(State.SKIPPED)
    assert not found
