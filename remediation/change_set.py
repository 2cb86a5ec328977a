"""A change set as CloudFormation described it, with everything absent kept apart from everything said.

Values never enter a view: `BeforeValue`, `AfterValue`, contexts and parameters may hold a NoEcho value in clear on some
engines, so that only their comparison is kept.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 120  # characters of a value that is told
# domain 4.2: the two texts with which CloudFormation says that there is nothing to do
_EMPTY_TEXTS: Final = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class ChangeDetail:
    """One reason for a resource's change; None where the engine does not say.

    Attributes:
        attribute: `Properties`, `Tags`, `Metadata`, ...
        name: the property, its first part only.
        recreation: `Never`, `Conditionally`, `Always`.
        evaluation: `Static` (the engine knows the new value) or `Dynamic` (it will know during the update).
        moved: whether the value differs, where both values were given.
    """

    attribute: str | None
    name: str | None
    recreation: str | None
    evaluation: str | None
    moved: bool | None


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What the change set would do to one resource; None where the engine does not say."""

    action: str | None
    logical_id: str | None
    resource_type: str | None
    replacement: str | None
    scope: tuple[str, ...] | None
    details: tuple[ChangeDetail, ...] | None
    nested: bool = False

    def __str__(self) -> str:
        """`Lambda (AWS::Lambda::Function)`."""
        return f"{self.logical_id or 'a resource without a name'} ({self.resource_type or 'of unknown type'})"


@dataclass(frozen=True, slots=True)
class ChangeSetView:
    """One change set, all pages.

    Attributes:
        faults: why the description cannot be relied on: a page is missing, pages disagree, an entry is no resource
            change.
    """

    status: str | None
    execution_status: str | None
    status_reason: str
    changes: tuple[ResourceChange, ...]
    faults: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether CloudFormation says that template and parameters are already what was asked for.

        Says nothing about the code: a new zip under the same bucket and key is not seen (domain, G2).
        """
        said = any(text in self.status_reason for text in _EMPTY_TEXTS)
        return self.status == "FAILED" and said and not self.changes and not self.faults


def read_change_set(pages: Sequence[Mapping[str, object]]) -> ChangeSetView:
    """Read the pages of one DescribeChangeSet, in order; never raises on an odd answer."""
    faults = [] if pages else ["the answer is empty"]
    changes: list[ResourceChange] = []
    for number, page in enumerate(pages, start=1):
        last = number == len(pages)
        if last == bool(page.get("NextToken")):
            faults.append("pages of the description are missing" if last else f"page {number} is not followed by more")
        entries = page.get("Changes", () if page.get("Status") == "FAILED" else None)
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            faults.append(f"page {number} has no list of changes")
            continue
        found = [entry.get("ResourceChange") if isinstance(entry, Mapping) else None for entry in entries]
        changes += [_resource_change(change) for change in found if isinstance(change, Mapping)]
        if not all(isinstance(change, Mapping) for change in found):
            faults.append("an entry is not about a resource")
    faults += [
        f"its pages disagree about {field}: it moved while it was read"
        for field in ("Status", "ExecutionStatus")
        if len({str(page.get(field)) for page in pages}) > 1
    ]
    end: Mapping[str, object] = pages[-1] if pages else {}
    return ChangeSetView(
        status=_text(end, "Status"),
        execution_status=_text(end, "ExecutionStatus"),
        status_reason=" ".join((_text(end, "StatusReason") or "").split()),
        changes=tuple(changes),
        faults=tuple(dict.fromkeys(faults)),
    )


def _resource_change(change: Mapping[str, object]) -> ResourceChange:
    scope, details = change.get("Scope"), change.get("Details")
    before, after = _context(change, "BeforeContext"), _context(change, "AfterContext")
    moves = {name: before[name] != after[name] for name in before.keys() & after.keys()}
    return ResourceChange(
        action=_text(change, "Action"),
        logical_id=_text(change, "LogicalResourceId"),
        resource_type=_text(change, "ResourceType"),
        replacement=_text(change, "Replacement"),
        scope=tuple(map(str, scope)) if isinstance(scope, list | tuple) else None,
        details=tuple(_detail(entry, moves) for entry in details) if isinstance(details, list | tuple) else None,
        nested=bool(change.get("ChangeSetId")),
    )


def _context(change: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The properties that IncludePropertyValues gives as JSON text; empty when it did not."""
    try:
        context = json.loads(_text(change, key) or "{}")
    except ValueError:
        return {}
    properties = context.get("Properties") if isinstance(context, dict) else None
    return properties if isinstance(properties, dict) else {}


def _detail(entry: object, moves: Mapping[str, bool]) -> ChangeDetail:
    detail: Mapping[str, object] = entry if isinstance(entry, Mapping) else {}
    given = detail.get("Target")
    target: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    name = (_text(target, "Name") or "").split(".")[0] or None
    both = "BeforeValue" in target and "AfterValue" in target
    return ChangeDetail(
        attribute=_text(target, "Attribute"),
        name=name,
        recreation=_text(target, "RequiresRecreation"),
        evaluation=_text(detail, "Evaluation"),
        moved=target["BeforeValue"] != target["AfterValue"] if both else moves.get(name or ""),
    )


def _text(mapping: Mapping[str, object], key: str) -> str | None:
    """A non-empty text, else None: some engines write absent members as empty ones."""
    value = mapping.get(key)
    return value if isinstance(value, str) and value else None


def told_changes(pages: Sequence[Mapping[str, object]], shown: Mapping[str, Collection[str]]) -> Iterator[str]:
    """One line for each change, for people, with the values before and after that may be seen.

    Args:
        pages: those of one DescribeChangeSet.
        shown: by logical id the properties whose values hold nothing NoEcho: an engine may give one in clear.
    """
    for change in read_change_set(pages).changes:
        names = sorted({detail.name or detail.attribute or "?" for detail in change.details or ()})
        how = f", replacement {change.replacement or 'not said'}" if change.action == "Modify" else ""
        yield f"{change.action or 'not said'} {change}{how}{': ' if names else ''}{', '.join(names)}"
    for target, logical_id in _targets(pages):
        name, values = _text(target, "Name"), (target.get("BeforeValue"), target.get("AfterValue"))
        if name in shown.get(logical_id, ()) and all(isinstance(value, str) for value in values):
            before, after = (str(value)[:_LONGEST] for value in values)
            yield f"{logical_id}.{name}: {before} -> {after}"


def _targets(pages: Sequence[Mapping[str, object]]) -> Iterator[tuple[Mapping[str, object], str]]:
    for page in pages:
        for entry in _parts(page.get("Changes")):
            change = entry.get("ResourceChange")
            if isinstance(change, Mapping):
                targets = (detail.get("Target") for detail in _parts(change.get("Details")))
                found = {str(one.get("Name")): one for one in targets if isinstance(one, Mapping)}
                yield from ((one, _text(change, "LogicalResourceId") or "") for one in found.values())


def _parts(found: object) -> Iterator[Mapping[str, object]]:
    if isinstance(found, list | tuple):
        yield from (entry for entry in found if isinstance(entry, Mapping))
