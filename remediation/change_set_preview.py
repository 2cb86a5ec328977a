"""The real change sets of a plan: made, read, deleted again, all targets at once. Nothing is executed."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from fixtures.errors import SuiteError
from fixtures.estate import Target
from remediation.engine import side_by_side
from remediation.plan import Plan, TargetPlan
from remediation.step import Step
from remediation.steps.artifact import PutArtifacts
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack
from remediation.writer import Writer

_UPDATES = UpdateForwarderStack | UpdateSharedStack
_TOO_EARLY = "change set: none yet, since {missing} is still to be made; the prediction stands"


def with_change_sets(plan: Plan, writer_for: Callable[[Target], Writer], stop: threading.Event) -> Plan:
    """The plan whose updates say what CloudFormation would change; one that could not be made says why.

    A target whose shared stack, or whose template's object, is still to be made keeps its prediction: a change set
    could not be made there, or would say less.
    """
    found = side_by_side(lambda lane: _lane(lane, writer_for, stop), plan.targets, stop)
    return replace(plan, targets=tuple(found))


def _lane(plan: TargetPlan, writer_for: Callable[[Target], Writer], stop: threading.Event) -> TargetPlan:
    if not any(isinstance(step, _UPDATES) for step in plan.steps):
        return plan
    return replace(plan, steps=tuple(_steps(plan, writer_for(plan.target), stop)))


def _steps(plan: TargetPlan, writer: Writer, stop: threading.Event) -> Iterator[Step]:
    for step in plan.steps:
        if not isinstance(step, _UPDATES) or stop.is_set():
            yield step
            continue
        told = _told(step, plan, writer)
        yield replace(step, update=replace(step.update, told=told))


def _told(step: _UPDATES, plan: TargetPlan, writer: Writer) -> tuple[str, ...]:
    if any(isinstance(other, CreateSharedStack) for other in plan.steps):
        return (_TOO_EARLY.format(missing="the shared stack"),)
    if step.update.template.url and any(isinstance(other, PutArtifacts) for other in plan.steps):
        return (_TOO_EARLY.format(missing="the template's object"),)
    try:
        return step.update.preview(writer, step.name)
    except SuiteError as refusal:
        return (f"change set: could not be shown: {refusal}",)
