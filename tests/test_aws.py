"""The border to AWS: whose credentials sign which request, and what becomes of errors."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import botocore.exceptions  # noqa: TID251  its errors are what is translated
import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.answers import items, text
from fixtures.aws import Aws, CallFailed, Clients, iam_action, translated
from fixtures.fact import Cause
from fixtures.governor import Governor
from fixtures.rates import Rates
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sessions import Entry, Sessions
from tests.fake_aws import BROKEN_OFF, DENIED, FakeAws, Script, garbage, jsonish, refusal, xml

REGION = "eu-west-1"
KEYS = ("AKIDONE", "AKIDTWO", "AKIDTHREE", "AKIDFOUR")


def account(clients: Clients, key: str) -> Aws:
    return Aws(clients, Credentials(key, "secret"), key)


def named(call: AwsCall) -> str:
    """The function a call is about: named after the key that must have signed it."""
    return call.path.split("/")[3]


def policy(call: AwsCall) -> Answer:
    return jsonish({"Policy": json.dumps({"Statement": []}), "RevisionId": call.access_key})


def ask(aws: Aws) -> str:
    return str(aws.call(REGION, "lambda", "GetPolicy", FunctionName=aws.account)["RevisionId"])


class TestOneClientForAllAccounts:
    def test_each_request_of_each_thread_is_signed_by_the_account_it_works_for(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        clients = Clients()
        accounts = [account(clients, key) for key in KEYS] * 30
        with ThreadPoolExecutor(8) as pool:
            answered = list(pool.map(ask, accounts))
        assert answered == [aws.account for aws in accounts]
        assert [call.access_key for call in fake.seen] == [named(call) for call in fake.seen]
        assert len(clients._clients) == 1

    def test_pages_of_two_accounts_read_by_turns_in_one_thread_are_signed_each_by_its_own(self, fake: FakeAws) -> None:
        def page(call: AwsCall) -> Answer:
            number = int(call.query.get("Marker", "0"))
            more = {"NextMarker": str(number + 1)} if number < 3 else {}
            return jsonish({"Functions": [{"FunctionName": f"{call.access_key}-{number}"}], **more})

        fake.say("lambda:ListFunctions", page)
        clients = Clients()
        one, two = (account(clients, key).pages(REGION, "lambda", "ListFunctions") for key in KEYS[:2])
        pages = [page for pair in zip(one, two, strict=True) for page in pair]
        names = [[text(entry, "FunctionName") for entry in items(page, "Functions")] for page in pages]
        assert names == [[f"{key}-{number}"] for number in range(4) for key in KEYS[:2]]

    def test_a_call_between_two_pages_does_not_change_who_signs_the_next_page(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("lambda:ListFunctions", jsonish({"Functions": [], "NextMarker": "1"}), jsonish({"Functions": []}))
        clients = Clients()
        for _ in account(clients, KEYS[0]).pages(REGION, "lambda", "ListFunctions"):
            ask(account(clients, KEYS[1]))
        signed = [call.access_key for call in fake.seen if call.operation == "ListFunctions"]
        assert signed == [KEYS[0], KEYS[0]]

    def test_repeated_attempts_are_signed_by_the_account_of_the_first(self, fake: FakeAws) -> None:
        def flaky(call: AwsCall) -> Answer:
            with lock:
                attempts[named(call)] = attempts.get(named(call), 0) + 1
                first = attempts[named(call)] == 1
            return refusal("InternalError", status=500)(call) if first else policy(call)

        lock = threading.Lock()
        attempts: dict[str, int] = {}
        fake.say("lambda:GetPolicy", flaky)
        clients = Clients()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, (account(clients, key) for key in KEYS))) == list(KEYS)
        assert len(fake.seen) == 2 * len(KEYS)
        assert [call.access_key for call in fake.seen] == [named(call) for call in fake.seen]

    def test_a_region_and_a_service_have_a_client_each(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("account:ListRegions", jsonish({"Regions": []}))
        clients = Clients()
        ask(account(clients, KEYS[0]))
        account(clients, KEYS[0]).call("us-east-1", "lambda", "GetPolicy", FunctionName="f")
        account(clients, KEYS[0]).call(REGION, "account", "ListRegions")
        assert set(clients._clients) == {("lambda", REGION), ("lambda", "us-east-1"), ("account", REGION)}
        assert [call.region for call in fake.seen[:2]] == [REGION, "us-east-1"]

    def test_every_call_and_page_is_counted_also_from_many_threads(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("lambda:ListFunctions", jsonish({"Functions": [], "NextMarker": "1"}), jsonish({"Functions": []}))
        clients = Clients()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, [account(clients, KEYS[0])] * 40))
        list(account(clients, KEYS[0]).pages(REGION, "lambda", "ListFunctions"))
        assert clients.calls == {"lambda:GetPolicy": 40, "lambda:ListFunctions": 2}

    def test_no_secret_key_is_in_any_representation(self) -> None:
        assert "secret" not in repr(account(Clients(), KEYS[0]))


def assumed(key: str, valid: timedelta) -> Answer:
    until = f"{datetime.now(UTC) + valid:%Y-%m-%dT%H:%M:%SZ}"
    return xml(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )


def slowly(_: AwsCall) -> Answer:
    time.sleep(0.05)  # long enough for the other threads to want credentials too
    return assumed("AKIDROLE", timedelta(hours=1))


class TestAssumedRoles:
    def test_a_role_is_assumed_once_for_many_threads_at_once(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("sts:AssumeRole", slowly)
        aws = Sessions(Clients(), Entry("Audit", None, None), REGION).open("111122223333")
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, [aws] * 16)) == {"AKIDROLE"}
        assert fake.counted()["sts:AssumeRole"] == 1

    def test_credentials_that_have_run_out_are_renewed_before_the_next_request(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("sts:AssumeRole", assumed("AKIDOLD", timedelta(seconds=30)), assumed("AKIDNEW", timedelta(hours=1)))
        aws = Sessions(Clients(), Entry("Audit", None, None), REGION).open("111122223333")
        assert [ask(aws), ask(aws), ask(aws)] == ["AKIDOLD", "AKIDNEW", "AKIDNEW"]
        assert fake.counted()["sts:AssumeRole"] == 2

    def test_the_role_is_of_the_account_with_policy_external_id_and_an_hour(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("sts:AssumeRole", assumed("AKIDROLE", timedelta(hours=1)))
        entry = Entry("path/Audit", "external", '{"Statement":[]}')
        ask(Sessions(Clients(), entry, "cn-north-1").open("111122223333"))
        (call,) = (call for call in fake.seen if call.operation == "AssumeRole")
        assert {name: call.form.get(name) for name in ("RoleArn", "ExternalId", "Policy", "DurationSeconds")} == {
            "RoleArn": "arn:aws-cn:iam::111122223333:role/path/Audit",
            "ExternalId": "external",
            "Policy": '{"Statement":[]}',
            "DurationSeconds": "3600",
        }

    def test_entering_an_account_is_counted_and_repeated_when_throttled_as_every_call(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        throttled = refusal("Throttling", "Rate exceeded", 400)
        fake.say("sts:AssumeRole", throttled, throttled, assumed("AKIDROLE", timedelta(hours=1)))
        clients = Clients(Governor(Rates(), sleep=lambda _: None))
        aws = Sessions(clients, Entry("Audit", None, None), REGION).open("111122223333")
        assert [ask(aws), ask(aws)] == ["AKIDROLE", "AKIDROLE"]
        assert clients.calls == {"sts:AssumeRole": 3, "lambda:GetPolicy": 2}
        assert clients.governor.throttled == {"sts:AssumeRole": 2}

    def test_what_is_asked_while_an_account_is_entered_is_asked_in_the_callers_name(self, fake: FakeAws) -> None:
        """The caller enters with its own credentials, and the call that needed it goes out with those of the role."""
        fake.say("lambda:GetPolicy", policy)
        fake.say("sts:AssumeRole", lambda _: assumed("AKIDROLE", timedelta(hours=1)))
        sessions = Sessions(Clients(), Entry("Audit", None, None), REGION)
        assert [ask(sessions.open(account)) for account in KEYS] == ["AKIDROLE"] * len(KEYS)
        assert {call.access_key for call in fake.seen if call.operation == "AssumeRole"} == {"testing"}

    def test_an_answer_to_assume_role_without_credentials_enters_nothing(self, fake: FakeAws) -> None:
        fake.say("lambda:GetPolicy", policy)
        fake.say("sts:AssumeRole", xml("<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"))
        aws = Sessions(Clients(), Entry("Audit", None, None), REGION).open("111122223333")
        with pytest.raises(CallFailed) as caught:
            ask(aws)
        assert caught.value.cause is Cause.MALFORMED
        assert "lambda:GetPolicy" not in fake.counted()

    def test_a_role_that_cannot_be_assumed_is_named_as_the_reason_of_the_call_it_stopped(self, fake: FakeAws) -> None:
        fake.say("sts:AssumeRole", refusal("AccessDenied", "not authorized to perform: sts:AssumeRole", 403))
        aws = Sessions(Clients(), Entry("Audit", None, None), REGION).open("111122223333")
        with pytest.raises(CallFailed) as caught:
            ask(aws)
        assert (caught.value.action, caught.value.cause) == ("sts:AssumeRole", Cause.DENIED)


CODES = {
    "AccessDenied": Cause.DENIED,
    "AccessDeniedException": Cause.DENIED,
    "KMSAccessDeniedException": Cause.DENIED,
    "UnauthorizedOperation": Cause.DENIED,
    "AuthorizationError": Cause.DENIED,
    "Forbidden": Cause.DENIED,
    "Throttling": Cause.THROTTLED,
    "ThrottlingException": Cause.THROTTLED,
    "TooManyRequestsException": Cause.THROTTLED,
    "RequestLimitExceeded": Cause.THROTTLED,
    "SlowDown": Cause.THROTTLED,
    "ExpiredToken": Cause.EXPIRED,
    "ExpiredTokenException": Cause.EXPIRED,
    "InvalidClientTokenId": Cause.EXPIRED,
    "UnrecognizedClientException": Cause.EXPIRED,
    "InvalidAccessKeyId": Cause.EXPIRED,
    "SignatureDoesNotMatch": Cause.EXPIRED,
    "AuthFailure": Cause.EXPIRED,
    "InvalidToken": Cause.EXPIRED,
    "UnknownOperationException": Cause.UNSUPPORTED,
    "InvalidAction": Cause.UNSUPPORTED,
    "NotImplemented": Cause.UNSUPPORTED,
    "ValidationError": Cause.FAILED,
    "NoSuchBucket": Cause.FAILED,
}


class TestErrors:
    @pytest.mark.parametrize(("code", "cause"), CODES.items(), ids=str)
    def test_a_code_has_its_cause(self, code: str, cause: Cause, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("lambda:GetPolicy", refusal(code, "because", 403))
        with pytest.raises(CallFailed) as caught:
            ask(fake_account)
        assert (caught.value.cause, caught.value.code) == (cause, code)
        assert str(caught.value) == f"lambda:GetPolicy {cause}: {code}: because"

    @pytest.mark.parametrize(
        ("script", "cause"),
        [
            pytest.param(refusal("Whatever", status=501), Cause.UNSUPPORTED, id="501"),
            pytest.param(refusal("InternalError", status=500), Cause.FAILED, id="500"),
            pytest.param(garbage(503), Cause.FAILED, id="503-page-of-a-proxy"),
            pytest.param(jsonish([1]), Cause.MALFORMED, id="a-list-for-a-structure"),
        ],
    )
    def test_an_engine_that_fails_gives_one_line(
        self, script: Script, cause: Cause, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("lambda:GetPolicy", script)
        with pytest.raises(CallFailed) as caught:
            ask(fake_account)
        assert caught.value.cause is cause
        assert "\n" not in caught.value.reason

    @pytest.mark.usefixtures("no_pauses")
    def test_nobody_listening_is_a_failed_call(self) -> None:
        with pytest.raises(CallFailed, match="Could not connect") as caught:
            ask(account(Clients(), KEYS[0]))
        assert caught.value.cause is Cause.FAILED

    def test_a_page_that_fails_fails_the_listing(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("lambda:ListFunctions", jsonish({"Functions": [], "NextMarker": "1"}), DENIED)
        with pytest.raises(CallFailed) as caught:
            list(fake_account.pages(REGION, "lambda", "ListFunctions"))
        assert (caught.value.action, caught.value.cause) == ("lambda:ListFunctions", Cause.DENIED)

    def test_a_request_id_is_kept(self, fake: FakeAws, fake_account: Aws) -> None:
        answer = jsonish({"message": "no"}, 403)
        fake.say("lambda:GetPolicy", Answer(403, (*answer.headers, (b"x-amzn-requestid", b"id-1")), answer.body))
        with pytest.raises(CallFailed) as caught:
            ask(fake_account)
        assert caught.value.request_id == "id-1"

    @pytest.mark.parametrize(
        "error",
        [
            botocore.exceptions.NoCredentialsError(),
            botocore.exceptions.SSOTokenLoadError(error_msg="no token"),
            botocore.exceptions.UnauthorizedSSOTokenError(),
            botocore.exceptions.CredentialRetrievalError(provider="process", error_msg="it failed\nbadly"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_lost_credentials_are_told_from_refusals(self, error: Exception) -> None:
        found = translated(error, "lambda", "GetPolicy")
        assert isinstance(found, CallFailed)
        assert found.cause is Cause.EXPIRED
        assert "\n" not in str(found)

    @pytest.mark.parametrize("error", [MemoryError(), AssertionError("a bug"), RuntimeError("a bug")], ids=repr)
    def test_a_bug_stays_a_bug(self, error: Exception) -> None:
        assert translated(error, "lambda", "GetPolicy") is error

    def test_a_body_that_breaks_off_is_a_failed_call(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("s3:GetObject", Answer(200, BROKEN_OFF, b"half"))
        with pytest.raises(CallFailed) as caught:
            list(fake_account.content(REGION, "s3", "GetObject", Bucket="bucket", Key="key"))
        assert (caught.value.action, caught.value.cause) == ("s3:GetObject", Cause.FAILED)


class TestNames:
    @pytest.mark.parametrize(
        ("region", "partition", "suffix"),
        [
            ("us-east-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("ap-southeast-99", "aws", "amazonaws.com"),
        ],
    )
    def test_a_region_has_its_partition(self, region: str, partition: str, suffix: str) -> None:
        clients = Clients()
        assert (clients.partition(region), clients.url_suffix(region)) == (partition, suffix)

    @pytest.mark.parametrize(
        ("operation", "action"),
        [
            (("s3", "GetBucketNotificationConfiguration"), "s3:GetBucketNotification"),
            (("s3", "HeadBucket"), "s3:ListBucket"),
            (("s3", "HeadObject"), "s3:GetObject"),
            (("s3", "GetPublicAccessBlock"), "s3:GetBucketPublicAccessBlock"),
            (("lambda", "GetPolicy"), "lambda:GetPolicy"),
        ],
    )
    def test_an_operation_has_its_iam_action(self, operation: tuple[str, str], action: str) -> None:
        assert iam_action(*operation) == action
