"""Applies a plan: in order within a target, concurrently across targets, and stops a target at its first failure."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from fixtures.aws import CallFailed
from fixtures.errors import SuiteError
from fixtures.estate import Target
from remediation.lock import TargetLocks
from remediation.plan import Blocked, Plan, TargetPlan
from remediation.progress import Progress
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer

LANES = 16
ALL_FIXES = frozenset({"artifact", "shared-stack", "forwarder-stack", "trigger", "stale-rules", "duplicates"})


class State(StrEnum):
    """How a step ended."""

    DONE = "done"
    BLOCKED = "blocked"
    FAILED = "failed"
    SKIPPED = "not done"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """One step's end, told in one line."""

    step: Step
    state: State
    told: str
    to_do: str = ""


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
        found = []
        for outcome in self.of(State.BLOCKED):
            step = outcome.step
            to_do = (outcome.to_do,) if outcome.to_do else ()
            fixes = frozenset({type(step).FIX, "forwarder-stack", "trigger"} if step.forwarders else ALL_FIXES)
            found += [
                Blocked(step.target, subject, fixes, (outcome.told,), to_do) for subject in step.forwarders or ("",)
            ]
        return tuple(found)


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
    with ThreadPoolExecutor(min(LANES, len(targets)) or 1, thread_name_prefix="lane") as pool:
        running = [pool.submit(_run_lane, target, lanes.writer_for(target.target), lanes) for target in targets]
        try:
            return Outcome(tuple(outcome for lane in running for outcome in lane.result()))
        except KeyboardInterrupt:
            lanes.stop.set()
            lanes.progress.say("stopping: what is in flight is finished or abandoned safely ...")
            raise


def _run_lane(plan: TargetPlan, writer: Writer, lanes: Lanes) -> list[StepOutcome]:
    outcomes: list[StepOutcome] = []
    broken: set[str] = set()
    ended = ""
    for step in plan.steps:
        why = ended or ("the run was stopped" if lanes.stop.is_set() else "")
        behind = sorted(broken & set(step.forwarders))
        if not why and behind:
            why = f"an earlier step did not succeed for {', '.join(behind)}"
        if why:
            outcomes.append(StepOutcome(step, State.SKIPPED, why))
            continue
        lanes.progress.begin(step)
        outcome = _run(step, writer, plan, lanes.locks)
        lanes.progress.end(outcome)
        outcomes.append(outcome)
        if outcome.state is State.FAILED:
            ended = f"{plan.target} was stopped after: {outcome.told}"
        elif outcome.state is not State.DONE:
            broken |= set(step.forwarders)
            if not step.forwarders:
                ended = f"{step.title}: {outcome.told}"
    return outcomes


def _run(step: Step, writer: Writer, plan: TargetPlan, locks: TargetLocks) -> StepOutcome:
    try:
        if plan.bucket and not step.makes_bucket:
            locks.take(writer, plan.target, plan.bucket)
        return StepOutcome(step, State.DONE, step.run(writer))
    except StepBlocked as blocked:
        return StepOutcome(step, State.BLOCKED, blocked.reason, blocked.to_do)
    except Interrupted as stopped:
        return StepOutcome(step, State.SKIPPED, str(stopped))
    except (StepFailed, CallFailed, SuiteError) as failure:
        return StepOutcome(step, State.FAILED, str(failure))
    except Exception as error:  # noqa: BLE001 - other lanes must go on; told as what it is, with its trace kept
        writer.journal.write("error", step=step.name, trace=traceback.format_exc())
        return StepOutcome(step, State.FAILED, f"internal error: {type(error).__name__}: {error} (see the journal)")
