"""Ctrl-C and SIGTERM: the run ends in order, tells what it knows, and says how to go on; twice, it leaves at once."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from remediation.interrupts import Interrupts
from tests.chaos import evidence
from tests.chaos.case import Arena, Case, run_folder
from tests.chaos.estate import FORWARDERS
from tests.chaos.faults import EXECUTE, PUT, Fault, Spec
from tests.sandbox_engine import eventually
from tests.suite_runs import Suite

pytest_plugins = ["tests.chaos.arena_plugin"]


SIGNALLED = [
    pytest.param((Fault.SIGINT_TWICE, *PUT, 2), id="ctrl-c-twice"),
    pytest.param((Fault.SIGTERM, *PUT, 1), id="sigterm"),
]


@pytest.mark.parametrize("fault", SIGNALLED)
def test_an_interrupted_run_says_how_to_go_on_and_can_be_resumed(
    arena: Arena, fault: tuple[Fault, str, str, int]
) -> None:
    """Exit code 2, `--resume=RUN` in the last lines, a whole journal, and a resume that ends as if undisturbed."""
    verdict = arena.judge(Case((fault,)))
    assert verdict.fired
    assert not verdict.complaints, "\n".join(verdict.complaints)


def test_what_was_found_is_told_and_nothing_new_is_begun(arena: Arena, tmp_path: Path) -> None:
    arena.estate.restore()
    spec = Spec(Fault.SIGINT, *EXECUTE, 1, str(tmp_path / "mark.txt"))
    ran = arena.run(tmp_path, [spec], arena.estate.options)
    assert spec.lines
    assert ran.code == 2
    lines = ran.said.rstrip().splitlines()
    run = run_folder(tmp_path)
    assert lines[-1] == f"Stopped. To go on: --resume={run.name}"
    assert any(line.startswith("stopping: what is in flight") for line in lines)
    assert "Interrupted before everything was judged." in lines
    assert run.joinpath("results.jsonl").read_text().count("\n") > 70, "every result that was held back is told"
    journal = evidence.journal_of(run)
    (at,) = (entry["number"] for entry in journal if entry["kind"] == "intent" and entry["step"].startswith(EXECUTE[0])
             and entry["call"]["operation"] == EXECUTE[1])  # fmt: skip
    later = [entry for entry in journal if entry["number"] > at and entry["kind"] == "intent"]
    assert {entry["step"].partition(" ")[0] for entry in later} == {"lock"}, "nothing but giving the locks back"
    assert journal[-1]["kind"] != "finished"


def test_what_was_migrated_before_the_stop_is_told_as_it_is_now(arena: Arena, tmp_path: Path) -> None:
    """The stop comes at a trigger of the second ring: by then two run the release, whatever the first look said."""
    arena.estate.restore()
    before = runtimes(arena)
    spec = Spec(Fault.SIGINT, *PUT, 2, str(tmp_path / "mark.txt"))
    ran = arena.run(tmp_path, [spec], arena.estate.options)
    assert spec.lines
    assert ran.code == 2
    assert "looking once more at" in ran.said
    after = runtimes(arena)
    assert len({name for name in after if after[name] != before[name]}) >= 2
    told = {one["subject"].rpartition("/")[2]: one["status"]
            for one in map(json.loads, run_folder(tmp_path).joinpath("results.jsonl").read_text().splitlines())
            if one.get("check") == "runtime-custom"}  # fmt: skip
    for name, runtime in after.items():
        expected = {True: {"FIXED", "PASSED"}, False: {"FAILED", "BLOCKED"}}[runtime == "provided.al2"]
        assert told[name] in expected, ran.said
        assert (told[name] == "FIXED") == (runtime != before[name])
    assert "still fails" not in ran.said, "nobody looked, so nobody knows"


def runtimes(arena: Arena) -> dict[str, str]:
    """The runtime of each forwarder by name, as an independent reader sees it."""
    return {name.partition("-scwx-")[0]: function["Runtime"] for region in arena.look().values()
            for name, function in region["functions"].items() if name.startswith(FORWARDERS)}  # fmt: skip


def test_before_anything_was_written_there_is_nothing_to_go_on_with(arena: Arena, tmp_path: Path) -> None:
    """While AWS is being looked at, Ctrl-C is pytest's."""
    arena.estate.restore()
    suite = Suite(arena.estate.environment, tmp_path / "cache")
    running = suite.start(tmp_path, *arena.estate.options)
    said = tmp_path / "said.txt"
    assert eventually(lambda: "looking at" in said.read_text())
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 2
    text = said.read_text()
    assert "--resume" not in text
    assert not evidence.crashes(text)
    assert not list(tmp_path.glob("forwarder-runs/*/journal.jsonl"))
    assert not arena.estate.writes()


# The handler alone.


def interrupts(said: list[str]) -> Interrupts:
    return Interrupts(threading.Event(), "--resume=RUN", said.append)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_an_end_and_raises_nothing(number: signal.Signals) -> None:
    said: list[str] = []
    heeding = interrupts(said)
    with heeding.heeded():
        os.kill(os.getpid(), number)
        assert eventually(heeding.stop.is_set)
        assert eventually(lambda: said)
    assert "again: leave at once" in said[0]


def test_where_nothing_is_written_the_first_signal_ends_it() -> None:
    heeding = interrupts([])
    with heeding.heeded(), pytest.raises(KeyboardInterrupt), heeding.abandonable():
        signal.raise_signal(signal.SIGINT)
    assert heeding.stop.is_set()


def test_the_second_signal_leaves_at_once_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    heeding = interrupts([])
    heeding.stop.set()
    with heeding.heeded():
        os.kill(os.getpid(), signal.SIGINT)
        assert eventually(lambda: left)
    assert left == [2]
    assert capfd.readouterr().err.endswith("Left at once. To go on: --resume=RUN\n")


def test_afterwards_signals_are_whose_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interrupts([]).heeded():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interrupts([]).heeded():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
