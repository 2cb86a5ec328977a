"""Waiting for CloudFormation and Lambda to finish, and reading back what they did."""

from fixtures.answers import Malformed, items, optional_text
from fixtures.aws import CallFailed
from fixtures.estate import Function, Stack
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.readers.functions import read_function
from fixtures.readers.stacks import read_stack
from remediation.step import Interrupted, StepFailed
from remediation.writer import Writer

_EVENTS_SHOWN = 3
_FAILURES = 10  # reads in a row that may fail, each of them repeated by botocore already
_PASSING = frozenset({Cause.THROTTLED, Cause.FAILED, Cause.MALFORMED})


def wait_for_stack(writer: Writer, name: str, former: Stack | None = None) -> str:
    """Wait until the stack's operation has ended and return its status.

    `former` is the stack before the operation: as long as it is shown unchanged, the operation may not have begun.
    `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS` is not the end: old resources are still being taken away. A read that fails
    for a moment ends nothing: the operation goes on all the same.

    Raises:
        StepFailed: it did not end in time, or cannot be read.
        Interrupted: the run is being stopped; the operation goes on in AWS.
    """
    status = "not seen"
    failures = 0
    for passed in writer.wait(writer.limits.stack):
        found = read_stack(writer.aws, writer.region, name)
        if isinstance(found, Absent):
            raise StepFailed(f"{found} any more")
        if isinstance(found, Unreadable):
            failures += 1
            if failures < _FAILURES and found.cause in _PASSING:
                continue
            raise StepFailed(f"stack {name} was {status}, and cannot be read any more: {found}; it goes on in AWS")
        status, failures = found.status, 0
        begun = former is None or (former.status, former.changed) != (found.status, found.changed)
        if not status.endswith("_IN_PROGRESS") and (begun or passed > writer.limits.begin):
            return status
    if writer.stop.is_set():
        raise Interrupted(f"stack {name} was {status}; the operation goes on in AWS")
    raise StepFailed(f"stack {name} was still {status} after {writer.limits.stack:.0f} s; it goes on in AWS")


def has_moved(writer: Writer, name: str, former: Stack | None) -> bool:
    """Whether an operation on the stack was begun since `former` was seen; False where that is not known."""
    if former is None:
        return False
    for _ in writer.wait(writer.limits.begin):
        found = read_stack(writer.aws, writer.region, name)
        if isinstance(found, Stack) and (found.status, found.changed) != (former.status, former.changed):
            return True
    return False


def why_stack_failed(writer: Writer, name: str) -> str:
    """The first reasons of the stack's last operation, for people; empty when it gives none.

    Events come newest first. What failed first is why; what was cancelled for its sake says nothing.
    """
    try:
        answer = writer.read("cloudformation", "DescribeStackEvents", StackName=name)
        events = items(answer, "StackEvents", required=True)
    except (CallFailed, Malformed) as failure:
        return f"(its events cannot be read: {failure})"
    reasons = []
    for event in events:
        state = optional_text(event, "ResourceStatus") or ""
        own = optional_text(event, "PhysicalResourceId") == optional_text(event, "StackId")
        if own and state in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}:
            break  # where the operation began
        reason = optional_text(event, "ResourceStatusReason") or ""
        if state.endswith("FAILED") and "cancelled" not in reason:
            reasons.append(f"{optional_text(event, 'LogicalResourceId')}: {reason or state}")
    return "; ".join(dict.fromkeys(reversed(reasons[-_EVENTS_SHOWN:])))


def wait_for_function(writer: Writer, name: str) -> Function:
    """Wait until the function's last update has ended, and return the function.

    Raises:
        StepFailed: it is gone, it cannot be read, or the update did not end in time.
        Interrupted: the run is being stopped.
    """
    found: Function | Absent | Unreadable = Absent(f"function {name}")
    for _ in writer.wait(writer.limits.function):
        found = read_function(writer.aws, writer.region, name)
        if isinstance(found, Absent):
            raise StepFailed(str(found))
        if isinstance(found, Function) and found.state != "Pending" and found.last_update != "InProgress":
            return found
    if writer.stop.is_set():
        raise Interrupted(f"function {name} is being updated")
    state = f"state {found.state}, last update {found.last_update}" if isinstance(found, Function) else str(found)
    raise StepFailed(f"function {name} did not become ready in time: {state}")
