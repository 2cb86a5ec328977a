"""Sessions for writing: they outlive the hour of a chained role, and all accounts share one client of STS."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from fixtures.aws import Aws, CallFailed
from fixtures.fact import Cause
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.state import OPTIONS
from remediation.access import Access
from tests.conftest import point_at
from tests.fake_aws import FakeAws, jsonish, refusal, xml
from tests.some_options import some_options

REGION = "eu-west-1"
ACCOUNT, OTHER = "111122223333", "444455556666"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    fake = FakeAws()
    point_at(monkeypatch, {"AWS_ENDPOINT_URL": fake.endpoint, "AWS_CONFIG_FILE": "/dev/null",
                           "AWS_ACCESS_KEY_ID": "AKIDAMBIENT", "AWS_SECRET_ACCESS_KEY": "secret"})  # fmt: skip
    fake.say("lambda:GetPolicy", signer)
    yield fake
    fake.stop()


@pytest.fixture
def access() -> Access:
    config = SimpleNamespace(stash={OPTIONS: some_options(role="Audit", fix_role="Fix", regions=(REGION,))})
    return Access(cast("pytest.Config", config))


def signer(call: AwsCall) -> Answer:
    return jsonish({"Policy": json.dumps({"Statement": []}), "RevisionId": call.access_key})


def ask(account: Aws) -> str:
    """Whose key signed a call."""
    return str(account.call(REGION, "lambda", "GetPolicy", FunctionName="f")["RevisionId"])


def session(key: str, minutes: int) -> Answer:
    until = f"{datetime.now(UTC) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    return xml(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )


def entries(aws: FakeAws) -> list[AwsCall]:
    return [call for call in aws.seen if call.operation == "AssumeRole"]


def test_a_session_is_renewed_minutes_before_its_hour_ends_so_that_a_long_fix_is_not_cut_off(
    aws: FakeAws, access: Access
) -> None:
    """Ten minutes before the end botocore must have a new one, whatever is being written."""
    aws.say("sts:AssumeRole", session("AKID1", 9), session("AKID2", 9), session("AKIDLONG", 60))
    account = access.account(ACCOUNT)
    assert [ask(account) for _ in range(5)] == ["AKID1", "AKID2", "AKIDLONG", "AKIDLONG", "AKIDLONG"]
    assert [call.form["DurationSeconds"] for call in entries(aws)] == ["3600"] * 3  # no more for a chained role
    assert [call.form["RoleArn"] for call in entries(aws)] == [f"arn:aws:iam::{ACCOUNT}:role/Fix"] * 3
    assert [call for call in entries(aws) if "Policy" in call.form] == []


def test_a_session_that_cannot_be_renewed_ends_a_write_as_lost_credentials_that_changed_nothing(
    aws: FakeAws, access: Access
) -> None:
    aws.say("sts:AssumeRole", session("AKID1", 9), refusal("ExpiredToken", "the login has ended", 403))
    account = access.account(ACCOUNT)
    assert ask(account) == "AKID1"
    with pytest.raises(CallFailed) as caught:
        ask(account)
    assert (caught.value.cause, caught.value.refused) == (Cause.EXPIRED, True)
    assert aws.counted()["lambda:GetPolicy"] == 1


def test_every_account_is_entered_once_and_all_by_one_client_of_sts(aws: FakeAws, access: Access) -> None:
    aws.say("sts:AssumeRole", lambda _: session("AKIDROLE", 60))
    for account in (ACCOUNT, OTHER, ACCOUNT):
        assert ask(access.account(account)) == "AKIDROLE"
    assert [call.form["RoleArn"].split(":")[4] for call in entries(aws)] == [ACCOUNT, OTHER]
    assert [service for service, *_ in access.sessions.clients._clients if service == "sts"] == ["sts"]
