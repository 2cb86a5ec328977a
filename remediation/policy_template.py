"""CloudFormation templates for the two roles: one makes the role, one makes it in every account."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from remediation.policy import BY_CLOUDFORMATION, Statement, sid_prefix
from remediation.policy_document import INLINE_LIMIT, Json, Place, documents, size

IN_TEMPLATE: Final = Place("${AWS::Partition}", "${AWS::AccountId}", in_template=True)
PRINCIPAL: Final = r"^([0-9]{12}|arn:[a-z-]+:iam::[0-9]{12}:(root|(role|user)/[\w+=,.@/-]+))$"
EXTERNAL_ID: Final = r"^[\w+=,.@:/-]{0,1224}$"  # STS AssumeRole, ExternalId; empty for none
ROLE_NAME: Final = r"^[\w+=,.@-]{1,64}$"
_WORK: Final[Mapping[str, tuple[str, str]]] = {
    "audit": ("read", "--role"),
    "fix": ("migrate", "--fix-role"),
    "backfill": ("send what was missed to", "--fix-role of a backfill"),
    "deliver": ("tell what it found of", "--delivery-role"),
}
_INLINE: Final = INLINE_LIMIT - 200  # the frames of several documents count too
_STACK_SET_NOTE: Final = (
    "A service-managed StackSet skips the organization's management account: deploy the stand-alone template there."
)


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """One role to be made.

    Attributes:
        purpose: `audit`, `fix`, `backfill` or `deliver`.
        name: its default name.
        principal: who may assume it (an account id or an IAM ARN); None to be asked for when the stack is made.
        external_id: what has to be given for that, empty for nothing.
        place: what the policy's ARNs are filled in with.
    """

    purpose: str
    name: str
    principal: str | None
    external_id: str
    statements: tuple[Statement, ...]
    place: Place = IN_TEMPLATE

    @property
    def work(self) -> str:
        """What the role is for, as a verb."""
        return _WORK[self.purpose][0]

    @property
    def option(self) -> str:
        """The option that takes its name."""
        return _WORK[self.purpose][1]


def role_template(spec: RoleSpec) -> str:
    """The stand-alone template, YAML; also what a StackSet takes as its template."""
    return _yaml(_role_document(spec))


def stack_set_template(spec: RoleSpec) -> str:
    """A template that makes a service-managed StackSet of the stand-alone one, YAML.

    It goes into the management account or that of a delegated administrator.
    """
    names = ["RoleName", "TrustedPrincipal", "ExternalId"]
    stack_set: dict[str, Json] = {
        "StackSetName": f"taegis-forwarders-{spec.purpose}-role",
        "Description": _STACK_SET_NOTE,
        "PermissionModel": "SERVICE_MANAGED",
        "CallAs": {"Ref": "CallAs"},
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        "OperationPreferences": {"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100},
        "Parameters": [{"ParameterKey": name, "ParameterValue": {"Ref": name}} for name in names],
        "StackInstancesGroup": [
            {
                "DeploymentTargets": {"OrganizationalUnitIds": {"Ref": "OrganizationalUnitIds"}},
                "Regions": [{"Ref": "AWS::Region"}],  # a role is the account's, in whichever region its stack stands
            }
        ],
        "TemplateBody": role_template(spec),
    }
    return _yaml(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"A StackSet of the role with which taegis-forwarders may {spec.work} Taegis XDR log"
            f" forwarders, for every account of the given units, later ones included. {_STACK_SET_NOTE}",
            "Parameters": {
                "OrganizationalUnitIds": {
                    "Type": "CommaDelimitedList",
                    "Description": "Units whose accounts get the role; the root's id for all",
                },
                "CallAs": {
                    "Type": "String",
                    "Default": "SELF",
                    "AllowedValues": ["SELF", "DELEGATED_ADMIN"],
                    "Description": "SELF in the management account, else DELEGATED_ADMIN",
                },
                **_parameters(spec),
            },
            "Resources": {"RoleInEveryAccount": {"Type": "AWS::CloudFormation::StackSet", "Properties": stack_set}},
        }
    )


def _role_document(spec: RoleSpec) -> dict[str, Json]:
    direct = tuple(found for found in spec.statements if found.group != BY_CLOUDFORMATION)
    caller = tuple(found for found in spec.statements if found.group == BY_CLOUDFORMATION)
    trust: dict[str, Json] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": {"Ref": "TrustedPrincipal"}},
        "Condition": {
            "Fn::If": [
                "WithExternalId",
                {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}},
                {"Ref": "AWS::NoValue"},
            ]
        },
    }
    parts = [
        (name if number == 1 else f"{name}-{number}", made)
        for name, statements in ((spec.purpose, direct), ("by-cloudformation", caller))
        if statements
        for number, made in enumerate(documents(statements, spec.place), start=1)
    ]
    inline: list[Json] = [{"PolicyName": name, "PolicyDocument": made} for name, made in parts]
    # a role's inline policies are limited together, managed ones each by itself
    managed = {} if size(spec.statements, spec.place) <= _INLINE else _managed(parts)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The role with which taegis-forwarders may {spec.work} Taegis XDR log forwarders in this"
        f" account. Roles are account-wide: deploy it in one region. Also a template for a StackSet. {_STACK_SET_NOTE}",
        "Metadata": {"Statements": {f"{sid_prefix(found.group)}*": found.about for found in spec.statements}},
        "Parameters": _parameters(spec),
        "Conditions": {"WithExternalId": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]}},
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": {"Ref": "RoleName"},
                    "Description": f"taegis-forwarders: {spec.purpose}",
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                    **({} if managed else {"Policies": inline}),
                },
            },
            **managed,
        },
        "Outputs": {
            "RoleName": {
                "Description": f"For {spec.option}",
                "Value": {"Ref": "Role"},
            }
        },
    }


def _managed(parts: Iterable[tuple[str, dict[str, Json]]]) -> dict[str, Json]:
    """A managed policy for each document, attached to the role."""
    return {
        "".join(word.capitalize() for word in f"policy-{name}".split("-")): {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": {"Fn::Sub": f"${{RoleName}}-{name}"},
                "PolicyDocument": made,
                "Roles": [{"Ref": "Role"}],
            },
        }
        for name, made in parts
    }


def _parameters(spec: RoleSpec) -> dict[str, Json]:
    principal: dict[str, Json] = {
        "Type": "String",
        "AllowedPattern": PRINCIPAL,
        "Description": "Who may assume the role: an account id, or the ARN of a role or user",
    }
    if spec.principal:
        principal["Default"] = spec.principal
    return {
        "RoleName": {
            "Type": "String",
            "Default": spec.name,
            "AllowedPattern": ROLE_NAME,
            "Description": "Name of the role, the same in every account",
        },
        "TrustedPrincipal": principal,
        "ExternalId": {
            "Type": "String",
            "Default": spec.external_id,
            "AllowedPattern": EXTERNAL_ID,
            "Description": "What has to be given with --external-id, empty for nothing",
        },
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a template within a template can be read."""

    def ignore_aliases(self, _: object) -> bool:
        """CloudFormation reads aliases, people do not."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(content: dict[str, Json]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
