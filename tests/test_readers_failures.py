"""Every reader against every way in which AWS can fail to answer: never a value, always the reason."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

import pytest

from fixtures.aws import Aws, iam_action
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.ledger.logged_object import LoggedObject
from fixtures.ledger.span import Span
from fixtures.patience import Wait
from fixtures.readers.buckets import (
    read_bucket_region,
    read_encryption,
    read_notification,
    read_own_buckets,
    read_package,
    read_public,
)
from fixtures.readers.functions import read_function, read_functions, read_invocation, read_policy
from fixtures.readers.inventory import Address, read_inventory_file, read_manifest
from fixtures.readers.keys import read_key_policy
from fixtures.readers.log_pages import read_kept_since, read_log_page
from fixtures.readers.logs import read_flow
from fixtures.readers.metrics import read_metrics
from fixtures.readers.objects import Below, Mark, read_objects, read_processed_tag, read_versioning, read_versions
from fixtures.readers.organization import read_members, read_members_below, read_tags
from fixtures.readers.queues import read_waiting
from fixtures.readers.secrets import read_secret, read_secret_digest
from fixtures.readers.stacks import (
    read_change_sets,
    read_drift,
    read_resources,
    read_stack,
    read_stacks,
    read_template,
)
from fixtures.readers.timelines import read_object_count, read_timeline
from fixtures.readers.topics import read_lambda_endpoints
from fixtures.readers.trails import read_changes
from fixtures.reading import READERS
from fixtures.regions import read_regions
from fixtures.sandbox.aws_call import Answer
from fixtures.sessions import read_identity
from tests.aws_answers import (
    ACCOUNT,
    FUNCTION,
    GOOD,
    KEY_ARN,
    NOON,
    REGION,
    SECRET_ARN,
    SINCE,
    TOPIC_ARN,
    UNTIL,
    Data,
    in_words,
)
from tests.fake_aws import BROKEN_OFF, DENIED, FakeAws, Script, garbage, jsonish, refusal, xml

HEAD_OBJECT = Answer(200, ((b"x-amz-checksum-sha256", b"c2hhMjU2"),))
GET_MANIFEST = jsonish({
    "sourceBucket": "logs", "destinationBucket": "arn:aws:s3:::inventories", "creationTimestamp": "1795435200000",
    "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size, LastModifiedDate", "files": [{"key": "data/1.csv.gz"}],
})  # fmt: skip
SPAN = Span(SINCE, UNTIL)
LOGGED = LoggedObject("logs", "AWSLogs/1.gz", 3, SINCE)
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
HEAD_BUCKET = Answer(200, ((b"x-amz-bucket-region", REGION.encode()),))


@dataclass(frozen=True)
class Case:
    """A reader, how it is called, and the calls it makes when all goes well.

    `absent` are the error codes that mean "does not exist" for the first call.
    """

    read: Callable[[Aws], object]
    calls: tuple[str, ...]
    absent: tuple[str, ...] = ()


CASES: Mapping[str, Case] = {
    "buckets.read_own_buckets": Case(lambda aws: read_own_buckets(aws, REGION), ("s3:ListBuckets",)),
    "buckets.read_bucket_region": Case(
        lambda aws: read_bucket_region(aws, REGION, "logs"), ("s3:HeadBucket",), ("NoSuchBucket",)
    ),
    "buckets.read_encryption": Case(
        lambda aws: read_encryption(aws, REGION, "logs", ACCOUNT), ("s3:GetBucketEncryption",), ("NoSuchBucket",)
    ),
    "buckets.read_notification": Case(
        lambda aws: read_notification(aws, REGION, "logs", ACCOUNT),
        ("s3:GetBucketNotificationConfiguration",),
        ("NoSuchBucket",),
    ),
    "buckets.read_package": Case(
        lambda aws: read_package(aws, REGION, "logs", "a.zip", ACCOUNT),
        ("s3:HeadObject",),
        ("NoSuchKey", "NoSuchBucket"),
    ),
    "buckets.read_public": Case(
        lambda aws: read_public(aws, REGION, "logs", ACCOUNT),
        ("s3:GetPublicAccessBlock", "s3:GetBucketPolicyStatus"),
        ("NoSuchBucket",),
    ),
    "functions.read_function": Case(
        lambda aws: read_function(aws, REGION, FUNCTION), ("lambda:GetFunction",), ("ResourceNotFoundException",)
    ),
    "functions.read_functions": Case(lambda aws: read_functions(aws, REGION), ("lambda:ListFunctions",)),
    "functions.read_invocation": Case(
        lambda aws: read_invocation(aws, REGION, FUNCTION), ("lambda:GetFunctionEventInvokeConfig",)
    ),
    "functions.read_policy": Case(lambda aws: read_policy(aws, REGION, FUNCTION), ("lambda:GetPolicy",)),
    "inventory.read_manifest": Case(
        lambda aws: read_manifest(aws, REGION, Address("inventories", "manifest.json")),
        ("s3:GetObject",),
        ("NoSuchKey", "NoSuchBucket"),
    ),
    "inventory.read_inventory_file": Case(
        lambda aws: read_inventory_file(aws, REGION, Address("inventories", "1.csv.gz"), FilePath(os.devnull)),
        ("s3:GetObject",),
        ("NoSuchKey", "NoSuchBucket"),
    ),
    "log_pages.read_kept_since": Case(
        lambda aws: read_kept_since(aws, REGION, "/aws/lambda/f", UNTIL), ("logs:DescribeLogGroups",)
    ),
    "log_pages.read_log_page": Case(
        lambda aws: read_log_page(aws, REGION, "/aws/lambda/f", SPAN, None),
        ("logs:FilterLogEvents",),
        ("ResourceNotFoundException",),
    ),
    "objects.read_objects": Case(
        lambda aws: read_objects(aws, REGION, Below("logs", ACCOUNT, "AWSLogs/", "/"), Mark("AWSLogs/0")),
        ("s3:ListObjectsV2",),
        ("NoSuchBucket",),
    ),
    "objects.read_processed_tag": Case(
        lambda aws: read_processed_tag(aws, REGION, LOGGED, ACCOUNT), ("s3:GetObjectTagging",), ("NoSuchKey",)
    ),
    "objects.read_versioning": Case(
        lambda aws: read_versioning(aws, REGION, "logs", ACCOUNT), ("s3:GetBucketVersioning",), ("NoSuchBucket",)
    ),
    "objects.read_versions": Case(
        lambda aws: read_versions(aws, REGION, Below("logs", ACCOUNT, "AWSLogs/"), Mark()),
        ("s3:ListObjectVersions",),
        ("NoSuchBucket",),
    ),
    "queues.read_waiting": Case(
        lambda aws: read_waiting(aws, REGION, QUEUE_ARN),
        ("sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
        ("QueueDoesNotExist",),
    ),
    "timelines.read_object_count": Case(
        lambda aws: read_object_count(aws, REGION, "logs", UNTIL), ("cloudwatch:GetMetricData",)
    ),
    "timelines.read_timeline": Case(
        lambda aws: read_timeline(aws, REGION, FUNCTION, SPAN, UNTIL), ("cloudwatch:GetMetricData",)
    ),
    "trails.read_changes": Case(
        lambda aws: read_changes(aws, REGION, "PutBucketNotification", SPAN, UNTIL), ("cloudtrail:LookupEvents",)
    ),
    "keys.read_key_policy": Case(
        lambda aws: read_key_policy(aws, REGION, KEY_ARN), ("kms:GetKeyPolicy",), ("NotFoundException",)
    ),
    "logs.read_flow": Case(
        lambda aws: read_flow(aws, REGION, "/aws/lambda/f", SINCE, UNTIL),
        ("logs:FilterLogEvents",),
        ("ResourceNotFoundException",),
    ),
    "metrics.read_metrics": Case(
        lambda aws: read_metrics(aws, REGION, {FUNCTION: SINCE}, SINCE, UNTIL), ("cloudwatch:GetMetricData",)
    ),
    "organization.read_members": Case(lambda aws: read_members(aws, REGION), ("organizations:ListAccounts",)),
    "organization.read_members_below": Case(
        lambda aws: read_members_below(aws, REGION, "ou-abcd-11111111"),
        ("organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent"),
    ),
    "organization.read_tags": Case(lambda aws: read_tags(aws, REGION, ACCOUNT), ("organizations:ListTagsForResource",)),
    "regions.read_regions": Case(lambda aws: read_regions(aws, REGION), ("account:ListRegions", "ec2:DescribeRegions")),
    "secrets.read_secret": Case(
        lambda aws: read_secret(aws, REGION, SECRET_ARN),
        ("secretsmanager:DescribeSecret",),
        ("ResourceNotFoundException",),
    ),
    "secrets.read_secret_digest": Case(
        lambda aws: read_secret_digest(aws, REGION, SECRET_ARN),
        ("secretsmanager:GetSecretValue",),
        ("ResourceNotFoundException",),
    ),
    "sessions.read_identity": Case(lambda aws: read_identity(aws, REGION), ("sts:GetCallerIdentity",)),
    "stacks.read_change_sets": Case(
        lambda aws: read_change_sets(aws, REGION, "cloudtrail-prod"), ("cloudformation:ListChangeSets",)
    ),
    "stacks.read_drift": Case(
        lambda aws: read_drift(aws, REGION, "cloudtrail-prod", wait=Wait(0.05, first=0.01)),
        (
            "cloudformation:DetectStackDrift",
            "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackResourceDrifts",
        ),
    ),
    "stacks.read_resources": Case(
        lambda aws: read_resources(aws, REGION, "cloudtrail-prod"), ("cloudformation:ListStackResources",)
    ),
    "stacks.read_stack": Case(
        lambda aws: read_stack(aws, REGION, "cloudtrail-prod"), ("cloudformation:DescribeStacks",)
    ),
    "stacks.read_stacks": Case(lambda aws: read_stacks(aws, REGION), ("cloudformation:DescribeStacks",)),
    "stacks.read_template": Case(
        lambda aws: read_template(aws, REGION, "cloudtrail-prod"), ("cloudformation:GetTemplate",)
    ),
    "topics.read_lambda_endpoints": Case(
        lambda aws: read_lambda_endpoints(aws, REGION, TOPIC_ARN), ("sns:ListSubscriptionsByTopic",), ("NotFound",)
    ),
}


def _sums(*names: str) -> dict[str, Data]:
    return {"MetricDataResults": [
        {"Id": name, "Label": name, "StatusCode": "Complete", "Timestamps": [NOON / 1000], "Values": [2.0]}
        for name in names]}  # fmt: skip


# Where the answer to a call depends on what a reader asks.
OWN: Mapping[tuple[str, str], dict[str, Data]] = {
    ("timelines.read_timeline", "cloudwatch:GetMetricData"): _sums(
        "invocations", "errors", "throttles", "asynceventsdropped", "deadlettererrors"
    ),
    ("timelines.read_object_count", "cloudwatch:GetMetricData"): _sums("objects"),
}

# Where the first call is only one of two ways to the answer, its failure is not the reader's.
OTHER_WAY = {("regions.read_regions", "account:ListRegions")}
SECOND_WAY = {"ec2:DescribeRegions": "account:ListRegions"}

EACH_CALL = [(name, call) for name, case in CASES.items() for call in case.calls]


def content_of(name: str, call: str) -> dict[str, Data] | None:
    """The good answer to a call of a reader as plain data; None where it is no structure."""
    return OWN.get((name, call)) or GOOD.get(call)


def good_for(name: str, call: str) -> Answer:
    bodiless = {"s3:HeadBucket": HEAD_BUCKET, "s3:HeadObject": HEAD_OBJECT, "s3:GetObject": GET_MANIFEST}
    return bodiless.get(call) or in_words(call, OWN.get((name, call)) or GOOD[call])


def answers_of(fake: FakeAws, name: str, wrong: str, script: Script) -> None:
    """Every call of a reader goes well but one, and the one that would make it needless."""
    for call in CASES[name].calls:
        fake.say(call, script if call == wrong else good_for(name, call))
    if wrong in SECOND_WAY:
        fake.say(SECOND_WAY[wrong], DENIED)


def test_every_reader_stands_in_this_table() -> None:
    assert sorted(CASES) == sorted(READERS)


@pytest.mark.parametrize("name", CASES)
def test_a_good_answer_is_a_value(name: str, fake: FakeAws, fake_account: Aws) -> None:
    answers_of(fake, name, "", good_for(name, CASES[name].calls[0]))
    found = CASES[name].read(fake_account)
    assert not isinstance(found, Absent | Unreadable)
    assert set(fake.counted()) <= set(CASES[name].calls)


REFUSALS = {
    "denied": (DENIED, Cause.DENIED),
    "throttled": (refusal("TooManyRequestsException", "Rate exceeded", 429), Cause.THROTTLED),
    "expired": (refusal("ExpiredTokenException", "expired", 403), Cause.EXPIRED),
    "not-there": (refusal("UnknownOperationException", "what?", 501), Cause.UNSUPPORTED),
    "engine-error": (refusal("InternalFailure", "boom", 500), Cause.FAILED),
    "refused": (refusal("ValidationError", "no", 400), Cause.FAILED),
}


@pytest.mark.parametrize("how", REFUSALS)
@pytest.mark.parametrize(("name", "call"), EACH_CALL)
def test_a_refused_call_is_unreadable_with_the_action_that_was_needed(
    name: str, call: str, how: str, fake: FakeAws, fake_account: Aws
) -> None:
    script, cause = REFUSALS[how]
    answers_of(fake, name, call, script)
    found = CASES[name].read(fake_account)
    if (name, call) in OTHER_WAY:
        assert not isinstance(found, Unreadable)
        return
    assert isinstance(found, Unreadable), found
    assert found.action == iam_action(*call.split(":"))
    head = call in {"s3:HeadBucket", "s3:HeadObject"}  # an answer to HEAD has no body: 403 is all that is known
    assert found.cause is (Cause.DENIED if head and how == "expired" else cause)
    assert found.action in READERS[name].actions
    assert "\n" not in str(found)


NONSENSE = {
    "page-of-a-proxy": garbage(),
    "error-page-of-a-proxy": garbage(502),
    "nothing": Answer(200).with_text(""),
    "empty-structure": jsonish({}),
    "list": jsonish([]),
    "foreign-xml": xml("<Thing><a>1</a></Thing>"),
    "broken-off": Answer(200, BROKEN_OFF, b"{"),
}


@pytest.mark.parametrize("how", NONSENSE)
@pytest.mark.parametrize(("name", "call"), EACH_CALL)
def test_nonsense_is_unreadable(name: str, call: str, how: str, fake: FakeAws, fake_account: Aws) -> None:
    answers_of(fake, name, call, NONSENSE[how])
    found = CASES[name].read(fake_account)
    if (name, call) in OTHER_WAY:
        assert not isinstance(found, Unreadable)
        return
    if call == "s3:GetBucketVersioning" and how in {"nothing", "foreign-xml"}:
        return  # a bucket that never had versions answers with a document that holds nothing
    if name == "inventory.read_inventory_file" and how not in {"error-page-of-a-proxy", "broken-off"}:
        return  # whatever a file holds is put down; that it is the right one is told by its digest
    if call == "s3:HeadObject" and how != "error-page-of-a-proxy":
        return  # the answer to HEAD has no body that could be nonsense; see the missing-checksum test
    assert isinstance(found, Unreadable), found
    assert found.cause in {Cause.MALFORMED, Cause.FAILED}
    assert found.action in READERS[name].actions
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, case in CASES.items() for code in case.absent], ids=str
)
def test_what_does_not_exist_is_absent(name: str, code: str, fake: FakeAws, fake_account: Aws) -> None:
    answers_of(fake, name, CASES[name].calls[0], refusal(code, "there is no such thing", 404))
    assert isinstance(CASES[name].read(fake_account), Absent)


# Fields that AWS may leave out, or that say nothing to the reader. Losing any other one makes the answer unreadable.
OPTIONAL = {
    "account:ListRegions": set(),
    "cloudformation:DescribeStacks": {
        "StackStatusReason", "Description", "Parameters", "ParameterValue", "RoleARN", "EnableTerminationProtection",
        "CreationTime", "LastUpdatedTime",
    },
    "cloudformation:DescribeStackDriftDetectionStatus": {"StackId", "StackDriftDetectionId", "Timestamp"},
    "cloudformation:DescribeStackResourceDrifts": {
        "StackId", "ResourceType", "StackResourceDriftStatus", "Timestamp",
    },
    "cloudformation:ListChangeSets": {"ExecutionStatus"},
    "cloudformation:ListStackResources": {"PhysicalResourceId", "LastUpdatedTimestamp"},
    "cloudwatch:GetMetricData": {"Label"},
    "ec2:DescribeRegions": {"optInStatus"},
    "kms:GetKeyPolicy": {"PolicyName"},
    "lambda:GetFunction": {
        "Runtime", "Handler", "PackageType", "Architectures", "Role", "Environment", "Variables",
        "INTEGRATION_TYPE", "KMSKeyArn", "DeadLetterConfig", "TargetArn", "LoggingConfig", "LogFormat", "LogGroup",
        "Timeout", "MemorySize", "State", "StateReason", "LastUpdateStatus", "LastUpdateStatusReason", "Code",
        "RepositoryType", "Location", "Concurrency", "ReservedConcurrentExecutions",
    },
    "lambda:GetFunctionEventInvokeConfig": {"MaximumRetryAttempts", "DestinationConfig", "OnFailure", "Destination"},
    "lambda:ListFunctions": {
        "Runtime", "Handler", "PackageType", "Architectures", "Role", "Environment", "Variables",
        "INTEGRATION_TYPE", "KMSKeyArn", "DeadLetterConfig", "TargetArn", "LoggingConfig", "LogFormat", "LogGroup",
        "Timeout", "MemorySize",
    },
    "cloudtrail:LookupEvents": {"EventId", "Username", "CloudTrailEvent"},
    "logs:DescribeLogGroups": {"retentionInDays"},
    "logs:FilterLogEvents": {"logStreamName"},
    "organizations:ListAccounts": {"Name", "State", "Status"},
    "organizations:ListAccountsForParent": {"Name", "State", "Status"},
    "organizations:ListOrganizationalUnitsForParent": {"Name"},
    "s3:GetBucketEncryption": {"KMSMasterKeyID"},
    "s3:GetBucketNotificationConfiguration": {
        "Id", "Filter", "S3Key", "FilterRule", "Value", "CloudFunctionConfiguration",
    },
    # The second flag is not looked at where the first is off.
    "s3:GetPublicAccessBlock": {"IgnorePublicAcls"},
    "s3:GetBucketVersioning": {"Status"},
    "s3:GetObjectTagging": {"Tag"},
    "s3:ListObjectsV2": {"Contents", "CommonPrefixes", "ETag", "StorageClass"},
    "s3:ListObjectVersions": {"Version", "ETag", "StorageClass"},
    "s3:ListBuckets": {"Owner", "ID", "Bucket", "CreationDate"},
    "secretsmanager:DescribeSecret": {"Name", "VersionIdsToStages", "v0", "v1"},
    "secretsmanager:GetSecretValue": {"ARN", "Name"},
    "sns:ListSubscriptionsByTopic": {"TopicArn", "Owner"},
    "sts:GetCallerIdentity": {"UserId"},
}  # fmt: skip

Path = tuple["str | int", ...]


def paths(found: Data, above: Path = ()) -> list[Path]:
    """Every named field of an answer."""
    if isinstance(found, dict):
        return [path for name, part in found.items() for path in ((*above, name), *paths(part, (*above, name)))]
    if isinstance(found, list):
        return [path for index, part in enumerate(found) for path in paths(part, (*above, index))]
    return []


def without(found: Data, path: Path) -> Data:
    """The answer without one field."""
    if isinstance(found, dict):
        return {name: part if name != path[0] else without(part, path[1:]) for name, part in found.items()
                if (name,) != path}  # fmt: skip
    if isinstance(found, list):
        return [part if index != path[0] else without(part, path[1:]) for index, part in enumerate(found)]
    return found


FIELDS = [
    pytest.param(name, call, path, id=f"{name}-{call.partition(':')[2]}-{'.'.join(map(str, path))}")
    for name, call in EACH_CALL
    for path in paths(content_of(name, call))
]


@pytest.mark.parametrize(("name", "call", "path"), FIELDS)
def test_a_missing_field_is_unreadable_unless_aws_may_leave_it_out(
    name: str, call: str, path: Path, fake: FakeAws, fake_account: Aws
) -> None:
    content = without(content_of(name, call), path)
    assert isinstance(content, dict)
    answers_of(fake, name, call, in_words(call, content))
    found = CASES[name].read(fake_account)
    if (name, call) in OTHER_WAY or path[-1] in OPTIONAL.get(call, set()):
        assert not isinstance(found, Unreadable)
    else:
        assert isinstance(found, Unreadable), found
        assert found.cause is Cause.MALFORMED
        assert found.action in READERS[name].actions


WRONG_TYPES = [
    pytest.param(name, call, path, id=f"{name}-{call.partition(':')[2]}-{'.'.join(map(str, path))}")
    for name, call in EACH_CALL
    if call.split(":")[0] in {"lambda", "logs", "secretsmanager", "kms", "account"}
    for path in paths(content_of(name, call))
]
# Nobody looks at these; and a list that is text instead is taken for a list of letters by botocore itself.
IGNORED = {
    "Location", "RepositoryType", "Code", "LogFormat", "Name", "PolicyName", "INTEGRATION_TYPE",
    "Architectures", "v0", "v1",
}  # fmt: skip
IGNORED_IN = {("secretsmanager:GetSecretValue", "ARN")}


def replaced(found: Data, path: Path, other: Data) -> Data:
    """The answer with another value in one field."""
    if not path:
        return other
    if isinstance(found, dict):
        return {name: replaced(part, path[1:], other) if name == path[0] else part for name, part in found.items()}
    if isinstance(found, list):
        return [replaced(part, path[1:], other) if index == path[0] else part for index, part in enumerate(found)]
    return found


def at(found: Data, path: Path) -> Data:
    for step in path:
        assert isinstance(found, dict | list)
        found = found[step]  # type: ignore[index]
    return found


@pytest.mark.parametrize(("name", "call", "path"), WRONG_TYPES)
def test_a_field_of_another_type_is_unreadable(
    name: str, call: str, path: Path, fake: FakeAws, fake_account: Aws
) -> None:
    other: Data = {"of": "another type"} if isinstance(at(content_of(name, call), path), str) else "of another type"
    content = replaced(content_of(name, call), path, other)
    assert isinstance(content, dict)
    answers_of(fake, name, call, in_words(call, content))
    found = CASES[name].read(fake_account)
    if (name, call) not in OTHER_WAY and path[-1] not in IGNORED and (call, path[-1]) not in IGNORED_IN:
        assert isinstance(found, Unreadable), found
        assert found.cause is Cause.MALFORMED
    else:
        assert not isinstance(found, Absent)
