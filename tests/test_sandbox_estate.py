"""The seeded estate is what its table says, judged by a reader that shares no code with the suite."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.sandbox import Feature, Kind, Outcome, Sandbox, SandboxSpec, Trigger, placed_cases, start_sandbox
from fixtures.sandbox.seed_client import Place, SeedClients
from fixtures.sandbox.synthetic_release import CANARIES, current_package, legacy_package
from fixtures.settings import parse_settings

ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("us-east-1", "eu-west-1")
READER = Path(__file__).with_name("independent_reader.py")
CREATED = "s3:ObjectCreated:*"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS), tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="module")
def report(sandbox: Sandbox) -> dict[tuple[str, str], dict]:
    """What the independent reader saw, by account and region; it has also put an object under every rule."""
    command = [sys.executable, str(READER), sandbox.endpoint, ",".join(ACCOUNTS), ",".join(REGIONS), "--probe"]
    environment = {**os.environ, **sandbox.environment}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    return {(one["account"], one["region"]): one for one in json.loads(done.stdout)}


@pytest.fixture
def first(sandbox: Sandbox) -> Place:
    return SeedClients(sandbox.endpoint).at(ACCOUNTS[0], REGIONS[0])


def test_every_forwarder_has_its_stack_and_its_function_in_its_place(report: dict) -> None:
    for row in placed_cases(ACCOUNTS, REGIONS):
        seen = report[row.account, row.region]
        functions = {one["FunctionName"]: one for one in seen["functions"]}
        if row.case.kind is not Kind.ORPHAN:
            expected = "UPDATE_ROLLBACK_FAILED" if Feature.STUCK in row.case.features else "CREATE_COMPLETE"
            assert seen["stacks"][row.case.name] == expected
        else:
            assert row.case.name not in seen["stacks"]
        if row.case.function_name:
            migrated = Feature.MIGRATED in row.case.features
            assert functions[row.case.function_name]["Runtime"] == ("provided.al2" if migrated else "go1.x")


def test_live_packages_are_the_releases_or_the_ones_the_old_templates_point_to(report: dict) -> None:
    for row in placed_cases(ACCOUNTS, REGIONS):
        if not row.case.function_name:
            continue
        functions = {one["FunctionName"]: one for one in report[row.account, row.region]["functions"]}
        new = Feature.MIGRATED in row.case.features and Feature.OLD_PACKAGE not in row.case.features
        package = current_package() if new else legacy_package()
        assert functions[row.case.function_name]["CodeSha256"] == package.code_sha256


def test_the_old_package_is_readable_where_the_old_template_points(sandbox: Sandbox) -> None:
    clients = SeedClients(sandbox.endpoint)
    for row in placed_cases(ACCOUNTS, REGIONS):
        if row.case.kind is not Kind.FORWARDER or Feature.MIGRATED in row.case.features:
            continue
        place = clients.at(row.account, row.region)
        stack = place.call("cloudformation", "describe_stacks", StackName=row.case.name)["Stacks"][0]  # type: ignore[index]
        given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        assert given["LegacyToken"] == "****"
        found = place.call("s3", "get_object", Bucket=given["LegacyCodeBucket"], Key=given["LegacyCodeKey"])
        assert found["Body"].read() == legacy_package().content  # type: ignore[attr-defined]


def test_the_first_region_has_the_shared_stack_and_the_others_have_not(report: dict) -> None:
    for (_, region), seen in report.items():
        assert ("taegis-shared-resources" in seen["stacks"]) is (region == REGIONS[0])


def test_the_empty_region_holds_nothing(sandbox: Sandbox) -> None:
    place = SeedClients(sandbox.endpoint).at(ACCOUNTS[0], sandbox.empty_region)
    assert place.call("cloudformation", "list_stacks")["StackSummaries"] == []
    assert place.call("lambda", "list_functions")["Functions"] == []


def test_a_bucket_serves_others_beside_the_forwarder(report: dict) -> None:
    document = report[ACCOUNTS[0], REGIONS[0]]["documents"][f"flow-core-{ACCOUNTS[0]}-{REGIONS[0]}"]
    assert {name: len(part) for name, part in document.items()} == {
        "TopicConfigurations": 1,
        "QueueConfigurations": 1,
        "LambdaFunctionConfigurations": 2,
        "EventBridgeConfiguration": 0,
    }


def test_a_rule_points_at_a_function_that_is_gone(report: dict, sandbox: Sandbox) -> None:
    document = report[ACCOUNTS[0], REGIONS[1]]["documents"][f"waf-public-{ACCOUNTS[0]}-{REGIONS[1]}"]
    arns = [rule["LambdaFunctionArn"] for rule in document["LambdaFunctionConfigurations"]]
    gone = next(arn for arn in arns if arn.endswith(":decommissioned-indexer"))
    place = SeedClients(sandbox.endpoint).at(ACCOUNTS[0], REGIONS[1])
    listed = place.call("lambda", "list_functions")["Functions"]
    assert gone not in [one["FunctionArn"] for one in listed]  # type: ignore[attr-defined]


def test_two_forwarders_share_a_bucket_by_prefix(report: dict) -> None:
    document = report[ACCOUNTS[0], REGIONS[1]]["documents"][f"share-{ACCOUNTS[0]}-{REGIONS[1]}"]
    prefixes = [
        part["Value"]
        for rule in document["LambdaFunctionConfigurations"]
        for part in rule["Filter"]["Key"]["FilterRules"]
        if part["Name"] == "Prefix"
    ]
    assert sorted(prefixes) == ["alb/", "flow/"]


def test_the_encrypted_bucket_names_the_key_that_its_stack_was_given(sandbox: Sandbox) -> None:
    place = SeedClients(sandbox.endpoint).at(ACCOUNTS[0], REGIONS[1])
    stack = place.call("cloudformation", "describe_stacks", StackName="cloudtrail-kms")["Stacks"][0]  # type: ignore[index]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    answer = place.call("s3", "get_bucket_encryption", Bucket=given["NotificationBucket"])
    rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]  # type: ignore[index]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert key == given["NotificationBucketCustomerManagedKMSarn"]
    policy = place.call("kms", "get_key_policy", KeyId=key, PolicyName="default")["Policy"]
    assert f"{ACCOUNTS[0]}:root" in str(policy)


def test_a_log_groups_subscription_calls_the_forwarder_without_a_bucket(sandbox: Sandbox) -> None:
    place = SeedClients(sandbox.endpoint).at(ACCOUNTS[0], REGIONS[1])
    (found,) = place.call("logs", "describe_subscription_filters", logGroupName="/app/payments")["subscriptionFilters"]  # type: ignore[misc]
    assert found["destinationArn"].endswith(":cwl-payments-scwx-tdr-lambda-awscloudwatchlogs")


def test_every_rule_calls_its_function_once_and_only_healthy_ones_deliver(report: dict) -> None:
    probes = {probe["function"]: probe for seen in report.values() for probe in seen["probes"]}
    for row in placed_cases(ACCOUNTS[:1], REGIONS):
        if row.case.kind is not Kind.FORWARDER or row.case.trigger not in {Trigger.RULE, Trigger.TOPIC}:
            continue
        probe = probes[row.case.function_name]
        half = Feature.OLD_PACKAGE in row.case.features
        assert probe["starts"] == 1 or (half and probe["starts"] > 1), "S3 retries what fails"
        healthy = row.case.outcome is Outcome.PASSED
        assert (probe["delivered"], probe["uploads_logged"]) == ((1, 1) if healthy else (0, 0))
        assert bool(probe["errors"]) is half


def test_the_stuck_stack_can_be_continued_by_a_person(sandbox: Sandbox) -> None:
    place = SeedClients(sandbox.endpoint).at(ACCOUNTS[1], REGIONS[1])
    place.call("cloudformation", "continue_update_rollback", StackName="flow-stuck")
    place.await_stack("flow-stuck", "UPDATE_ROLLBACK_COMPLETE")


def test_its_settings_are_settings_of_the_suite(sandbox: Sandbox) -> None:
    settings = parse_settings(sandbox.settings, "the sandbox")
    assert settings.tenants["sandbox"].accounts == ACCOUNTS


def test_its_roles_can_be_assumed_in_every_account(sandbox: Sandbox, first: Place) -> None:
    for account in ACCOUNTS:
        for role in (sandbox.role_name, sandbox.fix_role_name):
            arn = f"arn:aws:iam::{account}:role/{role}"
            answer = first.call("sts", "assume_role", RoleArn=arn, RoleSessionName="test")
            key = answer["Credentials"]["AccessKeyId"]  # type: ignore[index]
            session = SeedClients(sandbox.endpoint).at(key, REGIONS[0])
            assert session.call("sts", "get_caller_identity")["Account"] == account


def test_seeding_ends_with_every_rule_on(sandbox: Sandbox) -> None:
    with urllib.request.urlopen(f"{sandbox.endpoint}/_sandbox/rules", timeout=5) as answer:  # noqa: S310  our own
        rules = json.loads(answer.read())
    assert [name for name, on in rules.items() if not on] == ["throttling", "stale-read"]


def test_no_canary_is_in_any_file_but_the_credentials(sandbox: Sandbox, report: dict) -> None:
    assert report
    for path in sandbox.release_dir.parent.rglob("*"):
        if path.is_file() and path.name != "credentials.txt" and "engine/" not in str(path):
            content = path.read_bytes()
            assert [canary for canary in CANARIES if canary.encode() in content] == [], path
