"""The fault matrix in a bounded form: a few faults for real, and that the whole one misses no write (docs/chaos.md)."""

import ast
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.chaos import evidence, world
from tests.chaos.case import Arena, Case, Verdict
from tests.chaos.faults import EXECUTE, PUT, Fault, Spec
from tests.chaos.matrix import AT_EVERY_WRITE, all_cases, table
from tests.chaos.rollback import WholeArena

pytest_plugins = ["tests.chaos.arena_plugin"]

ROOT = Path(__file__).resolve().parent.parent
UNDOING = frozenset({"undo_artifact.py", "undo_stack.py", "undo_trigger.py"})
FIXING = frozenset(path.name for path in (ROOT / "remediation" / "steps").glob("*.py")) - UNDOING

BOUNDED = [
    pytest.param((Fault.KILL_AFTER, *EXECUTE, 1), id="killed-after-the-execution"),
    pytest.param((Fault.KILL_BEFORE, *PUT, 2), id="killed-before-the-document"),
    pytest.param((Fault.TIMEOUT, "shared-stack", "CreateStack", 1), id="creation-without-an-answer"),
    pytest.param((Fault.ROLLS_BACK, *EXECUTE, 1), id="update-rolls-back"),
    pytest.param((Fault.OTHERS_AFTER, *PUT, 2), id="another-writer"),
    pytest.param((Fault.EXPIRED_UNSEEN, *EXECUTE, 1), id="session-expires"),
]


UNDONE = [
    pytest.param((Fault.KILL_AFTER, "undo-stack", "ExecuteChangeSet", 1), id="rollback-killed-after-the-execution"),
    pytest.param((Fault.TIMEOUT, "undo-trigger", PUT[1], 1), id="rollback-without-an-answer"),
]


@pytest.mark.parametrize("fault", UNDONE)
def test_a_rollback_that_is_disturbed_ends_as_if_nothing_had_happened_when_it_is_asked_for_again(
    arena: WholeArena, fault: tuple[Fault, str, str, int]
) -> None:
    verdict = arena.judge(Case((fault,), undoes=True))
    assert verdict.fired, "the fault never happened"
    assert not verdict.complaints, "\n".join(verdict.complaints)


@pytest.mark.parametrize("fault", BOUNDED)
def test_nothing_is_lost_and_a_resume_ends_as_if_nothing_had_happened(
    arena: Arena, fault: tuple[Fault, str, str, int]
) -> None:
    verdict = arena.judge(Case((fault,)))
    assert verdict.fired, "the fault never happened"
    assert not verdict.complaints, "\n".join(verdict.complaints)


def test_the_matrix_has_every_fault_at_every_write_that_a_fix_can_make(arena: WholeArena) -> None:
    assert_every_fault_at(written_by(lambda name: name not in UNDOING), fixing(arena))
    cases = all_cases(arena.undisturbed, arena.undone)
    assert {case.fault for case in cases} == set(Fault) - {Fault.SLOW_STACK}, "that one is no fault by itself"
    assert len(set(cases)) == len(cases)


def test_the_matrix_has_every_fault_at_every_write_that_a_rollback_can_make(arena: WholeArena) -> None:
    """But for a template above 51,200 bytes, and a gate that closes, as it does in a fix."""
    own = written_by(lambda name: name not in {"settle.py", *FIXING}) - {"DeleteChangeSet"}
    assert_every_fault_at(own, [case for case in all_cases(arena.undisturbed, arena.undone) if case.undoes])


def assert_every_fault_at(written: set[str], cases: list[Case]) -> None:
    for fault in AT_EVERY_WRITE:
        held = {case.specs[-1][2] for case in cases if case.fault is fault}
        assert written == held, f"{fault}: {sorted(written ^ held)}"


def fixing(arena: WholeArena) -> list[Case]:
    return [case for case in all_cases(arena.undisturbed, arena.undone) if not case.undoes]


def written_by(wanted: Callable[[str], bool]) -> set[str]:
    return {operation for path in sources() if wanted(path.name) for operation in operations_in(path)}


def sources() -> Iterator[Path]:
    remediation = ROOT / "remediation"
    yield from (remediation / name for name in ("gated_update.py", "lock.py", "settle.py"))
    yield from sorted((remediation / "steps").glob("*.py"))


def operations_in(path: Path) -> Iterator[str]:
    """The operation of every `Call(service, operation, ...)` in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call":
            operation = node.args[1]
            assert isinstance(operation, ast.Constant)
            yield str(operation.value)


def test_a_case_survived_only_if_its_fault_happened() -> None:
    case = Case(((Fault.KILL_BEFORE, "lock", "DeleteObject", 1),))
    verdicts = [Verdict(case, 1, -9, 1, 8.2), Verdict(case, 0, 1, 1, 8.2), Verdict(case, 1, -9, 1, 8.2, ["it is gone"])]
    assert [verdict.survived for verdict in verdicts] == [True, False, False]
    (_, _, *rows) = table(verdicts)
    assert rows[0] == "| lock DeleteObject | killed right before it is sent | 1 | -9 | 1 | yes | 8 |"
    assert rows[1] == "| lock DeleteObject | killed right before it is sent | 0 | 1 | 1 | NO | 8 |"


def test_the_page_shows_a_run_of_these_very_cases(arena: WholeArena) -> None:
    """Stale? `make chaos`, and put what it prints into docs/chaos.md."""
    page = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and " | yes | " in line]
    shown = {(row[0].removeprefix("| "), row[1]) for row in rows}
    (_, _, *wanted) = table(Verdict(case, 1, 0, 0, 0.0) for case in all_cases(arena.undisturbed, arena.undone))
    cases = {(row.split(" | ")[0].removeprefix("| "), row.split(" | ")[1]) for row in wanted}
    assert shown == cases
    assert f"{len(cases)} of {len(cases)} cases survived" in page


# The judge itself: each of these was seen to be told.

RULE = {"Id": "theirs", "QueueArn": "arn:aws:sqs:r:1:q", "Events": ["s3:ObjectCreated:*"]}
CALLER = {
    "Principal": {"Service": "s3.amazonaws.com"},
    "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::logs"}},
}


def a_world() -> world.World:
    stack = {"StackStatus": "UPDATE_COMPLETE", "ChangeSets": [], "CreationTime": "1", "LastUpdatedTime": "1"}
    return {
        "r": {
            "stacks": {"prod": stack},
            "functions": {"fn": {"Runtime": "go1.x", "Policy": [{"Sid": "a", **CALLER}]}},
            "documents": {"logs": {"QueueConfigurations": [RULE], "EventBridgeConfiguration": {}}},
            "buckets": {"logs": {"key": "tag"}},
        }
    }


HARM = [
    pytest.param(lambda w: w["stacks"].clear(), "stacks: prod is gone", id="stack"),
    pytest.param(lambda w: w["functions"].clear(), "functions: fn is gone", id="function"),
    pytest.param(lambda w: w["buckets"].clear(), "buckets: logs is gone", id="bucket"),
    pytest.param(lambda w: w["buckets"]["logs"].clear(), "s3://logs/key is not what it was", id="object"),
    pytest.param(lambda w: w["documents"]["logs"].pop("QueueConfigurations"), "bucket logs lost", id="rule"),
    pytest.param(lambda w: w["documents"]["logs"].pop("EventBridgeConfiguration"), "bucket logs lost",
                 id="event-bridge"),
    pytest.param(lambda w: w["functions"]["fn"]["Policy"].clear(), "fn lost the permission of", id="permission"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "told"), HARM)
def test_the_judge_sees_what_is_lost(act: object, told: str) -> None:
    before, after = a_world(), a_world()
    assert not world.harm(before, after)
    act(after["r"])  # type: ignore[operator]
    assert any(told in complaint for complaint in world.harm(before, after))
    assert world.differences(world.comparable(before), world.comparable(after))


def test_the_judge_sees_what_is_left_behind() -> None:
    seen = a_world()
    assert not world.unfinished(seen)
    seen["r"]["stacks"]["prod"] |= {
        "StackStatus": "UPDATE_IN_PROGRESS",
        "ChangeSets": ["taegis-forwarders-1", "theirs"],
    }
    seen["r"]["buckets"]["logs"][world.LOCK] = "tag"
    assert len(world.unfinished(seen)) == 3


def test_times_random_letters_and_other_writers_are_no_difference() -> None:
    before, after = a_world(), a_world()
    after["r"]["stacks"]["prod"]["LastUpdatedTime"] = "2"
    after["r"]["functions"]["fn"]["Policy"][0]["Sid"] = "b"
    after["r"]["documents"]["logs"]["QueueConfigurations"].append({**RULE, "Id": "another-writer-x"})
    assert world.comparable(before) == world.comparable(after)


def a_journal(folder: Path, *entries: Mapping[str, object]) -> list[bytes]:
    previous, lines = "0" * 64, []
    for number, entry in enumerate(entries, start=1):
        line = json.dumps({**entry, "number": number, "previous": previous}).encode()
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line)
    folder.joinpath("journal.jsonl").write_bytes(b"\n".join([*lines, b'{"torn']))
    return lines


def test_the_judge_follows_the_chain_by_hand(tmp_path: Path) -> None:
    assert evidence.broken_chain(tmp_path) == ["there is no journal"]
    lines = a_journal(tmp_path, {"kind": "a"}, {"kind": "b"}, {"kind": "c"})
    assert not evidence.broken_chain(tmp_path)
    assert [entry["kind"] for entry in evidence.journal_of(tmp_path)] == ["a", "b", "c"]
    lines[1] = lines[1].replace(b'"b"', b'"x"')
    tmp_path.joinpath("journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert evidence.broken_chain(tmp_path) == ["journal line 3 does not follow from the line before it"]


INTENT = {"kind": "intent", "number": 1, "region": "r", "step": "trigger x",
          "call": {"service": "s3", "operation": "PutObject"}}  # fmt: skip
RESULT = {"kind": "result", "number": 2, "intent": 1}
SEEN = {"agent": "Botocore/1", "write": True, "region": "r", "service": "s3", "operation": "PutObject"}


def test_the_judge_counts_writes_on_both_sides() -> None:
    assert not evidence.unaccounted([INTENT, RESULT], [SEEN], [])
    assert not evidence.unaccounted([INTENT], [], []), "killed before it was sent"
    assert "the engine saw 1, the journal intended 0" in evidence.unaccounted([], [SEEN], [])[0]
    assert "the journal has 1 results, the engine saw 0" in evidence.unaccounted([INTENT, RESULT], [], [])[0]
    again = ["trigger PutObject: worked and was not answered"]
    assert not evidence.unaccounted([INTENT, RESULT], [SEEN, SEEN], again)
    assert not evidence.unaccounted([], [{**SEEN, "agent": "neighbour"}, {**SEEN, "write": False}], [])


def test_the_judge_sees_crashes_but_not_the_internal_error_of_s3() -> None:
    assert not evidence.crashes("failed: s3:PutObject call failed: InternalError: an internal error.")
    assert evidence.crashes("failed: internal error: KeyError: 'x' (see the journal)")
    assert evidence.crashes("Traceback (most recent call last):")


def test_a_fault_is_handed_to_the_launcher_as_text() -> None:
    spec = Spec(Fault.GATE, *EXECUTE, 2, "mark.txt")
    assert Spec.parse(spec.text()) == spec
