"""`--fix --rotate-credentials` where nothing else is wrong: the secret is the release's, or it is said why not."""

import os
import subprocess
import sys
from pathlib import Path

from fixtures.sandbox.synthetic_release import CANARIES, credentials, shared_template
from tests.replayed import ROOT
from tests.sandbox_engine import requests_of
from tests.step_world import World, release
from tests.step_world import ready as ready  # noqa: PLC0414  a fixture

NAME = "taegis-shared-resources"


def suite(world: World, folder: Path, *options: str) -> tuple[int, str]:
    """Run the suite as a person would, of one check that finds nothing, and return code and output."""
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))},
        "AWS_ENDPOINT_URL": world.engine.endpoint, "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }  # fmt: skip
    where = [f"--regions={world.region}", f"--release={release().directory}", "--checks=shared-stack-secret"]
    pytest_itself = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "checks")]
    ours = [f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}", *where, "--rotate-credentials", "--yes"]
    (folder / "forwarders.toml").write_text('taegis_region = "ctpx"\n', encoding="utf-8")
    command = [*pytest_itself, *ours, *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    world.asked_before = len(requests_of(world.engine.endpoint))  # that run's journal is its own
    said = done.stdout + done.stderr
    assert not [canary for canary in CANARIES if canary in said]
    return done.returncode, said


def secret(world: World) -> str:
    exports = world.place.call("cloudformation", "list_exports")["Exports"]
    assert isinstance(exports, list)
    arn = next(str(export["Value"]) for export in exports if export["Name"] == "TaegisSharedSecretArn")
    return str(world.place.call("secretsmanager", "get_secret_value", SecretId=arn)["SecretString"])


def test_the_secret_is_written_where_it_is_another_one_and_only_there(ready: World, tmp_path: Path) -> None:
    ready.place.call("cloudformation", "update_stack", StackName=NAME, UsePreviousTemplate=True, Parameters=[
        {"ParameterKey": "SecretValue", "ParameterValue": "of-yesterday"},
        {"ParameterKey": "TaegisRegion", "UsePreviousValue": True}])  # fmt: skip
    ready.place.await_stack(NAME, "UPDATE_COMPLETE")
    assert secret(ready) == "of-yesterday"

    code, said = suite(ready, tmp_path, "--plan", "--compare-secret")
    assert code == 1, said
    assert "write the release's credentials over its secret" in said
    assert "--fix would still take 1 step" in said
    assert secret(ready) == "of-yesterday"

    code, said = suite(ready, tmp_path, "--fix", "--compare-secret")
    assert code == 0, said
    assert secret(ready) == credentials()
    changed = ready.stack(NAME)["LastUpdatedTime"]

    code, said = suite(ready, tmp_path, "--fix", "--compare-secret")
    assert code == 0, said
    assert ready.stack(NAME)["LastUpdatedTime"] == changed, "what is seen to be the release's is not written again"


def test_what_was_not_rotated_is_not_green(ready: World, tmp_path: Path) -> None:
    ready.place.call("cloudformation", "create_change_set", StackName=NAME, ChangeSetName="theirs",
                     ChangeSetType="UPDATE", TemplateBody=shared_template(),
                     Parameters=[{"ParameterKey": "SecretValue", "ParameterValue": "of-tomorrow"},
                                 {"ParameterKey": "TaegisRegion", "UsePreviousValue": True}])  # fmt: skip
    try:
        code, said = suite(ready, tmp_path, "--fix")
    finally:
        ready.place.call("cloudformation", "delete_change_set", StackName=NAME, ChangeSetName="theirs")
    assert code == 1, said
    assert f"{ready.target}: the credentials are not rotated: somebody's change set waits on {NAME} (theirs)" in said
