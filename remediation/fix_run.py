"""One run of `--plan` or `--fix`: what it plans, round by round, until nothing changes."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.result import Result
from fixtures.estate import Estate, Target
from fixtures.look import LOOK
from fixtures.run_folder import run_folder, run_id
from fixtures.snapshot import read_snapshot, write_snapshot
from fixtures.state import DESIRES, OPTIONS
from fixtures.whole_file import write_whole
from remediation import rotation
from remediation.approval import held_to, left_out, read_approved
from remediation.change_set_preview import with_change_sets
from remediation.cutover_ledger import FILE as LEDGER
from remediation.engine import State
from remediation.intent import intent_of
from remediation.journal import FINISHED, RESUME, Journal, is_finished, read_stopped
from remediation.plan import Plan
from remediation.planner import make_plan
from remediation.run_record import write_record
from remediation.steps.shared_stack import UpdateSharedStack
from remediation.unselected import Unselected
from remediation.write_run import BEFORE, JOURNAL, WriteRun

ROUNDS = 3
APPROVED = "approved.json"


@dataclass
class FixRun(WriteRun):
    """Plans from the findings, applies that, looks again and plans again."""

    unselected: Unselected = field(kw_only=True)
    rotations: frozenset[Target] = frozenset()

    def __post_init__(self) -> None:
        """Read the approved plan, and the journal of a run to go on with, before anything is asked of AWS."""
        super().__post_init__()
        options = self.config.stash[OPTIONS]
        self.earlier = read_stopped(run_folder(self.config) / JOURNAL) if options.resume else ()
        self.approved = read_approved(options.approved) if options.approved else None

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
                self._name_writers(plan, journal)
                return with_change_sets(
                    plan, lambda target: self.access.writer(journal, target, lambda _: None), self.access.stop
                )
        finally:
            journal.close()

    def fix(self) -> None:
        """`--fix`: up to three rounds of plan, apply in rings, look again, re-check; one under `--approved`."""
        folder, before = run_folder(self.config), self.estate
        options = self.config.stash[OPTIONS]
        if options.resume and (folder / BEFORE).is_file():
            before = read_snapshot(folder / BEFORE)
        if not options.resume:
            write_record(options, folder, self.held.tests)
            write_snapshot(self.estate, folder / BEFORE)
            if options.approved:
                write_whole(folder / APPROVED, (options.approved.read_bytes(),))
        journal = Journal(folder / JOURNAL, take_up=bool(options.resume))
        try:
            if options.resume:
                journal.write(RESUME, run=run_id(self.config))
                self._settle({"": self.earlier}, journal)
            if is_finished(self.earlier):
                self.notes.append(f"run {run_id(self.config)} had finished: nothing was left to do")
            elif not self.stopped and self._rounds(journal):
                journal.write(FINISHED, run=run_id(self.config))
        finally:
            self._end(journal)
        self._read_ledger(before)

    def _read_ledger(self, before: Estate) -> None:
        """Last of all, since it only reads: what arrived at changed forwarders meanwhile, and in an outage before."""
        cutovers = self.cutovers.behind(self.earlier)
        if not cutovers.spans or self.stopped or LOOK not in self.config.stash:
            return
        from remediation.ledger import sources_of  # noqa: PLC0415 - only a fix that changed something takes it
        from remediation.run_ledger import ledger_of_run  # noqa: PLC0415 - as above

        self._say(f"reading what arrived meanwhile at {len(cutovers.spans)} forwarders ...")
        self.notes.append("what arrived meanwhile was not read to the end: it was interrupted")
        with contextlib.suppress(KeyboardInterrupt), self.interrupts.abandonable():
            ledger = ledger_of_run(cutovers, before, sources_of(self.config, datetime.now(UTC)))
            self.ledger = ledger.forwarders
            lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in ledger.lines())
            write_whole(run_folder(self.config) / LEDGER, lines)
            self.notes.pop()

    def _rounds(self, journal: Journal) -> bool:
        """Whether everything that was begun is done and proved."""
        tried: set[str] = set()
        for number in range(1, (1 if self.approved else ROUNDS) + 1):
            failed = {target for outcome in self.outcomes for target in outcome.failed}
            plan = self._planned(number, self._open_results(failed))
            if self.approved:
                self.notes += filter(None, [left_out(plan, self.approved)])
                plan, refused = held_to(plan, self.approved)
                self.blocked += refused
            plan = self._permitted(plan.without(tried))
            known = {(refusal.name, refusal.fixes) for refusal in self.blocked}
            self.blocked += [refusal for refusal in plan.blocked if (refusal.name, refusal.fixes) not in known]
            if number == 1 or plan.steps:
                self._keep_plan(plan, number)
            if not plan.steps:
                break
            if number == 1 and not self._may_go_on(plan, journal):
                return False
            self.held.run_unselected(self.unselected.of(plan.places))
            tried |= {step.name for step in plan.steps}
            if not self._rings(plan, journal):
                return False
        return all(o.state is State.DONE for outcome in self.outcomes for o in outcome.steps)

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
        if intent.rotate and number == 1:
            self.rotations = rotation.due(self.estate, self.config.stash[DESIRES])
        return make_plan(results, self.estate, self.config.stash[DESIRES], intent, datetime.now(UTC))

    def _ask_again(self, targets: frozenset[Target]) -> None:
        """Ask the checks of these targets again, and those that could not be asked before something was made."""
        super()._ask_again(targets)
        selected, others = self.unselected.made_since(targets)
        self.held.run_new(selected, selected=True)
        self.held.run_new(others, selected=False)

    def _undone(self) -> Iterator[str]:
        """The targets whose credentials were to be rotated and are not, or would not be."""
        done = [o.step for outcome in self.outcomes for o in outcome.of(State.DONE)]
        steps = self.plan.steps if self.plan and self.config.stash[OPTIONS].plan else done
        rotated = {step.target for step in steps if isinstance(step, UpdateSharedStack) and step.writes_secret}
        for target in sorted(self.rotations - rotated):
            against = (
                f"{'; '.join(found.reasons)}; {'; '.join(found.to_do)}"
                for found in self.blocked
                if (found.target, found.subject) == (target, "") and "shared-stack" in found.fixes
            )
            yield f"{target}: the credentials are not rotated: {next(against, 'see what failed or was not done there')}"

    def _attempt(self, number: int) -> str:
        """The run's id, with its resumption and round: CloudFormation takes a name, and a token, only once."""
        resumed = sum(entry.kind == RESUME for entry in self.earlier) + bool(self.earlier)
        return run_id(self.config) + (f"-r{resumed}" if resumed else "") + (f"-{number}" if number > 1 else "")
