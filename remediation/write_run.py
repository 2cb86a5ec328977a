"""What every run with writes does with a plan: show it, have it confirmed, apply it in rings, prove it, tell it."""

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pytest
from rich.console import Console

from checks.outcome import Status
from fixtures.estate import Estate, Identity, Target
from fixtures.look import LOOK, look_again
from fixtures.observe import merged
from fixtures.run_folder import run_folder, run_id
from fixtures.snapshot import write_snapshot
from fixtures.state import ESTATE, OPTIONS
from fixtures.whole_file import write_whole
from remediation.access import Access
from remediation.consent import confirmed
from remediation.cutover import Cutovers
from remediation.cutover_ledger import CutoverLedger
from remediation.engine import ALL_FIXES, Lanes, Outcome, State, StepOutcome, apply
from remediation.held import HeldResults
from remediation.interrupts import Interrupts
from remediation.journal import Entry, Journal
from remediation.lock import TargetLocks
from remediation.permission_gate import Permissions
from remediation.plan import Blocked, Plan
from remediation.preflight import Obstacle, blocked_by
from remediation.progress import LiveProgress, PlainProgress, Progress, Stage
from remediation.proof import FlowProof, changed_by, prove_all
from remediation.rings import rings_of
from remediation.settle import left_locks
from remediation.settle_stopped import settle_stopped
from remediation.story import FIX_STORY, PLAN_LINES, FixStory
from remediation.unproved import Recheck, against, why_unproved
from remediation.writer import Writer

BEFORE = "before.json.gz"
AFTER = "after.json.gz"
JOURNAL = "journal.jsonl"
_LINES = 400  # of a plan in the terminal; the whole stands in the run's folder


@dataclass
class WriteRun(ABC):
    """The state of a run: what was planned, done, refused and proved so far. Its kinds differ in what they plan."""

    config: pytest.Config
    held: HeldResults
    plan: Plan | None = None
    blocked: list[Blocked] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    proofs: list[FlowProof] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    progress: Progress | None = None
    named: set[str] = field(default_factory=set)
    unjudged: list[Outcome] = field(default_factory=list)
    stage: Stage = field(default_factory=Stage)
    cutovers: Cutovers = field(default_factory=Cutovers)
    ledger: tuple[CutoverLedger, ...] = ()

    def __post_init__(self) -> None:
        """Prepare what is written with; nothing is asked of AWS."""
        options = self.config.stash[OPTIONS]
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

    @abstractmethod
    def fix(self) -> None:
        """Do what the run is for, journalled, and look again."""

    def _permitted(self, plan: Plan) -> Plan:
        """The plan without what the fixers may not do, asked before anything of it is written."""
        with self.interrupts.abandonable():
            plan, notes = self.permissions.held_to(plan, self.estate)
        self.notes += [note for note in notes if note not in self.notes]
        return plan

    def _may_go_on(self, plan: Plan, journal: Journal) -> bool:
        with self.interrupts.abandonable():
            consent = confirmed(self.config, plan, self.access.alias)
            options = self.config.stash[OPTIONS]
            journal.write(
                "consent", run=plan.run, given=consent.given, how=consent.how, forwarders=len(plan.forwarders),
                allow=sorted(options.allow), approved=str(options.approved) if options.approved else None,
            )  # fmt: skip
            if consent.given:
                return True
        reason = [Obstacle("the plan was not confirmed", "run again, or pass --yes")]
        for target in plan.targets:
            for name in sorted({"", *(subject for step in target.steps for subject in step.clears)}):
                self.blocked.append(blocked_by(target.target, name, ALL_FIXES, reason))
        self.notes.append("the plan was not confirmed: nothing was changed")
        return False

    def _keep_plan(self, plan: Plan, number: int) -> None:
        options = self.config.stash[OPTIONS]
        # a round of a resumed run has a name of its own: the plan that the run began with stays
        path = run_folder(self.config) / f"plan{plan.run.removeprefix(run_id(self.config))}.json"
        write_whole(path, (plan.json(),))
        text = path.with_suffix(".txt")
        write_whole(text, (f"{line}\n" for line in plan.lines(calls=True, each=True)))
        everything = self.config.get_verbosity() > 0
        lines = list(plan.lines(calls=options.plan or everything, each=everything))
        if len(lines) > _LINES and not everything:
            lines = [*lines[:_LINES], f"... and {len(lines) - _LINES} more lines, see {text}", lines[-1]]
        earlier = self.config.stash.get(PLAN_LINES, ())
        self.config.stash[PLAN_LINES] = (*earlier, *lines) if options.plan else ()
        if options.may_write:
            self._say("", f"plan, round {number} (whole in {path}):", *(f"  {line}" for line in lines))
        if number == 1:
            self.plan = plan

    def _settle(self, journals: Mapping[str, tuple[Entry, ...]], journal: Journal) -> None:
        """What stopped runs left in flight, by id (empty: this run): waited for or taken back, and looked at again."""

        def writer_for(target: Target) -> Writer:
            return self.access.writer(journal, target, lambda text: self._say(f"  {text}"))

        targets = settle_stopped(journals, self.estate, self.permissions, writer_for)
        for entries in journals.values():
            for target, bucket in left_locks(entries).items():
                self.locks.remember(target, bucket)
        self._look_again(targets)

    def _rings(self, plan: Plan, journal: Journal) -> bool:
        """Apply ring after ring, each proved before the next; False if one was not."""
        self._name_writers(plan, journal)
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
            self._look_again()
            unproved = why_unproved(outcome, self.proofs, self._recheck(), self.estate)
            if self.stopped or unproved:
                why = "the run was stopped" if self.stopped else f"ring {number} was not proved: {unproved}"
                left = tuple(StepOutcome(step, State.SKIPPED, why) for rest in parts[number:] for step in rest.steps)
                self.outcomes.append(Outcome(left))
                self.notes.append(f"{why}; {len(left)} steps of later rings were not begun" if left else why)
                return False
        return True

    def _name_writers(self, plan: Plan, journal: Journal) -> None:
        """Keep in the journal in whose name each account is written to, before it is."""
        accounts = {target.account for target in plan.places} - self.named
        if LOOK not in self.config.stash or not accounts:
            return
        with self.interrupts.abandonable():
            for account, found in self.access.identities(accounts).items():
                known = found.arn if isinstance(found, Identity) else None
                journal.write("identity", account=account, arn=known, reason="" if known else str(found))
        self.named |= accounts

    def _apply(self, plan: Plan, journal: Journal) -> Outcome:
        journal.write("begin", run=plan.run, steps=[step.name for step in plan.steps])
        begun = datetime.now(UTC)
        proved = len(self.proofs)
        with self._progress(plan) as self.progress:
            progress = self.progress

            def writer_for(target: Target) -> Writer:
                return self.access.writer(journal, target, partial(progress.note, target))

            outcome = apply(plan, Lanes(writer_for, progress, self.access.stop, self.locks))
            self.outcomes.append(outcome)
            self.unjudged.append(outcome)
            self.blocked += outcome.blocked
            self._prove(outcome, writer_for, progress)
            for proof in self.proofs[proved:]:
                journal.write("proof", facts=proof.facts())
        self.cutovers.add(outcome, begun, datetime.now(UTC))
        journal.write("end", run=plan.run, steps={o.step.name: str(o.state) for o in outcome.steps})
        return outcome

    def _prove(self, outcome: Outcome, writer_for: Callable[[Target], Writer], progress: Progress) -> None:
        changed = changed_by(outcome)
        if changed:
            how = "looking once" if self.stopped else "waiting"
            progress.say(f"{how} for log lines of {sum(len(lane.forwarders) for lane in changed)} forwarders ...")
        self.proofs += prove_all(changed, writer_for, self.estate, self.access.stop)

    def _look_again(self, more: frozenset[Target] = frozenset()) -> None:
        """Look at what was touched since the last look, and at `more`, and ask the checks again; not after a stop."""
        if not self.stopped:
            with contextlib.suppress(KeyboardInterrupt), self.interrupts.abandonable():
                self._look_at_touched(more)

    def _look_at_touched(self, more: frozenset[Target] = frozenset()) -> None:
        touched = more.union(*(outcome.touched for outcome in self.unjudged))
        if touched:
            self.config.stash[ESTATE] = merged(self.estate, look_again(self.config, touched))
            self._ask_again(touched)
        recheck = self._recheck()
        for outcome in self.unjudged:
            self.unproved += [told for told in against(outcome, recheck, self.estate) if told not in self.unproved]
        self.unjudged.clear()

    def _end(self, journal: Journal) -> None:
        """Give back the locks; after a stop, look once more, so that what was done is told; keep what was seen.

        A second signal leaves all the same: by then the journal is closed, and no lock is held.
        """
        self._give_locks_back(journal)
        journal.close()
        targets = {target for outcome in self.unjudged for target in outcome.touched}
        if targets:
            self._say(f"looking once more at {len(targets)} targets, to tell what was done (Ctrl-C leaves at once) ...")
            self._look_at_touched()
        write_snapshot(self.estate, run_folder(self.config) / AFTER)

    def _recheck(self) -> Recheck:
        return Recheck(self.held.results(), self.held.broken(), self.held.against_what_was_made())

    def _ask_again(self, targets: frozenset[Target]) -> None:
        """Ask the checks of these targets again."""
        self.held.run_again(targets)

    def _give_locks_back(self, journal: Journal) -> None:
        if LOOK in self.config.stash and self.locks.targets:
            writers = [(target, self.access.writer(journal, target, lambda _: None)) for target in self.locks.targets]
            self.notes += self.locks.release(writers)

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
            undone=tuple(self._undone()),
            notes=tuple(self._notes()),
            ledger=self.ledger,
        )
        self.held.tell(self.blocked, self.touched)

    def _undone(self) -> Iterable[str]:
        """What was asked for beside the findings and was not done."""
        return ()

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
            unknown = sum(1 for proof in self.proofs if proof.holds is None)
            more = f"; no evidence for {unknown} (called too seldom, or not waited for)" if unknown else ""
            yield f"logs were seen to flow after the fix for {proved} of {len(self.proofs)} changed forwarders{more}"
