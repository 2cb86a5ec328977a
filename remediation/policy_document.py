"""A policy's statements as IAM writes them: as JSON for one partition, or with a template's pseudo parameters."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from remediation.policy import Statement
from remediation.policy_scopes import Condition

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"

# Aggregate size of a role's inline policies and size of one managed policy, without whitespace (IAM quotas).
INLINE_LIMIT: Final = 10_240
MANAGED_LIMIT: Final = 6_144
MOST_ATTACHED: Final = 10  # managed policies of a role (IAM quotas, default)
_PARTITION: Final = "aws-us-gov"  # none has a longer name


@dataclass(frozen=True, slots=True)
class Place:
    """What a policy's ARNs are filled in with.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov`, ..., or a template's expression.
        account: twelve digits, an expression, or `*`: the role can act in its own account only.
        artifacts: globs of the buckets that hold packages.
        functions: globs of the forwarders' functions.
        topics: ARNs of the topics that are published to; empty for all of the account.
        in_template: whether ARNs are to be substituted by CloudFormation.
    """

    partition: str
    account: str
    artifacts: tuple[str, ...] = ("taegis-forwarders-*",)
    functions: tuple[str, ...] = ("*-scwx-tdr-lambda-*",)
    in_template: bool = False
    topics: tuple[str, ...] = ()

    def arns(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """The ARNs of some patterns, in their order, each once."""
        return tuple(
            dict.fromkeys(
                pattern.format(
                    partition=self.partition,
                    account=self.account,
                    artifacts=artifacts,
                    functions=functions,
                    topics=topics,
                )
                for pattern in patterns
                for artifacts in self.artifacts
                for functions in self.functions
                for topics in self.topics or (f"arn:{self.partition}:sns:*:{self.account}:*",)
            )
        )


def entries(statements: Iterable[Statement], place: Place) -> tuple[dict[str, Json], ...]:
    """The statements as IAM writes them."""
    return tuple(_entry(found, place) for found in statements)


def document(statements: Iterable[Statement], place: Place) -> dict[str, Json]:
    """The policy document."""
    return _document(entries(statements, place))


def documents(statements: Iterable[Statement], place: Place, limit: int = MANAGED_LIMIT) -> tuple[dict[str, Json], ...]:
    """The policy in as few documents as hold it in this order, none longer than `limit`.

    A statement that is too long by itself is taken apart by its resources, then by its actions: what the parts allow
    together is the same. Their Sids end with a number.
    """
    found: list[list[dict[str, Json]]] = [[]]
    for whole in entries(statements, place):
        for entry in _fitting(whole, limit):
            if found[-1] and characters(_document((*found[-1], entry))) > limit:
                found.append([])
            found[-1].append(entry)
    return tuple(_document(some) for some in found)


def characters(content: Json) -> int:
    """How many characters IAM counts at most: those of the document without whitespace, its expressions filled in."""
    return len(json.dumps(_filled_in(content), separators=(",", ":")))


def size(statements: Iterable[Statement], place: Place) -> int:
    """How many characters the whole policy has, as IAM counts them."""
    return characters(document(statements, place))


def _document(found: Iterable[dict[str, Json]]) -> dict[str, Json]:
    return {"Version": "2012-10-17", "Statement": list(found)}


def _entry(statement: Statement, place: Place) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": [_resource(arn, place) for arn in place.arns(statement.scope.patterns)],
    }
    if statement.conditions:
        entry["Condition"] = _conditions(statement.conditions)
    return entry


def _fitting(entry: dict[str, Json], limit: int) -> Iterator[dict[str, Json]]:
    parts = [entry]
    while too_long := [part for part in parts if characters(_document((part,))) > limit and _longest(part)]:
        at = parts.index(too_long[0])
        parts[at : at + 1] = _halves(too_long[0])
    for number, part in enumerate(parts, start=1):
        yield part if len(parts) == 1 else {**part, "Sid": f"{entry['Sid']}{number}"}


def _halves(entry: dict[str, Json]) -> Iterator[dict[str, Json]]:
    name = _longest(entry)
    listed = entry[name]
    assert isinstance(listed, list)
    middle = len(listed) // 2
    yield from ({**entry, name: half} for half in (listed[:middle], listed[middle:]))


def _longest(entry: dict[str, Json]) -> str:
    """By what a statement can be taken apart; empty where it cannot be."""
    for name in ("Resource", "Action"):
        listed = entry[name]
        if isinstance(listed, list) and len(listed) > 1:
            return name
    return ""


def _filled_in(content: Json) -> Json:
    if isinstance(content, list):
        return [_filled_in(one) for one in content]
    if isinstance(content, dict):
        if content.keys() == {"Fn::Sub"}:
            return (
                str(content["Fn::Sub"]).replace("${AWS::Partition}", _PARTITION).replace("${AWS::AccountId}", "0" * 12)
            )
        return {key: _filled_in(one) for key, one in content.items()}
    return content


def _resource(arn: str, place: Place) -> Json:
    return {"Fn::Sub": arn} if place.in_template and "${" in arn else arn


def _conditions(conditions: Iterable[Condition]) -> Json:
    found: dict[str, Json] = {}
    for condition in conditions:
        block = found.setdefault(condition.operator, {})
        if isinstance(block, dict):
            block[condition.key] = condition.values[0] if len(condition.values) == 1 else list(condition.values)
    return found
