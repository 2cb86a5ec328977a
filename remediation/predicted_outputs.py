"""Which of a stack's outputs an update would change, computed as `remediation.prediction` computes resources. Pure.

An update that changes outputs alone is one: CloudFormation makes a change set for it that can be executed and lists
nothing (https://github.com/aws/aws-cdk/pull/2029). One that changes neither is none, whatever its parameters say.
"""

from collections.abc import Iterator, Mapping

from fixtures.intrinsics import Pseudo, Value, evaluate, same
from fixtures.template import Template
from fixtures.template_body import Json
from fixtures.template_value import told_change

_PARTS = ("Value", "Export")


def changed_outputs(
    old: Template,
    old_parameters: Mapping[str, str],
    new: Template,
    new_parameters: Mapping[str, str],
    pseudo: Pseudo,
) -> tuple[str, ...]:
    """`TaegisRegion: ctpx -> delta` for each output that changes, sorted; arguments as those of `predict`."""
    before = dict(_evaluated(old, old_parameters, pseudo))
    after = dict(_evaluated(new, new_parameters, pseudo))
    found = []
    for name in sorted(before.keys() | after.keys()):
        now, then = before.get(name, {}), after.get(name, {})
        found += [
            f"{name}{'' if part == 'Value' else '.' + part}: {told_change(now.get(part), then.get(part))}"
            for part in _PARTS
            if not same(now.get(part), then.get(part))
        ]
    return tuple(found)


def _evaluated(
    template: Template, parameters: Mapping[str, str], pseudo: Pseudo
) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Value and export's name of each output; None where its condition says that it is not there."""
    for name, body in template.outputs.items():
        if not isinstance(body, Mapping):
            continue
        condition, export = body.get("Condition"), body.get("Export")
        parts: dict[str, Json] = {
            "Value": body.get("Value"),
            "Export": export.get("Name") if isinstance(export, Mapping) else None,
        }
        yield (
            name,
            {part: evaluate(_if(condition, given), template, parameters, pseudo) for part, given in parts.items()},
        )


def _if(condition: Json, given: Json) -> Json:
    return {"Fn::If": [condition, given, {"Ref": "AWS::NoValue"}]} if isinstance(condition, str) else given
