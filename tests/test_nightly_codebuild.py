"""The nightly audit in CodeBuild: its template holds, what it runs can be run, and the history is never lost in S3."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3  # noqa: TID251 - an observer of its own
import pytest
import yaml
from moto import mock_aws

from fixtures.lint import Linted, lint
from fixtures.template import parse_template
from reports.delivery.needs import ACTIONS
from reports.policy_command import ROLES
from tests.test_nightly import EXAMPLES, of_the_suite


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what stands behind them."""


def behind(loader: Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True)


Loader.add_multi_constructor("!", behind)


Template = Mapping[str, Mapping[str, dict[str, object]]]


@pytest.fixture(scope="module")
def text() -> str:
    return EXAMPLES.joinpath("nightly-codebuild.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def template(text: str) -> Template:
    return dict(yaml.load(text, Loader))  # noqa: S506 - a safe loader


@pytest.fixture(scope="module")
def statements(template: Template) -> dict[str, dict[str, object]]:
    (policy,) = template["Resources"]["BuildRole"]["Properties"]["Policies"]  # type: ignore[index]
    return {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}


@pytest.fixture(scope="module")
def build(template: Template) -> dict[str, dict[str, list[str]]]:
    source = template["Resources"]["Project"]["Properties"]["Source"]  # type: ignore[index]
    return dict(yaml.safe_load(source["BuildSpec"])["phases"])


class TestCodeBuild:
    def test_cfn_lint_finds_nothing(self, text: str, tmp_path: Path) -> None:
        (verdict,) = lint([parse_template(text, name="nightly")], cache_dir=tmp_path)
        assert isinstance(verdict, Linted)
        assert [str(one) for one in verdict.findings] == []

    def test_its_roles_are_those_that_policy_makes(self, template: Template) -> None:
        assert template["Parameters"]["AuditRole"]["Default"] == ROLES["audit"]
        assert template["Parameters"]["DeliveryRole"]["Default"] == ROLES["deliver"]

    def test_the_role_of_the_github_workflow_is_for_one_branch_of_one_repository(self, tmp_path: Path) -> None:
        text = EXAMPLES.joinpath("github-role.yaml").read_text(encoding="utf-8")
        (verdict,) = lint([parse_template(text, name="github")], cache_dir=tmp_path)
        assert isinstance(verdict, Linted)
        assert [str(one) for one in verdict.findings] == []
        whole = yaml.load(text, Loader)  # noqa: S506 - a safe loader
        assert {name: whole["Parameters"][name]["Default"] for name in ("AuditRole", "DeliveryRole")} == {
            "AuditRole": ROLES["audit"], "DeliveryRole": ROLES["deliver"]
        }  # fmt: skip
        (trust,) = whole["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"] == {"StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:${Repository}:ref:refs/heads/${Branch}",
        }}  # fmt: skip

    def test_the_build_may_enter_accounts_and_tell_the_topic_and_change_nothing(
        self, statements: dict[str, dict[str, object]]
    ) -> None:
        assert statements["EnterAccounts"]["Action"] == "sts:AssumeRole"
        assert statements["TellTheTopic"]["Action"] in ACTIONS
        actions = {action for one in statements.values()
                   for action in (one["Action"] if isinstance(one["Action"], list) else [one["Action"]])}  # fmt: skip
        services = {action.partition(":")[0] for action in actions}
        assert services == {"sts", "organizations", "sns", "s3", "kms", "logs"}
        wide = {sid for sid, one in statements.items() if one["Resource"] == "*"}
        assert wide == {"ListTheOrganization"}

    def test_what_it_runs_is_there_and_is_understood(self, build: dict[str, dict[str, list[str]]]) -> None:
        (night,) = build["build"]["commands"]
        subprocess.run(["bash", "-n"], input=night, text=True, check=True)
        (line,) = [line for line in night.splitlines() if "nightly.sh" in line]
        line = line.replace("$MORE_OPTIONS", "--security-hub --delivery-role=TaegisForwarderDelivery").split("||")[0]
        for name, value in {
            "ACCOUNTS": "organization",
            "AUDIT_ROLE": "A",
            "TOPIC": "arn:aws:sns:us-east-1:111122223333:t",
        }.items():
            line = line.replace(f"${name}", value)
        given = of_the_suite(["--regions=all", "--history=h", *shlex.split(line)[3:]])
        assert (given.role, str(given.accounts_from)) == ("A", "organization")
        assert given.delivery.security_hub
        named = {
            path
            for phase in build.values()
            for run in phase["commands"]
            for path in re.findall(r"examples/[\w.]+", run)
        }
        assert named == {"examples/nightly.sh", "examples/history_in_s3.py"}

    @pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 0), (10, 0), (2, 2), (3, 3), (4, 4), (11, 11), (75, 75)])
    def test_findings_are_no_failed_build_and_everything_is_kept(
        self, code: int, ends: int, build: dict[str, dict[str, list[str]]], tmp_path: Path
    ) -> None:
        ran, done = self.night(build, tmp_path, code=code)
        assert ran == ends
        assert [line.split()[0] for line in done] == ["sh", "aws", "python"]
        assert "--recursive" in done[1]

    def test_reports_that_could_not_be_kept_are_a_failed_build(
        self, build: dict[str, dict[str, list[str]]], tmp_path: Path
    ) -> None:
        ran, done = self.night(build, tmp_path, code=1, aws=1)
        assert ran == 3
        assert len(done) == 3

    def night(
        self, build: dict[str, dict[str, list[str]]], folder: Path, *, code: int, aws: int = 0
    ) -> tuple[int, list[str]]:
        """Run the build's command with programs that only note that they were called."""
        noted = folder / "noted"
        for name, status in (("sh", code), ("aws", aws)):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f'#!/bin/bash\necho "{name} $*" >> "{noted}"\nexit {status}\n', encoding="utf-8")
            program.chmod(0o755)
        python = folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/bash\necho "python $*" >> "{noted}"\n', encoding="utf-8")
        python.chmod(0o755)
        (night,) = build["build"]["commands"]
        environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "BUCKET": "b", "MORE_OPTIONS": ""}
        done = subprocess.run([shutil.which("bash") or "bash", "-c", night], cwd=folder, env=environment, check=False)
        return done.returncode, noted.read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Done:
    code: int
    error: str


class HistoryInS3:
    """The program, run in this process: one of its own costs half a second each time."""

    def __init__(self, capsys: pytest.CaptureFixture[str], where: str) -> None:
        self.capsys = capsys
        self.where = where
        spec = importlib.util.spec_from_file_location("history_in_s3", EXAMPLES / "history_in_s3.py")
        assert spec
        assert spec.loader
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def __call__(self, verb: str, file: Path, where: str = "") -> Done:
        code = self.module.main([verb, where or self.where, str(file)])
        return Done(code, self.capsys.readouterr().err)


@pytest.fixture
def history(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[HistoryInS3]:
    monkeypatch.delenv("AWS_ENDPOINT_URL")  # moto knows AWS's own addresses only
    with mock_aws():
        boto3.setup_default_session(region_name="us-east-1")
        boto3.client("s3").create_bucket(Bucket="histories")
        yield HistoryInS3(capsys, f"s3://histories/{request.node.name}/fleet.sqlite")


class TestHistoryInS3:
    def test_the_first_night_finds_nothing_and_the_next_finds_what_it_left(
        self, history: HistoryInS3, tmp_path: Path
    ) -> None:
        file = tmp_path / "fleet.sqlite"
        first = history("fetch", file)
        assert (first.code, first.error, file.exists()) == (0, "", False)
        for content in (b"one", b"two"):
            file.write_bytes(content)
            assert history("store", file).code == 0
            other = tmp_path / "other" / "fleet.sqlite"
            other.parent.mkdir(exist_ok=True)
            assert history("fetch", other).code == 0
            assert other.read_bytes() == content

    @pytest.mark.parametrize("known", [True, False], ids=["later", "first-night"])
    def test_of_two_at_once_the_second_is_put_aside_and_says_so(
        self, known: bool, history: HistoryInS3, tmp_path: Path
    ) -> None:
        mine, theirs = tmp_path / "mine", tmp_path / "theirs"
        if known:
            mine.write_bytes(b"before")
            assert history("store", mine).code == 0
        for file in (mine, theirs):
            assert history("fetch", file).code == 0
            file.write_bytes(file.name.encode())
        assert history("store", theirs).code == 0
        refused = history("store", mine)
        assert refused.code == 1
        (aside,) = re.findall(r"this run's is (s3://\S+)", refused.error)
        for where, content in ((history.where, b"theirs"), (aside, b"mine")):
            kept = tmp_path / "kept"
            assert history("fetch", kept, where).code == 0
            assert kept.read_bytes() == content

    def test_a_bucket_that_is_not_ours_is_an_error(self, history: HistoryInS3, tmp_path: Path) -> None:
        done = history("fetch", tmp_path / "f", "s3://no-such-bucket/x")
        assert done.code == 1
        assert done.error.startswith("fetch s3://no-such-bucket/x: ")

    def test_a_run_that_kept_nothing_stores_nothing(self, history: HistoryInS3, tmp_path: Path) -> None:
        assert history("store", tmp_path / "f").code == 0
        assert history("fetch", tmp_path / "f").code == 0
        assert not tmp_path.joinpath("f").exists()

    def test_a_command_that_makes_no_sense_is_told_how_it_goes(self, tmp_path: Path) -> None:
        """As a program of its own."""
        command = [sys.executable, str(EXAMPLES / "history_in_s3.py"), "fetch", "histories/x", str(tmp_path / "f")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 4
        assert "history_in_s3.py fetch s3://BUCKET/KEY FILE" in done.stderr
