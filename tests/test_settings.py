"""Settings: what a good file says, and the one line that a bad one gets."""

from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.settings import DEFAULT_FILE, Settings, parse_settings, read_settings

GOOD = """
release = "downloads"
login_url = "https://ctpx.secureworks.com"
shared_stack_name = "taegis"
artifact_bucket = "acme-{account}-{region}-{digest}"
calendar_fail_days = 60
accept_shapes = ["remove AWS::IAM::Role"]

[tenants.acme]
accounts = ["111122223333"]
taegis_region = "delta"

[tenants.beta]
accounts = ["444455556666", "777788889999"]
release = "/abs/beta"

[[forwarders]]
name = "waf-*"
integration_type = "awswaf"
object_tagging = true

[[forwarders]]
name = "*"
region = "eu-west-1"
integration_type = "generic"
environment_key = "arn:aws:kms:eu-west-1:111122223333:key/1"
"""


def written(folder: Path, text: str, name: str = "forwarders.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, GOOD))
    assert found.tenants["acme"].accounts == ("111122223333",)
    assert found.tenants["acme"].taegis_region == "delta"
    assert (found.shared_stack_name, found.calendar_fail_days) == ("taegis", 60)
    assert found.accept_shapes == ("remove AWS::IAM::Role",)


def test_relative_release_folders_count_from_the_file(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, GOOD))
    assert found.release == tmp_path / "downloads"
    assert found.tenants["beta"].release == Path("/abs/beta")
    assert found.tenants["acme"].release is None


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(None) == Settings()


def test_the_file_of_the_folder_is_found_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "calendar_fail_days = 7", DEFAULT_FILE.name)
    assert read_settings(None).calendar_fail_days == 7


@pytest.mark.parametrize(
    ("region", "name", "expected"),
    [
        ("us-east-1", "waf-public", {"IntegrationType": "awswaf", "EnableObjectTagging": "true"}),
        (
            "eu-west-1",
            "waf-public",
            {
                "IntegrationType": "awswaf",
                "EnableObjectTagging": "true",
                "LambdaEnvKMSarn": "arn:aws:kms:eu-west-1:111122223333:key/1",
            },
        ),
        ("us-east-1", "alb-edge", {}),
    ],
)
def test_the_first_table_that_sets_a_parameter_wins_key_by_key(
    region: str, name: str, expected: dict[str, str], tmp_path: Path
) -> None:
    found = read_settings(written(tmp_path, GOOD))
    assert found.parameters_for("111122223333", region, name) == expected


def test_an_empty_value_is_a_value_and_false_is_one_too() -> None:
    found = parse_settings({"forwarders": [{"name": "*", "sns_topic": "", "object_tagging": False}]}, "test")
    assert found.parameters_for("1", "r", "n") == {"SNSNotificationarn": "", "EnableObjectTagging": "false"}


REFUSALS = {
    "not-toml": ("release = ", "not TOML:"),
    "not-text": ("\udcff", "not TOML:"),
    "unknown-key": ('relaese = "x"', "unknown key relaese; did you mean release or rates?"),
    "unknown-key-of-a-tenant": (
        '[tenants.acme]\naccounts = []\ntaegisregion = "x"',
        "unknown key tenants.acme.taegisregion; did you mean taegis_region?",
    ),
    "unknown-key-of-a-forwarder": (
        '[[forwarders]]\nname = "x"\nintegration = "y"',
        "unknown key forwarders.0.integration; did you mean integration_type?",
    ),
    "nothing-near": ('zzz = "x"', "unknown key zzz; use one of accept_shapes, artifact_bucket"),
    "account-of-eleven-digits": (
        '[tenants.acme]\naccounts = ["11112222333"]',
        "tenants.acme.accounts.0: '11112222333' is not an account id: twelve digits",
    ),
    "account-as-a-number": ("[tenants.acme]\naccounts = [111122223333]", "tenants.acme.accounts.0: "),
    "an-account-of-two-tenants": (
        '[tenants.a]\naccounts = ["111122223333"]\n[tenants.b]\naccounts = ["111122223333"]',
        "account 111122223333 belongs to tenants a and b; keep each account in one tenant",
    ),
    "an-account-twice": (
        '[tenants.a]\naccounts = ["111122223333", "111122223333"]',
        "account 111122223333 stands twice in tenant a",
    ),
    "tenant-without-accounts": ('[tenants.acme]\ntaegis_region = "x"', "tenants.acme.accounts: Field required"),
    "tenants-as-a-list": ("tenants = []", "tenants: "),
    "forwarder-without-a-name": ('[[forwarders]]\nintegration_type = "x"', "forwarders.0.name: Field required"),
    "rate-of-an-unknown-service": ("[rates]\nlamda = 5", "'lamda' is no service or IAM action that is asked: did you"),
    "rate-of-nothing": ("[rates]\nlambda = 0", "'lambda' is 0: calls a second are from 0.1 to 10000"),
    "rate-as-text": ('[rates]\nlambda = "fast"', "rates.lambda: "),
    "stack-name-with-a-space": ('shared_stack_name = "my stack"', "'my stack' is not a stack name"),
    "bucket-with-an-unknown-field": (
        'artifact_bucket = "x-{acount}"',
        "unknown field ['acount']: use {account}, {region}, {digest}",
    ),
    "bucket-in-capitals": ('artifact_bucket = "ACME-{account}"', "would not be a bucket name"),
    "bucket-too-long": (f'artifact_bucket = "{"x" * 60}-{{digest}}"', "would not be a bucket name"),
    "bucket-with-an-open-brace": ('artifact_bucket = "x-{account"', "artifact_bucket: "),
    "days-below-zero": ("calendar_fail_days = -1", "calendar_fail_days: "),
    "days-as-a-word": ('calendar_fail_days = "soon"', "calendar_fail_days: "),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bad_file_gets_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    text, expected = REFUSALS[name]
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        read_settings(path)
    assert str(caught.value).startswith(f"settings {path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_named(place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a readable file"):
        read_settings(tmp_path / place)
