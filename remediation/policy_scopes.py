"""On what each IAM action is granted: the narrowest resources that AWS lets a policy name for it.

Which actions know resources, and of which form, is from AWS's Service Authorization Reference. Names that are known
only at run time (stacks, notification buckets, the roles that CloudFormation names) stay wildcards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fixtures.errors import SuiteError
from remediation.lock import KEY as LOCK_KEY


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of IAM's `Condition`: operator, key and the values of which one has to match."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """A kind of resource, as a policy names it.

    Attributes:
        name: what it adds to a statement's Sid; letters only.
        patterns: ARNs with `{partition}`, `{account}`, `{artifacts}` and `{functions}` left open, or `{topics}`.
        conditions: what the statement also asks for.
    """

    name: str
    patterns: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def _via(*services: str) -> tuple[Condition, ...]:
    return (Condition("StringLike", "kms:ViaService", tuple(f"{service}.*.amazonaws.com*" for service in services)),)


# AWS knows no resources for these actions, or the call names none (DescribeStacks for all stacks).
EVERYTHING: Final = Scope("Account", ("*",))
STACKS: Final = Scope("Stacks", ("arn:{partition}:cloudformation:*:{account}:stack/*/*",))
FUNCTIONS: Final = Scope("Functions", ("arn:{partition}:lambda:*:{account}:function:{functions}",))
LOGS: Final = Scope("Logs", ("arn:{partition}:logs:*:{account}:log-group:/aws/lambda/{functions}",))
LOG_GROUPS: Final = Scope("LogGroups", ("arn:{partition}:logs:*:{account}:log-group:*",))
BUCKETS: Final = Scope("Buckets", ("arn:{partition}:s3:::*",))
OBJECTS: Final = Scope("Objects", ("arn:{partition}:s3:::*/*",))
INVENTORIES: Final = Scope("Inventories", ("arn:{partition}:s3:::*/manifest.json", "arn:{partition}:s3:::*.csv.gz"))
ARTIFACT_BUCKETS: Final = Scope("ArtifactBuckets", ("arn:{partition}:s3:::{artifacts}",))
ARTIFACTS: Final = Scope("Artifacts", ("arn:{partition}:s3:::{artifacts}/*",))
# The old package stands where the old template points: in any bucket.
PACKAGES: Final = Scope("Packages", ("arn:{partition}:s3:::{artifacts}/*", "arn:{partition}:s3:::*/*.zip"))
OLD_PACKAGES: Final = Scope("OldPackages", ("arn:{partition}:s3:::*/*.zip",))
LOCKS: Final = Scope("Locks", (f"arn:{{partition}}:s3:::{{artifacts}}/{LOCK_KEY}",))
SECRETS: Final = Scope("Secrets", ("arn:{partition}:secretsmanager:*:{account}:secret:*",))
QUEUES: Final = Scope("Queues", ("arn:{partition}:sqs:*:*:*",))  # a dead-letter queue may be another account's
TOPICS: Final = Scope("Topics", ("arn:{partition}:sns:*:*:*",))
DELIVERY_TOPICS: Final = Scope("Topics", ("{topics}",))
TOPIC_KEYS: Final = Scope("TopicKeys", ("arn:{partition}:kms:*:*:key/*",), _via("sns"))
# Findings of one's own are imported under a product that bears the account's id.
OWN_PRODUCT: Final = Scope("OwnProduct", ("arn:{partition}:securityhub:*:{account}:product/{account}/default",))
HUB: Final = Scope("Hub", ("arn:{partition}:securityhub:*:{account}:hub/default",))
KEYS: Final = Scope("Keys", ("arn:{partition}:kms:*:{account}:key/*",))
# A key may be another account's, and is used through the service that holds what it encrypts.
OBJECT_KEYS: Final = Scope("ObjectKeys", ("arn:{partition}:kms:*:*:key/*",), _via("s3"))
SECRET_KEYS: Final = Scope("SecretKeys", ("arn:{partition}:kms:*:*:key/*",), _via("secretsmanager"))
ROLES: Final = Scope("Roles", ("arn:{partition}:iam::{account}:role/*",))
PRINCIPALS: Final = Scope("Principals", (*ROLES.patterns, "arn:{partition}:iam::{account}:user/*"))
PASSED_ROLES: Final = Scope(
    "PassedRoles", ROLES.patterns, (Condition("StringEquals", "iam:PassedToService", ("lambda.amazonaws.com",)),)
)
POLICIES: Final = Scope("Policies", ("arn:{partition}:iam::{account}:policy/*",))

_BY_ACTION: Final[Mapping[str, Scope]] = {
    "account:ListRegions": EVERYTHING,
    "cloudformation:BatchDescribeTypeConfigurations": EVERYTHING,
    "cloudformation:CreateChangeSet": STACKS,
    "cloudformation:CreateStack": STACKS,
    "cloudformation:DeleteChangeSet": STACKS,
    "cloudformation:DescribeChangeSet": STACKS,
    "cloudformation:DescribeStackDriftDetectionStatus": EVERYTHING,
    "cloudformation:DescribeStackEvents": STACKS,
    "cloudformation:DescribeStackResourceDrifts": STACKS,
    "cloudformation:DescribeStacks": STACKS,
    "cloudformation:DetectStackDrift": STACKS,
    "cloudformation:DetectStackResourceDrift": STACKS,
    "cloudformation:ExecuteChangeSet": STACKS,
    "cloudformation:GetTemplate": STACKS,
    "cloudformation:ListChangeSets": STACKS,
    "cloudformation:ListStackResources": STACKS,
    "cloudformation:ListStacks": EVERYTHING,
    "cloudtrail:LookupEvents": EVERYTHING,
    "cloudwatch:GetMetricData": EVERYTHING,
    "ec2:DescribeRegions": EVERYTHING,
    "iam:GetRole": ROLES,
    "iam:GetRolePolicy": ROLES,
    "iam:ListAccountAliases": EVERYTHING,
    "iam:ListAttachedRolePolicies": ROLES,
    "iam:ListRolePolicies": ROLES,
    "iam:SimulatePrincipalPolicy": PRINCIPALS,
    "kms:Decrypt": OBJECT_KEYS,
    "kms:GetKeyPolicy": KEYS,
    "lambda:AddPermission": FUNCTIONS,
    "lambda:GetAccountSettings": EVERYTHING,
    "lambda:GetFunction": FUNCTIONS,
    "lambda:GetFunctionCodeSigningConfig": FUNCTIONS,
    "lambda:GetFunctionEventInvokeConfig": FUNCTIONS,
    "lambda:GetFunctionRecursionConfig": FUNCTIONS,
    "lambda:GetPolicy": FUNCTIONS,
    "lambda:GetRuntimeManagementConfig": FUNCTIONS,
    "lambda:InvokeFunction": FUNCTIONS,
    "lambda:ListFunctions": EVERYTHING,
    "lambda:ListTags": FUNCTIONS,
    "lambda:RemovePermission": FUNCTIONS,
    "logs:DescribeLogGroups": LOG_GROUPS,
    "logs:FilterLogEvents": LOGS,
    "logs:GetDataProtectionPolicy": LOG_GROUPS,
    "logs:ListTagsForResource": LOG_GROUPS,
    "organizations:ListAccounts": EVERYTHING,
    "organizations:ListAccountsForParent": EVERYTHING,
    "organizations:ListOrganizationalUnitsForParent": EVERYTHING,
    "organizations:ListTagsForResource": EVERYTHING,
    "s3:CreateBucket": ARTIFACT_BUCKETS,
    "s3:DeleteBucket": ARTIFACT_BUCKETS,
    "s3:DeleteObject": ARTIFACTS,
    "s3:GetBucketNotification": BUCKETS,
    "s3:GetBucketPolicy": BUCKETS,
    "s3:GetBucketPolicyStatus": ARTIFACT_BUCKETS,
    "s3:GetBucketPublicAccessBlock": ARTIFACT_BUCKETS,
    "s3:GetBucketVersioning": BUCKETS,
    "s3:GetEncryptionConfiguration": BUCKETS,
    "s3:GetObject": PACKAGES,
    "s3:GetObjectTagging": OBJECTS,
    "s3:GetObjectVersionTagging": OBJECTS,
    "s3:ListAllMyBuckets": EVERYTHING,
    "s3:ListBucket": BUCKETS,
    "s3:ListBucketVersions": BUCKETS,
    "s3:PutBucketNotification": BUCKETS,
    "s3:PutBucketPublicAccessBlock": ARTIFACT_BUCKETS,
    "s3:PutObject": ARTIFACTS,
    "secretsmanager:DescribeSecret": SECRETS,
    "secretsmanager:GetSecretValue": SECRETS,
    "securityhub:BatchImportFindings": OWN_PRODUCT,
    "securityhub:BatchUpdateFindings": HUB,
    "securityhub:GetFindings": HUB,
    "sns:GetSubscriptionAttributes": EVERYTHING,
    "sns:ListSubscriptionsByTopic": TOPICS,
    "sns:Publish": DELIVERY_TOPICS,
    "sqs:ChangeMessageVisibility": QUEUES,
    "sqs:DeleteMessage": QUEUES,
    "sqs:GetQueueAttributes": QUEUES,
    "sqs:GetQueueUrl": QUEUES,
    "sqs:ReceiveMessage": QUEUES,
    "sts:GetCallerIdentity": EVERYTHING,
}
# Who needs an action on something else than the others do.
_BY_NEED: Final[Mapping[tuple[str, str], Scope]] = {
    ("stacks.read_stacks", "cloudformation:DescribeStacks"): EVERYTHING,  # of all stacks: it names none
    ("UndoUploads", "cloudformation:DescribeStacks"): EVERYTHING,
    ("secrets.read_secret_digest", "kms:Decrypt"): SECRET_KEYS,
    ("inventory.read_manifest", "s3:GetObject"): INVENTORIES,
    ("inventory.read_inventory_file", "s3:GetObject"): INVENTORIES,
    ("SecureOldPackage", "s3:PutObject"): OLD_PACKAGES,
    ("lock", "s3:DeleteObject"): LOCKS,
    ("backfill.sendable", "s3:GetObject"): OBJECTS,
    ("topic", "kms:Decrypt"): TOPIC_KEYS,
    ("topic", "kms:GenerateDataKey"): TOPIC_KEYS,
}


def scope_of(who: str, action: str) -> Scope:
    """On what `who` (a reader, a step, a part of the engine) needs an action.

    Raises:
        SuiteError: the table does not know the action; nothing is granted on everything for want of an entry.
    """
    found = _BY_NEED.get((who, action)) or _BY_ACTION.get(action)
    if found is None:
        raise SuiteError(f"remediation/policy_scopes.py does not say on what {who} needs {action}")
    return found
