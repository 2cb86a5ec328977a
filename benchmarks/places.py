"""The estates that are measured: the sandbox's, and one that direct calls seed on moto's server."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3  # noqa: TID251  an estate is made by calls of its own, not by the suite's code
from botocore.config import Config  # noqa: TID251  same

from fixtures.sandbox import DEFAULT_ACCOUNTS, DEFAULT_REGIONS, SandboxSpec, start_sandbox
from fixtures.sandbox.synthetic_release import write_release

MOTO_ACCOUNT = "123456789012"
MOTO_REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1", "sa-east-1")
MOTO_FORWARDERS = 10  # in each region
_START_SECONDS = 30.0
_TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Description": "This CloudFormation template deploys the SecureWorks TDR Lambda function for ALB logs (synthetic)",
    "Parameters": {"NotificationBucket": {"Type": "String"}, "Name": {"Type": "String"}, "Role": {"Type": "String"}},
    "Resources": {
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": {"Ref": "Name"},
                "Runtime": "go1.x",
                "Handler": "main",
                "Role": {"Ref": "Role"},
                "Code": {"ZipFile": "synthetic"},
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """An estate that can be audited.

    Attributes:
        name: for the tables.
        endpoint: URL of the engine.
        environment: what boto3 needs besides the endpoint.
        accounts: its accounts.
        regions: its regions.
        role: role to enter accounts with, empty for the credentials' own account.
        options: the suite's options that an audit of it takes.
        cache: where the suite keeps cfn-lint's verdict: the first run of an estate pays for it, as on a new machine.
        request_log: URL of a log of all requests as the engine saw them, empty for none.
    """

    name: str
    endpoint: str
    environment: Mapping[str, str]
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    role: str
    options: tuple[str, ...]
    cache: Path
    request_log: str = ""


@contextlib.contextmanager
def sandbox_place(folder: Path) -> Iterator[Place]:
    """The estate of `--sandbox`: 32 forwarders in two accounts and two regions, as an MSSP would enter them."""
    with start_sandbox(SandboxSpec(DEFAULT_ACCOUNTS, DEFAULT_REGIONS), folder / "sandbox") as running:
        settings = folder / "forwarders.toml"
        settings.write_text(_toml(running.settings["tenants"]["sandbox"]), encoding="utf-8")
        options = (
            f"--accounts={','.join(running.accounts)}",
            f"--role={running.role_name}",
            f"--settings={settings}",
        )
        environment = {name: text for name, text in running.environment.items() if name != "AWS_ENDPOINT_URL"}
        yield Place(
            "sandbox", running.endpoint, environment, running.accounts, running.regions, running.role_name, options,
            folder / "cache", f"{running.endpoint}/_sandbox/requests",
        )  # fmt: skip


@contextlib.contextmanager
def moto_place(folder: Path) -> Iterator[Place]:
    """40 plain forwarders in one account and four regions, on an engine of somebody else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": MOTO_REGIONS[0],
    }
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
    try:
        _wait_for(endpoint)
        _seed_moto(endpoint)
        options = (f"--release={write_release(folder / 'release')}",)
        yield Place("moto", endpoint, environment, (MOTO_ACCOUNT,), MOTO_REGIONS, "", options, folder / "cache")
    finally:
        server.terminate()
        server.wait(10)


def _toml(tenant: Mapping[str, object]) -> str:
    # JSON's strings and lists of strings are TOML's
    return "[tenants.sandbox]\n" + "".join(f"{name} = {json.dumps(found)}\n" for name, found in tenant.items())


def _wait_for(endpoint: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5):  # noqa: S310  our own engine
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _seed_moto(endpoint: str) -> None:
    config = json.dumps({"lambda": {"use_docker": False}}).encode()
    asked = urllib.request.Request(f"{endpoint}/moto-api/config", config, {"Content-Type": "application/json"})  # noqa: S310  our own
    with urllib.request.urlopen(asked, timeout=10):  # noqa: S310  same
        pass
    session = boto3.Session("benchmark", "benchmark", region_name=MOTO_REGIONS[0])
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = session.client("iam", endpoint_url=endpoint).create_role(RoleName="fwd", AssumeRolePolicyDocument=trust)
    paths = Config(s3={"addressing_style": "path"}, max_pool_connections=MOTO_FORWARDERS)
    names = ("cloudformation", "lambda", "s3", "logs")
    with ThreadPoolExecutor(4) as pool:
        for region in MOTO_REGIONS:
            clients = {name: session.client(name, region, endpoint_url=endpoint, config=paths) for name in names}
            work = [
                pool.submit(_seed_forwarder, clients, region, number, role["Role"]["Arn"])
                for number in range(MOTO_FORWARDERS)
            ]
            for done in work:
                done.result()


def _seed_forwarder(clients: Mapping[str, object], region: str, number: int, role: str) -> None:
    cloudformation, functions, s3, logs = (clients[name] for name in ("cloudformation", "lambda", "s3", "logs"))
    stack, bucket = f"alb-{number:02d}", f"alb-{number:02d}-{region}"
    function, group = f"{stack}-scwx-tdr-lambda-awsalb", f"/aws/lambda/{stack}-scwx-tdr-lambda-awsalb"
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **where)
    given = {"NotificationBucket": bucket, "Name": function, "Role": role}
    parameters = [{"ParameterKey": name, "ParameterValue": text} for name, text in given.items()]
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(_TEMPLATE), Parameters=parameters)
    functions.add_permission(
        FunctionName=function, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=MOTO_ACCOUNT,
    )  # fmt: skip
    if number % 5:  # every fifth has no trigger
        rule = {
            "LambdaFunctionArn": f"arn:aws:lambda:{region}:{MOTO_ACCOUNT}:function:{function}",
            "Events": ["s3:ObjectCreated:*"],
        }
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
        )
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(time.time() * 1000)
    texts = ("START RequestId: 1", '{"level":"debug","message":"Uploading data to s3"}', "REPORT RequestId: 1")
    events = [{"timestamp": now + order, "message": text} for order, text in enumerate(texts)]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
