"""Asks IAM whether the fixer may do what a plan needs, before anything is written (SimulatePrincipalPolicy).

What IAM does not say is not a refusal: a simulation that is denied, unsupported or odd is told, and the run goes on.
"""

import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fixtures.answers import Answer, items, optional_text, part, text
from fixtures.aws import Aws, CallFailed
from fixtures.errors import SuiteError
from remediation.permission_needs import Right
from remediation.permission_verdict import Doubt, Refused, Verdict, judge
from remediation.resource_policy import ResourcePolicies

ACTIONS: Final = ("sts:GetCallerIdentity", "iam:GetRole", "iam:SimulatePrincipalPolicy")
_TOGETHER: Final = 100  # actions times resources of one call; IAM names no limit, and answers 100 a page by default
# IAM refuses some actions side by side, and its message lists them in groups; no documentation says which.
_APART: Final = "require different authorization information"
_NO_CONTEXT: Final = "this endpoint's simulation does not know on whose behalf a service calls"


class NotSimulatedError(SuiteError):
    """The fixer is nobody whom IAM simulates."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose policies are simulated: the ARN, and how people call it."""

    arn: str
    name: str


@dataclass
class Simulated:
    """What is known of one account's fixer, or of a stack's own role.

    Attributes:
        name: who it is, for people (`role TaegisForwarderFix`).
        told: every right that IAM has answered for; None is allowed.
        problem: why something could not be told, empty if all was.
    """

    name: str = ""
    told: dict[Right, Verdict] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Simulation:
    """One account's simulation: access as the fixer, and where account-wide calls are made.

    Attributes:
        role: ARN of a stack's own role, which is simulated instead of the fixer; empty for the fixer.
        on_aws: whether it is AWS that answers. Engines do not know the context of a call: what they do not allow to
            CloudFormation is told only where a policy denies it.
    """

    aws: Aws
    region: str
    stop: threading.Event
    role: str = ""
    on_aws: bool = True

    def of(self, rights: Collection[Right]) -> Simulated:
        """What IAM says of these rights.

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
            self._doubted(principal, found)
        except SuiteError as error:
            found.problem = str(error)
            return found
        silent = sorted(set(rights) - found.told.keys())
        if silent and not found.problem:
            found.problem = f"IAM says nothing of {silent[0].action} on {silent[0].resource}"
        return found

    def principal(self) -> Principal | None:
        """The stack's role, or the user or role behind the credentials; None for root.

        A session's ARN does not show the role's path (IAM user guide, IAM identifiers): the role is asked for by name.

        Raises:
            CallFailed, Malformed: it cannot be told.
            NotSimulatedError: it is neither a user nor a role.
        """
        if self.role:
            return Principal(self.role, f"the stack's own role {self.role.rpartition('/')[2]}")
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
        """Ask for every action on every place; apart what IAM does not take together."""
        try:
            pages = list(self._pages(principal, actions, places))
        except CallFailed as failure:
            if len(actions) == 1 or _APART not in failure.reason:
                raise
            for group in _groups(actions, failure.reason):
                self._ask(principal, group, places, found)
            return
        wanted = {(place.resource, action.lower()): _right(place, action) for place in places for action in actions}
        heard, open_ones = _taken(pages, wanted, found)
        if len(places) == 1 or not heard:
            return
        for place in places:
            if place.resource not in heard:
                self._ask(principal, actions, [place], found)
        # an organization's refusal is told of all resources together: where some look allowed, fewer are asked for
        # until it is known of each
        left = [place for place in places if place.resource in open_ones]
        if left and not all(isinstance(found.told.get(right), Refused) for right in wanted.values()):
            middle = len(left) // 2
            for some in [left] if len(left) < len(places) else [left[:middle], left[middle:]]:
                self._ask(principal, actions, some, found)

    def _pages(self, principal: Principal, actions: Sequence[str], places: Sequence[Right]) -> Iterator[Answer]:
        entries = [
            _entry("aws:RequestedRegion", places[0].region),
            _entry("aws:SecureTransport", "true", "boolean"),
            _entry("aws:PrincipalArn", principal.arn),
            _entry("aws:PrincipalAccount", principal.arn.split(":")[4]),
        ]
        if places[0].via:
            entries += [_entry("aws:CalledVia", places[0].via, "stringList"),
                        _entry("aws:ViaAWSService", "true", "boolean")]  # fmt: skip
        if "iam:PassRole" in actions:
            entries.append(_entry("iam:PassedToService", "lambda.amazonaws.com"))
        yield from self.aws.pages(
            self.region,
            "iam",
            "SimulatePrincipalPolicy",
            PolicySourceArn=principal.arn,
            ActionNames=list(actions),
            ResourceArns=[place.resource for place in places],
            ContextEntries=entries,
        )

    def _doubted(self, principal: Principal, found: Simulated) -> None:
        """Turn refusals into doubts where something that was not simulated may grant the right."""
        policies = ResourcePolicies(self.aws)
        for right, verdict in found.told.items():
            if verdict != Refused():
                continue
            if right.via and not self.on_aws:
                found.told[right] = Doubt(_NO_CONTEXT)
            elif why := policies.doubt(right, principal.arn):
                found.told[right] = Doubt(why)


def _requests(rights: Collection[Right]) -> Iterator[tuple[tuple[str, ...], tuple[Right, ...]]]:
    """Actions and resources (a right of each) of which every combination is wanted, within the limit of one call.

    Only rights of the same region and way of calling go together: the call's context is the same for all.
    """
    by_resource: dict[tuple[str, str, str], set[str]] = {}
    for right in rights:
        by_resource.setdefault((right.region, right.via, right.resource), set()).add(right.action)
    by = next(iter(rights)).by if rights else ""
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (region, via, resource), found in sorted(by_resource.items()):
        alike.setdefault((region, via, tuple(sorted(found))), []).append(resource)
    for (region, via, actions), resources in sorted(alike.items()):
        some = max(1, _TOGETHER // len(actions))
        for start in range(0, len(resources), some):
            yield actions, tuple(Right(region, "", resource, via, by) for resource in resources[start : start + some])


def _right(place: Right, action: str) -> Right:
    return Right(place.region, action, place.resource, place.via, place.by)


def _taken(
    pages: Sequence[Answer], wanted: Mapping[tuple[str, str], Right], found: Simulated
) -> tuple[set[str], set[str]]:
    """Take the verdicts out of an answer: the resources it speaks of, and those of which only all together."""
    heard: set[str] = set()
    open_ones: set[str] = set()
    only = {resource for resource, _ in wanted}
    for result in (one for page in pages for one in items(page, "EvaluationResults")):
        for resource, answer in _answers(result):
            own = next(iter(only)) if len(only) == 1 else resource
            right = wanted.get((own, text(result, "EvalActionName").lower()))
            if right is None:
                continue
            heard.add(own)
            judged = judge(right.action, result, answer, alone=len(only) == 1)
            found.told[right] = judged.verdict
            if judged.shared:
                open_ones.add(own)
    return heard, open_ones


def _groups(actions: Sequence[str], reason: str) -> Iterator[tuple[str, ...]]:
    """The actions as IAM's message groups them; each alone where it does not."""
    known = {action.lower(): action for action in actions}
    left = dict.fromkeys(actions)
    groups = [[known.get(name.strip().lower(), "") for name in text.split(",")]
              for text in re.findall(r"\[([^\]]*)\]", reason)]  # fmt: skip
    for group in groups:
        named = tuple(name for name in group if name in left)
        if 0 < len(named) < len(actions):
            yield named
        for name in named if len(named) < len(actions) else ():
            del left[name]
    yield from ((name,) for name in left)


def _answers(result: Answer) -> Iterator[tuple[str, Answer]]:
    """Per resource, where IAM tells them apart; else what it says of the one that was asked for."""
    apart = items(result, "ResourceSpecificResults")
    for answer in apart:
        yield text(answer, "EvalResourceName"), answer
    if not apart:
        yield optional_text(result, "EvalResourceName") or "", result


def _entry(key: str, found: str, kind: str = "string") -> Mapping[str, object]:
    return {"ContextKeyName": key, "ContextKeyValues": [found], "ContextKeyType": kind}
