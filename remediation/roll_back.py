"""One run of `--rollback`: undo an earlier run in reverse, by its journal, and say what cannot be undone."""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fixtures.answers import Malformed
from fixtures.errors import InputError, SuiteError
from fixtures.estate import Target
from fixtures.run_folder import earlier_run, run_folder, run_id
from fixtures.snapshot import read_snapshot, write_snapshot
from fixtures.state import OPTIONS
from remediation.engine import Outcome, State, StepOutcome
from remediation.journal import BrokenJournalError, Entry, Journal, is_being_written, read_journal
from remediation.lock import TargetLocks
from remediation.plan import Plan
from remediation.plan_undo import UndoPlan, buckets_of, packages_of, plan_undo
from remediation.preflight import Obstacle
from remediation.roll_back_look import Looked, look
from remediation.roll_back_parameters import read_given_values
from remediation.roll_back_record import done_by
from remediation.step import Step
from remediation.steps.undo_artifact import UndoBucket, UndoUploads
from remediation.steps.undo_trigger import UndoTrigger
from remediation.undo_context import Kept, Past, Undoing
from remediation.unproved import Recheck
from remediation.write_run import AFTER, BEFORE, JOURNAL, WriteRun

_SHOWN = 3  # subjects of one reason that are named in the summary
_NOT_LOOKED = Looked({}, {})


@dataclass
class RollBack(WriteRun):
    """Undoes an earlier run with the engine, the rings, the locks and a journal of its own, and looks again."""

    def __post_init__(self) -> None:
        """Read what the earlier run left, before anything is asked of AWS.

        Raises:
            InputError: its journal or its snapshot cannot be read or relied on, or the given values cannot be.
        """
        super().__post_init__()
        options = self.config.stash[OPTIONS]
        self.past = read_past(earlier_run(self.config, options.rollback or ""))
        self.given = read_given_values(options.rollback_parameters)
        self.locks = TargetLocks(run_id(self.config), also=self.past.journals)
        self.undo: UndoPlan | None = None
        self.ended = False

    def fix(self) -> None:
        """Plan the way back, apply it in rings, look again, re-check."""
        folder = run_folder(self.config)
        write_snapshot(self.estate, folder / BEFORE)
        journal = Journal(folder / JOURNAL)
        try:
            self._undo(journal)
        finally:
            self._end(journal)

    def _undo(self, journal: Journal) -> None:
        self._settle(self.past.journals, journal)
        self.undo = plan_undo(self._undoing(), datetime.now(UTC))
        plan = self._allowed(self.undo.plan)
        self._keep_plan(plan, 1)
        self.blocked += plan.blocked
        left = tuple(_reasons(one for one in self.undo.kept if not one.waits))
        self._say(*(f"  left as it is: {line}" for line in left))
        journal.write("begin", run=run_id(self.config), undoes=self.past.run, steps=[step.name for step in plan.steps])
        if plan.steps and self._may_go_on(plan, journal):
            # a target's lock stands in a bucket that may go: everything else, then the locks, then the buckets
            buckets = plan.only(lambda step: isinstance(step, UndoBucket))
            if self._rings(plan.without({step.name for step in buckets.steps}), journal):
                self._give_locks_back(journal)
                self._delete(buckets, journal)
        self.ended = not self.stopped

    def _allowed(self, plan: Plan) -> Plan:
        """The plan without what the fixer may not do; what is left for that is told with its reason."""
        allowed = self._permitted(plan)
        kept = {step.name for step in allowed.steps}
        reasons = {one.target: (one.reasons, one.to_do) for one in allowed.blocked if one not in plan.blocked}
        left = []
        for step in (one for one in plan.steps if one.name not in kept):
            own = self.permissions.against(step, self.estate)
            told, to_do = reasons.get(step.target, ((), ()))
            why = own[0] if own else Obstacle("; ".join(told) or "it is left with the others", "; ".join(to_do))
            left.append(StepOutcome(step, State.BLOCKED, why.reason, why.to_do))
        if left:
            self.outcomes.append(Outcome(tuple(left)))
        return allowed

    def _delete(self, buckets: Plan, journal: Journal) -> None:
        stay = {o.step.target: o for outcome in self.outcomes for o in outcome.steps if o.state is not State.DONE}
        why = "it is left: not everything that may need it was undone"
        self.outcomes.append(
            Outcome(tuple(StepOutcome(step, State.SKIPPED, why) for step in buckets.steps if step.target in stay))
        )
        free = buckets.only(lambda step: step.target not in stay)
        unlocked = Plan(free.run, free.made, tuple(replace(target, bucket="") for target in free.targets))
        if unlocked.steps:
            self._apply(unlocked, journal)
            self._look_again()

    def _undoing(self) -> Undoing:
        clients = self.access.clients
        undoing = Undoing(
            past=self.past,
            estate=self.estate,
            looked=_NOT_LOOKED,
            given=self.given,
            run=run_id(self.config),
            partition=clients.partition,
            url_suffix=clients.url_suffix,
            today=self.estate.taken.date(),
        )
        reached = {seen.target for seen in self.estate.targets if seen.reached}
        done = self.past.done
        looked = look(
            self.access.account,
            [at for at in packages_of(done, undoing) if at[0] in reached],
            [(u.target, u.bucket, u.key) for u in done.uploads if u.target in reached],
            [at for at in buckets_of(done) if at[0] in reached],
        )
        return replace(undoing, looked=looked)

    def _prove(self, *_: object) -> None:
        """Nothing more: each step has read the function back; a log line of the old package is not known."""

    def _recheck(self) -> Recheck:
        """What the fix had cleared is a finding again: that is what was asked for."""
        return Recheck(self.held.results(), ())

    def _failures(self) -> Iterator[str]:
        yield from super()._failures()
        open_ones = sum(one.count for one in self._kept if one.waits)
        if open_ones:
            yield f"run {self.past.run} is not undone as a whole: {open_ones} writes wait for a person"

    @property
    def _kept(self) -> list[Kept]:
        """What cannot be undone, or was not."""
        return [*(self.undo.kept if self.undo else ()), *_not_done(self.outcomes)]

    def _notes(self) -> Iterator[str]:
        yield from self.notes
        if self.undo is None:
            return
        total = self.past.done.count
        undone = sum(_count(o.step) for outcome in self.outcomes for o in outcome.of(State.DONE))
        if not self.ended:
            yield f"the rollback was stopped: go on with --rollback={self.past.run}, it sees what is undone already"
            return
        kept = self._kept
        cannot = sum(one.count for one in kept)
        before = total - sum(map(_count, self.undo.plan.steps)) - sum(one.count for one in self.undo.kept)
        already = f"; {before} were as before already" if before > 0 else ""
        yield f"{undone} of {total} writes of run {self.past.run} undone{already}; {cannot} cannot be" + ":" * (
            cannot > 0
        )
        yield from _reasons(kept)


def read_past(folder: Path) -> Past:
    """What an earlier run left in its folder, and rollbacks of it beside it.

    Raises:
        InputError: the run is still alive, or its journal or snapshot cannot be read or relied on.
    """
    run = folder.resolve().name
    journal = folder / JOURNAL
    if is_being_written(journal):
        raise InputError(f"--rollback={run}", "that run is not over: its journal is being written", "wait for its end")
    try:
        entries = read_journal(journal)
        done = done_by(entries)
    except (BrokenJournalError, Malformed) as broken:
        raise InputError(
            f"--rollback={run}", f"its journal cannot be relied on ({broken})", "undo that run by hand"
        ) from None
    after = folder / AFTER
    return Past(
        run=run,
        journals={run: entries, **_rollbacks_of(run, folder.resolve().parent)},
        done=done,
        before=read_snapshot(folder / BEFORE),
        after=read_snapshot(after) if after.is_file() else None,
    )


def _rollbacks_of(run: str, folder: Path) -> Mapping[str, tuple[Entry, ...]]:
    """The journals of rollbacks of a run that have ended or were stopped; what cannot be read is passed over."""
    found: dict[str, tuple[Entry, ...]] = {}
    for path in sorted(folder.glob(f"*/{JOURNAL}")):
        with contextlib.suppress(SuiteError):
            entries = read_journal(path) if not is_being_written(path) else ()
            if any(entry.content.get("undoes") == run for entry in entries):
                found[path.parent.name] = entries
    return found


def _count(step: Step) -> int:
    """How many writes of the earlier run a step undoes."""
    match step:
        case UndoTrigger():
            return bool(step.former) + len(step.grants)
        case UndoUploads():
            return len(step.objects)
        case _:
            return 1


def _not_done(outcomes: Iterable[Outcome]) -> Iterator[Kept]:
    for outcome in outcomes:
        for ended in outcome.steps:
            if ended.state is not State.DONE:
                why = Obstacle(ended.told, ended.to_do)
                yield Kept(ended.step.target, ended.step.subject, _count(ended.step), (why,))


def _reasons(kept: Iterable[Kept]) -> Iterator[str]:
    """Each reason once, with how many writes it keeps, whose, and what a person can do."""
    grouped: dict[tuple[str, str], list[Kept]] = defaultdict(list)
    for one in kept:
        first = one.obstacles[0]
        grouped[first.reason, first.to_do].append(one)
    for (reason, to_do), ones in sorted(grouped.items(), key=lambda entry: -len(entry[1])):
        names = [_name(one.target, one.subject) for one in ones]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        what = f"; {to_do}" if to_do else ""
        yield f"{sum(one.count for one in ones)} x {reason}{what} ({', '.join(names[:_SHOWN])}{more})"


def _name(target: Target, subject: str) -> str:
    return f"{target}/{subject}" if subject else str(target)
