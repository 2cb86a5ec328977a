"""Which IAM action a step needs on which concrete resource: told from the step's own calls. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from checks.wiring import bucket_arn
from fixtures.estate import Target
from remediation import lock
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

_OF_BUCKETS: Final = frozenset({BUCKETS, ARTIFACT_BUCKETS})
_OF_OBJECTS: Final = frozenset({ARTIFACTS, PACKAGES, OLD_PACKAGES, LOCKS})
# What a step may do besides its calls: look, and take a change set back. Another declared write is needed only by a
# step that has the call (one whose bucket is there makes none).
_BESIDE: Final = ("Get", "List", "Describe", "Delete")


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An IAM action on one resource, for a call to one region (an ARN of S3 has none)."""

    region: str
    action: str
    resource: str


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
    """What names become ARNs with: the target, its partition, and the ids of stacks that are there, by name."""

    target: Target
    partition: str
    stacks: Mapping[str, str]

    def function(self, name: str) -> str:
        """The function's ARN."""
        return self._arn("lambda", f"function:{name}", name)

    def stack(self, name: str) -> str:
        """The stack's ARN; any id where it is not there yet."""
        return self._arn("cloudformation", f"stack/{name}/*", self.stacks.get(name, name))

    def _arn(self, service: str, resource: str, known: str) -> str:
        if known.startswith("arn:"):
            return known
        return f"arn:{self.partition}:{service}:{self.target.region}:{self.target.account}:{resource}"


def rights_of(step: Step, where: Where) -> frozenset[Right]:
    """What the step needs, on what it touches."""
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
    return frozenset(Right(where.target.region, *pair) for pair in found)


def lock_rights(bucket: str, where: Where) -> frozenset[Right]:
    """What taking the target's lock and giving it back need."""
    touched = _Touched()
    arn = bucket_arn(where.partition, bucket)
    touched.buckets.add(arn)
    touched.objects.add(f"{arn}/{lock.KEY}")
    pairs = {(action, found) for action in lock.ACTIONS for found in touched.of(scope_of("lock", action))}
    return frozenset(Right(where.target.region, *pair) for pair in pairs)


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
