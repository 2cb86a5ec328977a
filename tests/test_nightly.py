"""The recipes for every night: what the script does, and that cron's line and the workflow can be run."""

import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fixtures.options import Options
from reports.command import main
from reports.options_text import EXIT_CODES
from reports.policy_command import ROLES
from tests.some_options import parsed

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NIGHTLY = EXAMPLES / "nightly.sh"
PYTESTS = re.compile(r"--(html|junitxml)=|-[nkmv]")  # options that are pytest's
pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here, which nightly.sh needs")


def of_the_suite(words: list[str]) -> Options:
    """What a run with these words would work with, where no variable is set and no file is there."""
    return parsed(*(word for word in words if not PYTESTS.match(word)))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    error: str
    words: list[str]


class Folder:
    """A folder of nights, and a program in place of the suite that notes what it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path / "night after night"
        self.path.mkdir()
        self.program = path / "program"
        self.asked = path / "asked"
        self.program.write_text(
            f'#!/bin/sh\nprintf "%s\\0" "$@" > "{self.asked}"\necho "All holds, or not."\nexit "$WITH"\n',
            encoding="utf-8",
        )
        self.program.chmod(0o755)

    def run(self, *words: str, code: int = 0, **variables: str) -> Ran:
        environment = {**os.environ, "TAEGIS_FORWARDERS": str(self.program), "WITH": str(code), **variables}
        command = ["sh", str(NIGHTLY), str(self.path), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)
        asked = self.asked.read_text(encoding="utf-8").split("\0")[:-1] if self.asked.exists() else []
        return Ran(done.returncode, done.stdout, done.stderr, asked)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestScript:
    @pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
    def test_it_is_a_shell_script(self, shell: str) -> None:
        subprocess.run([shell, "-n", str(NIGHTLY)], check=True)
        assert os.access(NIGHTLY, os.X_OK)

    @pytest.mark.parametrize("code", [code for code, _ in EXIT_CODES])
    def test_it_ends_as_the_audit_and_says_nothing_when_all_holds(self, code: int, folder: Folder) -> None:
        ran = folder.run(code=code)
        assert ran.code == code
        assert (ran.out + ran.error).strip() == ("All holds, or not." if code else "")

    def test_it_asks_for_what_the_page_says(self, folder: Folder) -> None:
        given = of_the_suite(folder.run("--notify-on=always", "--notify=arn:aws:sns:us-east-1:111122223333:t").words)
        assert given.regions == ("all",)
        assert str(given.accounts_from) == "fleet.toml"
        assert (given.role, given.history) == (ROLES["audit"], Path("fleet.sqlite"))
        assert given.fail_on == {"finding", "unknown"}
        assert (given.waivers, given.baseline, given.settings, given.release) == (None, None, None, None)
        assert {export.path.suffix for export in given.exports} == {".jsonl", ".md"}
        assert [str(target) for target in given.delivery.targets] == ["arn:aws:sns:us-east-1:111122223333:t"]

    def test_it_takes_what_is_there_and_options_take_the_place_of_its_own(self, folder: Folder) -> None:
        for name in ("waivers.toml", "baseline.toml", "forwarders.toml"):
            folder.path.joinpath(name).touch()
        folder.path.joinpath("downloads").mkdir()
        given = of_the_suite(folder.run("--regions=eu-west-1", "--waivers=others.toml", "--fail-on=finding").words)
        assert (given.waivers, given.baseline) == (Path("others.toml"), Path("baseline.toml"))
        assert (given.settings, given.release) == (Path("forwarders.toml"), Path("downloads"))
        assert (given.regions, given.fail_on) == (("eu-west-1",), {"finding"})

    def test_two_nights_are_never_at_work_at_once(self, folder: Folder) -> None:
        holder = subprocess.Popen(["flock", str(folder.path / ".lock"), "sh", "-c", "echo held; cat"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        ran = folder.run()
        holder.communicate("")
        assert (ran.code, ran.words) == (75, [])
        assert "another night is still at work" in ran.error
        assert folder.run().code == 0

    def test_reports_of_long_ago_are_cleared_away_and_the_last_one_has_a_name(self, folder: Folder) -> None:
        nights = folder.path / "nights"
        for days in (1, 29, 32, 400):
            old = nights / f"{days}-days-ago"
            old.mkdir(parents=True)
            old.joinpath("said.txt").touch()
            then = time.time() - days * 86_400
            os.utime(old, (then, then))
        folder.run()
        kept = {path.name for path in nights.iterdir()}
        assert {"1-days-ago", "29-days-ago", "latest"} < kept
        assert not {"32-days-ago", "400-days-ago"} & kept
        assert nights.joinpath("latest", "said.txt").read_text(encoding="utf-8") == "All holds, or not.\n"
        assert nights.joinpath("latest", "said.txt").stat().st_mode & 0o077 == 0

    def test_a_folder_that_is_not_there_is_a_wrong_command(self, folder: Folder) -> None:
        folder.path.rmdir()
        assert folder.run().code == 4


class TestCron:
    def test_the_line_can_be_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = EXAMPLES.joinpath("crontab").read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if re.match(r"[0-9*]", line)]
        assert "%" not in line  # means a new line to cron
        *when, user, program, folder = line.split()[:8]
        assert (len(when), user, Path(program).name) == (5, "forwarders", NIGHTLY.name)
        assert folder.startswith("/var/lib/")
        holder = tmp_path / "webhook"
        holder.write_text("https://example.com/x", encoding="utf-8")
        words = [word.replace("/etc/taegis-forwarders/webhook", str(holder)) for word in line.split()[8:]]
        given = of_the_suite(["--history=fleet.sqlite", *words])
        assert given.delivery.report_url == "https://reports.example.com/latest/drift.html"
        assert monkeypatch


class TestGithub:
    @pytest.fixture
    def workflow(self) -> dict[str, object]:
        found = yaml.safe_load(EXAMPLES.joinpath("nightly-github.yml").read_text(encoding="utf-8"))
        return {str(name): part for name, part in found.items()}  # YAML 1.1 reads `on` as true

    def test_it_is_a_workflow_of_one_job_that_never_runs_twice_at_once(self, workflow: dict[str, object]) -> None:
        assert set(workflow) == {"name", "True", "permissions", "concurrency", "jobs"}
        assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
        assert workflow["concurrency"] == {"group": "forwarders", "cancel-in-progress": False}
        assert workflow["jobs"].keys() == {"audit"}  # type: ignore[attr-defined]

    def test_what_it_runs_is_there_and_is_understood(
        self, workflow: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/x")
        steps = workflow["jobs"]["audit"]["steps"]  # type: ignore[index]
        runs = [step["run"] for step in steps if "run" in step]
        named = {path for run in runs for path in re.findall(r"suite/(examples/\S+)", run)}
        assert named == {"examples/nightly.sh", "examples/history_in_s3.py"}
        assert all(ROOT.joinpath(path).is_file() for path in named)
        (audit,) = [run for run in runs if "nightly.sh" in run]
        words = shlex.split(audit.replace("$RUN_URL", "https://github.example.com/run/1"))[2:]
        assert of_the_suite(["--history=h", *words]).delivery.report_url == "https://github.example.com/run/1"
        # a secret or a name of somebody's is never pasted into a script, only handed over as a variable
        assert [run for run in runs if "${{" in run] == []

    def test_history_and_reports_are_kept_whatever_the_audit_came_to(self, workflow: dict[str, object]) -> None:
        steps = workflow["jobs"]["audit"]["steps"]  # type: ignore[index]
        kept = [step for step in steps if "store" in str(step.get("run")) or "upload" in str(step.get("uses"))]
        assert [step["if"] for step in kept] == ["${{ !cancelled() }}"] * 2


@pytest.mark.parametrize("page", ["nightly.md", "notification.md"])
def test_every_command_of_the_pages_is_understood(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/x")
    text = ROOT.joinpath("docs", page).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^\$ taegis-forwarders (--.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        assert of_the_suite(shlex.split(command, comments=True)).regions == ("all",)
    verbs = re.findall(r"^\$ taegis-forwarders (policy .*?)(?: > \S+)?(?: +#.*)?$", text, re.MULTILINE)
    for verb in verbs:
        assert main(shlex.split(verb)) == 0
