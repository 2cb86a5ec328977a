"""What a whole run comes to: one exit code and one sentence (design section 9)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from checks.outcome import Status
from fixtures.option_values import DEFAULT_FAIL_ON

HOLDS = 0
FINDINGS = 1
INTERRUPTED = 2
INTERNAL = 3
USAGE = 4
NOTHING_RAN = 5
NOT_SEEN = 10
FIX_FAILED = 11

FINDING = "finding"
UNKNOWN = "unknown"
NO_EVIDENCE = "no-evidence"


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything the verdict is drawn from.

    Attributes:
        pytest_code: the exit status that pytest came to by itself.
        statuses: how many results ended in which status.
        fail_on: the kinds that make the exit code non-zero (`--fail-on`).
        targets: targets asked for; `unreached` of them could not be entered.
        forwarders: forwarders found; None when nothing was looked at.
        afflicted: forwarders with at least one open finding.
        planned: steps that `--fix` would make, None unless this is a `--plan`.
        idle: waivers that accept nothing any more.
        undone: what was asked for beside the findings and was not done.
        unproved: subjects whose fix failed or was stopped after a write.
        undoing: whether it is a rollback; then `unproved` also counts what waits for a person.
        others: tests that are not checks; `other_failures` of them failed.
    """

    pytest_code: int
    statuses: Mapping[Status, int] = field(default_factory=dict)
    fail_on: frozenset[str] = DEFAULT_FAIL_ON
    targets: int = 0
    unreached: int = 0
    forwarders: int | None = None
    afflicted: int = 0
    planned: int | None = None
    idle: int = 0
    undone: int = 0
    unproved: int = 0
    undoing: bool = False
    others: int = 0
    other_failures: int = 0

    def count(self, *statuses: Status) -> int:
        """How many results ended in one of these statuses."""
        return sum(self.statuses.get(status, 0) for status in statuses)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The exit code of a run, and the same in words."""

    code: int
    sentence: str


def verdict(ending: Ending) -> Verdict:
    """The first of design section 9's exit codes that applies, with its sentence."""
    rules: tuple[Callable[[Ending], Verdict | None], ...] = (
        _usage,
        _internal,
        _interrupted,
        _fix_failed,
        _findings,
        _left_undone,
        _would_change,
        _idle,
        _others,
        _nothing_ran,
        _not_seen,
    )
    return next((found for rule in rules if (found := rule(ending))), _holds(ending))


def _usage(ending: Ending) -> Verdict | None:
    if ending.pytest_code != USAGE:
        return None
    return Verdict(USAGE, "Nothing was judged: the command line or a file could not be used.")


def _internal(ending: Ending) -> Verdict | None:
    crashed = ending.count(Status.ERROR)
    if crashed:
        return Verdict(INTERNAL, f"{count(crashed, 'check')} crashed: that is an error of the suite, not a verdict.")
    if ending.pytest_code == INTERNAL:
        return Verdict(INTERNAL, "The run broke down: that is an error of the suite, not a verdict.")
    return None


def _interrupted(ending: Ending) -> Verdict | None:
    if ending.pytest_code != INTERRUPTED:
        return None
    return Verdict(INTERRUPTED, "Interrupted before everything was judged.")


def _fix_failed(ending: Ending) -> Verdict | None:
    if not ending.unproved:
        return None
    subjects = count(ending.unproved, "subject")
    if ending.undoing:
        told = f"The rollback of {subjects} failed, was stopped after something was written, or waits for a person."
    else:
        told = f"The fix of {subjects} failed or was stopped after something was written."
    return Verdict(FIX_FAILED, told)


def _findings(ending: Ending) -> Verdict | None:
    open_ones = ending.count(Status.FAILED, Status.BLOCKED)
    if FINDING not in ending.fail_on or not open_ones:
        return None
    where = f" on {count(ending.afflicted, 'forwarder')}" if ending.afflicted else ""
    blocked = ending.count(Status.BLOCKED)
    aside = [f"{blocked} blocked: a person must act"] if blocked else []
    aside += [f"{ending.count(Status.FIXED)} fixed and proved"] if ending.count(Status.FIXED) else []
    aside += [f"--fix would take {count(ending.planned, 'step')}"] if ending.planned else []
    aside += [_idle_ones(ending.idle)] if ending.idle else []
    verb = "remains" if open_ones == 1 else "remain"
    more = f" ({'; '.join(aside)})" if aside else ""
    return Verdict(FINDINGS, f"{count(open_ones, 'finding')} {verb}{where}{more}.")


def _left_undone(ending: Ending) -> Verdict | None:
    if FINDING not in ending.fail_on or not ending.undone:
        return None
    what = "is not done" if ending.planned is None else "cannot be done"
    return Verdict(FINDINGS, f"Nothing is wrong, but what was asked for {what} on {count(ending.undone, 'target')}.")


def _would_change(ending: Ending) -> Verdict | None:
    if FINDING not in ending.fail_on or not ending.planned:
        return None
    return Verdict(FINDINGS, f"Nothing is wrong, and --fix would still take {count(ending.planned, 'step')}.")


def _idle(ending: Ending) -> Verdict | None:
    if FINDING not in ending.fail_on or not ending.idle:
        return None
    them = "it" if ending.idle == 1 else "them"
    return Verdict(FINDINGS, f"Nothing is open, but {_idle_ones(ending.idle)}: take {them} out.")


def _idle_ones(number: int) -> str:
    return f"{count(number, 'waiver')} no longer {'accepts' if number == 1 else 'accept'} anything"


def _others(ending: Ending) -> Verdict | None:
    known = ending.count(Status.FAILED, Status.BLOCKED)
    failed = ending.other_failures or (1 if ending.pytest_code == FINDINGS and not known else 0)
    return Verdict(FINDINGS, f"{count(failed, 'test')} that no check stands behind failed.") if failed else None


def _nothing_ran(ending: Ending) -> Verdict | None:
    if ending.pytest_code != NOTHING_RAN and (any(ending.statuses.values()) or ending.others):
        return None
    return Verdict(NOTHING_RAN, "Nothing was judged: no check was selected.")


def _not_seen(ending: Ending) -> Verdict | None:
    if ending.forwarders == 0:
        return Verdict(NOT_SEEN, f"No forwarder was found in {count(ending.targets, 'target')}: that proves nothing.")
    gaps = []
    if UNKNOWN in ending.fail_on:
        if ending.unreached:
            were = "was" if ending.unreached == 1 else "were"
            gaps.append(f"{ending.unreached} of {count(ending.targets, 'target')} {were} not reached")
        if ending.count(Status.UNKNOWN):
            gaps.append(f"{count(ending.count(Status.UNKNOWN), 'check')} could not tell")
    if NO_EVIDENCE in ending.fail_on and ending.count(Status.NO_EVIDENCE):
        gaps.append(f"{count(ending.count(Status.NO_EVIDENCE), 'check')} found no evidence")
    return Verdict(NOT_SEEN, f"Nothing was found wrong, but {' and '.join(gaps)}.") if gaps else None


def _holds(ending: Ending) -> Verdict:
    code = ending.pytest_code if ending.pytest_code not in {HOLDS, FINDINGS} else HOLDS
    if code:
        return Verdict(code, f"The run was ended with exit code {code}.")
    tolerated = ending.count(Status.FAILED, Status.BLOCKED)
    if tolerated:
        verb, them = ("stands", "it") if tolerated == 1 else ("stand", "them")
        return Verdict(HOLDS, f"{count(tolerated, 'finding')} {verb}, and --fail-on does not count {them}.")
    where = ""
    if ending.forwarders is not None:
        where = f" for {count(ending.forwarders, 'forwarder')} in {count(ending.targets, 'target')}"
    fixed = ending.count(Status.FIXED)
    waived = ending.count(Status.WAIVED)
    accepted = f"; {count(waived, 'finding')} waived" if waived else ""
    if fixed:
        return Verdict(HOLDS, f"All holds{where}; {count(fixed, 'finding')} fixed and proved{accepted}.")
    quiet = ending.count(Status.NO_EVIDENCE)
    aside = f"; {count(quiet, 'check')} found no evidence either way" if quiet else ""
    unknown = ending.count(Status.UNKNOWN)
    aside += f"; {count(unknown, 'check')} could not tell" if unknown else ""
    return Verdict(HOLDS, f"All holds{where}{aside}{accepted}.")


def count(number: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
