"""Whether a change set may be executed: only what was predicted, nothing that loses a resource, nothing unsaid.

The gate is closed unless every change says all that must be known and lies within the prediction. It cannot be opened
for a Remove or a replacement of what a bucket's rule points at or what cannot be made again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remediation.change_set import ChangeDetail, ChangeSetView, ResourceChange, read_change_set
from remediation.prediction import PredictedChange
from remediation.replacement_rules import CREATE_ONLY, HARMLESS, NEVER_LOST
from remediation.shape import Shape, shape_of

__all__ = ["ChangeSetView", "GateVerdict", "judge", "read_change_set", "shape_of"]

_FUNCTION: Final = "AWS::Lambda::Function"
_LOSS: Final = (
    "its ARN changes or it is gone, rules that point at it dangle, and it may not be possible to make it again"
)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate says about one change set.

    Attributes:
        open: whether it may be executed.
        empty: there is nothing to execute; template and parameters are as asked for. Never open.
        reasons: why it is closed, each for a person to act on; empty when open.
        shape: what kind of update this is.
        to_accept: whether it would open if `shape.id` were accepted.
    """

    open: bool
    empty: bool
    reasons: tuple[str, ...]
    shape: Shape
    to_accept: bool = False


def judge(
    change_set: ChangeSetView,
    prediction: Sequence[PredictedChange],
    *,
    accepted_shapes: frozenset[str],
    on_aws: bool,
    outputs: Sequence[str] = (),
) -> GateVerdict:
    """Judge a described change set.

    Args:
        change_set: all pages of it, described with `IncludePropertyValues=True` where the engine knows that.
        prediction: what the two templates and the parameters say.
        accepted_shapes: shape ids that a person accepted; they never open a hard stop.
        on_aws: whether AWS itself described it. Its static evaluation is then believed against ours: only equal
            before and after values settle that a name stays. An emulator compares expressions, and its word that
            `FunctionName` changes is checked against the evaluated names.
        outputs: the outputs that change, by the two templates. Where nothing else does for certain, a change set that
            lists nothing and can be executed is what has to be expected.
    """
    shape = shape_of(change_set.changes)
    expected = {change.logical_id: change for change in prediction}
    if change_set.empty:
        missing = [str(change) for change in prediction if change.certain and change.resource_type == _FUNCTION]
        reasons = tuple(
            f"CloudFormation says there is nothing to change, but the templates say: {line}; compare the stack's "
            "template and parameters with the release's by hand"
            for line in missing
        )
        return GateVerdict(open=False, empty=not reasons, reasons=reasons, shape=shape)
    only_outputs = bool(outputs) and not any(change.certain for change in prediction)
    stops = [*_whole(change_set, expected, may_list_nothing=only_outputs)]
    to_accept = []
    for change in change_set.changes:
        found = [*_judge_change(change, expected.get(change.logical_id or ""), on_aws=on_aws)]
        stops += [reason for reason, acceptable in found if not acceptable]
        to_accept += [reason for reason, acceptable in found if acceptable]
    if stops:
        return GateVerdict(open=False, empty=False, reasons=(*stops, *to_accept), shape=shape)
    if to_accept and shape.id not in accepted_shapes:
        how = f"look at it, then add {shape.id!r} to accept_shapes in the settings, or run with --approved=PLAN"
        reasons = (*to_accept, f"shape {shape.id} is not accepted yet: {shape.text}; {how}")
        return GateVerdict(open=False, empty=False, reasons=reasons, shape=shape, to_accept=True)
    return GateVerdict(open=True, empty=False, reasons=(), shape=shape)


def _whole(
    change_set: ChangeSetView, expected: Mapping[str, PredictedChange], *, may_list_nothing: bool
) -> Iterator[str]:
    """What is wrong with the change set as a whole."""
    if change_set.status != "CREATE_COMPLETE":
        said = f": {change_set.status_reason}" if change_set.status_reason else ""
        yield f"the change set is {change_set.status or 'in no known status'}{said}; mend that and run again"
    elif change_set.execution_status != "AVAILABLE":
        yield (
            f"the change set cannot be executed ({change_set.execution_status or 'it does not say whether it can'}); "
            "look at what else changes the stack, then run again"
        )
    for fault in change_set.faults:
        yield f"the description of the change set is not whole: {fault}; run again, or look at it in the console"
    if not change_set.changes and change_set.status == "CREATE_COMPLETE" and not may_list_nothing:
        yield (
            "the change set lists no changes and yet can be executed: this engine does not say what it would do; "
            "execute it by hand if you know what it does"
        )
    for logical_id, count in Counter(change.logical_id for change in change_set.changes).items():
        if count > 1 and logical_id:
            yield f"{logical_id} is listed {count} times; look at the change set in the console"
    listed = {change.logical_id for change in change_set.changes}
    for change in expected.values():
        if (
            change_set.changes
            and change.certain
            and change.resource_type == _FUNCTION
            and change.logical_id not in listed
        ):
            yield f"the change set does not hold what the templates say: {change}; the function would stay as it is"


def _judge_change(
    change: ResourceChange, predicted: PredictedChange | None, *, on_aws: bool
) -> Iterator[tuple[str, bool]]:
    """Reasons against one change, each with whether a person may accept it."""
    if change.action is None or change.logical_id is None or change.resource_type is None:
        yield f"{change} does not say what happens to it (action, name or type is absent); {_BY_HAND}", False
        return
    if change.nested:
        yield f"{change} is a nested stack with a change set of its own, which is not predicted; {_BY_HAND}", False
    if predicted is None or (predicted.action, predicted.resource_type) != (change.action, change.resource_type):
        instead = f", which say: {predicted}" if predicted else ", which say that it stays as it is"
        yield f"{change.action} of {change} does not follow from the templates{instead}; {_BY_HAND}", False
        if change.action == "Remove" and change.resource_type in NEVER_LOST:
            yield _loss(change, "removed")
    elif change.action == "Remove":
        yield _loss(change, "removed")
    elif change.action == "Modify":
        yield from _judge_modification(change, predicted, on_aws=on_aws)
    elif change.action != "Add":  # Import, Dynamic, SyncWithActual, and what AWS may think of next
        yield f"{change}: the action {change.action} is not one that this suite executes; {_BY_HAND}", False


_BY_HAND: Final = "look at the change set in the console and execute it by hand if it is right"


def _judge_modification(
    change: ResourceChange, predicted: PredictedChange, *, on_aws: bool
) -> Iterator[tuple[str, bool]]:
    if change.replacement is None:
        yield (
            f"{change} does not say whether it would be replaced, and absent is not False; use an engine that says so",
            False,
        )
        return
    if change.replacement not in {"True", "False", "Conditional"}:
        yield f"{change}: Replacement {change.replacement!r} is not a known answer; {_BY_HAND}", False
        return
    for name in sorted(_unpredicted(change, predicted)):
        yield f"{name} of {change} would change, which does not follow from the templates; {_BY_HAND}", False
    causes = [detail for detail in change.details or () if detail.recreation != "Never"]
    if change.replacement == "False":
        if change.resource_type in NEVER_LOST and any(detail.recreation == "Always" for detail in causes):
            yield f"{change} says Replacement False and RequiresRecreation Always at once; {_BY_HAND}", False
        return
    if change.resource_type in HARMLESS and predicted.replacement != "False":
        return
    if _name_stays(causes, predicted, on_aws=on_aws):
        return
    if predicted.replacement == "False" and change.resource_type not in NEVER_LOST:
        yield f"{change} would be replaced, which does not follow from the templates; {_BY_HAND}", False
        return
    text, acceptable = _loss(change, f"replaced (Replacement {change.replacement}{_because(causes)})")
    yield text, acceptable


def _unpredicted(change: ResourceChange, predicted: PredictedChange) -> set[str]:
    """Names of properties and attributes that the change set lists and the prediction does not allow.

    Tags are left out: stack tags travel to every resource and are listed without a property.
    """
    allowed = {*predicted.properties, *predicted.possible, *predicted.attributes, "Properties", "Tags"}
    listed = {*(change.scope or ()), *(detail.attribute or "?" for detail in change.details or ())}
    listed |= {detail.name for detail in change.details or () if detail.name}
    return listed - allowed


def _name_stays(causes: Sequence[ChangeDetail], predicted: PredictedChange, *, on_aws: bool) -> bool:
    """Whether all that speaks for a replacement is a property whose value is known to stay.

    An engine that compares expressions lists `FunctionName` as changed and writes Replacement True when
    `${AWS::StackName}-x` becomes a Join that comes to the same name; nothing is replaced when it is executed. AWS
    evaluates: there a static evaluation means that the value does change, and is overruled only by the two values
    themselves; a dynamic one means that AWS did not know, and the evaluated name does.
    """
    if not causes or predicted.replacement != "False":
        return False
    if not all(detail.attribute == "Properties" and detail.recreation is not None for detail in causes):
        return False
    return all(
        name in predicted.settled and _stays([detail for detail in causes if detail.name == name], on_aws=on_aws)
        for name in {detail.name for detail in causes}
    )


def _stays(details: Sequence[ChangeDetail], *, on_aws: bool) -> bool:
    """Whether what is said of one settled property leaves its value as it is."""
    if any(detail.moved for detail in details):
        return False
    proved = any(detail.moved is False for detail in details)
    return proved or not on_aws or all(detail.evaluation == "Dynamic" for detail in details)


def _because(causes: Sequence[ChangeDetail]) -> str:
    names = sorted({detail.name or detail.attribute or "?" for detail in causes})
    return f" because of {', '.join(names)}" if names else ""


def _loss(change: ResourceChange, what: str) -> tuple[str, bool]:
    """The reason against losing a resource, and whether a person may accept it."""
    kind = change.resource_type or ""
    if kind in NEVER_LOST:
        hint = "; keep its name: choose the IntegrationType that it is called after" if kind == _FUNCTION else ""
        return f"{change} would be {what}: {_LOSS}{hint}", False
    if kind not in CREATE_ONLY:
        return f"{change} would be {what}, and what that loses is not known for its type; {_BY_HAND}", False
    return f"{change} would be {what}, as the templates say", True
