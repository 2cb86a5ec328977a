"""What readers make of Lambda's and KMS's answers: functions, policies, retries, keys."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from fixtures.aws import Aws
from fixtures.estate import Function, Invocation, Statement
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.readers.functions import parse_policy, read_function, read_functions, read_invocation, read_policy
from fixtures.readers.keys import parse_key_policy
from fixtures.sandbox.aws_call import Answer
from tests.aws_answers import (
    ACCOUNT,
    ENVIRONMENT_CANARY,
    FUNCTION,
    FUNCTION_ARN,
    GOOD,
    KEY_ARN,
    PRESIGNED,
    REGION,
    Data,
    first_of,
    good,
)
from tests.fake_aws import FakeAws, jsonish, refusal

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


class TestFunction:
    def test_everything_is_read_but_values_and_addresses(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("lambda:GetFunction", good("lambda:GetFunction"))
        found = read_function(fake_account, REGION, FUNCTION)
        assert found == Function(
            name=FUNCTION,
            arn=FUNCTION_ARN,
            runtime="provided.al2",
            handler="bootstrap",
            package_type="Zip",
            architectures=("x86_64",),
            code_sha256="c2hhMjU2",
            code_size=1234,
            state="Active",
            state_reason="",
            last_update="Successful",
            last_update_reason="",
            last_modified=datetime(2026, 11, 20, 10, tzinfo=UTC),
            role=f"arn:aws:iam::{ACCOUNT}:role/forwarder",
            environment_names=("INTEGRATION_TYPE",),
            kms_key_arn=KEY_ARN,
            dead_letter_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead",
            log_group="/forwarders/all",
            timeout=300,
            memory=512,
            reserved_concurrency=5,
        )
        assert ENVIRONMENT_CANARY not in repr(found)
        assert PRESIGNED not in repr(found)

    # what GetFunction's configuration says instead, and the field it shows in
    ODD: Mapping[str, tuple[dict[str, Data], str, object]] = {
        "an-image": ({"Runtime": None, "PackageType": "Image"}, "runtime", None),
        "empty-digest": ({"CodeSha256": ""}, "code_sha256", ""),
        "empty-key": ({"KMSKeyArn": ""}, "kms_key_arn", None),
        "empty-dead-letter": ({"DeadLetterConfig": {"TargetArn": ""}}, "dead_letter_arn", None),
        "no-log-group": ({"LoggingConfig": None}, "log_group", f"/aws/lambda/{FUNCTION}"),
        "no-architecture-told": ({"Architectures": None}, "architectures", ()),
        "two-architectures": ({"Architectures": ["arm64"]}, "architectures", ("arm64",)),
        "environment-denied": ({"Environment": {"Error": {"ErrorCode": "AccessDenied"}}}, "environment_names", ()),
        "state-not-told": ({"State": None}, "state", None),
    }

    @pytest.mark.parametrize("name", ODD)
    def test_what_lambda_does_not_say_is_not_made_up(self, name: str, fake: FakeAws, fake_account: Aws) -> None:
        change, field, expected = self.ODD[name]
        configuration = GOOD["lambda:GetFunction"]["Configuration"]
        assert isinstance(configuration, dict)
        fake.say("lambda:GetFunction", jsonish({"Configuration": {**configuration, **change}}))
        found = read_function(fake_account, REGION, FUNCTION)
        assert isinstance(found, Function)
        assert getattr(found, field) == expected
        assert found.reserved_concurrency is None

    def test_no_concurrency_at_all_is_not_no_limit(self, fake: FakeAws, fake_account: Aws) -> None:
        answer = {**GOOD["lambda:GetFunction"], "Concurrency": {"ReservedConcurrentExecutions": 0}}
        fake.say("lambda:GetFunction", jsonish(answer))
        found = read_function(fake_account, REGION, FUNCTION)
        assert isinstance(found, Function)
        assert found.reserved_concurrency == 0

    def test_all_pages_of_functions_are_read_and_sorted(self, fake: FakeAws, fake_account: Aws) -> None:
        one = first_of("lambda:ListFunctions", "Functions")
        pages = [jsonish({"Functions": [{**one, "FunctionName": name}], **more})
                 for name, more in (("b", {"NextMarker": "1"}), ("a", {}))]  # fmt: skip
        fake.say("lambda:ListFunctions", *pages)
        found = read_functions(fake_account, REGION)
        assert not isinstance(found, Unreadable)
        assert [function.name for function in found] == ["a", "b"]

    @pytest.mark.parametrize(
        ("message", "expected"),
        [("The resource you requested does not exist.", ()), (f"Function not found: {FUNCTION_ARN}", None)],
        ids=["no-policy", "no-function"],
    )
    def test_a_missing_policy_is_told_from_a_missing_function(
        self, message: str, expected: tuple[()] | None, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("lambda:GetPolicy", refusal("ResourceNotFoundException", message, 404))
        found = read_policy(fake_account, REGION, FUNCTION)
        assert found == (Absent(f"function {FUNCTION}") if expected is None else expected)

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (refusal("ResourceNotFoundException", "none", 404), Invocation(None, None)),
            (jsonish({"FunctionArn": "a", "MaximumRetryAttempts": 0}), Invocation(0, None)),
            (jsonish({"FunctionArn": "a", "DestinationConfig": {"OnFailure": {"Destination": ""}}}),
             Invocation(None, None)),
        ],
        ids=["default", "no-retries", "empty-destination"],
    )  # fmt: skip
    def test_how_failed_calls_are_retried(
        self, answer: Answer, expected: Invocation, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("lambda:GetFunctionEventInvokeConfig", answer)
        assert read_invocation(fake_account, REGION, FUNCTION) == expected


def statement(**changes: object) -> dict[str, object]:
    return {"Sid": "s", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": "*", **changes}  # fmt: skip


PARSED = Statement("s", allow=True, principals=("s3.amazonaws.com",), actions=("lambda:InvokeFunction",),
                   source_arns=(), source_accounts=())  # fmt: skip
# a statement of a function's policy, and the fields that differ from the plain one
STATEMENTS: Mapping[str, tuple[dict[str, object], dict[str, object]]] = {
    "plain": ({}, {}),
    "deny": ({"Effect": "Deny"}, {"allow": False}),
    "no-sid": ({"Sid": None}, {"sid": ""}),
    "anybody": ({"Principal": "*"}, {"principals": ("*",)}),
    "several-principals": ({"Principal": {"Service": ["a", "b"], "AWS": ROOT}}, {"principals": (ROOT, "a", "b")}),
    "several-actions": ({"Action": ["lambda:*", "x"]}, {"actions": ("lambda:*", "x")}),
    "arn-like": ({"Condition": {"ArnLike": {"AWS:SourceArn": "a"}}}, {"source_arns": ("a",)}),
    "arn-equals-in-other-case": ({"Condition": {"ArnEquals": {"aws:sourcearn": ["a", "b"]}}},
                                 {"source_arns": ("a", "b")}),
    "account": ({"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, {"source_accounts": ("1",)}),
    "account-of-several": ({"Condition": {"StringEquals": {"aws:SourceAccount": ["1", "2"]}}},
                           {"source_accounts": ("1", "2")}),
    "not-equals-is-another-condition": ({"Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}},
                                        {"conditions": ("StringNotEquals aws:SourceAccount",)}),
    "other-conditions": ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
                         {"conditions": ("Bool aws:SecureTransport",)}),
}  # fmt: skip


class TestFunctionPolicy:
    @pytest.mark.parametrize("name", STATEMENTS)
    @pytest.mark.parametrize("listed", [True, False], ids=["in-a-list", "alone"])
    def test_a_statement_is_parsed(self, name: str, listed: bool) -> None:
        changes, expected = STATEMENTS[name]
        entry = statement(**changes)
        (found,) = parse_policy(json.dumps({"Statement": [entry] if listed else entry}))
        assert {field: getattr(found, field) for field in expected} == expected
        assert {name for name in PARSED.__slots__ if getattr(found, name) != getattr(PARSED, name)} == set(expected)

    @pytest.mark.parametrize(
        "document",
        [
            "no json",
            "[]",
            "{}",
            '{"Statement": "x"}',
            json.dumps({"Statement": [{"Effect": "Allow"}]}),
            json.dumps({"Statement": statement(Effect=None)}),
            json.dumps({"Statement": statement(Principal=None)}),
            json.dumps({"Statement": statement(Principal={"Service": 1})}),
            json.dumps({"Statement": statement(Action=None, NotAction="x")}),
            json.dumps({"Statement": statement(Condition={"ArnLike": "x"})}),
            json.dumps({"Statement": statement(Condition={"ArnLike": {"aws:SourceArn": 1}})}),
        ],
    )
    def test_what_is_no_policy_is_unreadable(self, document: str, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("lambda:GetPolicy", jsonish({"Policy": document}))
        found = read_policy(fake_account, REGION, FUNCTION)
        assert isinstance(found, Unreadable)
        assert found.cause is Cause.MALFORMED


class TestKeyPolicy:
    # statement changes, then: delegates, principals, conditional statements
    TABLE: Mapping[str, tuple[dict[str, object], bool, tuple[str, ...], tuple[str, ...]]] = {
        "root": ({}, True, (), ()),
        "root-by-account-id": ({"Principal": {"AWS": ACCOUNT}}, True, (), ()),
        "another-accounts-root": ({"Principal": {"AWS": "arn:aws:iam::999988887777:root"}}, False,
                                  ("arn:aws:iam::999988887777:root",), ()),
        "china": ({"Principal": {"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}}, True, (), ()),
        "a-role": ({"Principal": {"AWS": ["r", ROOT]}, "Action": ["kms:Decrypt"]}, True, ("r",), ()),
        "only-encrypt": ({"Action": "kms:Encrypt"}, False, (), ()),
        "conditional": ({"Condition": {"Bool": {"a": "b"}}}, False, (), ("Enable IAM User Permissions",)),
        "a-service": ({"Principal": {"Service": "s3.amazonaws.com"}}, False, (), ()),
    }  # fmt: skip

    @pytest.mark.parametrize("name", TABLE)
    def test_who_may_decrypt(self, name: str) -> None:
        changes, delegates, principals, conditional = self.TABLE[name]
        entry = {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": ROOT},
                 "Action": "kms:*", "Resource": "*", **changes}  # fmt: skip
        found = parse_key_policy(KEY_ARN, ACCOUNT, json.dumps({"Statement": [entry]}))
        assert (found.delegates, found.principals, found.conditional) == (delegates, principals, conditional)

    def test_a_key_named_by_its_id_is_its_readers(self) -> None:
        document = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*"}})
        assert parse_key_policy("0a1b", ACCOUNT, document).delegates
