"""A call as data: what is shown never holds a secret or a file's content, what is sent holds both."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from fixtures.errors import SuiteError
from fixtures.secret import Secret
from remediation.call import BytesBody, Call, FileBody, revealed, s3_checksum, shown, without_secrets

CANARY = "CANARY-SECRET-90ab17"
DIGEST = hashlib.sha256(b"content").hexdigest()


@pytest.fixture
def package(tmp_path: Path) -> FileBody:
    path = tmp_path / "package.zip"
    path.write_bytes(b"content")
    return FileBody(path, DIGEST)


def test_a_call_is_shown_without_its_secrets_and_contents(package: FileBody) -> None:
    call = Call(
        "s3",
        "PutObject",
        {"Body": package, "Other": [BytesBody(b"bytes of it", DIGEST), {"Deep": (Secret(CANARY),)}], "Raw": b"abc"},
        "upload",
    )
    text = json.dumps(call.shown())
    assert CANARY not in text
    assert "bytes of it" not in text
    assert call.shown() == {
        "service": "s3",
        "operation": "PutObject",
        "parameters": {
            "Body": f"<package.zip, SHA-256 {DIGEST}>",
            "Other": [f"<package, SHA-256 {DIGEST}>", {"Deep": ["****"]}],
            "Raw": "<3 bytes>",
        },
        "why": "upload",
    }
    assert CANARY not in repr(call)
    assert str(call) == "s3:PutObject  upload"


@pytest.mark.parametrize("found", [None, "text", True, 7, 0.5])
def test_plain_values_are_shown_as_they_are(found: object) -> None:
    assert shown(found) == found


def test_a_call_is_sent_with_everything_in_it(package: FileBody) -> None:
    given = {"Body": package, "Deep": [{"Value": Secret(CANARY)}, (BytesBody(b"x", "0"), 3)], "Flag": False}
    assert revealed(given) == {"Body": b"content", "Deep": [{"Value": CANARY}, [b"x", 3]], "Flag": False}


def test_a_changed_file_is_not_sent(package: FileBody) -> None:
    package.path.write_bytes(b"other content")
    with pytest.raises(SuiteError, match="has changed since it was read"):
        package.read()
    package.path.unlink()
    with pytest.raises(SuiteError, match="cannot be read any more: No such file"):
        package.read()


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("s3", "PutBucketNotificationConfiguration", "s3:PutBucketNotification"),
        ("s3", "PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
        ("lambda", "AddPermission", "lambda:AddPermission"),
        ("cloudformation", "ExecuteChangeSet", "cloudformation:ExecuteChangeSet"),
    ],
)
def test_a_call_names_the_iam_action_it_needs(service: str, operation: str, action: str) -> None:
    assert Call(service, operation, {}, "").action == action


def test_s3_wants_its_checksum_in_base64() -> None:
    assert base64.b64decode(s3_checksum(DIGEST)) == hashlib.sha256(b"content").digest()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"bad value {CANARY}", True),
        (f"bad value {CANARY[:14]}…", True),
        (f"…{CANARY[-13:]}", True),
        ("bad value CANARY-SEC", False),
        ("no such stack", False),
        ("", False),
    ],
)
def test_a_text_that_quotes_a_secret_is_not_shown(text: str, hidden: bool) -> None:
    found = without_secrets(text, {"Parameters": [{"ParameterValue": Secret(CANARY)}]})
    assert (found != text) is hidden
    assert CANARY[:12] not in found
