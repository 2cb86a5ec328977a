"""Whether a resource's own policy may grant what the fixer's policies do not: the simulation does not see it.

Within one account either of the two is enough (IAM user guide, policy evaluation logic). A bucket's and a function's
policy are read; those of topics, secrets and keys are not, so that nothing can be told there.
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from fixtures.answers import Answer, Malformed, as_answer, text
from fixtures.aws import Aws, CallFailed
from remediation.permission_needs import Right

ACTIONS: Final = ("s3:GetBucketPolicy", "lambda:GetPolicy")
_NONE: Final = frozenset({"NoSuchBucketPolicy", "NoSuchBucket", "ResourceNotFoundException"})
# Services whose resources have policies of their own; a topic's default one lets in the whole account.
_UNREAD: Final[Mapping[str, str]] = {"sns": "topic", "secretsmanager": "secret", "kms": "key", "sqs": "queue"}


@dataclass(frozen=True, slots=True)
class ResourcePolicies:
    """Reads them as the fixer, each once. Not for several threads."""

    aws: Aws
    known: dict[str, "str | None"] = field(default_factory=dict)

    def doubt(self, right: Right, principal: str) -> str:
        """Why the resource's own policy may grant the right to a role or user; empty where it does not."""
        service = right.action.partition(":")[0]
        if service in _UNREAD:
            return f"the {_UNREAD[service]}'s own policy may allow it, and is not read"
        resource = right.resource.split(":", 5)[-1]
        if service == "s3":
            kind, name = "bucket", resource.partition("/")[0]
        elif service == "lambda" and resource.startswith("function:"):
            kind, name = "function", resource.removeprefix("function:")
        else:
            return ""
        try:
            document = self._read(right.region, kind, name)
            if document is None or not any(_may_grant(one, right.action, principal) for one in _statements(document)):
                return ""
        except CallFailed as failure:
            return f"the {kind}'s own policy may allow it, and could not be read ({failure.cause})"
        except (Malformed, ValueError):
            return f"the {kind}'s own policy may allow it, and could not be understood"
        return f"the {kind}'s own policy may allow it"

    def _read(self, region: str, kind: str, name: str) -> "str | None":
        key = f"{kind} {region} {name}"
        if key not in self.known:
            try:
                if kind == "bucket":
                    answer = self.aws.call(region, "s3", "GetBucketPolicy", Bucket=name)
                else:
                    answer = self.aws.call(region, "lambda", "GetPolicy", FunctionName=name)
                self.known[key] = text(answer, "Policy")
            except CallFailed as failure:
                if failure.code not in _NONE:
                    raise
                self.known[key] = None
        return self.known[key]


def _statements(document: str) -> Iterator[Answer]:
    found = as_answer(json.loads(document), "policy").get("Statement")
    for one in found if isinstance(found, list) else [found]:
        yield as_answer(one, "Statement")


def _may_grant(statement: Answer, action: str, principal: str) -> bool:
    """Whether it lets the principal, under whatever condition, do that; its resource is taken to be the right one."""
    if statement.get("Effect") != "Allow" or not _names_action(statement, action):
        return False
    named = statement.get("Principal")
    if "NotPrincipal" in statement or named == "*":
        return True
    arns = _texts(named.get("AWS")) if isinstance(named, Mapping) else ()
    account = principal.split(":")[4]
    role = principal.rpartition("/")[2]
    return any(
        arn in {"*", principal, account}
        or arn.endswith(f"::{account}:root")
        or (f"::{account}:assumed-role/{role}/" in arn and ":role/" in principal)
        for arn in arns
    )


def _names_action(statement: Answer, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_like(action, pattern) for pattern in _texts(statement["NotAction"]))
    return any(_like(action, pattern) for pattern in _texts(statement.get("Action")))


def _like(action: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(action.lower(), pattern.lower().replace("[", "[[]"))


def _texts(found: object) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else () if found is None else (str(found),)
