"""With IAM enforced: a whole `--fix` by roles that have the generated policies and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import boto3  # noqa: TID251  a session of the fix role, to try what it must not do
import pytest
from botocore.exceptions import ClientError  # noqa: TID251  same

from checks.outcome import Status
from fixtures.aws import iam_action
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.operations import writes
from fixtures.sandbox.seed_client import SECRET_KEY, SeedClients
from fixtures.sessions import audit_actions
from remediation.policy import ON_REQUEST, OPTIONAL, audit_policy, fix_needs, fix_policy
from remediation.policy_document import Place, document
from tests.sandbox_engine import requests_of
from tests.suite_runs import SUITE_AGENT, Ran, Suite, at, log_sources

ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-west-1")
# eu-west-1 has neither package nor shared stack; alb-silent lacks its rule, and here its permission
FORWARDERS = "alb-edge,alb-silent"
EVERYDAY = frozenset(OPTIONAL) - ON_REQUEST

# The engine asks for this action on everything, where AWS knows roles and users (Service Authorization Reference).
SIMULATE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": "*"}],
}
# Declared by what every fix may need, and not called in this one.
NOT_CALLED: Mapping[str, str] = {
    "cloudformation:DeleteChangeSet": "only where the gate closes, or nothing is to be changed",
    "cloudformation:DescribeStackEvents": "only where an update fails",
    "iam:ListAccountAliases": "only where a person is asked, on a terminal",
    "kms:Decrypt": "a right beside S3's",
    "s3:GetBucketPolicy": "only where IAM would refuse something of a bucket",
}
# Rights of S3 beside those to the calls: HeadObject of a missing object asks for them.
BESIDE = {"s3:ListBucket"}


@dataclass
class World:
    sandbox: Sandbox
    ran: Ran
    calls: tuple[Mapping[str, object], ...]

    def actions(self, *, by_the_fixer: bool) -> set[str]:
        """The IAM actions that one of the two roles called. The fixer is whoever wrote."""
        fixers = {one["access_key"] for one in self.calls if one["write"]}
        names = {"monitoring": "cloudwatch"}
        return {
            iam_action(names.get(str(one["service"]), str(one["service"])), str(one["operation"]))
            for one in self.calls
            if (one["access_key"] in fixers) is by_the_fixer and one["access_key"] != ACCOUNT
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("fix")
    with start_sandbox(SandboxSpec((ACCOUNT,), REGIONS, enforce_iam=True), folder / "sandbox") as sandbox:
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGIONS[0])
        place = Place("aws", ACCOUNT)
        for role, statements in (
            (sandbox.role_name, audit_policy(EVERYDAY)),
            (sandbox.fix_role_name, fix_policy(EVERYDAY)),
        ):
            policy = json.dumps(document(statements, place))
            root.call("iam", "put_role_policy", RoleName=role, PolicyName="sandbox", PolicyDocument=policy)
        root.call(
            "iam",
            "put_role_policy",
            RoleName=sandbox.fix_role_name,
            PolicyName="simulate",
            PolicyDocument=json.dumps(SIMULATE),
        )
        function = "alb-silent-scwx-tdr-lambda-awsalb"
        found = json.loads(str(root.call("lambda", "get_policy", FunctionName=function)["Policy"]))
        for statement in found["Statement"]:
            root.call("lambda", "remove_permission", FunctionName=function, StatementId=statement["Sid"])
        suite = Suite(sandbox.environment, folder / "cache")
        with log_sources(sandbox.endpoint, [ACCOUNT], first=1000):
            ran = suite.run(
                folder / "run", *at(sandbox, settings=folder / "forwarders.toml"),
                f"--fix-role={sandbox.fix_role_name}", f"--forwarders={FORWARDERS}", "--fix", "--yes", "--rings=100%",
                "--allow=create-bucket",
            )  # fmt: skip
        ours = tuple(one for one in requests_of(sandbox.endpoint) if str(one["agent"]).startswith(SUITE_AGENT))
        yield World(sandbox, ran, ours)


def test_a_fix_with_the_generated_policies_works(world: World) -> None:
    world.ran.assert_no_crash()
    fixed = {check for check, _ in world.ran.of(Status.FIXED)}
    assert fixed >= {"artifact-package", "shared-stack", "template-current", "runtime-custom", "code-current",
                     "trigger-wired", "trigger-permission"}  # fmt: skip
    assert {check for check, _ in world.ran.of(Status.FAILED, Status.BLOCKED, Status.UNKNOWN)} == {"target-orphans"}
    assert [(one["operation"], one["service"]) for one in world.calls if one["status"] == 403] == []
    assert "could not be simulated" not in world.ran.said  # and by IAM's own word nothing that was needed is missing


def test_the_fixer_calls_what_is_declared_and_nothing_else(world: World) -> None:
    called = world.actions(by_the_fixer=True)
    needed = {action for need in fix_needs() if need.group in {"", "simulate"} for action in need.actions}
    assert called - needed == set()
    assert needed - called - BESIDE == NOT_CALLED.keys()


def test_the_auditor_of_a_fix_calls_what_is_declared_and_writes_nothing(world: World) -> None:
    called = world.actions(by_the_fixer=False)
    assert called - audit_actions() == set()
    assert {"cloudformation:ListChangeSets", "lambda:GetFunctionEventInvokeConfig"} <= called  # a plan's own readers
    assert [action for action in called if writes(action.partition(":")[2])] == []


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("iam", "create_role", {"RoleName": "mine", "AssumeRolePolicyDocument": "{}"}),
        ("lambda", "delete_function", {"FunctionName": "alb-edge-scwx-tdr-lambda-awsalb"}),
        ("lambda", "get_function", {"FunctionName": "somebody-elses"}),
        ("secretsmanager", "list_secrets", {}),
        ("s3", "put_object", {"Bucket": f"alb-edge-{ACCOUNT}-eu-west-1", "Key": "a-log.gz", "Body": b""}),
        ("s3", "get_object", {"Bucket": f"alb-edge-{ACCOUNT}-eu-west-1", "Key": "a-log.gz"}),
        ("s3", "delete_object", {"Bucket": f"alb-edge-{ACCOUNT}-eu-west-1", "Key": "a-log.gz"}),
        ("s3", "delete_bucket", {"Bucket": f"alb-edge-{ACCOUNT}-eu-west-1"}),
        ("s3", "create_bucket", {"Bucket": "any-other-bucket"}),
        ("cloudformation", "delete_stack", {"StackName": "alb-edge"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_fix_role_itself_may_not(
    world: World, service: str, operation: str, parameters: Mapping[str, object]
) -> None:
    """What only CloudFormation may do in its name, and what nobody may: read logs, touch what is not ours."""
    client = _session(world.sandbox).client(service, endpoint_url=world.sandbox.endpoint)
    with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
        getattr(client, operation)(**parameters)


def _session(sandbox: Sandbox) -> "boto3.Session":
    root = boto3.Session(ACCOUNT, SECRET_KEY, region_name=REGIONS[1])
    arn = f"arn:aws:iam::{ACCOUNT}:role/{sandbox.fix_role_name}"
    sts = root.client("sts", endpoint_url=sandbox.endpoint)
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.Session(
        str(keys["AccessKeyId"]), str(keys["SecretAccessKey"]), str(keys["SessionToken"]), region_name=REGIONS[1]
    )
