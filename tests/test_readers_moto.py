"""Readers against moto, an engine that nobody here wrote: what it can show is read, what it cannot is unreadable."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.aws import Aws
from fixtures.estate import Encryption, Function, Invocation, Rule
from fixtures.fact import Absent, Cause, Unreadable, value
from fixtures.readers.buckets import read_bucket_region, read_encryption, read_notification, read_package, read_public
from fixtures.readers.functions import read_function, read_functions, read_invocation, read_policy
from fixtures.readers.keys import read_key_policy
from fixtures.readers.logs import read_flow
from fixtures.readers.metrics import read_metrics
from fixtures.readers.secrets import read_secret, read_secret_digest
from fixtures.readers.stacks import (
    read_change_sets,
    read_resources,
    read_stack,
    read_stacks,
    read_template,
)
from fixtures.readers.topics import read_lambda_endpoints
from fixtures.regions import RegionState, read_regions
from fixtures.sandbox.synthetic_release import current_package
from fixtures.sessions import read_identity
from tests.conftest import MOTO_ACCOUNT

REGION = "eu-west-1"
NAME = "logs-scwx-tdr-lambda-awsalb"
TEMPLATE = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
NOW = datetime.now(UTC)


def package() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    return stream.getvalue()


@pytest.fixture
def function(moto_aws: Aws) -> str:
    trust = json.dumps({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                       "Principal": {"Service": "lambda.amazonaws.com"}}]})  # fmt: skip
    role = moto_aws.call(REGION, "iam", "CreateRole", RoleName="forwarder", AssumeRolePolicyDocument=trust)["Role"]
    answer = moto_aws.call(REGION, "lambda", "CreateFunction", FunctionName=NAME, Runtime="go1.x", Handler="main",
                           Role=role["Arn"], Code={"ZipFile": package()},  # type: ignore[index]
                           Environment={"Variables": {"TOKEN": "canary"}})  # fmt: skip
    return str(answer["FunctionArn"])


@pytest.fixture
def bucket(moto_aws: Aws) -> str:
    moto_aws.call(REGION, "s3", "CreateBucket", Bucket="forwarded-logs",
                  CreateBucketConfiguration={"LocationConstraint": REGION})  # fmt: skip
    return "forwarded-logs"


@pytest.fixture
def stack(moto_aws: Aws) -> str:
    moto_aws.call(REGION, "cloudformation", "CreateStack", StackName="logs", TemplateBody=TEMPLATE)
    return "logs"


class TestEmpty:
    """An account in which there is nothing."""

    LISTINGS: tuple[Callable[[Aws], object], ...] = (
        lambda aws: read_stacks(aws, REGION),
        lambda aws: read_functions(aws, REGION),
    )

    @pytest.mark.parametrize("read", LISTINGS, ids=["stacks", "functions"])
    def test_a_listing_is_empty_and_readable(self, read: Callable[[Aws], object], moto_aws: Aws) -> None:
        assert read(moto_aws) == ()

    MISSING: tuple[Callable[[Aws], object], ...] = (
        lambda aws: read_function(aws, REGION, NAME),
        lambda aws: read_policy(aws, REGION, NAME),
        lambda aws: read_bucket_region(aws, REGION, "nothing-here"),
        lambda aws: read_notification(aws, REGION, "nothing-here", MOTO_ACCOUNT),
        lambda aws: read_encryption(aws, REGION, "nothing-here", MOTO_ACCOUNT),
        lambda aws: read_public(aws, REGION, "nothing-here", MOTO_ACCOUNT),
        lambda aws: read_package(aws, REGION, "nothing-here", "a.zip"),
        lambda aws: read_flow(aws, REGION, "/aws/lambda/nothing", NOW - timedelta(hours=1), NOW),
        lambda aws: read_secret(aws, REGION, "nothing"),
        lambda aws: read_secret_digest(aws, REGION, "nothing"),
        lambda aws: read_stack(aws, REGION, "nothing"),
        lambda aws: read_key_policy(aws, REGION, f"arn:aws:kms:{REGION}:{MOTO_ACCOUNT}:key/{'0' * 36}"),
        lambda aws: read_lambda_endpoints(aws, REGION, f"arn:aws:sns:{REGION}:{MOTO_ACCOUNT}:nothing"),
    )

    @pytest.mark.parametrize("read", MISSING, ids=["function", "policy", "region", "notification", "encryption",
                                                   "public", "package", "flow", "secret", "digest", "stack", "key",
                                                   "topic"])  # fmt: skip
    def test_what_does_not_exist_is_absent_or_unreadable_and_never_a_value(
        self, read: Callable[[Aws], object], moto_aws: Aws
    ) -> None:
        assert isinstance(read(moto_aws), Absent | Unreadable)


class TestLambda:
    def test_a_function_is_read_from_listing_and_by_name(self, moto_aws: Aws, function: str) -> None:
        found = read_function(moto_aws, REGION, NAME)
        assert isinstance(found, Function)
        assert (found.name, found.arn, found.runtime, found.handler) == (NAME, function, "go1.x", "main")
        assert found.environment_names == ("TOKEN",)
        assert "canary" not in repr(found)
        listed = read_functions(moto_aws, REGION)
        assert isinstance(listed, tuple)
        assert [(one.name, one.code_sha256) for one in listed] == [(NAME, found.code_sha256)]

    @pytest.mark.usefixtures("function")
    def test_a_permission_becomes_a_statement(self, moto_aws: Aws) -> None:
        assert read_policy(moto_aws, REGION, NAME) == ()
        moto_aws.call(REGION, "lambda", "AddPermission", FunctionName=NAME, StatementId="s3",
                      Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                      SourceArn="arn:aws:s3:::forwarded-logs", SourceAccount=MOTO_ACCOUNT)  # fmt: skip
        (found,) = value(read_policy(moto_aws, REGION, NAME)) or ()
        assert (found.sid, found.principals, found.actions) == ("s3", ("s3.amazonaws.com",), ("lambda:InvokeFunction",))
        assert (found.source_arns, found.source_accounts) == (("arn:aws:s3:::forwarded-logs",), (MOTO_ACCOUNT,))

    @pytest.mark.usefixtures("function")
    def test_reserved_concurrency_and_retries_are_read(self, moto_aws: Aws) -> None:
        assert read_invocation(moto_aws, REGION, NAME) == Invocation(None, None)
        moto_aws.call(REGION, "lambda", "PutFunctionConcurrency", FunctionName=NAME, ReservedConcurrentExecutions=5)
        moto_aws.call(REGION, "lambda", "PutFunctionEventInvokeConfig", FunctionName=NAME, MaximumRetryAttempts=0)
        found = read_function(moto_aws, REGION, NAME)
        assert isinstance(found, Function)
        assert found.reserved_concurrency == 5
        assert read_invocation(moto_aws, REGION, NAME) == Invocation(0, None)


class TestS3:
    def test_rules_keep_their_filters(self, moto_aws: Aws, bucket: str, function: str) -> None:
        rule = {"Id": "ours", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "AWSLogs/"},
                                                   {"Name": "suffix", "Value": ".gz"}]}}}  # fmt: skip
        moto_aws.call(REGION, "s3", "PutBucketNotificationConfiguration", Bucket=bucket,
                      NotificationConfiguration={"LambdaFunctionConfigurations": [rule]})  # fmt: skip
        found = value(read_notification(moto_aws, REGION, bucket, MOTO_ACCOUNT))
        assert found is not None
        assert found.rules == (Rule("function", function, ("s3:ObjectCreated:*",), "AWSLogs/", ".gz"),)
        assert found.rules[0].id == "ours"

    def test_an_engine_that_answers_nothing_at_all_is_not_taken_for_a_document_without_rules(
        self, moto_aws: Aws, bucket: str
    ) -> None:
        # moto has no document for a new bucket and sends an empty body; AWS sends an empty NotificationConfiguration
        found = read_notification(moto_aws, REGION, bucket, MOTO_ACCOUNT)
        assert isinstance(found, Unreadable)
        assert found.cause is Cause.MALFORMED

    def test_region_encryption_and_openness_are_read(self, moto_aws: Aws, bucket: str) -> None:
        assert read_bucket_region(moto_aws, REGION, bucket) == REGION
        assert read_encryption(moto_aws, REGION, bucket, MOTO_ACCOUNT) == Encryption("AES256", None)
        key = f"arn:aws:kms:{REGION}:{MOTO_ACCOUNT}:key/1"
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
        moto_aws.call(REGION, "s3", "PutBucketEncryption", Bucket=bucket,
                      ServerSideEncryptionConfiguration={"Rules": [rule]})  # fmt: skip
        assert read_encryption(moto_aws, REGION, bucket, MOTO_ACCOUNT) == Encryption("aws:kms", key)
        block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
                 "RestrictPublicBuckets": True}  # fmt: skip
        moto_aws.call(REGION, "s3", "PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration=block)
        assert read_public(moto_aws, REGION, bucket, MOTO_ACCOUNT) is False

    @pytest.mark.parametrize("checksum", [{}, {"ChecksumAlgorithm": "SHA256"}], ids=["without", "with"])
    def test_a_package_has_the_digest_that_lambda_would_show(
        self, checksum: dict[str, str], moto_aws: Aws, bucket: str
    ) -> None:
        content = current_package().content
        moto_aws.call(REGION, "s3", "PutObject", Bucket=bucket, Key="a.zip", Body=content, **checksum)
        found = value(read_package(moto_aws, REGION, bucket, "a.zip", MOTO_ACCOUNT))
        assert found is not None
        assert (found.sha256, found.size) == (current_package().code_sha256, len(content))
        assert isinstance(read_package(moto_aws, REGION, bucket, "b.zip"), Absent)


class TestCloudFormation:
    def test_a_stack_is_listed_with_template_and_resources(self, moto_aws: Aws, stack: str) -> None:
        (found,) = value(read_stacks(moto_aws, REGION)) or ()
        assert (found.name, found.status, found.parameters) == (stack, "CREATE_COMPLETE", {})
        assert value(read_template(moto_aws, REGION, stack)) == TEMPLATE
        (resource,) = value(read_resources(moto_aws, REGION, stack)) or ()
        assert (resource.logical_id, resource.type) == ("Topic", "AWS::SNS::Topic")

    def test_a_waiting_change_set_is_seen(self, moto_aws: Aws, stack: str) -> None:
        assert read_change_sets(moto_aws, REGION, stack) == ()
        more = TEMPLATE + "  Queue:\n    Type: AWS::SQS::Queue\n"
        moto_aws.call(REGION, "cloudformation", "CreateChangeSet", StackName=stack, ChangeSetName="theirs",
                      TemplateBody=more, ChangeSetType="UPDATE")  # fmt: skip
        (found,) = value(read_change_sets(moto_aws, REGION, stack)) or ()
        assert found.name == "theirs"


class TestOthers:
    def test_an_upload_that_is_logged_is_proof(self, moto_aws: Aws) -> None:
        group = f"/aws/lambda/{NAME}"
        moto_aws.call(REGION, "logs", "CreateLogGroup", logGroupName=group)
        moto_aws.call(REGION, "logs", "CreateLogStream", logGroupName=group, logStreamName="s")
        begin = int((NOW - timedelta(minutes=5)).timestamp() * 1000)
        lines = ["START RequestId: 1", '{"level":"debug","message":"Uploading data to s3"}', "REPORT RequestId: 1"]
        events = [{"timestamp": begin + n, "message": line} for n, line in enumerate(lines)]
        moto_aws.call(REGION, "logs", "PutLogEvents", logGroupName=group, logStreamName="s", logEvents=events)
        found = value(read_flow(moto_aws, REGION, group, NOW - timedelta(hours=1), NOW))
        assert found is not None
        assert (found.requests, found.proved) == (1, 1)

    def test_metrics_are_summed_and_absent_ones_are_none(self, moto_aws: Aws) -> None:
        points = (("Invocations", 2.0, 10), ("Invocations", 3.0, 20), ("Errors", 1.0, 10))
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "FunctionName", "Value": NAME}],
                "Value": number,
                "Timestamp": NOW - timedelta(minutes=minutes),
            }
            for name, number, minutes in points
        ]
        moto_aws.call(REGION, "cloudwatch", "PutMetricData", Namespace="AWS/Lambda", MetricData=data)
        since = NOW - timedelta(hours=1)
        ((name, found),) = value(read_metrics(moto_aws, REGION, {NAME: since}, since, NOW)) or ()
        assert name == NAME
        assert (found.invocations, found.errors, found.throttles) == (5.0, 1.0, None)

    def test_a_secret_is_there_and_its_value_is_a_digest(self, moto_aws: Aws) -> None:
        arn = moto_aws.call(REGION, "secretsmanager", "CreateSecret", Name="taegis", SecretString="canary")["ARN"]
        found = value(read_secret(moto_aws, REGION, str(arn)))
        assert found is not None
        assert (found.arn, found.has_value) == (arn, True)
        digest = read_secret_digest(moto_aws, REGION, str(arn))
        assert isinstance(digest, str)
        assert len(digest) == 64
        moto_aws.call(REGION, "secretsmanager", "DeleteSecret", SecretId=arn)
        assert isinstance(read_secret(moto_aws, REGION, str(arn)), Absent)

    def test_a_default_key_policy_delegates_to_iam(self, moto_aws: Aws) -> None:
        key = moto_aws.call(REGION, "kms", "CreateKey")["KeyMetadata"]
        found = value(read_key_policy(moto_aws, REGION, str(key["Arn"])))  # type: ignore[index]
        assert found is not None
        assert (found.delegates, found.account) == (True, MOTO_ACCOUNT)

    def test_a_topics_functions_are_found(self, moto_aws: Aws, function: str) -> None:
        topic = str(moto_aws.call(REGION, "sns", "CreateTopic", Name="logs")["TopicArn"])
        assert read_lambda_endpoints(moto_aws, REGION, topic) == ()
        moto_aws.call(REGION, "sns", "Subscribe", TopicArn=topic, Protocol="lambda", Endpoint=function)
        assert read_lambda_endpoints(moto_aws, REGION, topic) == (function,)

    def test_regions_are_those_that_ec2_knows_where_the_account_api_is_missing(self, moto_aws: Aws) -> None:
        found = value(read_regions(moto_aws, REGION))
        assert found is not None
        assert found["us-east-1"] is RegionState.ALWAYS
        assert found["ap-east-1"] is RegionState.OFF

    def test_the_identity_is_the_engines_account(self, moto_aws: Aws) -> None:
        found = value(read_identity(moto_aws, REGION))
        assert found is not None
        assert (found.account, found.partition) == (MOTO_ACCOUNT, "aws")
