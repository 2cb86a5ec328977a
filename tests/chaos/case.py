"""One case: a run with a fault, a look, a resume, a look again, and everything that must hold."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.chaos import evidence, world
from tests.chaos.estate import ChaosEstate
from tests.chaos.faults import Fault, Spec
from tests.suite_runs import Suite

LAUNCHER = Path(__file__).with_name("launcher.py")
_SECONDS = 120
KILLED = -9
INTERRUPTED, FIX_FAILED = 2, 11
KILLS = {Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.KILL_JOURNALLED}
SIGNALS = {Fault.SIGINT, Fault.SIGINT_TWICE, Fault.SIGTERM}
# With these the run has to end as if nothing had happened.
HARMLESS = {Fault.THROTTLED, Fault.EXPIRED_REFRESHED, Fault.OTHERS_BEFORE_READ, Fault.OTHERS_IN_GAP, Fault.OTHERS_AFTER}
# What cannot be put right by resuming: a person continues the rollback first.
FOR_A_PERSON = {Fault.ROLLBACK_FAILS}
_BROKEN_UPDATES = {Fault.LIES, Fault.ROLLS_BACK, Fault.ROLLBACK_FAILS}
# The test event's answer is its proof: without one that can be read, it failed.
_UNHEARD = (Fault.MALFORMED, "test-event")
# After these nothing can be proved any more, also what was done before.
_BLINDING = {Fault.EXPIRED_UNSEEN, Fault.EXPIRED_FOR_GOOD}


@dataclass(frozen=True)
class Case:
    """One or more faults that happen in one run: in a fix, or in the rollback of one."""

    specs: tuple[tuple[Fault, str, str, int], ...]
    undoes: bool = False

    @property
    def fault(self) -> Fault:
        return self.specs[-1][0]

    @property
    def name(self) -> str:
        told = ", then ".join(f"{kind} {operation}{f' #{number}' if number > 1 else ''}: {fault}"
                              for fault, kind, operation, number in self.specs)  # fmt: skip
        return f"rollback: {told}" if self.undoes else told


@dataclass(frozen=True)
class Undisturbed:
    """What there was before, and what a run without a fault makes of it."""

    before: world.World
    after: world.World
    code: int
    journal: list[dict]
    seconds: float
    folder: Path


@dataclass
class Verdict:
    """How a case went; `complaints` is empty if it was survived."""

    case: Case
    fired: int
    code: int
    resumed: int | None
    seconds: float
    complaints: list[str] = field(default_factory=list)

    @property
    def survived(self) -> bool:
        return bool(self.fired) and not self.complaints


@dataclass(frozen=True)
class Ran:
    code: int
    said: str


class Arena:
    """One engine and what it takes to run cases on it, one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.estate = ChaosEstate(directory / "estate")
        self.suite = Suite(self.estate.environment, directory / "cache")
        self._looker = world.Looker(self.estate.endpoint)
        self._number = 0

    @cached_property
    def undisturbed(self) -> Undisturbed:
        """A run without a fault: what the cases are made of and held to. No two seeds are the same to the byte."""
        self.estate.restore()
        before = self.look()
        folder = self.new_folder()
        begun = time.monotonic()
        ran = self.run(folder, (), self.estate.options)
        seconds = time.monotonic() - begun
        journal = evidence.journal_of(run_folder(folder))
        after = self.look()
        found = [*world.harm(before, after), *world.unfinished(after), *evidence.crashes(ran.said)]
        assert not found, "\n".join([*found, ran.said])
        return Undisturbed(before, after, ran.code, journal, seconds, folder)

    def look(self) -> world.World:
        """The estate as an independent reader sees it now."""
        return self._looker.look()

    def stop(self) -> None:
        self.estate.stop()

    def judge(self, case: Case) -> Verdict:
        """Let it happen, resume, and say what does not hold."""
        undisturbed = self.undisturbed
        self.estate.restore()
        folder = self.new_folder()
        begun = time.monotonic()
        specs = specs_of(case, folder)
        first = self.run(folder, specs, self.estate.options)
        fired = min(len(spec.lines) for spec in specs)
        verdict = Verdict(case, fired, first.code, None, 0.0)
        say = verdict.complaints.extend
        say(f"first run: {one}" for one in evidence.crashes(first.said))
        halfway = self.look()
        say(f"halfway: {one}" for one in self._losses(case, undisturbed, halfway))
        run = run_folder(folder)
        settled = not world.differences(world.comparable(undisturbed.after), world.comparable(halfway))
        say(_wrong_code(case, first.code, undisturbed, evidence.journal_of(run), settled=settled))
        if case.fault in SIGNALS:
            say(untold(first, f"--resume={run.name}"))
        again = self.run(folder, (), (f"--resume={run.name}",))
        verdict.resumed = again.code
        say(f"resume: {one}" for one in evidence.crashes(again.said))
        after = self.look()
        say(self._losses(case, undisturbed, after))
        say(world.unfinished(after))
        if case.fault not in FOR_A_PERSON:
            say(world.differences(world.comparable(undisturbed.after), world.comparable(after)))
            if again.code != undisturbed.code:
                say([f"the resume ended with {again.code}, not {undisturbed.code}"])
        say(evidence.broken_chain(run))
        lines = [line for spec in specs for line in spec.lines]
        say(f"journal: {entry['trace']}" for entry in evidence.journal_of(run) if entry["kind"] == "error")
        say(evidence.unaccounted(evidence.journal_of(run), self.estate.requests(), lines))
        say(evidence.leaks(folder, first.said + again.said))
        verdict.seconds = time.monotonic() - begun
        return verdict

    def run(self, folder: Path, specs: Sequence[Spec], options: Sequence[str]) -> Ran:
        """The suite in a process of its own; without faults by its own entry, as its user starts it."""
        program = (
            [str(LAUNCHER), json.dumps([spec.text() for spec in specs])]
            if specs
            else [str(LAUNCHER.parents[2] / "reports" / "command.py")]
        )
        folder.mkdir(parents=True, exist_ok=True)
        said = folder / f"said-{'fault' if specs else 'plain'}-{time.monotonic_ns()}.txt"
        with said.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *program, *options], cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env=self.suite.environment, start_new_session=True,
            )  # fmt: skip
        try:
            code = process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = -99
        return Ran(code, said.read_text("utf-8", "replace"))

    def _losses(self, case: Case, undisturbed: Undisturbed, now: world.World) -> list[str]:
        lost = world.harm(undisturbed.before, now)
        if case.fault in {Fault.ROLLS_BACK, Fault.ROLLBACK_FAILS}:  # the fault itself took packages away
            lost = [one for one in lost if not one.startswith("s3://") or ".zip" not in one]
        return lost

    def new_folder(self) -> Path:
        self._number += 1
        return self.directory / f"case-{self._number:03d}"


def run_folder(folder: Path) -> Path:
    """The folder of the one run that was begun there."""
    found = sorted(folder.joinpath("forwarder-runs").glob("*"))
    assert found, f"no run was begun in {folder}: " + "".join(path.read_text() for path in folder.glob("said-*"))
    return found[0]


def _wrong_code(case: Case, code: int, undisturbed: Undisturbed, journal: list[dict], *, settled: bool) -> list[str]:
    """The exit code as designed: 11 after a write that failed, or may have, and was not put right in the same run."""
    if case.fault in KILLS:
        wanted = {KILLED}
    elif case.fault in SIGNALS:
        wanted = {INTERRUPTED}
    elif case.fault in HARMLESS or settled:
        wanted = {undisturbed.code}
    elif case.fault in _BROKEN_UPDATES or case.specs[-1][:2] == _UNHEARD or _had_written(case, journal):
        wanted = {FIX_FAILED}
    elif case.fault in _BLINDING:
        wanted = {FIX_FAILED, undisturbed.code}  # by what was done before, and cannot be proved any more
    else:
        wanted = {undisturbed.code}
    return [] if code in wanted else [f"it ended with {code}, not {sorted(wanted)}"]


def _had_written(case: Case, journal: list[dict]) -> bool:
    """Whether the step of the failed write had changed something, or may have; locks and change sets do not count."""
    _, kind, operation, _ = case.specs[-1]
    operations = {entry["number"]: entry["call"]["operation"] for entry in journal if entry["kind"] == "intent"}
    failed = {entry["step"] for entry in journal
              if entry["kind"] == "failure" and operations[entry["intent"]] == operation}  # fmt: skip
    return kind != "lock" and any(
        entry["step"] in failed
        and operations[entry["intent"]] not in {"CreateChangeSet", "DeleteChangeSet"}
        and (entry["kind"] == "result" or not entry["refused"])
        for entry in journal
        if entry["kind"] in {"result", "failure"}
    )


def untold(ran: Ran, way_on: str) -> list[str]:
    """Whether the last lines of a run that was stopped say how to go on."""
    last = ran.said.rstrip().splitlines()[-3:]
    return [] if any(way_on in line for line in last) else [f"the last lines do not say how to go on: {last}"]


def specs_of(case: Case, folder: Path) -> list[Spec]:
    """The faults, each with the file in which its happening is noted."""
    return [Spec(fault, kind, operation, number, str(folder / f"mark-{index}.txt"))
            for index, (fault, kind, operation, number) in enumerate(case.specs)]  # fmt: skip
