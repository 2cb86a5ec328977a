"""The synthetic release is what the vendor's is known to be, and says that it is not the vendor's."""

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from fixtures.sandbox.synthetic_release import (
    CANARY_CREDENTIAL,
    current_package,
    lambda_template,
    legacy_package,
    legacy_template,
    shared_template,
    write_release,
)

LAMBDA_PARAMETERS = {
    "IntegrationType", "NotificationBucket", "SNSNotificationarn", "NotificationBucketCustomerManagedKMSarn",
    "TaegisLambdaS3BucketName", "LambdaEnvKMSarn", "EnableObjectTagging",
}  # fmt: skip


class _Tags(yaml.SafeLoader):
    """Reads short-form tags as what stands behind them; enough to look at parameters."""


def _any_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> object:
    del suffix
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Tags.add_multi_constructor("!", _any_tag)


def parsed(body: str) -> dict:
    return yaml.load(body, Loader=_Tags)  # noqa: S506  a SafeLoader with tags


def test_the_release_is_the_four_files_of_the_vendor(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    assert sorted(path.name for path in release.iterdir()) == [
        "credentials.txt",
        "taegis-cloudformation-lambda-template.yaml",
        "taegis-cloudformation-shared-resources.yaml",
        "taegis-lambda-amd64.zip",
    ]
    assert stat.S_IMODE((release / "credentials.txt").stat().st_mode) == 0o600


@pytest.mark.parametrize("body", [lambda_template(), shared_template(), legacy_template("x", "x")])
def test_every_template_says_that_it_is_synthetic(body: str) -> None:
    assert "SYNTHETIC" in parsed(body)["Description"]


def test_the_templates_have_the_documented_parameters_in_exact_casing() -> None:
    current = parsed(lambda_template())["Parameters"]
    assert set(current) == LAMBDA_PARAMETERS
    assert current["EnableObjectTagging"]["Default"] == "false"
    assert "Default" not in current["TaegisLambdaS3BucketName"]
    shared = parsed(shared_template())["Parameters"]
    assert set(shared) == {"SecretValue", "TaegisRegion"}
    assert shared["SecretValue"]["NoEcho"] is True
    assert shared["TaegisRegion"]["AllowedValues"] == ["ctpx", "delta", "echo", "foxtrot", "golf"]


def test_the_function_keeps_its_logical_id_from_the_legacy_template() -> None:
    def functions(body: str) -> set[str]:
        resources = parsed(body)["Resources"].items()
        return {name for name, resource in resources if resource["Type"] == "AWS::Lambda::Function"}

    legacy = legacy_template("aws", "awsalb")
    assert functions(legacy) == functions(lambda_template())
    assert parsed(legacy)["Resources"]["TaegisLambdaFunction"]["Properties"]["Runtime"] == "go1.x"


def test_the_owner_variant_holds_a_secret_and_a_role_that_the_current_template_drops() -> None:
    owned = set(parsed(legacy_template("x", "x", owns_secret=True))["Resources"])
    assert owned - set(parsed(lambda_template())["Resources"]) == {"OwnedRole", "OwnedSecret"}


def test_the_package_is_the_same_bytes_every_time_and_holds_an_executable_bootstrap() -> None:
    package = current_package()
    assert package == current_package()
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        (entry,) = archive.infolist()
        assert archive.read(entry).startswith(b"#!/usr/bin/env python3\n")
    assert (entry.filename, entry.external_attr >> 16) == ("bootstrap", stat.S_IFREG | 0o755)


def test_a_newer_release_differs_in_the_package_only(tmp_path: Path) -> None:
    first, second = write_release(tmp_path / "1"), write_release(tmp_path / "2", "2.0.0")
    changed = [path.name for path in sorted(first.iterdir()) if path.read_bytes() != (second / path.name).read_bytes()]
    assert changed == ["taegis-lambda-amd64.zip"]


def test_the_legacy_package_has_no_bootstrap() -> None:
    with zipfile.ZipFile(io.BytesIO(legacy_package().content)) as archive:
        assert archive.namelist() == ["main"]


def test_the_credentials_are_an_obvious_canary_that_fits_a_parameter(tmp_path: Path) -> None:
    text = (write_release(tmp_path) / "credentials.txt").read_text()
    assert json.loads(text)["client_secret"] == CANARY_CREDENTIAL
    assert "SYNTHETIC" in text
    assert len(text.encode()) <= 4096


def test_the_templates_pass_cfn_lint_but_for_the_runtime_calendar(tmp_path: Path) -> None:
    release = write_release(tmp_path)
    templates = [str(path) for path in release.glob("*.yaml")]
    run = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", run, "--ignore-checks", "E2531", "E2533", "W2531", "--template", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
