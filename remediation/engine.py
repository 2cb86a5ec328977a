"""Applies a plan: in order within a target, concurrently across targets, and stops a target at its first failure."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

from fixtures.errors import SuiteError
from fixtures.estate import Target
from remediation.lock import TargetLocks
from remediation.plan import Blocked, Plan, TargetPlan
from remediation.progress import Progress
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Trail, Writer

T = TypeVar("T")
R = TypeVar("R")
LANES = 16
_HEED = 0.5  # seconds after which a Ctrl-C is heeded at the latest
ALL_FIXES = frozenset({"artifact", "shared-stack", "forwarder-stack", "trigger", "stale-rules", "duplicates"})


class State(StrEnum):
    """How a step ended."""

    DONE = "done"
    BLOCKED = "blocked"
    FAILED = "failed"
    SKIPPED = "not done"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """One step's end, told in one line; `ended` is when it was done, UTC, None for what was not."""

    step: Step
    state: State
    told: str
    to_do: str = ""
    ended: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan."""

    steps: tuple[StepOutcome, ...]

    def of(self, state: State) -> tuple[StepOutcome, ...]:
        """The steps that ended so."""
        return tuple(outcome for outcome in self.steps if outcome.state is state)

    @property
    def touched(self) -> frozenset[Target]:
        """Targets in which something was changed, or may have been."""
        return frozenset(o.step.target for o in self.steps if o.state in {State.DONE, State.FAILED})

    @property
    def failed(self) -> frozenset[Target]:
        """Targets whose lane was stopped."""
        return frozenset(outcome.step.target for outcome in self.of(State.FAILED))

    @property
    def blocked(self) -> tuple[Blocked, ...]:
        """What refused while it ran, before it changed anything."""
        return tuple(refusal for outcome in self.of(State.BLOCKED) for refusal in _refusals(outcome))


@dataclass(frozen=True, slots=True)
class Lanes:
    """What every lane needs: how to write, who watches, how to stop, and the targets' locks."""

    writer_for: Callable[[Target], Writer]
    progress: Progress
    stop: threading.Event
    locks: TargetLocks


def apply(plan: Plan, lanes: Lanes) -> Outcome:
    """Run every step of the plan.

    Ctrl-C sets `stop`: each lane finishes or abandons what is in flight, and begins nothing new. A second Ctrl-C
    leaves at once; the journal says where.
    """
    targets = [target for target in plan.targets if target.steps]
    opened = ((target, lanes.writer_for(target.target)) for target in targets)
    stopping = "stopping: what is in flight is finished or abandoned safely ..."
    found = side_by_side(
        lambda lane: _run_lane(*lane, lanes), opened, lanes.stop, partial(lanes.progress.say, stopping)
    )
    return Outcome(tuple(outcome for lane in found for outcome in lane))


def side_by_side(
    work: Callable[[T], R], things: Iterable[T], stop: threading.Event, stopping: Callable[[], None] = lambda: None
) -> list[R]:
    """Do the work on everything at once, a lane each, and return what came of it in order.

    Whatever ends this early sets `stop`: no lane may go on by itself; it raises when every lane has ended. `stopping`
    is called at once when Ctrl-C was pressed.
    """
    with ThreadPoolExecutor(LANES, thread_name_prefix="lane") as pool:
        try:
            running = [pool.submit(work, thing) for thing in things]
            open_lanes: set[Future[R]] = set(running)
            while open_lanes:  # a Ctrl-C that came just before a wait without end would not end it
                ended, open_lanes = wait(open_lanes, timeout=_HEED, return_when=FIRST_EXCEPTION)
                for lane in ended:
                    lane.result()
            return [lane.result() for lane in running]
        except BaseException as error:
            stop.set()
            if isinstance(error, KeyboardInterrupt):
                stopping()
            raise


def _run_lane(plan: TargetPlan, writer: Writer, lanes: Lanes) -> list[StepOutcome]:
    outcomes: list[StepOutcome] = []
    refused: dict[str, str] = {}
    ended: tuple[State, str] | None = None
    for planned in plan.steps:
        if ended is None and lanes.stop.is_set():
            ended = (State.SKIPPED, "the run was stopped")
        if ended is not None:
            outcomes.append(StepOutcome(planned, *ended))
            continue
        behind = sorted(refused.keys() & planned.clears.keys())
        step = planned.without(behind) if behind else planned
        if behind:
            left_alone = planned if step is None else planned.only(behind)
            outcomes.append(StepOutcome(left_alone, State.BLOCKED, refused[behind[0]]))
        if step is None:
            continue
        lanes.progress.begin(step)
        outcome = _run(step, writer, plan, lanes.locks)
        lanes.progress.end(outcome)
        outcomes.append(outcome)
        if outcome.state is State.FAILED:
            ended = (State.SKIPPED, f"{plan.target} was stopped after: {outcome.told}")
        elif outcome.state is State.BLOCKED and step.shared:
            ended = (State.BLOCKED, f"{step.title}: {outcome.told}")
        elif outcome.state is State.BLOCKED:
            refused |= dict.fromkeys(step.clears, f"{step.title}: {outcome.told}")
    return outcomes


def _run(step: Step, writer: Writer, plan: TargetPlan, locks: TargetLocks) -> StepOutcome:
    """Run one step and say how it ended; what it changed decides, whatever it raised.

    A refusal is BLOCKED only if nothing was written: who reads BLOCKED may rely on that.
    """
    own = replace(writer, trail=Trail())
    try:
        if plan.bucket and not step.makes_bucket:
            locks.take(writer, plan.target, plan.bucket)
        told = step.run(own)
        return StepOutcome(step, State.DONE, told, ended=datetime.now(UTC))
    except Interrupted as stopped:
        return StepOutcome(step, State.FAILED if own.trail.changes else State.SKIPPED, str(stopped))
    except StepFailed as failure:
        return StepOutcome(step, State.FAILED, str(failure))
    except SuiteError as refusal:
        to_do = refusal.to_do if isinstance(refusal, StepBlocked) else "mend that, then run again"
        if own.trail.changes:
            return StepOutcome(step, State.FAILED, f"{refusal}; {to_do}" if to_do else str(refusal))
        return StepOutcome(step, State.BLOCKED, str(refusal), to_do)
    except Exception as error:  # noqa: BLE001 - other lanes must go on; told as what it is, with its trace kept
        with contextlib.suppress(SuiteError):  # without a journal it is told all the same
            writer.journal.write("error", step=step.name, trace=traceback.format_exc())
        return StepOutcome(step, State.FAILED, f"internal error: {type(error).__name__}: {error} (see the journal)")


def _refusals(outcome: StepOutcome) -> Iterator[Blocked]:
    """Whom a refused step leaves as they are, and which of their findings it would have cleared."""
    to_do = (outcome.to_do,) if outcome.to_do else ()
    for subject, fixes in outcome.step.clears.items():
        yield Blocked(outcome.step.target, subject, fixes, (outcome.told,), to_do)
