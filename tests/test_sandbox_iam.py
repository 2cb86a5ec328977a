"""With `enforce_iam`, policies count in the sandbox: a read-only session policy cannot be overstepped."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import boto3  # noqa: TID251  sessions with real credentials, which the seeding clients do not have
import pytest
from botocore.exceptions import ClientError  # noqa: TID251  same

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox

ACCOUNT = "111122223333"
REGION = "us-east-1"
READ_ONLY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:List*", "s3:Get*"], "Resource": "*"}],
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    spec = SandboxSpec((ACCOUNT,), (REGION,), enforce_iam=True)
    with start_sandbox(spec, Path(tmp_path_factory.mktemp("sandbox"))) as running:
        yield running


def session(sandbox: Sandbox, policy: Mapping[str, object] | None) -> "boto3.Session":
    root = boto3.Session(ACCOUNT, "sandbox", region_name=REGION)
    arn = f"arn:aws:iam::{ACCOUNT}:role/{sandbox.role_name}"
    more = {"Policy": json.dumps(policy)} if policy else {}
    sts = root.client("sts", endpoint_url=sandbox.endpoint)
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="test", **more)["Credentials"]
    keys = cast(
        "tuple[str, str, str]", tuple(answer[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    )
    return boto3.Session(*keys, region_name=REGION)


def test_a_read_only_session_policy_lets_read_and_not_write(sandbox: Sandbox) -> None:
    s3 = session(sandbox, READ_ONLY).client("s3", endpoint_url=sandbox.endpoint)
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"")


def test_without_a_session_policy_the_role_may_write(sandbox: Sandbox) -> None:
    s3 = session(sandbox, None).client("s3", endpoint_url=sandbox.endpoint)
    s3.put_object(Bucket=s3.list_buckets()["Buckets"][0]["Name"], Key="k", Body=b"")
