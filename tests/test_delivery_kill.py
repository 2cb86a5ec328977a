"""A run that is killed while it tells somebody has lost no report."""

import os
import signal
import threading
from pathlib import Path

from fixtures.snapshot import write_snapshot
from tests.estates import a_legacy_forwarder, an_estate
from tests.suite_runs import Suite
from tests.webhook_server import Reply, webhook_server


def test_what_is_killed_in_the_middle_of_telling_has_written_everything(tmp_path: Path) -> None:
    write_snapshot(an_estate(a_legacy_forwarder("alb-edge")), tmp_path / "estate.json.gz")
    asked, done = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        done.wait(60)

    with webhook_server() as server:
        server.say(Reply(before=hold))
        suite = Suite({"SOME_WEBHOOK": server.address}, tmp_path / "cache")
        process = suite.start(
            tmp_path / "run", f"--replay={tmp_path / 'estate.json.gz'}", "--checks=runtime-custom", "--html=r.html",
            "--junitxml=r.xml", "--export=r.jsonl", "--export=r.md", "--history=h.sqlite", "--notify=env:SOME_WEBHOOK",
        )  # fmt: skip
        try:
            assert asked.wait(60), tmp_path.joinpath("run", "said.txt").read_text(encoding="utf-8")
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait(20) == -signal.SIGKILL
        finally:
            done.set()
    written = {path.name: path.read_bytes() for path in tmp_path.joinpath("run").iterdir() if path.is_file()}
    assert {"r.html", "r.xml", "r.jsonl", "r.md", "h.sqlite"} <= written.keys()
    assert [name for name in written if name.endswith(".part")] == []
    assert b"go1.x" in written["r.html"]
    assert b"go1.x" in written["r.jsonl"]
    assert b"</testsuites>" in written["r.xml"]
    assert b"runtime-custom" in written["h.sqlite"]
