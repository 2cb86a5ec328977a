"""Settles what a killed run left in flight, by what AWS now shows: the first thing that `--resume` does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fixtures.answers import Answer, as_answer, items, optional_text, text
from fixtures.aws import CallFailed
from fixtures.errors import SuiteError
from fixtures.estate import Target
from remediation.call import Call
from remediation.journal import Entry
from remediation.stack_waits import wait_for_stack
from remediation.writer import Writer

ACTIONS = ("cloudformation:DescribeStacks", "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet")
_ENDS = frozenset({"result", "failure"})
_BEGIN = frozenset({"ExecuteChangeSet", "CreateStack"})


@dataclass(frozen=True, slots=True)
class Dangling:
    """A write that was intended and of which the journal does not know whether it was carried out."""

    number: int
    target: Target
    step: str
    operation: str
    parameters: Mapping[str, object]


def dangling(entries: Iterable[Entry]) -> tuple[Dangling, ...]:
    """The intents without an answer, or with one that leaves open whether the call was carried out."""
    known: set[int] = set()
    intents: dict[int, Dangling] = {}
    for entry in entries:
        if entry.kind == "intent":
            intents[entry.number] = intent_of(entry)
        elif entry.kind == "reconciled" or (entry.kind in _ENDS and entry.content.get("refused") is not False):
            known.add(int(str(entry.content.get("intent"))))
    return tuple(intent for number, intent in intents.items() if number not in known)


def unproved_updates(entries: Iterable[Entry]) -> tuple[Dangling, ...]:
    """Stack operations that were begun and not seen to end: AWS may be at them still, also where it answered."""
    begun: dict[str, Dangling] = {}
    for entry in entries:
        if entry.kind == "intent" and (found := intent_of(entry)).operation in _BEGIN:
            begun[found.step] = found
        elif entry.kind == "verified":
            begun.pop(text(entry.content, "step"), None)
    return tuple(begun.values())


def left_change_sets(entries: Sequence[Entry]) -> tuple[Dangling, ...]:
    """Change sets of the run that were, or may have been, made, and neither executed nor deleted."""
    made: dict[tuple[Target, object], Dangling] = {}
    ended: set[tuple[Target, object]] = set()
    done = _answered(entries)
    for entry in entries:
        if entry.kind != "intent":
            continue
        found = intent_of(entry)
        key = (found.target, found.parameters.get("StackName"))
        if found.operation == "CreateChangeSet":
            made[key] = found
            ended.discard(key)
        elif found.operation in {"ExecuteChangeSet", "DeleteChangeSet"} and entry.number in done:
            ended.add(key)
    return tuple(found for key, found in made.items() if key not in ended)


def left_locks(entries: Sequence[Entry]) -> Mapping[Target, str]:
    """The bucket of each target's lock that the run took, or may have, and did not give back."""
    held: dict[Target, str] = {}
    done = _answered(entries)
    for entry in entries:
        if entry.kind != "intent":
            continue
        found = intent_of(entry)
        if found.step.startswith("lock ") and found.operation == "PutObject":
            held[found.target] = str(found.parameters.get("Bucket"))
        elif found.step.startswith("lock ") and entry.number in done:
            held.pop(found.target, None)
    return held


def settle(
    entries: Sequence[Entry],
    writer_for: Callable[[Target], Writer],
    *,
    of_run: str = "",
    against: Mapping[tuple[Target, str], str] = MappingProxyType({}),
) -> frozenset[Target]:
    """Wait for what goes on in AWS, take change sets back that nobody will execute, and record what was found.

    The rest needs no settling: steps read before they write, so that what was carried out is seen and not repeated.

    Args:
        entries: the journal of the run that was stopped.
        writer_for: access to a target.
        of_run: that run, where another one's journal is written: its lines have numbers of their own.
        against: the stacks whose change sets may not be taken back, each with the reason.

    Returns:
        The targets in which something was in flight.
    """
    targets: set[Target] = set()
    for found in dangling(entries):
        writer = writer_for(found.target)
        targets.add(found.target)
        told = _outcome(writer, found)
        if of_run:
            writer.journal.write("settled", run=of_run, line=found.number, step=found.step, found=told)
        else:
            writer.journal.write("reconciled", intent=found.number, step=found.step, found=told)
    open_ones = {found.number for found in dangling(entries)}
    for found in unproved_updates(entries):
        if found.number not in open_ones:
            targets.add(found.target)
            _outcome(writer_for(found.target), found)
    for found in left_change_sets(entries):
        targets.add(found.target)
        _take_back(writer_for(found.target), found, against.get((found.target, stack_of(found)), ""))
    return frozenset(targets)


def stack_of(found: Dangling) -> str:
    """The stack that a call of CloudFormation names."""
    return str(found.parameters.get("StackName"))


def intent_of(entry: Entry) -> Dangling:
    """An intent's line, taken apart."""
    call = as_answer(entry.content.get("call"), "call")
    return Dangling(
        entry.number,
        Target(text(entry.content, "account"), text(entry.content, "region")),
        text(entry.content, "step"),
        text(call, "operation"),
        as_answer(call.get("parameters"), "parameters"),
    )


def _answered(entries: Iterable[Entry]) -> frozenset[int]:
    """The numbers of the intents that AWS said it carried out."""
    return frozenset(int(str(entry.content.get("intent"))) for entry in entries if entry.kind == "result")


def _outcome(writer: Writer, found: Dangling) -> str:
    """What AWS shows of a write that may have been carried out."""
    if found.operation not in _BEGIN:
        return "left to the next look: steps read before they write"
    try:
        return f"the stack is {wait_for_stack(writer, stack_of(found))}"
    except (CallFailed, SuiteError) as failure:
        return f"the stack could not be seen: {failure}"


def _take_back(writer: Writer, found: Dangling, against: str) -> None:
    stack, name = stack_of(found), str(found.parameters.get("ChangeSetName"))
    if against:
        writer.say(f"the change set {name} of {stack} is left: {against}")
        return
    try:
        shown = writer.read("cloudformation", "DescribeChangeSet", StackName=stack, ChangeSetName=name)
    except CallFailed:
        return  # it was never made, or somebody took it back
    if _is_executed(writer, stack, shown):
        return
    call = Call(
        "cloudformation",
        "DeleteChangeSet",
        {"StackName": stack, "ChangeSetName": name},
        "take back a change set of the run that was stopped",
    )
    try:
        writer.write(found.step, call, lasting=False)
    except CallFailed as failure:
        writer.say(f"the change set {name} of {stack} could not be deleted: {failure}")


def _is_executed(writer: Writer, stack: str, change_set: Answer) -> bool:
    executed = optional_text(change_set, "ExecutionStatus") or ""
    if executed.startswith("EXECUTE_"):
        return True
    answer = writer.read("cloudformation", "DescribeStacks", StackName=stack)
    status = text(items(answer, "Stacks", required=True)[0], "StackStatus")
    return status.endswith("_IN_PROGRESS")
