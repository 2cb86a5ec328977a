"""Asks IAM whether the fixer may do what a plan needs, before anything is written (SimulatePrincipalPolicy).

What IAM does not say is not a refusal: a simulation that is denied, unsupported or odd is told, and the run goes on.
A bucket's or function's own policy is not part of a simulation.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fixtures.answers import Answer, Malformed, flag, items, optional_part, optional_text, part, text, texts
from fixtures.aws import Aws
from fixtures.errors import SuiteError
from remediation.permission_needs import Right

ACTIONS: Final = ("sts:GetCallerIdentity", "iam:GetRole", "iam:SimulatePrincipalPolicy")
_TOGETHER: Final = 100  # actions times resources of one call; IAM names no limit, and answers 100 a page by default
_ATTACH: Final = "attach the policy of taegis-forwarders policy fix, then run again"
_SCP: Final = "let the organization's policies allow it, then run again"
_BOUNDARY: Final = "widen its permissions boundary, then run again"
# What a call that we make ourselves never carries (IAM user guide, global condition keys).
_NEVER_OURS: Final = ("aws:calledvia", "aws:viaawsservice")


class NotSimulatedError(SuiteError):
    """The fixer is nobody whom IAM simulates."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose policies are simulated: the ARN, and how people call it."""

    arn: str
    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One right that the fixer has not: by what, empty where nothing grants it, and what a person must do."""

    by: str
    to_do: str


@dataclass
class Simulated:
    """What is known of one account's fixer.

    Attributes:
        name: the fixer, for people (`role TaegisForwarderFix`).
        told: every right that IAM has answered for; None is allowed.
        problem: why something could not be told, empty if all was.
    """

    name: str = ""
    told: dict[Right, Refused | None] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Simulation:
    """One account's simulation: access as the fixer, and where account-wide calls are made."""

    aws: Aws
    region: str
    stop: threading.Event

    def of(self, rights: Collection[Right]) -> Simulated:
        """What IAM says of these rights of the fixer.

        Root may do everything and cannot be simulated: all is allowed.
        """
        found = Simulated()
        try:
            principal = self.principal()
            if principal is None:
                found.told = dict.fromkeys(rights)
                return found
            found.name = principal.name
            for actions, places in _requests(rights):
                if self.stop.is_set():
                    found.problem = "the run was stopped"
                    return found
                self._ask(principal, actions, places, found)
        except SuiteError as error:
            found.problem = str(error)
            return found
        silent = sorted(set(rights) - found.told.keys())
        if silent and not found.problem:
            found.problem = f"IAM says nothing of {silent[0].action} on {silent[0].resource}"
        return found

    def principal(self) -> Principal | None:
        """The user or role behind the credentials; None for root.

        A session's ARN does not show the role's path (IAM user guide, IAM identifiers): the role is asked for by name.

        Raises:
            CallFailed, Malformed: it cannot be told.
            NotSimulatedError: it is neither a user nor a role.
        """
        arn = text(self.aws.call(self.region, "sts", "GetCallerIdentity"), "Arn")
        kind, _, name = arn.split(":")[-1].partition("/")
        if kind == "root":
            return None
        if kind == "user":
            return Principal(arn, f"user {name.rpartition('/')[2]}")
        if kind != "assumed-role":
            raise NotSimulatedError(f"IAM simulates roles and users, and this is {arn}")
        role = name.partition("/")[0]
        found = part(self.aws.call(self.region, "iam", "GetRole", RoleName=role), "Role")
        return Principal(text(found, "Arn"), f"role {role}")

    def _ask(self, principal: Principal, actions: Sequence[str], places: Sequence[Right], found: Simulated) -> None:
        """Ask for every action on every place. Engines that answer for the first place only are asked for each."""
        wanted = {
            (place.resource, action.lower()): Right(place.region, action, place.resource)
            for place in places
            for action in actions
        }
        entries = [_entry("aws:RequestedRegion", places[0].region, "string"),
                   _entry("aws:SecureTransport", "true", "boolean")]  # fmt: skip
        heard = set()
        for page in self.aws.pages(
            self.region,
            "iam",
            "SimulatePrincipalPolicy",
            PolicySourceArn=principal.arn,
            ActionNames=list(actions),
            ResourceArns=[place.resource for place in places],
            ContextEntries=entries,
        ):
            for result in items(page, "EvaluationResults"):
                for resource, answer in _answers(result):
                    own = places[0].resource if len(places) == 1 else resource
                    right = wanted.get((own, text(result, "EvalActionName").lower()))
                    if right is not None:
                        heard.add(own)
                        _judge(right, result, answer, found)
        if heard:
            for place in places:
                if place.resource not in heard:
                    self._ask(principal, actions, [place], found)


def _requests(rights: Collection[Right]) -> Iterator[tuple[tuple[str, ...], tuple[Right, ...]]]:
    """Actions and resources (a right of each) of which every combination is wanted, within the limit of one call."""
    by_resource: dict[tuple[str, str], set[str]] = {}
    for right in rights:
        by_resource.setdefault((right.region, right.resource), set()).add(right.action)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (region, resource), found in sorted(by_resource.items()):
        alike.setdefault((region, tuple(sorted(found))), []).append(resource)
    for (region, actions), resources in sorted(alike.items()):
        some = max(1, _TOGETHER // len(actions))
        for start in range(0, len(resources), some):
            yield actions, tuple(Right(region, "", resource) for resource in resources[start : start + some])


def _answers(result: Answer) -> Iterator[tuple[str, Answer]]:
    """Per resource, where IAM tells them apart; else what it says of the one that was asked for."""
    apart = items(result, "ResourceSpecificResults")
    for answer in apart:
        yield text(answer, "EvalResourceName"), answer
    if not apart:
        yield optional_text(result, "EvalResourceName") or "", result


def _judge(right: Right, result: Answer, answer: Answer, found: Simulated) -> None:
    decision = text(answer, "EvalDecision" if answer is result else "EvalResourceDecision").lower()
    if decision not in {"allowed", "explicitdeny", "implicitdeny"}:
        raise Malformed(f"IAM's decision on {right.action} is '{decision}'")
    refused = _refused(decision, result, answer)
    if refused is None:
        found.told[right] = None
        return
    missing = sorted(key for key in {*texts(result, "MissingContextValues"), *texts(answer, "MissingContextValues")}
                     if _may_matter(key, right.action))  # fmt: skip
    if missing:
        found.problem = found.problem or f"{right.action} depends on {', '.join(missing)}"
    else:
        found.told[right] = refused


def _refused(decision: str, result: Answer, answer: Answer) -> Refused | None:
    if not flag(optional_part(result, "OrganizationsDecisionDetail"), "AllowedByOrganizations", default=True):
        return Refused("an organization's policy", _SCP)
    boundaries = [optional_part(found, "PermissionsBoundaryDecisionDetail") for found in (result, answer)]
    if not all(flag(found, "AllowedByPermissionsBoundary", default=True) for found in boundaries):
        return Refused("its permissions boundary", _BOUNDARY)
    if decision == "allowed":
        return None
    # of calls into other accounts' resources: what each kind of policy says
    details = {**_details(result), **_details(answer)}
    by = ", ".join(sorted(kind for kind, told in details.items() if str(told).lower() != "allowed"))
    if decision == "explicitdeny":
        return Refused(by or "a policy denies it", "take that denial away, then run again")
    return Refused(by, _ATTACH)


def _details(answer: Answer) -> Mapping[str, object]:
    return optional_part(answer, "EvalDecisionDetails")


def _may_matter(key: str, action: str) -> bool:
    """Whether a call for the action may carry the key, so that the decision may be another one then."""
    service = key.lower().partition(":")[0]
    return service in {"aws", action.partition(":")[0]} and not key.lower().startswith(_NEVER_OURS)


def _entry(key: str, found: str, kind: str) -> Mapping[str, object]:
    return {"ContextKeyName": key, "ContextKeyValues": [found], "ContextKeyType": kind}
