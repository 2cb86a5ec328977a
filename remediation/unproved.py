"""Why what a ring wrote is not proved. Pure: the next ring is begun only if there is no reason."""

from collections.abc import Iterable

from checks.outcome import Status
from checks.result import Result
from remediation.engine import Outcome, State
from remediation.proof import FlowProof


def why_unproved(outcome: Outcome, proofs: Iterable[FlowProof], results: Iterable[Result]) -> str:
    """A failed step, a missing log line, or a finding that stays although its fix was done; empty if there is none."""
    for failed in outcome.of(State.FAILED):
        return f"{failed.step.title}: {failed.told}"
    for proof in proofs:
        if proof.holds is False:
            return f"{proof.forwarder}: {proof.told}"
    done = {
        (str(o.step.target), name, type(o.step).FIX)
        for o in outcome.of(State.DONE)
        if not o.step.prepares
        for name in o.step.forwarders
    }
    for result in results:
        target = f"{result.account}/{result.region}"
        if result.status is Status.FAILED and (target, result.forwarder, result.fix) in done:
            return f"{result.subject} still fails {result.check}: {result.found}"
    return ""
