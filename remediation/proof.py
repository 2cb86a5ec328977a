"""Waits for evidence that logs flow after a fix: the upload line, in a request that went well, since the update."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fixtures.estate import Estate, Forwarder, Function, LogFlow, Target
from fixtures.fact import Absent, Unreadable, value
from fixtures.readers.functions import read_function
from fixtures.readers.logs import read_flow
from remediation.engine import Outcome, State, side_by_side
from remediation.steps.event import SendTestEvent
from remediation.writer import Writer

ACTIONS = ("lambda:GetFunction", "logs:FilterLogEvents")


@dataclass(frozen=True, slots=True)
class FlowProof:
    """Whether a forwarder is seen to forward.

    `holds` is None where there can be no evidence: nothing was forwarded before either. `flow` is what the log said,
    where it could be read.
    """

    target: Target
    forwarder: str
    holds: bool | None
    told: str
    flow: LogFlow | None = field(default=None, compare=False)

    def facts(self) -> Mapping[str, object]:
        """The proof for the journal: the request that proves it, and its line in the log, where there is one."""
        known = self.flow if self.holds else None
        return {
            "account": self.target.account,
            "region": self.target.region,
            "forwarder": self.forwarder,
            "holds": self.holds,
            "told": self.told,
            "group": self.flow.group if self.flow else None,
            "at": known.last_proved.isoformat(timespec="milliseconds") if known and known.last_proved else None,
            "request": known.last_request if known else None,
            "line": known.last_line if known else None,
        }


def had_traffic(forwarder: Forwarder) -> bool:
    """Whether the forwarder was called lately, so that evidence is to be expected after a fix."""
    flow, metrics = value(forwarder.flow), value(forwarder.metrics)
    return bool(flow and flow.requests) or bool(metrics and metrics.invocations)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed in one target: forwarders by name, and which of them were sent a test event."""

    target: Target
    forwarders: frozenset[str]
    tested: frozenset[str]


def changed_by(outcome: Outcome) -> tuple[Changed, ...]:
    """The forwarders to which something was done, by target."""
    names: dict[Target, set[str]] = {}
    tested: dict[Target, set[str]] = {}
    for done in outcome.of(State.DONE):
        if done.step.prepares:
            continue  # what it is for may have been refused: such a forwarder is as it was
        names.setdefault(done.step.target, set()).update(done.step.forwarders)
        if isinstance(done.step, SendTestEvent):
            tested.setdefault(done.step.target, set()).update(done.step.forwarders)
    return tuple(
        Changed(target, frozenset(found), frozenset(tested.get(target, ())))
        for target, found in sorted(names.items())
        if found
    )


def prove_all(
    changed: Sequence[Changed], writer_for: Callable[[Target], Writer], before: Estate, stop: threading.Event
) -> tuple[FlowProof, ...]:
    """Prove every changed forwarder, all targets at once."""
    proofs = side_by_side(lambda lane: prove_flows(writer_for(lane.target), lane, before), changed, stop)
    return tuple(proof for lane in proofs for proof in lane)


def prove_flows(writer: Writer, changed: Changed, before: Estate) -> tuple[FlowProof, ...]:
    """Look at the logs of one target's changed forwarders until each has proved itself or the time is up.

    Forwarders that were quiet before are looked at once: waiting for them would prove nothing. Those that were sent a
    test event have to have a line.
    """
    target = changed.target
    open_ones = {f.name: f for f in before.seen(target).forwarders if f.name in changed.forwarders}
    proofs: dict[str, FlowProof] = {}
    for _ in writer.wait(writer.limits.proof, first=1.0, longest=15.0):
        for name, forwarder in list(open_ones.items()):
            proofs[name] = _look(writer, target, forwarder)
            if proofs[name].holds or not (had_traffic(forwarder) or name in changed.tested):
                del open_ones[name]
        if not open_ones:
            break
    for name in open_ones:
        told = f"it was called before the fix, and now: {proofs[name].told}"
        proofs[name] = replace(proofs[name], holds=False, told=told)
    return tuple(proofs[name] for name in sorted(proofs))


def _look(writer: Writer, target: Target, forwarder: Forwarder) -> FlowProof:
    row = value(forwarder.listed)
    function = read_function(writer.aws, writer.region, row.name) if row else forwarder.listed
    if not isinstance(function, Function):
        return FlowProof(target, forwarder.name, None, f"its function cannot be read: {function}")
    now = datetime.now(UTC) + timedelta(seconds=1)
    since = function.last_modified or now - timedelta(minutes=5)
    flow = read_flow(writer.aws, writer.region, function.log_group, since, max(now, since + timedelta(seconds=1)))
    match flow:
        case LogFlow() if flow.proved:
            return FlowProof(
                target, forwarder.name, holds=True, told=f"it uploads: last at {flow.last_proved:%H:%M:%S} UTC",
                flow=flow,
            )  # fmt: skip
        case LogFlow() if flow.errors:
            return FlowProof(target, forwarder.name, None, f"its last error is: {flow.errors[-1]}", flow)
        case LogFlow():
            return FlowProof(target, forwarder.name, None, f"{flow.requests} requests, none with the upload line", flow)
        case Absent() | Unreadable():
            return FlowProof(target, forwarder.name, None, str(flow))
