"""What an update would change, computed from the two templates and their parameters, before AWS is asked.

Values are compared after evaluation: a `FunctionName` that is spelled otherwise and comes to the same name is no
change. The prediction is an upper bound: what a real change set holds beyond it is refused by `remediation.gate`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from fixtures.intrinsics import Pseudo, Resolved, Unresolved, Value, references, resolve, same
from fixtures.template import Template
from fixtures.template_meaning import canonical_document
from fixtures.template_names import parameters_behind
from fixtures.template_value import MASKED, is_known, told_change, unresolved_texts
from remediation.replacement_rules import IDENTITY, forces_replacement

Action: TypeAlias = Literal["Add", "Modify", "Remove"]
Replacement: TypeAlias = Literal["False", "Conditional", "True"]

_NOT_OPEN: Final = (MASKED, "${secret ", "...")  # how `told_change` masks, names a NoEcho value, and cuts
_ORDER: Final[tuple[Replacement, ...]] = ("False", "Conditional", "True")
# The resource attributes that a change set names in its Scope beside Properties and Tags (DescribeChangeSet).
_ATTRIBUTES: Final = ("CreationPolicy", "DeletionPolicy", "Metadata", "UpdatePolicy", "UpdateReplacePolicy")


@dataclass(frozen=True, slots=True)
class PredictedChange:
    """What may happen to one resource.

    Attributes:
        replacement: the most that may happen: `False`, `Conditional` or `True`; `False` for Add and Remove.
        properties: top-level properties whose value changes or may change; sorted.
        possible: further properties that an engine may list although their value stays: the expression is another
            one, or it names a parameter that changes.
        settled: properties that would force a replacement, and whose value is known to stay.
        attributes: of `CreationPolicy`, `DeletionPolicy`, `Metadata`, ... those that differ.
        certain: whether a change set must hold it; what follows only from another resource's change may be missing.
        values: `Runtime: go1.x -> provided.al2` for each of `properties`, without NoEcho values; for people only.
    """

    logical_id: str
    resource_type: str
    action: Action
    replacement: Replacement = "False"
    properties: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    certain: bool = True
    values: tuple[str, ...] = field(default=(), compare=False)

    @property
    def open_properties(self) -> frozenset[str]:
        """The changing properties whose values are told whole and hold nothing NoEcho, now and then."""
        return frozenset(text.partition(": ")[0] for text in self.values if not any(mark in text for mark in _NOT_OPEN))

    def __str__(self) -> str:
        """`Modify Lambda (AWS::Lambda::Function), replacement False: Code, Runtime`."""
        named = ", ".join(self.properties + self.attributes)
        how = f", replacement {self.replacement}" if self.action == "Modify" else ""
        return f"{self.action} {self.logical_id} ({self.resource_type}){how}{f': {named}' if named else ''}"


def predict(
    old: Template,
    old_parameters: Mapping[str, str],
    new: Template,
    new_parameters: Mapping[str, str],
    pseudo: Pseudo,
) -> tuple[PredictedChange, ...]:
    """Predict every change of updating `old` to `new`, sorted by logical id.

    Args:
        old: the template of the stack.
        old_parameters: its values as DescribeStacks gives them (`****` for NoEcho).
        new: the template it is to have.
        new_parameters: the values it is to have; `****` again for a NoEcho value that is kept.
        pseudo: where the stack stands.
    """
    comparison = _Comparison(old, old_parameters, new, new_parameters, pseudo)
    changes = {change.logical_id: change for change in comparison.own_changes()}
    comparison.follow_references(changes)
    return tuple(changes[logical_id] for logical_id in sorted(changes))


class _Comparison:
    """Both sides of one update, evaluated."""

    def __init__(
        self,
        old: Template,
        old_parameters: Mapping[str, str],
        new: Template,
        new_parameters: Mapping[str, str],
        pseudo: Pseudo,
    ) -> None:
        self._old, self._new = old, new
        self._before: Resolved = resolve(old, old_parameters, pseudo)
        self._after: Resolved = resolve(new, new_parameters, pseudo)
        self._old_bodies = _bodies(old)
        self._new_bodies = _bodies(new)
        self._moved = frozenset(
            name
            for name in old.parameters.keys() | new.parameters.keys()
            if _given(old, old_parameters, name) != _given(new, new_parameters, name)
        )

    def own_changes(self) -> Iterator[PredictedChange]:
        """Changes that follow from the resource's own text and the parameters."""
        before, after = self._before, self._after
        for logical_id in sorted(before.types.keys() | after.types.keys()):
            sure = logical_id not in before.unsure | after.unsure
            if logical_id not in before.types:
                yield PredictedChange(logical_id, after.types[logical_id], "Add", certain=sure)
            elif logical_id not in after.types:
                yield PredictedChange(logical_id, before.types[logical_id], "Remove", certain=sure)
            else:
                change = self._modification(logical_id)
                if change is not None:
                    yield change if sure else replace(change, certain=False)

    def _modification(self, logical_id: str) -> PredictedChange | None:
        kind = self._after.types[logical_id]
        if self._before.types[logical_id] != kind:  # CloudFormation refuses it; whatever it did would be a replacement
            return PredictedChange(logical_id, kind, "Modify", "True", ("Type",))
        old, new = self._before.resources[logical_id], self._after.resources[logical_id]
        names = sorted({*self._declared(logical_id, self._old_bodies), *self._declared(logical_id, self._new_bodies)})
        changed = tuple(name for name in names if not _equal(old, new, name))
        possible = tuple(name for name in names if name not in changed and self._may_be_listed(logical_id, name))
        settled = tuple(
            name
            for name in possible
            if forces_replacement(kind, name) is not False and is_known(old.get(name)) and is_known(new.get(name))
        )
        attributes = tuple(
            name
            for name in _ATTRIBUTES
            if self._old_bodies[logical_id].get(name) != self._new_bodies[logical_id].get(name)
        )
        if not changed + possible + attributes:
            return None
        replacement = _most(_forced(kind, name, old.get(name), new.get(name)) for name in changed)
        certain = any(is_known(old.get(name)) and is_known(new.get(name)) for name in changed)
        values = tuple(f"{name}: {told_change(old.get(name), new.get(name))}" for name in changed)
        return PredictedChange(
            logical_id, kind, "Modify", replacement, changed, possible, settled, attributes, certain, values
        )

    def follow_references(self, changes: dict[str, PredictedChange]) -> None:
        """Add what may change because another resource does, until nothing is added.

        A reference to a resource that is modified may come to another value: CloudFormation evaluates it during the
        update ("Dynamic"), and so lists it without knowing.
        """
        settled = False
        while not settled:
            settled = True
            for logical_id, properties in self._after.resources.items():
                following = self._following(logical_id, properties, changes)
                if following is not None and following != changes.get(logical_id):
                    changes[logical_id] = following
                    settled = False

    def _following(
        self, logical_id: str, properties: Mapping[str, Value], changes: Mapping[str, PredictedChange]
    ) -> PredictedChange | None:
        own = changes.get(logical_id)
        if own is not None and own.action != "Modify":
            return None
        names: set[str] = set()
        staying: set[str] = set()
        for name, value in properties.items():
            behind = references(value) & changes.keys() - {logical_id}
            if behind:
                (staying if all(_keeps(value, changes[other]) for other in behind) else names).add(name)
        if own is not None:
            names -= set(own.properties)
            staying -= {*own.properties, *own.settled}
        if not names | staying:
            return None
        kind = self._after.types[logical_id]
        base = own or PredictedChange(logical_id, kind, "Modify", certain=False)
        base = replace(
            base,
            possible=tuple(sorted({*base.possible, *staying})),
            settled=tuple(
                sorted({*base.settled, *(name for name in staying if forces_replacement(kind, name) is not False)})
            ),
        )
        if not names:
            return base
        moved: Replacement = (
            "Conditional" if any(forces_replacement(kind, name) is not False for name in names) else "False"
        )
        return replace(
            base,
            replacement=_most([base.replacement, moved]),
            properties=tuple(sorted({*base.properties, *names})),
            possible=tuple(name for name in base.possible if name not in names),
            settled=tuple(name for name in base.settled if name not in names),
        )

    def _declared(self, logical_id: str, bodies: Mapping[str, Mapping[str, object]]) -> frozenset[str]:
        properties = bodies.get(logical_id, {}).get("Properties")
        return frozenset(map(str, properties)) if isinstance(properties, Mapping) else frozenset()

    def _may_be_listed(self, logical_id: str, name: str) -> bool:
        old = _property(self._old_bodies[logical_id], name)
        new = _property(self._new_bodies[logical_id], name)
        if old != new:
            return True
        behind = parameters_behind(self._new.resources[logical_id].properties.get(name), self._new)
        behind |= parameters_behind(self._old.resources[logical_id].properties.get(name), self._old)
        return bool(behind & self._moved)


@lru_cache(maxsize=128)
def _bodies(template: Template) -> Mapping[str, Mapping[str, object]]:
    resources = canonical_document(template.document).get("Resources")
    assert isinstance(resources, Mapping)
    return {name: body for name, body in resources.items() if isinstance(body, Mapping)}


def _property(body: Mapping[str, object], name: str) -> object:
    properties = body.get("Properties")
    return properties.get(name) if isinstance(properties, Mapping) else None


def _keeps(value: Value, change: PredictedChange) -> bool:
    """Whether what `value` takes from a modified resource stays as long as that resource is not replaced.

    That is so for its `Ref` and for the attributes that name it. CloudFormation lists such a property all the same
    ("Dynamic"), since it does not look which attribute is asked for.
    """
    if change.action != "Modify" or change.replacement != "False":
        return False
    names = IDENTITY.get(change.resource_type, frozenset())
    asked = re.findall(rf"\$\{{{re.escape(change.logical_id)}(?:\.([^}}]*))?\}}", "".join(unresolved_texts(value)))
    return bool(asked) and all(attribute == "" or attribute in names for attribute in asked)


def _given(template: Template, values: Mapping[str, str], name: str) -> str | None:
    parameter = template.parameters.get(name)
    return None if parameter is None else values.get(name, parameter.default)


def _equal(old: Mapping[str, Value], new: Mapping[str, Value], name: str) -> bool:
    return (name in old) == (name in new) and same(old.get(name), new.get(name))


def _forced(kind: str, name: str, old: Value, new: Value) -> Replacement:
    forces = forces_replacement(kind, name)
    if forces is False:
        return "False"
    # unknown type, or a value that only CloudFormation knows and that may come out the same
    if forces is None or isinstance(old, Unresolved) or not is_known(new):
        return "Conditional"
    return "True"


def _most(found: "Iterator[Replacement] | list[Replacement]") -> Replacement:
    return max(found, key=_ORDER.index, default="False")
