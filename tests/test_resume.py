"""`--resume=RUN` and nothing else: it goes on where a run was stopped, and refuses what it cannot rely on."""

import dataclasses
import fcntl
import json
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.option_values import RingSize
from remediation.run_record import read_record, write_record
from tests.chaos import evidence, world
from tests.chaos.case import Arena, Ran, run_folder
from tests.chaos.faults import EXECUTE, PUT, Fault, Spec
from tests.some_options import some_options
from tests.suite_runs import Suite

pytest_plugins = ["tests.chaos.arena_plugin"]


@pytest.fixture
def fresh(arena: Arena) -> Arena:
    arena.undisturbed  # noqa: B018  what the others are held to
    arena.estate.restore()
    return arena


def stopped(arena: Arena, folder: Path, fault: Fault, write: tuple[str, str], *options: str, number: int = 1) -> Path:
    """The folder of a run that was begun in `folder` and met a fault."""
    spec = Spec(fault, *write, number, str(folder / "mark.txt"))
    ran = arena.run(folder, [spec], [*arena.estate.options, *options])
    assert spec.lines, ran.said
    return run_folder(folder)


def resumed(arena: Arena, folder: Path, run: Path, *, met: tuple[Fault, str, str] | None = None) -> Ran:
    specs = [Spec(*met, 1, str(folder / "mark-again.txt"))] if met else []
    ran = arena.run(folder, specs, [f"--resume={run.name}"])
    assert all(spec.lines for spec in specs), ran.said
    assert not evidence.broken_chain(run)
    return ran


def assert_as_if_nothing_had_happened(arena: Arena, ran: Ran) -> None:
    undisturbed, after = arena.undisturbed, arena.look()
    assert not world.harm(undisturbed.before, after)
    assert not world.unfinished(after)
    assert not world.differences(world.comparable(undisturbed.after), world.comparable(after))
    assert ran.code == undisturbed.code, ran.said


def kinds(run: Path) -> list[str]:
    return [entry["kind"] for entry in evidence.journal_of(run)]


def test_two_runs_killed_and_two_resumes_end_as_if_nothing_had_happened(fresh: Arena, tmp_path: Path) -> None:
    run = stopped(fresh, tmp_path, Fault.KILL_AFTER, EXECUTE)
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"kind":"intent","numb')  # the kill came in the middle of a line
    assert resumed(fresh, tmp_path, run, met=(Fault.KILL_BEFORE, *PUT)).code == -9
    ran = resumed(fresh, tmp_path, run)
    assert_as_if_nothing_had_happened(fresh, ran)
    assert kinds(run).count("resume") == 2
    made = [(entry["call"]["parameters"]["StackName"], entry["call"]["parameters"]["ChangeSetName"])
            for entry in evidence.journal_of(run)
            if entry["kind"] == "intent" and entry["call"]["operation"] == "CreateChangeSet"]  # fmt: skip
    assert len(set(made)) == len(made), "CloudFormation takes a name once"


def test_a_finished_run_is_looked_at_and_nothing_is_written(fresh: Arena, tmp_path: Path) -> None:
    fresh.run(tmp_path, (), fresh.estate.options)
    run = run_folder(tmp_path)
    before, written = kinds(run), len(fresh.estate.writes())
    ran = resumed(fresh, tmp_path, run)
    assert kinds(run)[len(before) :] == ["resume"]
    assert len(fresh.estate.writes()) == written
    assert f"run {run.name} had finished: nothing was left to do" in ran.said
    assert_as_if_nothing_had_happened(fresh, ran)


def test_rings_limits_and_the_choice_of_checks_are_those_of_the_run(fresh: Arena, tmp_path: Path) -> None:
    run = stopped(
        fresh, tmp_path, Fault.KILL_BEFORE, PUT, "-k", "new_objects_reach or function_that_is_gone", "--rings=100%"
    )
    ran = resumed(fresh, tmp_path, run)
    assert "ring 1 of 1" in ran.said
    written = {entry["call"]["operation"] for entry in evidence.journal_of(run) if entry["kind"] == "intent"}
    assert "PutBucketNotificationConfiguration" in written
    assert "CreateChangeSet" not in written, "no stack was asked for"
    assert not world.unfinished(fresh.look())


def test_an_update_under_way_is_waited_for(fresh: Arena, tmp_path: Path) -> None:
    """AWS said that it executes, and the run was killed: it may be at it for minutes when the run is resumed."""
    run = stopped(fresh, tmp_path, Fault.KILL_JOURNALLED, EXECUTE)
    ran = resumed(fresh, tmp_path, run, met=(Fault.SLOW_STACK, *EXECUTE))
    assert "IN_PROGRESS" not in ran.said, ran.said
    assert_as_if_nothing_had_happened(fresh, ran)


def refused(arena: Arena, folder: Path, run: str) -> str:
    """The one line with which a resume is refused, before anything is asked."""
    asked = len(arena.estate.requests())
    ran = arena.run(folder, (), [f"--resume={run}"])
    assert ran.code == 4, ran.said
    (line,) = [line for line in ran.said.splitlines() if line.strip()]
    assert line.startswith("ERROR: ")
    assert len(arena.estate.requests()) == asked
    return line


def test_a_resume_asks_iam_before_it_takes_a_change_set_back(fresh: Arena, tmp_path: Path) -> None:
    spec = Spec(Fault.KILL_AFTER, "forwarder-stack", "CreateChangeSet", 1, str(tmp_path / "mark.txt"))
    fresh.run(tmp_path, [spec], fresh.estate.options)
    assert spec.lines
    before = len(fresh.estate.requests())
    run = run_folder(tmp_path)
    resumed = fresh.run(tmp_path, [], [f"--resume={run.name}"])
    asked = [str(one["operation"]) for one in fresh.estate.requests()[before:]]
    assert "DeleteChangeSet" in asked, resumed.said
    assert asked.index("SimulatePrincipalPolicy") < asked.index("DeleteChangeSet")
    assert not evidence.broken_chain(run)


def test_what_cannot_be_resumed_is_refused_in_one_line(fresh: Arena, tmp_path: Path) -> None:
    run = stopped(fresh, tmp_path, Fault.KILL_BEFORE, ("artifact", "CreateBucket"))
    journal = run / "journal.jsonl"
    content = journal.read_bytes()
    with journal.open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)  # as the run does for as long as it lives
        asked = fresh.run(tmp_path, (), [f"--resume={run.name}"])
    assert asked.code == 4
    assert "another process is writing it" in asked.said
    assert journal.read_bytes() == content

    assert "no such run below forwarder-runs" in refused(fresh, tmp_path, "20260101T000000Z-0000")
    journal.write_bytes(content.replace(b'"begin"', b'"bogus"', 1))
    line = refused(fresh, tmp_path, run.name)
    assert "its journal cannot be relied on" in line
    assert "does not follow from the line before it" in line
    journal.unlink()
    assert "it was stopped before it changed anything" in refused(fresh, tmp_path, run.name)
    run.joinpath("run.json").write_text('{"format": "something else"}')
    assert "run.json is not a run's record" in refused(fresh, tmp_path, run.name)


def test_a_record_holds_what_a_run_may_do_and_not_where_its_user_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("forwarders.toml").write_text("")
    options = dataclasses.replace(
        some_options(regions=("us-east-1",)), fix=True, rings=(RingSize(3, percent=False),), fix_limit=7,
        approved=Path("plan.json"), send_test_event=True, checks=("code-current",), proof_timeout=timedelta(seconds=3),
        allow=frozenset({"create-bucket"}), release=Path("release"),
    )  # fmt: skip
    write_record(options, tmp_path, ["checks/test_code.py::a"])
    record = read_record(tmp_path)
    found = record.resumed(some_options(regions=()))
    same = ("fix", "rings", "fix_limit", "send_test_event", "checks", "proof_timeout", "allow", "regions")
    assert {name: getattr(found, name) for name in same} == {name: getattr(options, name) for name in same}
    assert (found.approved, found.release, found.settings) == (
        tmp_path / "plan.json", tmp_path / "release", tmp_path / "forwarders.toml")  # fmt: skip
    assert record.tests == ("checks/test_code.py::a",)
    again = record.resumed(
        dataclasses.replace(some_options(regions=("eu-west-1",)), allow=frozenset({"merge-duplicates"}))
    )
    assert (again.regions, again.allow) == (("eu-west-1",), frozenset({"merge-duplicates"}))
    assert again.rings == options.rings, "rings are kept"
    assert "SecretValue" not in json.dumps(record.model_dump(mode="json"))


def test_nothing_is_resumed_together_with_what_contradicts_it(tmp_path: Path) -> None:
    suite = Suite({}, tmp_path / "cache")
    for option in ("--plan", "--rollback=x", "--sandbox"):
        ran = suite.run(tmp_path / "user", "--resume=x", option)
        assert ran.code == 4
        assert ran.errors, ran.said
