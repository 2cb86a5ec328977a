"""A policy's statements as IAM writes them: as JSON for one partition, or with a template's pseudo parameters."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from remediation.policy import Statement
from remediation.policy_scopes import Condition

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"

# Aggregate size of a role's inline policies and size of one managed policy, without whitespace (IAM quotas).
INLINE_LIMIT: Final = 10_240
MANAGED_LIMIT: Final = 6_144


@dataclass(frozen=True, slots=True)
class Place:
    """What a policy's ARNs are filled in with.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov`, ..., or a template's expression.
        account: twelve digits, an expression, or `*`: the role can act in its own account only.
        artifacts: globs of the buckets that hold packages.
        functions: globs of the forwarders' functions.
        in_template: whether ARNs are to be substituted by CloudFormation.
    """

    partition: str
    account: str
    artifacts: tuple[str, ...] = ("taegis-forwarders-*",)
    functions: tuple[str, ...] = ("*-scwx-tdr-lambda-*",)
    in_template: bool = False

    def arns(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """The ARNs of some patterns, in their order, each once."""
        return tuple(
            dict.fromkeys(
                pattern.format(partition=self.partition, account=self.account, artifacts=artifacts, functions=functions)
                for pattern in patterns
                for artifacts in self.artifacts
                for functions in self.functions
            )
        )


def document(statements: Iterable[Statement], place: Place) -> dict[str, Json]:
    """The policy document."""
    return {"Version": "2012-10-17", "Statement": [_statement(found, place) for found in statements]}


def _statement(statement: Statement, place: Place) -> Json:
    entry: dict[str, Json] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": [_resource(arn, place) for arn in place.arns(statement.scope.patterns)],
    }
    if statement.conditions:
        entry["Condition"] = _conditions(statement.conditions)
    return entry


def _resource(arn: str, place: Place) -> Json:
    return {"Fn::Sub": arn} if place.in_template and "${" in arn else arn


def _conditions(conditions: Iterable[Condition]) -> Json:
    found: dict[str, Json] = {}
    for condition in conditions:
        block = found.setdefault(condition.operator, {})
        if isinstance(block, dict):
            block[condition.key] = condition.values[0] if len(condition.values) == 1 else list(condition.values)
    return found


def size(statements: Iterable[Statement], place: Place) -> int:
    """How many characters IAM counts: those of the document without whitespace."""
    return len(json.dumps(document(statements, place), separators=(",", ":")))
