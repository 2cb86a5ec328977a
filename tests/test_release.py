import copy
import json
import pickle
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.release import (
    CREDENTIALS,
    LAMBDA_TEMPLATE,
    PACKAGE,
    SHARED_TEMPLATE,
    deployed_function,
    read_release,
    require_taegis_region,
    taegis_region_from_login,
)
from fixtures.secret import Secret
from fixtures.template import parse_template
from tests.template_pair import CURRENT, SHARED
from tests.test_release_package import ELF_ARM64, make_zip

CANARY = "canary-3f9a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SHARED_TEMPLATE).write_text(SHARED)
    (tmp_path / LAMBDA_TEMPLATE).write_text(CURRENT)
    make_zip(tmp_path / PACKAGE)
    (tmp_path / CREDENTIALS).write_text(f"\ufeff{CANARY}\r\n")
    return tmp_path


def test_the_four_downloads_are_read(folder: Path) -> None:
    release = read_release(folder)
    assert release.credentials.reveal() == CANARY
    assert release.package.problems == ()
    assert release.missing_parameters == {}
    assert release.credentials_problem is None
    assert release.function is not None
    assert release.function.logical_id == "Lambda"
    assert release.function.bucket_parameter == "TaegisLambdaS3BucketName"
    assert release.function.key_parameter is None
    assert release.function.key == "taegis-lambda-amd64.zip"
    assert release.function.runtime == "provided.al2"
    assert release.function.architectures == ("x86_64",)


def test_a_release_never_shows_its_credentials(folder: Path) -> None:
    release = read_release(folder)
    assert CANARY not in repr(release) + str(release) + release.digest


def test_the_digest_changes_with_every_file_but_the_credentials(folder: Path) -> None:
    digests = {read_release(folder).digest}
    (folder / CREDENTIALS).write_text("other")
    digests.add(read_release(folder).digest)
    assert len(digests) == 1
    for file, text in ((SHARED_TEMPLATE, SHARED), (LAMBDA_TEMPLATE, CURRENT)):
        (folder / file).write_text(text + "# newer\n")
        digests.add(read_release(folder).digest)
    make_zip(folder / PACKAGE, content=b"#!/bin/sh\necho newer\n")
    digests.add(read_release(folder).digest)
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (SHARED_TEMPLATE, None, "is missing"),
        (LAMBDA_TEMPLATE, None, "is missing"),
        (PACKAGE, None, "is missing"),
        (CREDENTIALS, None, "is missing"),
        (LAMBDA_TEMPLATE, b"Resources: ]", "line 1"),
        (LAMBDA_TEMPLATE, b"<html>Sign in</html>", "not a mapping"),
        (SHARED_TEMPLATE, b"Parameters: {}", "no Resources"),
        (SHARED_TEMPLATE, b"\xff\xfe\x00", "not UTF-8"),
        (LAMBDA_TEMPLATE, b"#" * 4_000_001, "more than"),
        (PACKAGE, b"PK, but no zip", "not a zip"),
        (CREDENTIALS, b"", "is empty"),
        (CREDENTIALS, b" \r\n", "is empty"),
        (CREDENTIALS, b"canary-3f9a" * 400, "4400 bytes"),
        (CREDENTIALS, b"canary-3f9a\xff", "not UTF-8"),
        (CREDENTIALS, b"canary-3f9a" * 10_000, "more than"),
    ],
)
def test_a_release_that_cannot_be_used_is_refused_in_one_line(
    folder: Path, file: str, content: bytes | None, reason: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_release(folder)
    assert file in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [("main", 0o755, "no bootstrap at its root"), ("bootstrap", 0o644, "not executable")],
)
def test_a_zip_that_no_forwarder_could_run_is_refused(folder: Path, name: str, mode: int, reason: str) -> None:
    make_zip(folder / PACKAGE, name=name, mode=mode)
    with pytest.raises(InputError, match=reason):
        read_release(folder)


def test_a_zip_for_another_machine_is_left_to_the_check(folder: Path) -> None:
    make_zip(folder / PACKAGE, content=ELF_ARM64)
    assert "arm64" in read_release(folder).package.problems[0]


def test_a_folder_that_is_none_and_a_renamed_download_are_named(folder: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        read_release(folder / "nowhere")
    (folder / PACKAGE).rename(folder / "taegis-lambda-amd64 (1).zip")
    with pytest.raises(InputError, match=r"rename 'taegis-lambda-amd64 \(1\).zip'"):
        read_release(folder)


def test_documented_parameters_that_are_missing_are_a_finding_and_not_an_error(folder: Path) -> None:
    (folder / SHARED_TEMPLATE).write_text(SHARED.replace("TaegisRegion", "Taegisregion"))
    (folder / LAMBDA_TEMPLATE).write_text(CURRENT.replace("SNSNotificationarn", "SNSNotificationArn"))
    assert read_release(folder).missing_parameters == {
        SHARED_TEMPLATE: ("TaegisRegion",),
        LAMBDA_TEMPLATE: ("SNSNotificationarn",),
    }


def test_credentials_that_the_template_refuses_are_named_without_showing_them(folder: Path) -> None:
    (folder / SHARED_TEMPLATE).write_text(SHARED.replace("NoEcho: true, MinLength: 1", "MaxLength: 3"))
    problem = read_release(folder).credentials_problem
    assert problem is not None
    assert CANARY not in problem


FUNCTION = "{Type: AWS::Lambda::Function, Properties: {Code: {S3Bucket: %s, S3Key: %s}, Runtime: %s}}"


@pytest.mark.parametrize(
    ("bucket", "key", "runtime", "expected"),
    [
        ("!Ref B", "!Ref K", "!Ref R", ("B", "K", "code.zip", "provided.al2")),
        (
            "!Sub '${B}'",
            "!Sub 'v/${K}'",
            "!If [New, provided.al2023, go1.x]",
            ("B", None, "v/code.zip", "provided.al2023"),
        ),
        ("fixed", "fixed.zip", "!ImportValue x", (None, None, "fixed.zip", None)),
        ("!Ref Nobody", "!Ref B", "!Ref B", (None, "B", None, None)),
    ],
)
def test_where_the_code_comes_from_is_read_from_the_template(
    bucket: str, key: str, runtime: str, expected: tuple[str | None, ...]
) -> None:
    parameters = "{B: {Type: String}, K: {Type: String, Default: code.zip}, R: {Type: String, Default: provided.al2}}"
    template = parse_template(
        f"Parameters: {parameters}\nConditions: {{New: !Equals [a, a]}}\n"
        f"Resources: {{F: {FUNCTION % (bucket, key, runtime)}}}",
        name="t",
    )
    found = deployed_function(template)
    assert found is not None
    assert (found.bucket_parameter, found.key_parameter, found.key, found.runtime) == expected


@pytest.mark.parametrize(
    "resources",
    [
        "{T: {Type: AWS::SNS::Topic}}",
        "{F: {Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: x}}}}",
        "{F: {Type: AWS::Lambda::Function, Properties: {Code: {ImageUri: x}}}}",
        f"{{F: {FUNCTION % ('a', 'b', 'c')}, G: {FUNCTION % ('a', 'b', 'c')}}}",
    ],
)
def test_no_function_or_more_than_one_is_nobody(resources: str) -> None:
    assert deployed_function(parse_template(f"Resources: {resources}", name="t")) is None


def test_a_helper_function_with_inline_code_is_not_the_forwarder() -> None:
    helper = "{Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: x}}}"
    found = deployed_function(parse_template(f"Resources: {{H: {helper}, F: {FUNCTION % ('a', 'b', 'c')}}}", name="t"))
    assert found is not None
    assert found.logical_id == "F"


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("https://ctpx.secureworks.com/login?x=1", "ctpx"),
        ("CTPX.secureworks.com", "ctpx"),
        ("https://user@delta.taegis.secureworks.com:443/", "delta"),
        (" foxtrot.taegis.secureworks.com/", "foxtrot"),
        ("echo.taegis.secureworks.com", "echo"),
        ("golf.taegis.secureworks.com", "golf"),
    ],
)
def test_the_taegis_region_follows_the_login_address(address: str, region: str) -> None:
    assert taegis_region_from_login(address) == region


@pytest.mark.parametrize(
    "address", ["", "https://", "ctpx.secureworks.com.evil.example", "charlie", "https://[x", "x y"]
)
def test_an_unknown_login_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="not a known XDR login host"):
        taegis_region_from_login(address)


def test_a_mistyped_login_address_is_told_the_near_ones() -> None:
    with pytest.raises(InputError, match=r"did you mean ctpx\.secureworks\.com"):
        taegis_region_from_login("ctpx.securework.com")


def test_the_template_decides_which_taegis_region_is_allowed() -> None:
    assert require_taegis_region(parse_template(SHARED, name="t"), "ctpx") == "ctpx"
    with pytest.raises(InputError, match="it allows ctpx, delta, echo, foxtrot, golf"):
        require_taegis_region(parse_template(SHARED, name="t"), "charlie")
    free = parse_template(SHARED.replace("AllowedValues: [ctpx, delta, echo, foxtrot, golf]", "MinLength: 4"), name="t")
    assert require_taegis_region(free, "charlie") == "charlie"
    with pytest.raises(InputError, match="at least 4"):
        require_taegis_region(free, "x")
    assert require_taegis_region(parse_template(CURRENT, name="t"), "any") == "any"


def test_a_secret_stays_where_it_is() -> None:
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>10}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031  all spellings
    assert not any(CANARY in text for text in shown)
    for carry in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            carry(secret)
    with pytest.raises(AttributeError):
        secret.value = "x"
    assert not hasattr(secret, "__dict__")
    assert copy.deepcopy(secret) is secret
    assert secret == Secret(CANARY)
    assert secret != Secret("x")
    assert secret != CANARY
    assert len({secret, Secret(CANARY)}) == 1
    assert secret.size == len(CANARY)
    assert not Secret("")
