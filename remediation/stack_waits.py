"""Waiting for CloudFormation and Lambda to finish, and reading back what they did."""

from fixtures.answers import items, optional_text, text
from fixtures.aws import CallFailed
from fixtures.estate import Function
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.readers.functions import read_function
from remediation.step import Interrupted, StepFailed
from remediation.writer import Writer

_EVENTS_SHOWN = 3


def wait_for_stack(writer: Writer, name: str) -> str:
    """Wait until the stack's operation has ended and return its status.

    `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS` is not the end: old resources are still being taken away.

    Raises:
        StepFailed: it did not end in time.
        Interrupted: the run is being stopped; the operation goes on in AWS.
    """
    status = ""
    for _ in writer.wait(writer.limits.stack):
        try:
            answer = writer.read("cloudformation", "DescribeStacks", StackName=name)
        except CallFailed as failure:
            if failure.cause is Cause.THROTTLED:
                continue
            raise
        status = text(items(answer, "Stacks", required=True)[0], "StackStatus")
        if not status.endswith("_IN_PROGRESS"):
            return status
    if writer.stop.is_set():
        raise Interrupted(f"stack {name} was {status}; the operation goes on in AWS")
    raise StepFailed(f"stack {name} was still {status} after {writer.limits.stack:.0f} s; it goes on in AWS")


def why_stack_failed(writer: Writer, name: str) -> str:
    """The first reasons that the stack's latest events give, for people; empty when they cannot be read."""
    try:
        answer = writer.read("cloudformation", "DescribeStackEvents", StackName=name)
        events = items(answer, "StackEvents", required=True)
    except CallFailed as failure:
        return f"(its events cannot be read: {failure})"
    reasons = [
        f"{optional_text(event, 'LogicalResourceId')}: {optional_text(event, 'ResourceStatusReason')}"
        for event in events
        if (optional_text(event, "ResourceStatus") or "").endswith("FAILED")
    ]
    return "; ".join(reasons[:_EVENTS_SHOWN])


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
