"""A fleet of 200, which nobody disturbs, goes through its rings before a person's eyes, on a terminal of 30 lines."""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import ioctl
from itertools import pairwise
from pathlib import Path

import pytest

from fixtures.sandbox import DEFAULT_ACCOUNTS, DEFAULT_REGIONS, SandboxSpec, start_sandbox
from fixtures.sandbox.fleet import fleet_rows
from remediation.engine import LANES
from tests.chaos.evidence import broken_chain
from tests.suite_runs import COMMAND, Ran, Suite, at, independently, secrets_in

SIZE, HEIGHT, WIDTH = 200, 30, 110
ROWS = fleet_rows(DEFAULT_ACCOUNTS, DEFAULT_REGIONS, SIZE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UP = re.compile(r"(?:\x1b\[1A\x1b\[2K)+")
_SECONDS = 420


@dataclass(frozen=True)
class Fleet:
    """What a person saw, and what became of the fleet."""

    ran: Ran
    screen: str
    before: dict[tuple[str, str], dict]
    after: dict[tuple[str, str], dict]

    @property
    def shown(self) -> str:
        return _ANSI.sub("", self.screen)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("scale")
    with start_sandbox(SandboxSpec(size=SIZE, traffic=16), folder / "sandbox") as sandbox:
        before = independently(sandbox)
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={sandbox.fix_role_name}", "--fix",
                   "--yes", "--allow=create-bucket", f"--fix-limit={SIZE}"]  # fmt: skip
        code, screen = on_a_terminal(Suite(sandbox.environment, folder / "cache"), folder / "fix", *options)
        yield Fleet(Ran(code, screen, folder / "fix"), screen, before, independently(sandbox))


def on_a_terminal(suite: Suite, folder: Path, *options: str) -> tuple[int, str]:
    """Exit code of a run at a terminal, and every byte that it drew."""
    folder.mkdir(parents=True)
    own, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    process = subprocess.Popen(
        [sys.executable, COMMAND, *options], cwd=folder, stdin=subprocess.DEVNULL, stdout=its, stderr=its,
        env={**suite.environment, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    drawn: list[bytes] = []
    reading = threading.Thread(target=lambda: drawn.extend(chunks_of(own)), daemon=True)
    reading.start()
    code = process.wait(_SECONDS)
    reading.join(10)
    os.close(own)
    return code, b"".join(drawn).decode("utf-8", "replace")


def chunks_of(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # nobody has the other end any more
            return
        if not chunk:
            return
        yield chunk


def test_every_forwarder_is_migrated_and_proved_in_three_rings(fleet: Fleet) -> None:
    assert fleet.ran.code == 0, fleet.shown[-4000:]
    begun = re.findall(r"ring (\d) of 3: (\d+) forwarders, ", fleet.shown)
    assert begun == [("1", "1"), ("2", str(SIZE // 10)), ("3", str(SIZE - 1 - SIZE // 10))]
    migrated = {(*place, one["FunctionName"]) for place, part in fleet.after.items() for one in part["functions"]
                if one["Runtime"] == "provided.al2"}  # fmt: skip
    assert migrated == {(row.account, row.region, row.case.function_name) for row in ROWS}
    assert f"logs were seen to flow after the fix for {SIZE} of {SIZE} changed forwarders" in fleet.shown


def test_no_update_was_made_twice_and_no_document_was_touched(fleet: Fleet) -> None:
    intents = [entry for entry in fleet.ran.journal if entry["kind"] == "intent"]
    executed = Counter(str(one["step"]) for one in intents if one["call"]["operation"] == "ExecuteChangeSet")  # type: ignore[index]
    assert len(executed) == SIZE
    assert set(executed.values()) == {1}
    for place, part in fleet.before.items():
        for bucket, document in part["documents"].items():
            assert fleet.after[place]["documents"][bucket] == document
    assert not broken_chain(fleet.ran.run_folder)
    assert secrets_in(fleet.ran.folder) == []


def test_the_table_says_where_it_is_and_counts_on(fleet: Fleet) -> None:
    heads = re.findall(r"ring (\d) of 3: (\d+) of (\d+) steps, ", fleet.shown)
    assert {ring for ring, _, _ in heads} == {"1", "2", "3"}
    whole = [tuple(map(int, found)) for found in re.findall(
        r"in all: (\d+) done, (\d+) failed, (?:\d+ \w+, )*(\d+) at work, (\d+) to come", fleet.shown)]  # fmt: skip
    assert len(whole) > 20, "it is drawn again and again"
    done = [numbers[0] for numbers in whole]
    assert all(later >= earlier - LANES for earlier, later in pairwise(done)), "a frame may be drawn a moment late"
    assert done[-1] >= SIZE
    assert {failed for _, failed, _, _ in whole} == {0}
    assert max(at_work for _, _, at_work, _ in whole) > 1
    assert whole[-1][3] == 0


def test_the_table_never_outgrows_the_screen(fleet: Fleet) -> None:
    heights = [found.count("\x1b[1A") for found in _UP.findall(fleet.screen)]
    assert heights, "nothing was drawn over"
    assert max(heights) < HEIGHT
