"""A change set for the journal: as CloudFormation described it, as it was predicted, and what the gate said."""

from collections.abc import Mapping, Sequence

from remediation.change_set import ResourceChange, read_change_set, told_changes
from remediation.gate import GateVerdict
from remediation.prediction import PredictedChange


def change_set_facts(
    pages: Sequence[Mapping[str, object]], prediction: Sequence[PredictedChange], verdict: GateVerdict
) -> Mapping[str, object]:
    """What whoever looks into a run later needs to judge the gate: JSON-like, without any NoEcho value.

    Args:
        pages: those of one DescribeChangeSet.
        prediction: what the two templates and the parameters said before.
        verdict: what the gate made of both.
    """
    view = read_change_set(pages)
    shown = {change.logical_id: change.open_properties for change in prediction}
    return {
        "status": view.status,
        "execution_status": view.execution_status,
        "status_reason": view.status_reason,
        "described": [_change(change) for change in view.changes],
        "told": list(told_changes(pages, shown)),
        "predicted": [str(change) for change in prediction],
        "gate": "open" if verdict.open else "nothing to change" if verdict.empty else "closed",
        "reasons": list(verdict.reasons),
        "shape": verdict.shape.id,
    }


def _change(change: ResourceChange) -> Mapping[str, object]:
    return {
        "action": change.action,
        "logical_id": change.logical_id,
        "resource_type": change.resource_type,
        "replacement": change.replacement,
        "scope": change.scope,
        "details": [
            {"attribute": detail.attribute, "name": detail.name, "recreation": detail.recreation,
             "evaluation": detail.evaluation}
            for detail in change.details or ()
        ],
    }  # fmt: skip
