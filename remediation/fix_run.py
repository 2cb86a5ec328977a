"""One run of `--plan` or `--fix`: plan, apply, look again, re-check, until nothing changes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pytest
from rich.console import Console

from checks.outcome import Status
from checks.result import Result
from fixtures.estate import Estate, Target
from fixtures.look import LOOK, look_again
from fixtures.observe import merged
from fixtures.run_folder import run_folder, run_id, write_private
from fixtures.snapshot import write_snapshot
from fixtures.state import DESIRES, ESTATE, OPTIONS
from remediation.access import Access
from remediation.approval import held_to, read_approved
from remediation.change_set_preview import with_change_sets
from remediation.consent import confirmed
from remediation.engine import ALL_FIXES, Lanes, Outcome, State, StepOutcome, apply
from remediation.held import HeldResults
from remediation.intent import intent_of
from remediation.interrupts import Interrupts
from remediation.journal import FINISHED, RESUME, Journal, is_finished, read_stopped
from remediation.lock import TargetLocks
from remediation.permission_gate import Permissions
from remediation.plan import Blocked, Plan
from remediation.planner import make_plan
from remediation.preflight import Obstacle, blocked_by
from remediation.progress import LiveProgress, PlainProgress, Progress, Stage
from remediation.proof import FlowProof, changed_by, prove_all
from remediation.rings import rings_of
from remediation.run_record import write_record
from remediation.settle import left_locks, settle
from remediation.story import FIX_STORY, PLAN_LINES, FixStory
from remediation.unproved import Recheck, against, why_unproved
from remediation.unselected import Unselected
from remediation.writer import Writer

ROUNDS = 3
BEFORE = "before.json.gz"
AFTER = "after.json.gz"
JOURNAL = "journal.jsonl"
_LINES = 400  # of a plan in the terminal; the whole stands in the run's folder


@dataclass
class FixRun:
    """The state of the run: what was planned, done, refused and proved so far."""

    config: pytest.Config
    held: HeldResults
    unselected: Unselected
    plan: Plan | None = None
    blocked: list[Blocked] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    proofs: list[FlowProof] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    progress: Progress | None = None
    stage: Stage = field(default_factory=Stage)

    def __post_init__(self) -> None:
        """Read the approved plan, and the journal of a run to go on with, before anything is asked of AWS."""
        options = self.config.stash[OPTIONS]
        self.earlier = read_stopped(run_folder(self.config) / JOURNAL) if options.resume else ()
        self.approved = read_approved(options.approved) if options.approved else None
        self.locks = TargetLocks(run_id(self.config))
        self.access = Access(self.config)
        self.permissions = Permissions(self.access)
        way_on = f"--rollback={options.rollback}" if options.rollback else f"--resume={run_id(self.config)}"
        if options.plan:
            way_on = "plan again; change sets that were made are deleted"
        self.interrupts = Interrupts(self.access.stop, way_on, self._tell_stopping)

    @property
    def stopped(self) -> bool:
        """Whether the run was told to stop."""
        return self.access.stop.is_set()

    @property
    def estate(self) -> Estate:
        """What was last seen."""
        return self.config.stash[ESTATE]

    @property
    def touched(self) -> frozenset[Target]:
        """Targets in which something was changed."""
        return frozenset(target for outcome in self.outcomes for target in outcome.touched)

    def show_plan(self) -> None:
        """`--plan`: build it, keep it; what a fix would write is not written."""
        self.plan = self._planned(1, self.held.results())
        self.blocked = list(self.plan.blocked)
        self.notes += self.permissions.foretold(self.plan, self.estate)
        if self.config.stash[OPTIONS].change_sets:
            self.plan = self._with_change_sets(self.plan)
        self._keep_plan(self.plan, 1)

    def _with_change_sets(self, plan: Plan) -> Plan:
        """`--change-sets`: the one write that a plan may ask for, and takes back; journalled like any other."""
        journal = Journal(run_folder(self.config) / JOURNAL)
        try:
            with self.interrupts.heeded():
                return with_change_sets(
                    plan, lambda target: self.access.writer(journal, target, lambda _: None), self.access.stop
                )
        finally:
            journal.close()

    def fix(self) -> None:
        """`--fix`: up to three rounds of plan, apply in rings, look again, re-check; one under `--approved`."""
        folder = run_folder(self.config)
        options = self.config.stash[OPTIONS]
        if not options.resume:
            write_record(options, folder, self.held.tests)
            write_snapshot(self.estate, folder / BEFORE)
        journal = Journal(folder / JOURNAL, take_up=bool(options.resume))
        try:
            if options.resume:
                self._settle(journal)
            if is_finished(self.earlier):
                self.notes.append(f"run {run_id(self.config)} had finished: nothing was left to do")
            elif not self.stopped and self._rounds(journal):
                journal.write(FINISHED, run=run_id(self.config))
        finally:
            self._give_locks_back(journal)
            journal.close()
            write_snapshot(self.estate, folder / AFTER)

    def _settle(self, journal: Journal) -> None:
        """Before a stopped run goes on: what it left in flight is waited for or taken back, and looked at again."""
        journal.write(RESUME, run=run_id(self.config))
        targets = settle(
            self.earlier, lambda target: self.access.writer(journal, target, lambda text: self._say(f"  {text}"))
        )
        for target, bucket in left_locks(self.earlier).items():
            self.locks.remember(target, bucket)
        known = {seen.target for seen in self.estate.targets}
        self._look_again(targets & known)

    def _rounds(self, journal: Journal) -> bool:
        """Whether everything that was begun is done and proved."""
        tried: set[str] = set()
        for number in range(1, (1 if self.approved else ROUNDS) + 1):
            failed = {target for outcome in self.outcomes for target in outcome.failed}
            plan = self._planned(number, self._open_results(failed))
            if self.approved:
                plan, refused = held_to(plan, self.approved)
                self.blocked += refused
            plan = self._permitted(plan.without(tried))
            known = {(refusal.name, refusal.fixes) for refusal in self.blocked}
            self.blocked += [refusal for refusal in plan.blocked if (refusal.name, refusal.fixes) not in known]
            if number == 1 or plan.steps:
                self._keep_plan(plan, number)
            if not plan.steps:
                break
            if number == 1 and not self._may_go_on(plan):
                return False
            self.held.run_unselected(self.unselected.of(plan.places))
            tried |= {step.name for step in plan.steps}
            if not self._rings(plan, journal):
                return False
        return all(o.state is State.DONE for outcome in self.outcomes for o in outcome.steps)

    def _permitted(self, plan: Plan) -> Plan:
        """The plan without what the fixers may not do, asked before anything of it is written."""
        with self.interrupts.abandonable():
            plan, notes = self.permissions.held_to(plan, self.estate)
        self.notes += [note for note in notes if note not in self.notes]
        return plan

    def _rings(self, plan: Plan, journal: Journal) -> bool:
        """Apply ring after ring, each proved before the next; False if one was not."""
        parts = rings_of(plan, self.config.stash[OPTIONS].rings)
        for number, part in enumerate(parts, start=1):
            count = len(part.forwarders)
            self._say(f"ring {number} of {len(parts)}: {count} forwarders, {len(part.steps)} steps")
            self.stage = Stage(
                f"ring {number} of {len(parts)}",
                Counter(str(o.state) for outcome in self.outcomes for o in outcome.steps),
                sum(len(rest.steps) for rest in parts[number:]),
            )
            outcome = self._apply(part, journal)
            self._look_again(outcome.touched)
            recheck = self._recheck()
            self.unproved += [told for told in against(outcome, recheck, self.estate) if told not in self.unproved]
            unproved = why_unproved(outcome, self.proofs, recheck, self.estate)
            if self.stopped or unproved:
                why = "the run was stopped" if self.stopped else f"ring {number} was not proved: {unproved}"
                left = tuple(StepOutcome(step, State.SKIPPED, why) for rest in parts[number:] for step in rest.steps)
                self.outcomes.append(Outcome(left))
                self.notes.append(f"{why}; {len(left)} steps of later rings were not begun")
                return False
        return True

    def _recheck(self) -> Recheck:
        return Recheck(self.held.results(), self.held.broken())

    def _give_locks_back(self, journal: Journal) -> None:
        if LOOK in self.config.stash and self.locks.targets:
            writers = [(target, self.access.writer(journal, target, lambda _: None)) for target in self.locks.targets]
            self.notes += self.locks.release(writers)

    def _open_results(self, failed: Iterable[Target]) -> list[Result]:
        """Findings that may still be fixed: not where a fix failed, not what was refused while it ran."""
        ended = set(failed)
        refused = {refusal.name for outcome in self.outcomes for refusal in outcome.blocked}
        return [
            result
            for result in self.held.results()
            if Target(result.account, result.region) not in ended and result.subject not in refused
        ]

    def _planned(self, number: int, results: Iterable[Result]) -> Plan:
        options, today = self.config.stash[OPTIONS], self.estate.taken.date()
        intent = intent_of(options, self._attempt(number), self.access.clients, self.approved, today)
        return make_plan(results, self.estate, self.config.stash[DESIRES], intent, datetime.now(UTC))

    def _attempt(self, number: int) -> str:
        """The run's id, with its resumption and round: CloudFormation takes a name, and a token, only once."""
        resumed = sum(entry.kind == RESUME for entry in self.earlier) + bool(self.earlier)
        return run_id(self.config) + (f"-r{resumed}" if resumed else "") + (f"-{number}" if number > 1 else "")

    def _keep_plan(self, plan: Plan, number: int) -> None:
        options = self.config.stash[OPTIONS]
        path = run_folder(self.config) / ("plan.json" if number == 1 else f"plan-{number}.json")
        write_private(path, plan.json())
        lines = list(plan.lines(calls=options.plan))
        if len(lines) > _LINES:
            lines = [*lines[:_LINES], f"... and {len(lines) - _LINES} more lines, see {path}", lines[-1]]
        earlier = self.config.stash.get(PLAN_LINES, ())
        self.config.stash[PLAN_LINES] = (*earlier, *lines) if options.plan else ()
        if options.may_write:
            self._say("", f"plan, round {number} (whole in {path}):", *(f"  {line}" for line in lines))
        if number == 1:
            self.plan = plan

    def _may_go_on(self, plan: Plan) -> bool:
        with self.interrupts.abandonable():
            if confirmed(self.config, plan, self.access.alias):
                return True
        reason = [Obstacle("the plan was not confirmed", "run again, or pass --yes")]
        for target in plan.targets:
            for name in ("", *target.forwarders):
                self.blocked.append(blocked_by(target.target, name, ALL_FIXES, reason))
        self.notes.append("the plan was not confirmed: nothing was changed")
        return False

    def _apply(self, plan: Plan, journal: Journal) -> Outcome:
        journal.write("begin", run=plan.run, steps=[step.name for step in plan.steps])
        with self._progress(plan) as self.progress:
            progress = self.progress

            def writer_for(target: Target) -> Writer:
                return self.access.writer(journal, target, partial(progress.note, target))

            outcome = apply(plan, Lanes(writer_for, progress, self.access.stop, self.locks))
            self.outcomes.append(outcome)
            self.blocked += outcome.blocked
            self._prove(outcome, writer_for, progress)
        journal.write("end", run=plan.run, steps={o.step.name: str(o.state) for o in outcome.steps})
        return outcome

    def _prove(self, outcome: Outcome, writer_for: Callable[[Target], Writer], progress: Progress) -> None:
        changed = changed_by(outcome)
        if changed:
            progress.say(f"waiting for log lines of {sum(len(lane.forwarders) for lane in changed)} forwarders ...")
        self.proofs += prove_all(changed, writer_for, self.estate, self.access.stop)

    def _look_again(self, targets: frozenset[Target]) -> None:
        if targets and not self.stopped:
            with self.interrupts.abandonable():
                self.config.stash[ESTATE] = merged(self.estate, look_again(self.config, targets))
                self.held.run_again(targets)

    def _progress(self, plan: Plan) -> Progress:
        console = Console()
        if console.is_terminal and not console.is_dumb_terminal:
            return LiveProgress(console, plan, self.stage)
        return PlainProgress(self._say)

    def _say(self, *lines: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for line in lines:
                reporter.write_line(line)

    def _tell_stopping(self, text: str) -> None:
        (self.progress.say if self.progress else self._say)(text)

    def tell(self) -> None:
        """Put the story into the stash and let every test be told, once, in its final state."""
        self.config.stash[FIX_STORY] = FixStory(
            planned=len(self.plan.steps) if self.plan else 0,
            fixed=self.held.count(Status.FIXED, self.blocked, self.touched),
            blocked=len({refusal.name for refusal in self.blocked}),
            failed=tuple(self._failures()),
            notes=tuple(self._notes()),
        )
        self.held.tell(self.blocked, self.touched)

    def _failures(self) -> Iterator[str]:
        for outcome in self.outcomes:
            for failed in outcome.of(State.FAILED):
                yield f"{failed.step.target}: {failed.step.title}: {failed.told}"
        for proof in self.proofs:
            if proof.holds is False:
                yield f"{proof.target}/{proof.forwarder}: not seen to forward: {proof.told}"
        yield from self.unproved

    def _notes(self) -> Iterator[str]:
        yield from self.notes
        undone = sum(len(outcome.of(State.SKIPPED)) for outcome in self.outcomes)
        if undone:
            yield f"{undone} steps were not done; to go on: {self.interrupts.way_on}"
        if self.proofs:
            proved = sum(1 for proof in self.proofs if proof.holds)
            yield f"logs were seen to flow after the fix for {proved} of {len(self.proofs)} changed forwarders"
