"""Any endpoint may stand where AWS is: the suite goes as far as that one goes, and neither crashes nor claims more."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3  # noqa: TID251  seeds an engine by direct calls
import pytest
from moto.server import ThreadedMotoServer

from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.synthetic_release import PACKAGE, legacy_package, write_release
from tests.aws_answers import good
from tests.fake_aws import FakeAws, _Raw, garbage, name_of, refusal
from tests.suite_runs import Suite, secrets_in

CALLED, SILENT = "us-east-1", "eu-west-1"  # in the second region it is on a custom runtime, and no rule calls it
ACCOUNT = "123456789012"
FUNCTION = "trail-scwx-tdr-lambda-awscloudtrail"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_CONFIG_FILE": "/dev/null"}
# As an engine takes it that knows few resource types and no conditions: a function, and who may call it.
TEMPLATE = """
Description: This CloudFormation template deploys the SecureWorks TDR Lambda function for CloudTrail logs (SYNTHETIC)
Parameters:
  NotificationBucket: {Type: String}
  SNSNotificationarn: {Type: String, Default: ""}
  NotificationBucketCustomerManagedKMSarn: {Type: String, Default: ""}
  RoleArn: {Type: String}
  Runtime: {Type: String}
  CodeBucket: {Type: String}
Resources:
  TaegisLambdaFunction:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-scwx-tdr-lambda-awscloudtrail"
      Runtime: !Ref Runtime
      Handler: main
      Role: !Ref RoleArn
      Code: {S3Bucket: !Ref CodeBucket, S3Key: old.zip}
  BucketPermission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt TaegisLambdaFunction.Arn
      Action: lambda:InvokeFunction
      Principal: s3.amazonaws.com
      SourceArn: !Sub "arn:${AWS::Partition}:s3:::${NotificationBucket}"
"""
WITHOUT_PAUSES = """
import time, types
import botocore.endpoint
botocore.endpoint.time = types.SimpleNamespace(sleep=lambda _: None, time=time.time)
"""


@dataclass(frozen=True)
class Moto:
    """A moto server, looked at with plain boto3."""

    endpoint: str

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401  a client's methods are made at run time
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint,
                            aws_access_key_id="testing", aws_secret_access_key="testing")  # fmt: skip

    def state(self, region: str) -> tuple[object, ...]:
        """Everything that a fix would change of the forwarder."""
        function = self.client("lambda", region).get_function_configuration(FunctionName=FUNCTION)
        answer = self.client("s3", region).get_bucket_notification_configuration(Bucket=f"trail-logs-{region}")
        stack = self.client("cloudformation", region).get_template(StackName="trail")["TemplateBody"]
        rules = {name: part for name, part in answer.items() if name != "ResponseMetadata"}
        return function["Runtime"], function["CodeSha256"], rules, stack


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    running = Moto(f"http://{host}:{port}")
    try:
        role = running.client("iam", CALLED).create_role(RoleName="forwarder", AssumeRolePolicyDocument="{}")
        for region in (CALLED, SILENT):
            seed(running, region, role["Role"]["Arn"])
        yield running
    finally:
        server.stop()


def given(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": text} for name, text in values.items()]


def seed(moto: Moto, region: str, role: str) -> None:
    """A legacy forwarder, a function without a stack, and somebody else's rule."""
    bucket, code = f"trail-logs-{region}", f"legacy-code-{region}"
    s3, functions = moto.client("s3", region), moto.client("lambda", region)
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    for name in (bucket, code):
        s3.create_bucket(Bucket=name, **where)
    package = legacy_package().content
    s3.put_object(Bucket=code, Key="old.zip", Body=package)
    moto.client("cloudformation", region).create_stack(
        StackName="trail", TemplateBody=TEMPLATE,
        Parameters=given(NotificationBucket=bucket, RoleArn=role, CodeBucket=code,
                         Runtime="go1.x" if region == CALLED else "provided.al2"),
    )  # fmt: skip
    functions.create_function(FunctionName="lost-scwx-tdr-lambda-awswaf", Runtime="go1.x", Handler="main", Role=role,
                              Code={"ZipFile": package})  # fmt: skip
    arn = functions.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    topic = moto.client("sns", region).create_topic(Name="others")["TopicArn"]
    mine = {"Id": "mine", "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "LambdaFunctionConfigurations": [mine] if region == CALLED else [],
        "TopicConfigurations": [{"Id": "theirs", "TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}],
    })  # fmt: skip


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def at_moto(moto: Moto, cache: Path) -> Suite:
    return Suite({**CREDENTIALS, "AWS_ENDPOINT_URL": moto.endpoint}, cache)


def options(folder: Path, release: Path, region: str) -> list[str]:
    settings = folder / "forwarders.toml"
    settings.write_text('taegis_region = "ctpx"\n', encoding="utf-8")
    return [f"--regions={region}", f"--release={release}", f"--settings={settings}", "--snapshot=kept.json.gz"]


def test_an_audit_of_moto_judges_what_it_shows(at_moto: Suite, release: Path, tmp_path: Path) -> None:
    ran = at_moto.run(tmp_path / "run", *options(tmp_path, release, CALLED), "--drift")
    ran.assert_no_crash()
    assert ran.code == 1
    target = f"{ACCOUNT}/{CALLED}"
    failed = {check for check, _ in ran.of("FAILED")}
    assert {"runtime-custom", "code-current", "template-current", "shared-stack", "target-orphans"} <= failed
    unknown = ran.of("UNKNOWN")
    assert set(unknown) == {("live-as-declared", f"{target}/trail")}
    assert "cloudformation:DetectStackDrift" in unknown["live-as-declared", f"{target}/trail"]["reason"]
    assert ran.statuses()["trigger-wired", f"{target}/trail"] == "PASSED"
    assert ran.statuses()["logs-flow", f"{target}/trail"] == "NO EVIDENCE"


def test_a_fix_on_moto_ends_in_a_clear_failure_and_claims_nothing(
    moto: Moto, at_moto: Suite, release: Path, tmp_path: Path
) -> None:
    """moto cannot make the shared stack's secret, and answers with status 500 and a page of HTML."""
    before = moto.state(CALLED)
    given = options(tmp_path, release, CALLED)
    ran = at_moto.run(tmp_path / "run", *given, "--fix", "--yes", "--allow=create-bucket")
    ran.assert_no_crash()
    assert ran.code == 11
    assert "cloudformation:CreateStack" in ran.said
    assert moto.state(CALLED) == before
    assert {check for check, _ in ran.of("FIXED")} == {"artifact-package"}
    content = (release / PACKAGE).read_bytes()
    bucket = f"taegis-forwarders-{ACCOUNT}-{CALLED}-{hashlib.sha256(content).hexdigest()[:8]}"
    assert moto.client("s3", CALLED).get_object(Bucket=bucket, Key=PACKAGE)["Body"].read() == content
    assert secrets_in(ran.folder) == []


def test_a_trigger_is_mended_on_moto_without_a_release_and_without_loss(
    moto: Moto, at_moto: Suite, tmp_path: Path
) -> None:
    runtime, code, rules, stack = moto.state(SILENT)
    ran = at_moto.run(tmp_path / "run", f"--regions={SILENT}", "--fix", "--yes")
    ran.assert_no_crash()
    assert ran.code == 1
    assert {check for check, _ in ran.of("FIXED")} == {"trigger-wired"}
    (refused,) = ran.of("BLOCKED").values()
    assert refused["check"] == "shared-stack"
    assert "there is no release for this account" in refused["reason"]
    now = moto.state(SILENT)
    assert (now[0], now[1], now[3]) == (runtime, code, stack)
    document = cast("dict[str, list[dict[str, str]]]", now[2])
    added = document.pop("LambdaFunctionConfigurations")
    assert document == rules
    assert [rule["LambdaFunctionArn"].rpartition(":")[2] for rule in added] == [FUNCTION]


class Answering(FakeAws):
    """Says the same to everything, but for the calls that it knows."""

    def __init__(self, always: Callable[[AwsCall], Answer], known: tuple[str, ...]) -> None:
        super().__init__()
        self._always, self._known = always, known

    def answer(self, call: AwsCall, raw: _Raw) -> Answer:
        del raw
        self.seen.append(call)
        return good(name_of(call)) if name_of(call) in self._known else self._always(call)


WHO = ("sts:GetCallerIdentity",)
LISTS = (*WHO, "account:ListRegions", "cloudformation:DescribeStacks", "lambda:ListFunctions")


@pytest.fixture
def suite_at(cache: Path, tmp_path: Path) -> Callable[[str], Suite]:
    """The suite at an endpoint; its boto3 repeats a failed call at once."""
    patched = tmp_path / "patched"
    patched.mkdir()
    patched.joinpath("sitecustomize.py").write_text(WITHOUT_PAUSES, encoding="utf-8")
    return lambda endpoint: Suite({**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(patched)}, cache)


@pytest.mark.parametrize(("always", "known"), [
    (refusal("NotImplemented", status=501), WHO),
    (lambda _: garbage(), WHO),
    (refusal("InternalFailure", status=500), LISTS),
    (lambda _: garbage(), LISTS),
], ids=["501", "garbage", "lists-and-500", "lists-and-garbage"])  # fmt: skip
def test_what_an_engine_does_not_show_is_unknown_or_not_reached_and_never_a_pass(
    suite_at: Callable[[str], Suite], tmp_path: Path, always: Callable[[AwsCall], Answer], known: tuple[str, ...]
) -> None:
    engine = Answering(always, known)
    try:
        ran = suite_at(engine.endpoint).run(tmp_path / "run", f"--regions={SILENT}", "--snapshot=kept.json.gz")
    finally:
        engine.stop()
    ran.assert_no_crash()
    assert ran.code == 1
    if known == WHO:
        assert set(ran.of("FAILED")) == {("target-reached", f"111122223333/{SILENT}")}
        assert ran.of("PASSED") == {}
        return
    assert {check for check, _ in ran.of("FAILED")} == {"shared-stack"}, "the listing shows that there is none"
    unseen = {check for check, _ in ran.of("UNKNOWN")}
    assert {"trigger-wired", "trigger-permission", "function-ready", "logs-flow", "bucket-no-loop"} <= unseen
    assert all(row["reason"] for row in ran.of("UNKNOWN").values())


def test_an_engine_that_says_nothing_sensible_at_all_is_one_clear_line(
    suite_at: Callable[[str], Suite], tmp_path: Path
) -> None:
    engine = Answering(lambda _: garbage(), ())
    try:
        ran = suite_at(engine.endpoint).run(tmp_path / "run", f"--regions={SILENT}")
    finally:
        engine.stop()
    ran.assert_no_crash()
    assert ran.code == 4
    (line,) = ran.errors
    assert "sts:GetCallerIdentity" in line
    assert "AWS_ENDPOINT_URL" in line
