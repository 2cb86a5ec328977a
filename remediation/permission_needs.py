"""Which IAM action a step needs on which concrete resource: told from the step's own calls. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from checks.wiring import bucket_arn
from fixtures.estate import Forwarder, Seen, SharedStack, Stack, StackResource, Target
from fixtures.fact import value
from remediation import lock, proof, settle
from remediation.call import Call
from remediation.policy_scopes import (
    ARTIFACT_BUCKETS,
    ARTIFACTS,
    BUCKETS,
    FUNCTIONS,
    LOCKS,
    OLD_PACKAGES,
    PACKAGES,
    STACKS,
    Scope,
    scope_of,
)
from remediation.step import Step
from remediation.steps.event import SendTestEvent
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.old_package import SecureOldPackage
from remediation.steps.shared_stack import UpdateSharedStack
from remediation.steps.trigger import MergeNotification

_OF_BUCKETS: Final = frozenset({BUCKETS, ARTIFACT_BUCKETS})
_OF_OBJECTS: Final = frozenset({ARTIFACTS, PACKAGES, OLD_PACKAGES, LOCKS})
# What a step may do besides its calls: look, and take a change set back. Another declared write is needed only by a
# step that has the call (one whose bucket is there makes none).
_BESIDE: Final = ("Get", "List", "Describe", "Delete")


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An IAM action on one resource, for a call to one region (an ARN of S3 has none).

    Attributes:
        via: the service that makes the call in the fixer's name (`aws:CalledVia`); empty for the suite itself.
        by: ARN of the stack's own role, whose right it has to be; empty for the fixer.
    """

    region: str
    action: str
    resource: str
    via: str = ""
    by: str = ""


@dataclass(slots=True)
class _Touched:
    """ARNs, by kind."""

    buckets: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    stacks: set[str] = field(default_factory=set)

    def of(self, scope: Scope) -> set[str]:
        """Those that an action is granted on; none where no concrete one is known (KMS keys)."""
        if scope in _OF_BUCKETS:
            return self.buckets
        if scope in _OF_OBJECTS:
            return self.objects
        return self.functions if scope == FUNCTIONS else self.stacks if scope == STACKS else set()


@dataclass(frozen=True, slots=True)
class Where:
    """What names become ARNs with: the target, its partition and DNS suffix, and what was seen there by name.

    `resources` are those of each stack.
    """

    target: Target
    partition: str = "aws"
    url_suffix: str = "amazonaws.com"
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    resources: Mapping[str, tuple[StackResource, ...]] = field(default_factory=dict)
    forwarders: Mapping[str, Forwarder] = field(default_factory=dict)

    def function(self, name: str) -> str:
        """The function's ARN."""
        return self.arn("lambda", f"function:{name}", name)

    def stack(self, name: str) -> str:
        """The stack's ARN; any id where it is not there yet."""
        known = self.stacks.get(name)
        return self.arn("cloudformation", f"stack/{name}/*", known.id if known else name)

    def log_group(self, name: str) -> str:
        """The group's ARN, in the form that its own actions are granted on (CloudWatch Logs user guide, ARNs)."""
        return self.arn("logs", f"log-group:{name}:*", name)

    def arn(self, service: str, resource: str, known: str = "", *, account_wide: bool = False) -> str:
        """`known` where that is an ARN already, else that of the resource in the target."""
        if known.startswith("arn:"):
            return known
        region = "" if account_wide else self.target.region
        return f"arn:{self.partition}:{service}:{region}:{self.target.account}:{resource}"


def seen_at(seen: Seen, partition: str, url_suffix: str) -> Where:
    """What was seen of a target, by name."""
    holders: tuple[Forwarder | SharedStack, ...] = (*seen.forwarders, *(value(seen.shared) or ()))
    stacks = [(one.stack, one.resources) for one in holders]
    return Where(
        seen.target,
        partition,
        url_suffix,
        stacks={stack.name: stack for stack, _ in stacks},
        resources={stack.name: value(found) or () for stack, found in stacks},
        forwarders={one.name: one for one in seen.forwarders},
    )


def rights_of(step: Step, where: Where) -> frozenset[Right]:
    """What the step needs, on what it touches, to be done and proved."""
    who = type(step).__name__
    touched = _Touched()
    found: set[tuple[str, str]] = set()
    for call in step.calls():
        own = _Touched()
        _add(own, call, where)
        _add(touched, call, where)
        found |= {(call.action, arn) for arn in own.of(scope_of(who, call.action))}
    match step:
        case UpdateForwarderStack() | SecureOldPackage():
            touched.functions.add(where.function(step.function))
        case SendTestEvent() if not step.payload:
            touched.buckets.add(bucket_arn(where.partition, step.bucket))
    found.update(_beside(who, type(step).ACTIONS, touched))
    found.update(_to_prove(step, where))
    return frozenset(Right(where.target.region, *pair) for pair in found)


def lock_rights(bucket: str, where: Where) -> frozenset[Right]:
    """What taking the target's lock and giving it back need."""
    touched = _Touched()
    arn = bucket_arn(where.partition, bucket)
    touched.buckets.add(arn)
    touched.objects.add(f"{arn}/{lock.KEY}")
    pairs = {(action, found) for action in lock.ACTIONS for found in touched.of(scope_of("lock", action))}
    return frozenset(Right(where.target.region, *pair) for pair in pairs)


def settling_rights(stack: str, where: Where) -> frozenset[Right]:
    """What taking back a change set needs that a stopped run left on a stack."""
    return frozenset(Right(where.target.region, action, where.stack(stack)) for action in settle.ACTIONS)


def _to_prove(step: Step, where: Where) -> Iterator[tuple[str, str]]:
    """What waiting for log lines needs, for forwarders that are to have some: else every ring would end unproved."""
    if not isinstance(step, UpdateForwarderStack | UpdateSharedStack | MergeNotification | SendTestEvent):
        return
    for forwarder in (where.forwarders[name] for name in step.forwarders if name in where.forwarders):
        function = value(forwarder.function) or value(forwarder.listed)
        if function and (isinstance(step, SendTestEvent) or proof.had_traffic(forwarder)):
            places = {"lambda": where.function(function.name), "logs": where.log_group(function.log_group)}
            yield from ((action, places[action.partition(":")[0]]) for action in proof.ACTIONS)


def _beside(who: str, actions: tuple[str, ...], touched: _Touched) -> Iterator[tuple[str, str]]:
    for action in actions:
        if action.partition(":")[2].startswith(_BESIDE):
            yield from ((action, arn) for arn in touched.of(scope_of(who, action)))


def _add(touched: _Touched, call: Call, where: Where) -> None:
    parameters = call.parameters
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    if bucket is not None:
        arn = bucket_arn(where.partition, str(bucket))
        touched.buckets.add(arn)
        if key is not None:
            touched.objects.add(f"{arn}/{key}")
    if "FunctionName" in parameters:
        touched.functions.add(where.function(str(parameters["FunctionName"])))
    if "StackName" in parameters:
        touched.stacks.add(where.stack(str(parameters["StackName"])))
