"""Which rights CloudFormation needs for a stack's resources, in the fixer's name or that of the stack's own role. Pure.

CloudFormation uses the caller's rights unless the stack has a role; then it uses that one, and the caller need not be
allowed to pass it (API reference, CreateChangeSet, RoleARN). Which calls it makes is known from documentation only: a
right is *sure* where the predicted change cannot be made without it, and *possible* where the type's schema names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from checks.wiring import bucket_arn
from fixtures.code_location import parsed
from fixtures.intrinsics import Pseudo, Resolved, Value, resolve
from fixtures.template import Template
from remediation.gated_update import TemplateSource
from remediation.permission_needs import Right, Where
from remediation.policy_caller import caller_rights, unknown_types, used_by
from remediation.policy_scopes import (
    FUNCTIONS,
    KEYS,
    LOG_GROUPS,
    PACKAGES,
    PASSED_ROLES,
    POLICIES,
    ROLES,
    SECRETS,
    TOPICS,
    Scope,
)
from remediation.prediction import PredictedChange
from remediation.step import Step
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack
from remediation.steps.undo_stack import UndoStackUpdate

CLOUDFORMATION: Final = "cloudformation.amazonaws.com"
_ANY: Final = ""  # whatever property changes


@dataclass(frozen=True, slots=True)
class _Calls:
    """What a type cannot be made without, and what not changed without, by property (`_ANY` for any other)."""

    create: tuple[str, ...]
    update: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


# From the services' API references. Deleting is nowhere sure: what is removed is taken away once the update is
# complete, and stays where that is refused.
_SURE: Final[Mapping[str, _Calls]] = {
    "AWS::IAM::ManagedPolicy": _Calls(("iam:CreatePolicy",), {"PolicyDocument": ("iam:CreatePolicyVersion",)}),
    "AWS::IAM::Policy": _Calls(("iam:PutRolePolicy",), {"PolicyDocument": ("iam:PutRolePolicy",)}),
    "AWS::IAM::Role": _Calls(
        ("iam:CreateRole",), {"AssumeRolePolicyDocument": ("iam:UpdateAssumeRolePolicy",), "Policies": ()}
    ),
    "AWS::IAM::RolePolicy": _Calls(("iam:PutRolePolicy",), {"PolicyDocument": ("iam:PutRolePolicy",)}),
    "AWS::Lambda::Function": _Calls(
        ("lambda:CreateFunction", "iam:PassRole", "s3:GetObject"),
        {
            _ANY: ("lambda:UpdateFunctionConfiguration",),
            "Code": ("lambda:UpdateFunctionCode", "s3:GetObject"),
            "CodeSigningConfigArn": (),
            "RecursiveLoop": (),
            "ReservedConcurrentExecutions": (),
            "Role": ("lambda:UpdateFunctionConfiguration", "iam:PassRole"),
            "RuntimeManagementConfig": (),
            "Tags": (),
        },
    ),
    "AWS::Lambda::Permission": _Calls(("lambda:AddPermission",)),
    "AWS::Logs::LogGroup": _Calls(("logs:CreateLogGroup",)),
    "AWS::SNS::Subscription": _Calls(("sns:Subscribe",), {_ANY: ("sns:SetSubscriptionAttributes",)}),
    "AWS::SecretsManager::Secret": _Calls(
        ("secretsmanager:CreateSecret",), {"SecretString": ("secretsmanager:UpdateSecret",)}
    ),
}
# The property that names a resource, where the template's author wants to.
_NAMES: Final[Mapping[str, str]] = {
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SecretsManager::Secret": "Name",
}
_TYPE_OF: Final[Mapping[Scope, str]] = {
    FUNCTIONS: "AWS::Lambda::Function",
    LOG_GROUPS: "AWS::Logs::LogGroup",
    POLICIES: "AWS::IAM::ManagedPolicy",
    ROLES: "AWS::IAM::Role",
    SECRETS: "AWS::SecretsManager::Secret",
}
# Where a resource's properties name what it uses.
_GIVEN_BY: Final[Mapping[Scope, tuple[str, ...]]] = {TOPICS: ("TopicArn",), KEYS: ("KmsKeyArn", "KmsKeyId")}


@dataclass(frozen=True, slots=True)
class ByCloudFormation:
    """What CloudFormation needs for one step; `unknown` are resource types of which nothing is known here."""

    sure: frozenset[Right] = frozenset()
    possible: frozenset[Right] = frozenset()
    unknown: tuple[str, ...] = ()


def by_cloudformation(step: Step, where: Where) -> ByCloudFormation:
    """What CloudFormation needs for the step's stack; nothing for a step that changes none."""
    change = _change_of(step, where)
    if change is None:
        return ByCloudFormation()
    fetched = {change.right("s3:GetObject", arn, own=False) for arn in change.fetched}
    sure: set[Right] = set(fetched)
    possible: set[Right] = set()
    for one in change.changes:
        certain = set(_sure_actions(one))
        for scope, action in caller_rights({one.resource_type: change.used.get(one.resource_type, frozenset())}):
            found = {change.right(action, arn) for arn in change.arns(scope, one)}
            (sure if action in certain else possible).update(found)
    return ByCloudFormation(
        frozenset(sure),
        frozenset(possible - sure),
        unknown_types({one.resource_type: frozenset() for one in change.changes}),
    )


def _change_of(step: Step, where: Where) -> "_Change | None":
    if isinstance(step, CreateSharedStack):
        template = parsed(step.template.body, step.subject)
        given = {str(one["ParameterKey"]): str(one["ParameterValue"]) for one in step.parameters}
        added = tuple(PredictedChange(one.logical_id, one.type, "Add") for one in template or ())
        return _Change(step.subject, step.template, template, given, added, where) if template else None
    if not isinstance(step, UpdateForwarderStack | UpdateSharedStack | UndoStackUpdate):
        return None
    update = step.update
    template = parsed(update.template.body, update.stack)
    if template is None:
        return None
    former = where.stacks[update.stack].parameters if update.stack in where.stacks else {}
    values = {name: str(one.get("ParameterValue", former.get(name, "")))
              for one in update.parameters for name in [str(one["ParameterKey"])]}  # fmt: skip
    return _Change(update.stack, update.template, template, values, update.prediction, where)


def _sure_actions(change: PredictedChange) -> Iterator[str]:
    """What this change cannot be made without, as far as it is sure to be made."""
    calls = _SURE.get(change.resource_type)
    if calls is None or not change.certain or change.action == "Remove":
        return
    if change.action == "Add" or change.replacement == "True":
        yield from calls.create
    elif change.replacement == "False":
        for name in change.properties:
            yield from calls.update.get(name, calls.update.get(_ANY, ()))


@dataclass(frozen=True)
class _Change:
    """One stack as it is to be, with what is there now."""

    stack: str
    source: TemplateSource
    template: Template
    values: Mapping[str, str] = field(repr=False)
    changes: tuple[PredictedChange, ...]
    where: Where

    @cached_property
    def after(self) -> Resolved:
        """The template evaluated."""
        target, known = self.where.target, self.where.stacks.get(self.stack)
        pseudo = Pseudo(target.account, target.region, self.where.partition, self.where.url_suffix, self.stack,
                        known.id if known else self.where.stack(self.stack))  # fmt: skip
        return resolve(self.template, self.values, pseudo)

    @cached_property
    def used(self) -> Mapping[str, frozenset[str]]:
        """The types of the template, with the properties that bring rights of their own."""
        return used_by([self.template])

    @cached_property
    def there(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical id by logical id, of what is there now."""
        return {one.logical_id: (one.type, one.physical_id)
                for one in self.where.resources.get(self.stack, ()) if one.physical_id}  # fmt: skip

    @property
    def fetched(self) -> Iterator[str]:
        """The object that holds the template, where it goes by URL."""
        if self.source.url:
            yield bucket_arn(self.where.partition, urlsplit(self.source.url).path.lstrip("/"))

    def right(self, action: str, arn: str, *, own: bool = True) -> Right:
        """Whose right it has to be. The template is always fetched in the caller's name: with `own` False."""
        known = self.where.stacks.get(self.stack)
        role = (known.role_arn if known else None) or ""
        by = role if own else ""
        return Right(self.where.target.region, action, arn, via="" if by else CLOUDFORMATION, by=by)

    def arns(self, scope: Scope, change: PredictedChange) -> frozenset[str]:
        """On what an action of that scope is needed for a change; nothing where that cannot be known."""
        properties = self.after.resources.get(change.logical_id, {})
        kind = _TYPE_OF.get(scope)
        if kind is not None:
            return frozenset(self._of_type(kind, change, properties))
        if scope == PASSED_ROLES:
            return frozenset(self._passed(properties.get("Role")))
        if scope == PACKAGES:
            return frozenset(self._package(properties.get("Code")))
        if scope in _GIVEN_BY:
            given = (properties.get(name) for name in _GIVEN_BY[scope])
            return frozenset(arn for arn in given if isinstance(arn, str) and arn.startswith("arn:"))
        return frozenset({"*"})

    def _of_type(self, kind: str, change: PredictedChange, properties: Mapping[str, Value]) -> Iterator[str]:
        """The changed resource itself, or those of the type that it belongs to: a policy's roles, say."""
        named = properties.get("FunctionName")
        if kind == change.resource_type:
            yield self._arn(kind, change.logical_id, new=change.replacement == "True")
        elif kind == _TYPE_OF[FUNCTIONS] and isinstance(named, str):
            yield self.where.function(named)
        else:
            yield from (self._arn(kind, name) for name in self._all_of(kind))

    def _all_of(self, kind: str) -> Iterator[str]:
        yield from (name for name, found in self.after.types.items() if found == kind)

    def _passed(self, role: Value) -> Iterator[str]:
        if isinstance(role, str):
            yield self.where.arn("iam", f"role/{role}", role, account_wide=True)
        else:
            yield from (self._arn(_TYPE_OF[ROLES], name) for name in self._all_of(_TYPE_OF[ROLES]))

    def _package(self, code: Value) -> Iterator[str]:
        bucket, key = (code.get("S3Bucket"), code.get("S3Key")) if isinstance(code, Mapping) else (None, None)
        if isinstance(bucket, str) and isinstance(key, str):
            yield bucket_arn(self.where.partition, f"{bucket}/{key}")

    def _arn(self, kind: str, logical_id: str, *, new: bool = False) -> str:
        """The resource's ARN; a name that CloudFormation will choose ends with `*`."""
        there = self.there.get(logical_id)
        given = self.after.resources.get(logical_id, {}).get(_NAMES.get(kind, ""))
        name = given if isinstance(given, str) else f"{self.stack}-{logical_id}-*"
        if there is not None and there[0] == kind and not new:
            name = there[1]
        if kind == _TYPE_OF[ROLES]:
            return self._role(name)
        if kind == _TYPE_OF[LOG_GROUPS]:
            return self.where.log_group(name)
        if kind == _TYPE_OF[POLICIES]:
            return self.where.arn("iam", f"policy/{name}", name, account_wide=True)
        if kind == _TYPE_OF[SECRETS]:
            return self.where.arn("secretsmanager", f"secret:{name.removesuffix('-*')}-*", name)
        return self.where.function(name)

    def _role(self, name: str) -> str:
        """A role's ARN holds its path, which its name does not show: that of the function's own role is known."""
        functions = (one.listed for one in self.where.forwarders.values() if one.name == self.stack)
        known = (getattr(function, "role", "") for function in functions)
        own = next((role for role in known if role.endswith(f"/{name}")), name)
        return self.where.arn("iam", f"role/{name}", own, account_wide=True)
