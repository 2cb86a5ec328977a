"""Merging rules into a bucket's notification document. Pure: S3 replaces the whole document, so all of it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import cast

from checks.wiring import describe, overlap
from fixtures.answers import Answer
from fixtures.estate import Notification, Rule
from fixtures.readers.buckets import parse_notification

_FUNCTIONS = "LambdaFunctionConfigurations"


@dataclass(frozen=True, slots=True)
class Merge:
    """What should become of a document.

    Attributes:
        add: rules for forwarders.
        remove: rules that are taken out, compared without their id.
    """

    add: tuple[Rule, ...]
    remove: tuple[Rule, ...]

    def done_in(self, notification: Notification) -> bool:
        """Whether the document is as it should be, as far as these rules go."""
        present = set(notification.rules)
        return set(self.add) <= present and not set(self.remove) & present

    def document(self, notification: Notification) -> dict[str, object]:
        """The whole document to write: everything that was there, less `remove`, plus what is missing of `add`.

        Entries are carried over as S3 gave them, also the parts that this code does not look at.
        """
        before = cast("dict[str, list[Answer] | Answer]", json.loads(notification.document))
        after: dict[str, object] = {}
        for part, entries in before.items():
            if not isinstance(entries, list):  # EventBridgeConfiguration: an empty structure, present means on
                after[part] = entries
                continue
            kept = [entry for entry in entries if _rule(part, entry) not in set(self.remove)]
            if kept:
                after[part] = kept
        missing = [rule for rule in self.add if rule not in set(notification.rules)]
        if missing:
            listed = cast("list[object]", after.get(_FUNCTIONS, []))
            taken = {rule.id for rule in notification.rules}
            after[_FUNCTIONS] = [*listed, *(entry_of(_called(rule, taken)) for rule in missing)]
        return after

    def conflicts(self, notification: Notification) -> tuple[str, ...]:
        """Rules with which S3 would not take ours: a common event for the same objects."""
        present = set(notification.rules)
        others = [rule for rule in notification.rules if rule not in {*self.add, *self.remove}]
        missing = [rule for rule in self.add if rule not in present]
        ours = [rule for rule in self.add if rule in present]
        pairs = [*product(missing, [*others, *ours]), *combinations(missing, 2)]
        return tuple(f"{describe(one)} overlaps with {describe(other)}" for one, other in pairs if overlap(one, other))


def entry_of(rule: Rule) -> Mapping[str, object]:
    """A function rule as the API takes it."""
    filters = [
        {"Name": name, "Value": text} for name, text in (("prefix", rule.prefix), ("suffix", rule.suffix)) if text
    ]
    return {
        "LambdaFunctionArn": rule.arn,
        "Events": list(rule.events),
        **({"Id": rule.id} if rule.id else {}),
        **({"Filter": {"Key": {"FilterRules": filters}}} if filters else {}),
    }


def foreign_differences(before: Notification, after: Notification, merge: Merge) -> tuple[str, ...]:
    """What others changed in the document between our read and now."""
    ours = {*merge.add, *merge.remove}
    old, new = set(before.rules) - ours, set(after.rules) - ours
    gone = [f"{describe(rule)} is gone" for rule in old - new]
    came = [f"{describe(rule)} is new" for rule in new - old]
    switched = [f"EventBridge is {'on' if after.eventbridge else 'off'}"] * (before.eventbridge != after.eventbridge)
    return tuple(sorted([*gone, *came, *switched]))


def _called(rule: Rule, taken: set[str | None]) -> Rule:
    """The rule, without its id if another one bears it: S3 wants ids to be unique, and makes one up where none is."""
    if rule.id is None or rule.id not in taken:
        taken.add(rule.id)
        return rule
    return replace(rule, id=None)


def _rule(part: str, entry: Answer) -> Rule:
    (rule,) = parse_notification({part: [entry]}).rules
    return rule
