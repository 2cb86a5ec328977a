"""Cases of a rollback: a fix that nobody disturbed is undone with a fault, and what is left of that undone again."""

import shutil
import time
from functools import cached_property
from pathlib import Path

from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN
from tests.chaos import evidence, world
from tests.chaos.case import (
    FIX_FAILED,
    INTERRUPTED,
    KILLED,
    KILLS,
    SIGNALS,
    Arena,
    Case,
    Undisturbed,
    Verdict,
    specs_of,
    untold,
)

FIXED = "fixed"


class WholeArena(Arena):
    """Runs cases of a fix, and cases of the rollback of one."""

    @cached_property
    def undisturbed(self) -> Undisturbed:
        found = super().undisturbed
        self.estate.keep(FIXED)
        return found

    @cached_property
    def undone(self) -> Undisturbed:
        """A rollback without a fault: what is compared with."""
        folder = self._fixed()
        before, begun = self.look(), time.monotonic()
        ran = self.run(folder, (), self._way_back(folder))
        seconds, after = time.monotonic() - begun, self.look()
        found = [*world.harm(self.undisturbed.before, after), *world.unfinished(after), *evidence.crashes(ran.said)]
        assert not found, "\n".join([*found, ran.said])
        (run,) = rollbacks_in(folder)
        return Undisturbed(before, after, ran.code, evidence.journal_of(run), seconds, folder)

    def judge(self, case: Case) -> Verdict:
        """Let it happen, go on, and say what does not hold."""
        if not case.undoes:
            return super().judge(case)
        undone, original = self.undone, self.undisturbed.before
        folder = self._fixed()
        begun = time.monotonic()
        specs, options = specs_of(case, folder), self._way_back(folder)
        first = self.run(folder, specs, options)
        verdict = Verdict(case, min(len(spec.lines) for spec in specs), first.code, None, 0.0)
        say = verdict.complaints.extend
        say(f"first run: {one}" for one in evidence.crashes(first.said))
        say(f"halfway: {one}" for one in world.harm(original, self.look()))
        say(_wrong_code(case, first.code, undone.code))
        if case.fault in SIGNALS:
            say(untold(first, options[0]))
        again = self.run(folder, (), options)
        verdict.resumed = again.code
        say(f"again: {one}" for one in evidence.crashes(again.said))
        after = self.look()
        say(world.harm(original, after))
        say(world.unfinished(after))
        say(world.differences(world.comparable(undone.after), world.comparable(after)))
        if again.code != undone.code:
            say([f"the second rollback ended with {again.code}, not {undone.code}"])
        journals = [run for run in rollbacks_in(folder) if (run / "journal.jsonl").exists()]
        say(one for run in journals for one in evidence.broken_chain(run))
        entries = evidence.joined(map(evidence.journal_of, journals))
        say(f"journal: {entry['trace']}" for entry in entries if entry["kind"] == "error")
        lines = [line for spec in specs for line in spec.lines]
        say(evidence.unaccounted(entries, self.estate.requests(), lines))
        say(evidence.leaks(folder, first.said + again.said))
        verdict.seconds = time.monotonic() - begun
        return verdict

    def _fixed(self) -> Path:
        """A user's folder with the fix in it that nobody disturbed; AWS is as that fix left it."""
        undisturbed = self.undisturbed
        self.estate.restore(FIXED)
        folder = self.new_folder()
        shutil.copytree(undisturbed.folder / "forwarder-runs", folder / "forwarder-runs")
        return folder

    def _way_back(self, folder: Path) -> tuple[str, ...]:
        """With the values that AWS hides, in a file beside all cases: it holds a secret."""
        values = self.directory / "values.toml"
        values.write_text(f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{CANARY_LEGACY_TOKEN}" }}\n', "utf-8")
        run = min(path.name for path in folder.joinpath("forwarder-runs").iterdir())
        return f"--rollback={run}", f"--rollback-parameters={values}"


def rollbacks_in(folder: Path) -> list[Path]:
    """The folders of the runs that came after the fix."""
    return sorted(folder.joinpath("forwarder-runs").iterdir())[1:]


def _wrong_code(case: Case, code: int, undone: int) -> list[str]:
    wanted = {KILLED} if case.fault in KILLS else {INTERRUPTED} if case.fault in SIGNALS else {undone, FIX_FAILED}
    return [] if code in wanted else [f"it ended with {code}, not {sorted(wanted)}"]
