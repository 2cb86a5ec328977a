"""The questions that the suite asks of each forwarder, each as a plain test."""

import datetime as dt
import json
import os
import time
from pathlib import Path

import yaml

CODE = os.environ["CODE_SHA256"]
TEMPLATE = Path(os.environ["TEMPLATE"]).read_text(encoding="utf-8")
SUPPORTED = {"provided.al2023", "provided.al2"}
HEALTHY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}


class Loader(yaml.SafeLoader):
    """Takes CloudFormation's short forms for what they are."""


Loader.add_multi_constructor(
    "!", lambda _loader, tag, node: (tag, node.value if isinstance(node.value, str) else str(node.value))
)


def test_runtime_is_a_custom_one(forwarder):
    assert forwarder.configuration["Runtime"].startswith("provided.al2")


def test_runtime_is_supported(forwarder):
    assert forwarder.configuration["Runtime"] in SUPPORTED


def test_code_is_the_releases(forwarder):
    assert forwarder.configuration["CodeSha256"] == CODE


def test_architecture(forwarder):
    assert forwarder.configuration["Architectures"] == ["x86_64"]


def test_function_is_ready(forwarder):
    assert forwarder.configuration["State"] in {"Active", "Inactive"}
    assert forwarder.configuration["LastUpdateStatus"] == "Successful"


def test_function_may_run(forwarder):
    assert forwarder.function.get("Concurrency", {}).get("ReservedConcurrentExecutions") != 0


def test_stack_is_healthy(forwarder):
    assert forwarder.stack["StackStatus"] in HEALTHY


def test_template_is_current(forwarder):
    assert yaml.load(forwarder.template, Loader) == yaml.load(TEMPLATE, Loader)  # noqa: S506  a subclass of SafeLoader


def test_parameters_are_allowed(forwarder):
    assert forwarder.parameters.get("EnableObjectTagging", "false") in {"true", "false"}
    assert forwarder.bucket


def test_bucket_calls_the_function(forwarder):
    called = [one["LambdaFunctionArn"] for one in forwarder.notification.get("LambdaFunctionConfigurations", [])]
    assert forwarder.configuration["FunctionArn"] in called


def test_nothing_else_is_called(forwarder):
    called = [one["LambdaFunctionArn"] for one in forwarder.notification.get("LambdaFunctionConfigurations", [])]
    assert len(called) == len(set(called))


def test_no_rule_fires_on_tags(forwarder):
    for one in forwarder.notification.get("LambdaFunctionConfigurations", []):
        assert not any(event.startswith("s3:ObjectTagging") for event in one["Events"])


def test_bucket_is_in_the_region(forwarder):
    answer = forwarder.client("s3").head_bucket(Bucket=forwarder.bucket)
    assert answer["BucketRegion"] == forwarder.region


def test_bucket_may_call_the_function(forwarder):
    assert "s3.amazonaws.com" in forwarder.policy


def test_permission_names_the_account(forwarder):
    for statement in json.loads(forwarder.policy)["Statement"]:
        assert statement["Condition"].get("StringEquals", {}).get("AWS:SourceAccount") == forwarder.account


def test_key_of_the_bucket_is_named(forwarder):
    answer = forwarder.client("s3").get_bucket_encryption(Bucket=forwarder.bucket)
    default = answer["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "AES256" or forwarder.parameters["NotificationBucketCustomerManagedKMSarn"]


def test_calls_succeed(forwarder):
    now = dt.datetime.now(dt.UTC)
    answer = forwarder.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": name.lower(),
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda", "MetricName": name,
                        "Dimensions": [{"Name": "FunctionName", "Value": forwarder.name}],
                    },
                    "Period": 3600, "Stat": "Sum",
                },
            }
            for name in ("Errors", "Throttles")
        ],
        StartTime=now - dt.timedelta(hours=24),
        EndTime=now,
    )  # fmt: skip
    assert not any(sum(result["Values"]) for result in answer["MetricDataResults"])


def test_logs_flow(forwarder):
    found = forwarder.client("logs").filter_log_events(
        logGroupName=f"/aws/lambda/{forwarder.name}",
        startTime=int((time.time() - 86400) * 1000),
        filterPattern='"Uploading data to s3"',
    )
    assert found["events"]


def test_failed_events_are_kept_or_not(forwarder):
    assert forwarder.configuration.get("DeadLetterConfig", {}).get("TargetArn", "") == ""
