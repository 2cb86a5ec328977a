"""Why what a ring wrote is not proved. Pure: the next ring is begun only if there is no reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Estate
from remediation.engine import Outcome, State
from remediation.proof import FlowProof


@dataclass(frozen=True, slots=True)
class Recheck:
    """What the checks say after a ring.

    Attributes:
        results: of all that were selected.
        broken: what held before and does not any more.
        made: findings on what was made, of which nothing could be asked before.
    """

    results: tuple[Result, ...]
    broken: tuple[Result, ...]
    made: tuple[Result, ...] = ()


def why_unproved(outcome: Outcome, proofs: Iterable[FlowProof], recheck: Recheck, estate: Estate) -> str:
    """A failed step, a missing log line, or what the checks say against it; empty if there is none."""
    for failed in outcome.of(State.FAILED):
        return f"{failed.step.title}: {failed.told}"
    for proof in proofs:
        if proof.holds is False:
            return f"{proof.forwarder}: {proof.told}"
    return next(against(outcome, recheck, estate), "")


def against(outcome: Outcome, recheck: Recheck, estate: Estate) -> Iterator[str]:
    """Findings that stay although their fix was done, and what held before something was written there."""
    done = {
        (str(o.step.target), name, type(o.step).FIX)
        for o in outcome.of(State.DONE)
        if not o.step.prepares
        for name in o.step.forwarders
    }
    for result in recheck.results:
        if result.status is Status.FAILED and (_target(result), result.forwarder, result.fix) in done:
            yield f"{result.subject} still fails {result.check}: {result.found}"
    touched = set(_touched(outcome, estate))
    for result in recheck.broken:
        if (_target(result), result.name) in touched:
            yield f"{result.subject} held {result.check} before, and now: {result.found}"
    for result in recheck.made:
        # what a vendor's template lacks, and no fix mends, speaks against nobody's fix
        if (_target(result), result.name) in touched and (result.fix or result.severity is Severity.CRITICAL):
            yield f"{result.subject} was made, and fails {result.check}: {result.found}"


def _touched(outcome: Outcome, estate: Estate) -> Iterator[tuple[str, str]]:
    """Target and name of whatever was written to: forwarders with their buckets, the target itself (no name)."""
    for done in outcome.steps:
        if done.state not in {State.DONE, State.FAILED} or done.step.prepares:
            continue
        target = done.step.target
        names = {*done.step.forwarders, *done.step.clears}
        names |= {f.bucket_name or f.name for f in estate.seen(target).forwarders if f.name in names}
        yield from ((str(target), name) for name in names)


def _target(result: Result) -> str:
    return f"{result.account}/{result.region}"
