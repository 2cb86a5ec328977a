"""One good answer for each call that a reader makes, as plain data, and the words of each protocol to say it in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias
from xml.sax.saxutils import escape

from fixtures.sandbox.aws_call import Answer
from tests.fake_aws import jsonish, xml

Data: TypeAlias = "str | int | float | bool | list[Data] | dict[str, Data] | None"

REGION = "eu-west-1"
ACCOUNT = "111122223333"
FUNCTION = "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"
STACK_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/cloudtrail-prod/0a1b"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:logs"
SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:taegis-a1b2c3"
SINCE = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
NOON = 1795435200000  # 2026-11-23T12:00:00Z, in milliseconds
PRESIGNED = "https://awslambda-eu-west-1-tasks.s3.amazonaws.com/snapshots/code?X-Amz-Signature=CANARY-PRESIGNED"
ENVIRONMENT_CANARY = "CANARY-ENVIRONMENT-VALUE"

_CONFIGURATION: dict[str, Data] = {
    "FunctionName": FUNCTION,
    "FunctionArn": FUNCTION_ARN,
    "Runtime": "provided.al2",
    "Handler": "bootstrap",
    "PackageType": "Zip",
    "Architectures": ["x86_64"],
    "CodeSha256": "c2hhMjU2",
    "CodeSize": 1234,
    "LastModified": "2026-11-20T10:00:00.000+0000",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/forwarder",
    "Environment": {"Variables": {"INTEGRATION_TYPE": ENVIRONMENT_CANARY}},
    "KMSKeyArn": KEY_ARN,
    "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/forwarders/all"},
    "Timeout": 300,
    "MemorySize": 512,
}
_STATEMENT: dict[str, Data] = {
    "Sid": "s3",
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Resource": FUNCTION_ARN,
    "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::logs"}, "StringEquals": {"AWS:SourceAccount": ACCOUNT}},
}
_KEY_STATEMENT: dict[str, Data] = {
    "Sid": "Enable IAM User Permissions",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
_STACK: dict[str, Data] = {
    "StackName": "cloudtrail-prod",
    "StackId": STACK_ARN,
    "StackStatus": "UPDATE_COMPLETE",
    "StackStatusReason": "because",
    "Description": "SecureWorks TDR Lambda function",
    "Parameters": [{"ParameterKey": "NotificationBucket", "ParameterValue": "logs"}],
    "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/deploy",
    "EnableTerminationProtection": "true",
    "CreationTime": "2024-01-01T00:00:00Z",
    "LastUpdatedTime": "2026-11-20T10:00:00Z",
}

GOOD: Mapping[str, dict[str, Data]] = {
    "account:ListRegions": {"Regions": [{"RegionName": REGION, "RegionOptStatus": "ENABLED_BY_DEFAULT"},
                                        {"RegionName": "ap-east-1", "RegionOptStatus": "DISABLED"}]},
    "cloudformation:DescribeStacks": {"Stacks": [_STACK]},
    "cloudformation:DescribeStackDriftDetectionStatus": {
        "StackId": STACK_ARN, "StackDriftDetectionId": "d1", "DetectionStatus": "DETECTION_COMPLETE",
        "StackDriftStatus": "DRIFTED", "Timestamp": "2026-11-24T04:00:00Z"},
    "cloudformation:DescribeStackResourceDrifts": {"StackResourceDrifts": [
        {"LogicalResourceId": "TaegisLambdaFunction", "StackId": STACK_ARN, "ResourceType": "AWS::Lambda::Function",
         "StackResourceDriftStatus": "MODIFIED", "Timestamp": "2026-11-24T04:00:00Z"}]},
    "cloudformation:DetectStackDrift": {"StackDriftDetectionId": "d1"},
    "cloudformation:GetTemplate": {"TemplateBody": "Resources: {}"},
    "cloudformation:ListChangeSets": {"Summaries": [
        {"ChangeSetName": "theirs", "ChangeSetId": "arn:theirs", "ExecutionStatus": "AVAILABLE"}]},
    "cloudformation:ListStackResources": {"StackResourceSummaries": [
        {"LogicalResourceId": "TaegisLambdaFunction", "PhysicalResourceId": FUNCTION,
         "ResourceType": "AWS::Lambda::Function", "ResourceStatus": "UPDATE_COMPLETE",
         "LastUpdatedTimestamp": "2026-11-20T10:00:00Z"}]},
    "cloudtrail:LookupEvents": {"Events": [
        {"EventId": "e1", "EventName": "PutBucketNotification", "EventTime": NOON / 1000, "Username": "alice",
         "CloudTrailEvent": json.dumps({"requestParameters": {"bucketName": "logs"}})}]},
    "cloudwatch:GetMetricData": {"MetricDataResults": [
        {"Id": f"q0_{name}", "Label": name, "StatusCode": "Complete", "Timestamps": [NOON / 1000], "Values": [2.0]}
        for name in ("invocations", "errors", "throttles", "asynceventsdropped")]},
    "ec2:DescribeRegions": {"Regions": [{"regionName": REGION, "optInStatus": "opt-in-not-required"},
                                        {"regionName": "ap-east-1", "optInStatus": "not-opted-in"}]},
    "kms:GetKeyPolicy": {"Policy": json.dumps({"Statement": [_KEY_STATEMENT]}), "PolicyName": "default"},
    "lambda:GetFunction": {
        "Configuration": {**_CONFIGURATION, "State": "Active", "StateReason": "", "LastUpdateStatus": "Successful",
                          "LastUpdateStatusReason": ""},
        "Code": {"RepositoryType": "S3", "Location": PRESIGNED},
        "Concurrency": {"ReservedConcurrentExecutions": 5}},
    "lambda:GetFunctionEventInvokeConfig": {
        "FunctionArn": FUNCTION_ARN, "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"}}},
    "lambda:GetPolicy": {"Policy": json.dumps({"Statement": [_STATEMENT]})},
    "lambda:ListFunctions": {"Functions": [_CONFIGURATION]},
    "logs:DescribeLogGroups": {"logGroups": [
        {"logGroupName": "/aws/lambda/f", "creationTime": NOON, "retentionInDays": 30}]},
    "logs:FilterLogEvents": {"events": [
        {"logStreamName": "s", "timestamp": NOON, "message": "START RequestId: 1"},
        {"logStreamName": "s", "timestamp": NOON + 1, "message": '{"level":"debug","message":"Uploading data to s3"}'},
        {"logStreamName": "s", "timestamp": NOON + 2, "message": "REPORT RequestId: 1\tDuration: 3 ms"}]},
    "organizations:ListAccounts": {"Accounts": [
        {"Id": ACCOUNT, "Name": "Security", "State": "ACTIVE", "Status": "ACTIVE"}]},
    "organizations:ListAccountsForParent": {"Accounts": [
        {"Id": ACCOUNT, "Name": "Security", "State": "ACTIVE", "Status": "ACTIVE"}]},
    "organizations:ListOrganizationalUnitsForParent": {"OrganizationalUnits": [
        {"Id": "ou-abcd-22222222", "Name": "Workloads"}]},
    "organizations:ListTagsForResource": {"Tags": [{"Key": "env", "Value": "prod"}]},
    "s3:GetBucketEncryption": {"Rule": [{"ApplyServerSideEncryptionByDefault": {
        "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY_ARN}}]},
    "s3:GetBucketNotificationConfiguration": {"CloudFunctionConfiguration": [{
        "Id": "ours", "CloudFunction": FUNCTION_ARN, "Event": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"],
        "Filter": {"S3Key": {"FilterRule": [{"Name": "Prefix", "Value": "AWSLogs/"},
                                            {"Name": "Suffix", "Value": ".gz"}]}}}]},
    "s3:GetBucketPolicyStatus": {"IsPublic": "true"},
    "s3:GetBucketVersioning": {"Status": "Enabled"},
    "s3:GetObjectTagging": {"TagSet": {"Tag": [{"Key": "TaegisProcessed", "Value": "true"}]}},
    "s3:ListObjectsV2": {
        "Name": "logs", "IsTruncated": "false",
        "Contents": [{"Key": "AWSLogs/1.gz", "LastModified": "2026-11-23T12:00:00.000Z", "ETag": '"e1"', "Size": 3,
                      "StorageClass": "STANDARD"}],
        "CommonPrefixes": [{"Prefix": "AWSLogs/2026/"}]},
    "s3:ListObjectVersions": {
        "Name": "logs", "IsTruncated": "false",
        "Version": [{"Key": "AWSLogs/1.gz", "VersionId": "v1", "IsLatest": "true", "ETag": '"e1"', "Size": 3,
                     "LastModified": "2026-11-23T12:00:00.000Z", "StorageClass": "STANDARD"}]},
    "sqs:GetQueueUrl": {"QueueUrl": "http://127.0.0.1:9/111122223333/dead"},
    "sqs:GetQueueAttributes": {"Attributes": {
        "ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1"}},
    "s3:GetPublicAccessBlock": {"IgnorePublicAcls": "false", "RestrictPublicBuckets": "false"},
    "s3:ListBuckets": {"Owner": {"ID": "0a1b"},
                       "Buckets": {"Bucket": [{"Name": "logs", "CreationDate": "2024-01-01T00:00:00Z"}]}},
    "secretsmanager:DescribeSecret": {"ARN": SECRET_ARN, "Name": "taegis",
                                      "VersionIdsToStages": {"v1": ["AWSCURRENT"], "v0": ["AWSPREVIOUS"]}},
    "secretsmanager:GetSecretValue": {"ARN": SECRET_ARN, "Name": "taegis", "SecretString": "CANARY-SECRET"},
    "sns:ListSubscriptionsByTopic": {"Subscriptions": [
        {"Protocol": "lambda", "Endpoint": FUNCTION_ARN, "TopicArn": TOPIC_ARN, "SubscriptionArn": f"{TOPIC_ARN}:1",
         "Owner": ACCOUNT}]},
    "sts:GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Audit/x",
                              "UserId": "AROA:x"},
}  # fmt: skip

_ROOTS = {
    "s3:GetBucketEncryption": "ServerSideEncryptionConfiguration",
    "s3:GetBucketNotificationConfiguration": "NotificationConfiguration",
    "s3:GetBucketPolicyStatus": "PolicyStatus",
    "s3:GetBucketVersioning": "VersioningConfiguration",
    "s3:GetObjectTagging": "Tagging",
    "s3:GetPublicAccessBlock": "PublicAccessBlockConfiguration",
    "s3:ListObjectVersions": "ListVersionsResult",
    "s3:ListObjectsV2": "ListBucketResult",
    "s3:ListBuckets": "ListAllMyBucketsResult",
}
_QUERY = {"cloudformation", "sns", "sts"}


def in_words(name: str, content: Mapping[str, Data]) -> Answer:
    """`content` as the service of the call `name` would send it."""
    service, _, operation = name.partition(":")
    if service in _QUERY:
        return xml(f"<{operation}Response><{operation}Result>{_elements(content)}</{operation}Result>"
                   f"</{operation}Response>")  # fmt: skip
    if service == "ec2":
        body = "".join(f"<item>{_elements(entry)}</item>" for entry in _list(content.get("Regions")))
        return xml(f"<DescribeRegionsResponse><regionInfo>{body}</regionInfo></DescribeRegionsResponse>")
    if service == "s3":
        return xml(f"<{_ROOTS[name]}>{_elements(content, member='')}</{_ROOTS[name]}>")
    return jsonish(content)


def good(name: str) -> Answer:
    """The good answer to the call `name`."""
    return in_words(name, GOOD[name])


def _list(found: Data) -> list[dict[str, Data]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _elements(content: Mapping[str, Data], member: str = "member") -> str:
    return "".join(_element(name, found, member) for name, found in content.items())


def _element(name: str, found: Data, member: str) -> str:
    if isinstance(found, dict):
        return f"<{name}>{_elements(found, member)}</{name}>"
    if isinstance(found, list):
        if not member:
            return "".join(_element(name, entry, member) for entry in found)
        return f"<{name}>{''.join(_element(member, entry, member) for entry in found)}</{name}>"
    return f"<{name}>{'' if found is None else escape(str(found))}</{name}>"


def first_of(name: str, part: str) -> dict[str, Data]:
    """The first entry of a list in the good answer to the call `name`."""
    return _list(GOOD[name][part])[0]
