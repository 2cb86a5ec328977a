"""Waits for evidence that logs flow after a fix: the upload line, in a request that went well, since the update."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fixtures.estate import Estate, Forwarder, Function, LogFlow, Target
from fixtures.fact import Absent, Unreadable, value
from fixtures.readers.functions import read_function
from fixtures.readers.logs import read_flow
from remediation.engine import Outcome, State, side_by_side
from remediation.steps.event import SendTestEvent
from remediation.steps.shared_stack import UpdateSharedStack
from remediation.steps.trigger import MergeNotification
from remediation.writer import Writer

ACTIONS = ("lambda:GetFunction", "logs:FilterLogEvents")
# Calls to expect while a proof is waited for: from the first number on, waiting is worth it; from the second on,
# silence speaks against the fix (of forwarders that are called at random, one in 150 would be silent all the same).
_WORTH_WAITING: Final = 2.0
_SURE: Final = 5.0
_BESIDE_THE_FUNCTION: Final = (MergeNotification, UpdateSharedStack)


@dataclass(frozen=True, slots=True)
class FlowProof:
    """Whether a forwarder is seen to forward.

    `holds` is None where there is no evidence: it is called too seldom, or the run was stopped. `flow` is what the log
    said, where it could be read.
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
    """Whether the forwarder was called lately, so that there may be evidence after a fix."""
    return _calls(forwarder) > 0


def expected_calls(forwarder: Forwarder, taken: datetime, seconds: float) -> float:
    """How many calls to expect in so many seconds, by how often it was called before the fix; `taken`: when that was.

    A lower bound: a search in a long log ends early, and where the log could not be read, all of the time since the
    last update counts.
    """
    flow, function = value(forwarder.flow), value(forwarder.listed)
    if flow:
        seen = (flow.until - flow.since).total_seconds()
    elif function and function.last_modified:
        seen = (taken - function.last_modified).total_seconds()
    else:
        return 0.0
    return _calls(forwarder) / max(seen, 1.0) * seconds


def _calls(forwarder: Forwarder) -> float:
    flow, metrics = value(forwarder.flow), value(forwarder.metrics)
    return max(flow.requests if flow else 0.0, (metrics and metrics.invocations) or 0.0)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed in one target: forwarders by name, and which of them were sent a test event.

    `since`: from when on a log line of a forwarder proves what was done without an update of its function, which says
    itself when it was.
    """

    target: Target
    forwarders: frozenset[str]
    tested: frozenset[str]
    since: Mapping[str, datetime] = field(default_factory=dict)


def changed_by(outcome: Outcome) -> tuple[Changed, ...]:
    """The forwarders to which something was done, by target."""
    names: dict[Target, set[str]] = {}
    tested: dict[Target, set[str]] = {}
    since: dict[Target, dict[str, datetime]] = {}
    for done in outcome.of(State.DONE):
        if done.step.prepares:
            continue  # what it is for may have been refused: such a forwarder is as it was
        names.setdefault(done.step.target, set()).update(done.step.forwarders)
        if isinstance(done.step, SendTestEvent):
            tested.setdefault(done.step.target, set()).update(done.step.forwarders)
        if isinstance(done.step, _BESIDE_THE_FUNCTION) and done.ended:
            since.setdefault(done.step.target, {}).update(dict.fromkeys(done.step.forwarders, done.ended))
    return tuple(
        Changed(target, frozenset(found), frozenset(tested.get(target, ())), since.get(target, {}))
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

    Forwarders that are called seldom are looked at once, unless they are being called now: waiting would prove
    nothing. Those that were sent a test event have to have a line.
    """
    lanes = {
        forwarder.name: _Lane(
            changed.target,
            forwarder,
            expected_calls(forwarder, before.taken, writer.limits.proof),
            forwarder.name in changed.tested,
            changed.since.get(forwarder.name),
        )
        for forwarder in before.seen(changed.target).forwarders
        if forwarder.name in changed.forwarders
    }
    open_ones = dict(lanes)
    looks: dict[str, _Look] = {}
    for _ in writer.wait(writer.limits.proof, first=1.0, longest=15.0):
        for name, lane in tuple(open_ones.items()):
            looks[name] = lane.look(writer)
            if looks[name].proof.holds or not lane.is_worth_waiting(looks[name]):
                del open_ones[name]
        if not open_ones:
            break
    proofs = {name: look.proof for name, look in looks.items()}
    proofs |= {name: lane.unseen(writer, looks[name]) for name, lane in open_ones.items()}
    return tuple(proofs[name] for name in sorted(proofs))


@dataclass(frozen=True, slots=True)
class _Look:
    """One look into a log: what it proves, and how many calls it tells of since when; None where it was not read."""

    proof: FlowProof
    calls: int | None = None
    group: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Lane:
    """One changed forwarder: how many calls to expect while it is waited for, and whether it was sent one."""

    target: Target
    forwarder: Forwarder
    expected: float
    tested: bool
    since: datetime | None = None

    def is_worth_waiting(self, look: _Look) -> bool:
        """Whether evidence may come: it is called often enough, or is being called."""
        return self.tested or bool(look.calls) or self.expected >= _WORTH_WAITING

    def look(self, writer: Writer) -> _Look:
        """What its log says since the update, or since what was done beside it."""
        row = value(self.forwarder.listed)
        function = read_function(writer.aws, writer.region, row.name) if row else self.forwarder.listed
        if not isinstance(function, Function):
            return _Look(self._proof(f"its function cannot be read: {function}"))
        now = datetime.now(UTC) + timedelta(seconds=1)
        since = function.last_modified or now - timedelta(minutes=5)
        if self.since:  # a test event is sent later still
            since = max(since, self.since)
        group = function.log_group
        flow = read_flow(writer.aws, writer.region, group, since, max(now, since + timedelta(seconds=1)))
        match flow:
            case LogFlow() if flow.proved:
                told = f"it uploads: last at {flow.last_proved:%H:%M:%S} UTC"
                return _Look(self._proof(told, flow, holds=True), flow.requests, group, since)
            case LogFlow():
                last = f"its last error is: {flow.errors[-1]}" if flow.errors else ""
                told = last or f"{flow.requests} requests, none with the upload line"
                return _Look(self._proof(told, flow), flow.requests, group, since)
            case Absent():
                return _Look(self._proof(str(flow)), 0, group, since)
            case Unreadable():
                return _Look(self._proof(str(flow)))

    def unseen(self, writer: Writer, last: _Look) -> FlowProof:
        """What it means that no proof came while it was waited for."""
        proof = last.proof
        if writer.stop.is_set():
            return replace(proof, told=f"the run was stopped before it was seen to forward: {proof.told}")
        if self.tested:
            return replace(proof, holds=False, told=f"it was sent a test event, and now: {proof.told}")
        if last.calls == 0 and (self.expected < _SURE or self._was_idle(writer, last)):
            return replace(proof, told=f"it was not called; so rarely is it that this tells nothing ({proof.told})")
        return replace(proof, holds=False, told=f"it was called before the fix, and now: {proof.told}")

    def _was_idle(self, writer: Writer, last: _Look) -> bool:
        """Whether it was as good as not called for as long right before the update: its calls come in bursts."""
        if last.since is None:
            return False
        earlier = last.since - timedelta(seconds=writer.limits.proof)
        flow = read_flow(writer.aws, writer.region, last.group, earlier, last.since)
        return isinstance(flow, LogFlow) and flow.requests < _WORTH_WAITING

    def _proof(self, told: str, flow: LogFlow | None = None, *, holds: bool | None = None) -> FlowProof:
        return FlowProof(self.target, self.forwarder.name, holds, told, flow)
