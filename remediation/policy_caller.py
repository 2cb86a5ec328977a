"""What CloudFormation does in the caller's name when it makes, changes or deletes a stack's resources.

From documentation, and not tried against AWS: the `handlers` of each resource type's schema, as
`aws cloudformation describe-type --type RESOURCE --type-name TYPE` shows it; without what only concerns properties
that a template does not set. The schema of AWS::SNS::Subscription states no handlers: its rows are the operations of
the SNS API reference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fixtures.template import Json, Template
from remediation.policy_scopes import (
    EVERYTHING,
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

Rights: TypeAlias = Mapping[Scope, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """What one resource type needs: always, and for a property (dotted path) that a template sets."""

    always: Rights
    for_property: Mapping[str, Rights] = field(default_factory=dict)


def _on(scope: Scope, service: str, *names: str) -> Rights:
    return {scope: tuple(f"{service}:{name}" for name in names)}


_ROLE_POLICY: Final = _on(ROLES, "iam", "GetRolePolicy", "PutRolePolicy", "DeleteRolePolicy")

TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::IAM::ManagedPolicy": ResourceType(
        _on(
            POLICIES, "iam", "CreatePolicy", "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "GetPolicy",
            "GetPolicyVersion", "ListEntitiesForPolicy", "ListPolicyVersions",
        ),
        {"Roles": _on(ROLES, "iam", "AttachRolePolicy", "DetachRolePolicy")},
    ),
    "AWS::IAM::Policy": ResourceType(_ROLE_POLICY),
    "AWS::IAM::Role": ResourceType(
        _on(
            ROLES, "iam", "CreateRole", "DeleteRole", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies",
            "ListRolePolicies", "PutRolePolicy", "DeleteRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy",
            "UpdateRole", "UpdateRoleDescription",
        ),
        {
            "ManagedPolicyArns": _on(ROLES, "iam", "AttachRolePolicy", "DetachRolePolicy"),
            "PermissionsBoundary": _on(ROLES, "iam", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"),
        },
    ),
    "AWS::IAM::RolePolicy": ResourceType(_ROLE_POLICY),
    "AWS::Lambda::Function": ResourceType(
        {
            **_on(
                FUNCTIONS, "lambda", "CreateFunction", "DeleteFunction", "DeleteFunctionConcurrency", "GetFunction",
                "GetFunctionCodeSigningConfig", "GetFunctionRecursionConfig", "GetRuntimeManagementConfig", "ListTags",
                "PutFunctionConcurrency", "PutFunctionRecursionConfig", "PutRuntimeManagementConfig", "TagResource",
                "UntagResource", "UpdateFunctionCode", "UpdateFunctionConfiguration",
            ),
            **_on(PASSED_ROLES, "iam", "PassRole"),
            **_on(PACKAGES, "s3", "GetObject"),
        },
        {
            "Code.S3ObjectVersion": _on(PACKAGES, "s3", "GetObjectVersion"),
            "CodeSigningConfigArn": _on(
                EVERYTHING, "lambda", "GetCodeSigningConfig", "PutFunctionCodeSigningConfig",
                "DeleteFunctionCodeSigningConfig",
            ),
            "FileSystemConfigs": _on(EVERYTHING, "elasticfilesystem", "DescribeMountTargets"),
            "KmsKeyArn": _on(KEYS, "kms", "CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey"),
            "Layers": _on(EVERYTHING, "lambda", "GetLayerVersion"),
            "VpcConfig": _on(
                EVERYTHING, "ec2", "DescribeNetworkInterfaces", "DescribeSecurityGroups", "DescribeSubnets",
                "DescribeVpcs",
            ),
        },
    ),
    "AWS::Lambda::Permission": ResourceType(
        _on(FUNCTIONS, "lambda", "AddPermission", "GetPolicy", "RemovePermission")
    ),
    "AWS::Logs::LogGroup": ResourceType(
        _on(
            LOG_GROUPS, "logs", "CreateLogGroup", "DeleteLogGroup", "DeleteRetentionPolicy", "DescribeLogGroups",
            "GetDataProtectionPolicy", "ListTagsForResource", "PutRetentionPolicy", "TagResource", "UntagResource",
        ),
        {
            "DataProtectionPolicy": _on(
                LOG_GROUPS, "logs", "DeleteDataProtectionPolicy", "PutDataProtectionPolicy"
            ),
            "KmsKeyId": _on(LOG_GROUPS, "logs", "AssociateKmsKey", "DisassociateKmsKey"),
        },
    ),
    "AWS::SNS::Subscription": ResourceType(
        {
            **_on(TOPICS, "sns", "ListSubscriptionsByTopic", "Subscribe"),
            **_on(EVERYTHING, "sns", "GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"),
        }
    ),
    "AWS::SecretsManager::Secret": ResourceType(
        _on(
            SECRETS, "secretsmanager", "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue",
            "TagResource", "UntagResource", "UpdateSecret",
        ),
        {
            "GenerateSecretString": _on(EVERYTHING, "secretsmanager", "GetRandomPassword"),
            "KmsKeyId": _on(KEYS, "kms", "Decrypt", "GenerateDataKey"),
            "ReplicaRegions": _on(
                SECRETS, "secretsmanager", "RemoveRegionsFromReplication", "ReplicateSecretToRegions"
            ),
        },
    ),
}  # fmt: skip

# What the vendor's page and its parameters speak of; its templates are not public, so that a release says it better.
DOCUMENTED: Final[Mapping[str, frozenset[str]]] = {
    "AWS::IAM::Policy": frozenset(),
    "AWS::IAM::Role": frozenset({"ManagedPolicyArns"}),
    "AWS::Lambda::Function": frozenset({"KmsKeyArn"}),
    "AWS::Lambda::Permission": frozenset(),
    "AWS::Logs::LogGroup": frozenset(),
    "AWS::SNS::Subscription": frozenset(),
    "AWS::SecretsManager::Secret": frozenset(),
}


def used_by(templates: Iterable[Template]) -> Mapping[str, frozenset[str]]:
    """The resource types of some templates, each with those of its properties that bring rights of their own."""
    found: dict[str, set[str]] = {}
    for template in templates:
        for resource in template:
            known = TYPES[resource.type].for_property if resource.type in TYPES else {}
            sets = {path for path in known if _is_set(resource.properties, path)}
            found.setdefault(resource.type, set()).update(sets)
    return {name: frozenset(paths) for name, paths in sorted(found.items())}


def caller_rights(used: Mapping[str, frozenset[str]]) -> tuple[tuple[Scope, str], ...]:
    """(scope, action) for every known type that is used, sorted by action; unknown types are `unknown_types`."""
    pairs = set()
    for name, paths in used.items():
        if name in TYPES:
            chosen = [TYPES[name].always, *(TYPES[name].for_property[path] for path in paths)]
            pairs |= {(scope, action) for rights in chosen for scope, actions in rights.items() for action in actions}
    return tuple(sorted(pairs, key=lambda pair: (pair[1], pair[0].name)))


def unknown_types(used: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The types of which nothing is known here: what they need has to be added by hand."""
    return tuple(name for name in used if name not in TYPES)


def _is_set(properties: Mapping[str, Json], path: str) -> bool:
    found: Json | Mapping[str, Json] = properties
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True
