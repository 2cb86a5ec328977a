"""The sandbox cannot be left behind, listens on 127.0.0.1 only, and refuses bad input in one line."""

import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.sandbox import SandboxSpec, run_sandbox_command, start_sandbox
from fixtures.sandbox.engine_process import EngineProcess
from fixtures.settings import read_settings
from tests.sandbox_engine import Engine, eventually, package

ROOT = Path(__file__).resolve().parent.parent
LONG_LIVED = "#!/bin/sh\ncurl -s http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next\nsleep 600\n"
START = """
import pathlib, sys
from fixtures.sandbox.engine_process import EngineProcess
from fixtures.settings import read_settings
engine = EngineProcess(pathlib.Path(sys.argv[1]), None)
print(engine.process_id, engine.port, flush=True)
{then}
"""


def alive(group: int) -> list[str]:
    """The processes of a group that have not ended (a zombie has)."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path, None)
    yield engine
    engine.stop()


def start_parent(directory: Path, then: str) -> tuple["subprocess.Popen[str]", int]:
    """A parent of its own that starts an engine; and the engine's process group."""
    command = [sys.executable, "-c", START.format(then=then), str(directory)]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    group = int(parent.stdout.readline().split()[0])
    parent.stdout.close()
    return parent, group


@pytest.mark.parametrize(("number", "then"), [
    (signal.SIGKILL, "import time; time.sleep(600)"),
    (signal.SIGINT, "import time; time.sleep(600)"),
    (None, ""),
    (None, "import os; os._exit(1)"),
])  # fmt: skip
def test_no_process_is_left_however_the_parent_ends(tmp_path: Path, number: int | None, then: str) -> None:
    parent, group = start_parent(tmp_path, then)
    if number is not None:
        assert alive(group)
        parent.send_signal(number)
    parent.wait(timeout=20)
    assert eventually(lambda: not alive(group)), alive(group)
    assert eventually(lambda: not (tmp_path / "engine").exists()), "its temporary files are gone too"


def test_function_processes_end_with_the_engine(process: EngineProcess) -> None:
    place = Engine(process).at()
    function = Engine(process).function(place, code=package(content=LONG_LIVED))
    place.call("lambda", "invoke", FunctionName=function, InvocationType="Event", Payload=b"{}")
    assert eventually(lambda: any("bootstrap" in one or "sleep" in one for one in alive(process.process_id)))
    process.stop()
    assert eventually(lambda: not alive(process.process_id)), alive(process.process_id)


def test_stopping_twice_is_stopping_once(process: EngineProcess) -> None:
    process.stop()
    process.stop()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's socket tables")
def test_it_listens_on_127_0_0_1_and_nowhere_else(process: EngineProcess) -> None:
    engine = Engine(process)
    place = engine.at()
    place.make_stack("s", "Resources: {T: {Type: AWS::SNS::Topic}}", {})  # loads every service of the engine
    descriptors = Path(f"/proc/{process.process_id}/fd").iterdir()
    mine = {str(entry.readlink()) for entry in descriptors if entry.is_symlink()}
    addresses = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{process.process_id}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listens = fields[3] == "0A" or table.startswith("udp")
            if listens and f"socket:[{fields[9]}]" in mine:
                addresses.append(fields[1])
    assert addresses == [f"0100007F:{process.port:04X}"]


def test_the_engine_sees_nothing_of_the_users_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-session")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    engine = EngineProcess(tmp_path, None)
    try:
        engine_of_test = Engine(engine)
        engine_of_test.bucket(engine_of_test.at())  # neither the profile nor the proxy gets in the way
        environment = Path(f"/proc/{engine.process_id}/environ")
        if environment.exists():
            assert b"canary-session" not in environment.read_bytes()
    finally:
        engine.stop()


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"sandbox port {port}: Address already in use; name another port"):
            start_sandbox(SandboxSpec(port=port), tmp_path)


def test_without_ministack_it_says_which_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ministack" else there(name))
    with pytest.raises(InputError, match=r"not installed; run: pip install 'taegis-forwarders\[sandbox\]'"):
        start_sandbox(SandboxSpec(), tmp_path)


@pytest.mark.parametrize(("spec", "text"), [
    (SandboxSpec(accounts=("12345678901",)), "'12345678901': not an account id"),
    (SandboxSpec(accounts=()), "no accounts or no regions"),
    (SandboxSpec(regions=()), "no accounts or no regions"),
])  # fmt: skip
def test_a_spec_that_cannot_be_is_refused(tmp_path: Path, spec: SandboxSpec, text: str) -> None:
    with pytest.raises(InputError, match=text):
        start_sandbox(spec, tmp_path)


@pytest.mark.parametrize("argv", [["--port", "x"], ["--nonsense"], ["--accounts", "12"]])
def test_a_wrong_argument_of_the_command_is_exit_4_and_one_line(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sandbox_command(argv) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_prints_what_a_shell_needs_and_cleans_up_on_ctrl_c() -> None:
    run = "import sys; from fixtures.sandbox import run_sandbox_command; sys.exit(run_sandbox_command(sys.argv[1:]))"
    command = [sys.executable, "-c", run, "--accounts=111122223333", "--regions=eu-west-1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        lines = list(iter(running.stdout.readline, "# then, for example:\n"))
        example = running.stdout.readline()
        settings = Path(example.split("--settings=")[1].strip())
        assert read_settings(settings).tenants["sandbox"].accounts == ("111122223333",)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 0
    exports = dict(line.removeprefix("export ").rstrip().split("=", 1) for line in lines if line.startswith("export "))
    assert exports["AWS_ACCESS_KEY_ID"] == "111122223333"
    assert exports["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert "--regions=eu-west-1 --accounts=111122223333 --role=TaegisForwarderAudit" in example
    assert not settings.parent.exists()
