"""The verb that shows a run's journal to people, and says whether it is whole."""

import sys
from pathlib import Path

import pytest

from remediation.journal import Journal
from reports.command import main

RUN = "20261124T041530Z-9f3c"
HERE = {"account": "111122223333", "region": "eu-west-1"}


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's journal, with one write of every ending; the user stands above it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the command changes it
    path = tmp_path / "forwarder-runs" / RUN / "journal.jsonl"
    path.parent.mkdir(parents=True)
    written = Journal(path)
    written.write("begin", run=RUN, steps=["a", "b"], undoes="20261123T000000Z-0000")
    step = f"forwarder-stack {HERE['account']}/{HERE['region']}/cloudtrail-prod"
    for operation in ("CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "DescribeStacks"):
        call = {"service": "cloudformation", "operation": operation, "parameters": {"StackName": "x"}, "why": ""}
        number = written.write("intent", **HERE, step=step, call=call, before=None)
        if operation == "CreateChangeSet":
            written.write("result", **HERE, step=step, intent=number, request_id="r")
        elif operation != "DescribeStacks":
            written.write("failure", **HERE, step=step, intent=number, cause="denied", code="AccessDenied",
                          reason="not authorized", refused=operation == "ExecuteChangeSet")  # fmt: skip
    written.write("reconciled", intent=number, step=step, found="the stack is UPDATE_COMPLETE")
    written.write("verified", **HERE, step=step, facts={"function": "f", "runtime": "go1.x", "nothing": None})
    written.write("error", step=step, trace="Traceback\n  File\nValueError: odd")
    written.write("settled", run="another", line=3, step=step, found="left")
    written.write("end", run=RUN, steps={"a": "done", "b": "failed"})
    written.write("consent", run=RUN, given=True, how="--yes", forwarders=2)
    written.write("identity", account=HERE["account"], arn="arn:aws:iam::111122223333:user/jane", reason="")
    judged = {"gate": "closed", "reasons": ["it would replace Lambda"], "told": ["Modify Lambda"]}
    written.write("change-set", **HERE, step=step, facts=judged)
    written.write("proof", facts={**HERE, "forwarder": "cloudtrail-prod", "told": "it uploads"})
    written.close()
    return path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    code = main(["journal", *words])
    captured = capsys.readouterr()
    return code, (captured.out + captured.err).splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


@pytest.mark.usefixtures("journal")
def test_each_write_is_a_line_with_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = shown(capsys, RUN)
    assert code == 0
    writes = [cells(line)[3:] for line in lines if "cloudformation:" in line]
    assert writes == [
        ["forwarder-stack cloudtrail-prod", "cloudformation:CreateChangeSet", "done"],
        ["forwarder-stack cloudtrail-prod", "cloudformation:ExecuteChangeSet", "refused: denied: not authorized"],
        ["forwarder-stack cloudtrail-prod", "cloudformation:DeleteChangeSet",
         "failed, perhaps carried out: denied: not authorized"],
        ["forwarder-stack cloudtrail-prod", "cloudformation:DescribeStacks", "without an answer"],
    ]  # fmt: skip
    assert all(cells(line)[2] == "111122223333/eu-west-1" for line in lines if "cloudformation:" in line)


@pytest.mark.usefixtures("journal")
def test_all_else_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = shown(capsys, RUN)
    text = "\n".join(lines)
    assert "begin of 2 steps, run 20261124T041530Z-9f3c, undoing run 20261123T000000Z-0000" in text
    assert "found later: the stack is UPDATE_COMPLETE" in text
    assert "verified" in text
    assert "function f, runtime go1.x" in text
    assert "nothing" not in text
    assert "internal error in forwarder-stack 111122223333/eu-west-1/cloudtrail-prod: ValueError: odd" in text
    assert "line 3 of run another" in text
    assert "end: 1 done, 1 failed" in text
    assert "the plan of 2 forwarders may be applied: --yes" in text
    assert "writes in 111122223333 as arn:aws:iam::111122223333:user/jane" in text
    assert "the gate says closed: it would replace Lambda" in text
    assert "111122223333/eu-west-1  cloudtrail-prod: it uploads" in text
    assert lines[-1] == ("4 writes: 1 done, 1 refused, 1 failed, perhaps carried out, 1 without an answer; 17 entries, "
                         "the chain holds")  # fmt: skip


@pytest.mark.parametrize("how", ["id", "folder", "file"])
def test_a_run_is_named_by_its_id_its_folder_or_its_journal(
    journal: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = {"id": RUN, "folder": str(journal.parent), "file": str(journal)}[how]
    code, (line,) = shown(capsys, name, "--verify")
    assert code == 0
    assert line.startswith("OK: 17 entries, each follows from the one before; last digest ")
    assert len(line.rpartition(" ")[2]) == 64


@pytest.mark.parametrize("options", [["--verify"], []], ids=["verify", "show"])
def test_a_changed_line_is_named(journal: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    journal.write_text(journal.read_text(encoding="utf-8").replace("go1.x", "go1.y"), encoding="utf-8")
    code, (line,) = shown(capsys, RUN, *options)
    assert code == 1
    assert line.startswith("BROKEN: ")
    assert "line 11" in line


def test_a_torn_last_line_is_said_and_is_no_fault(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with journal.open("a", encoding="utf-8") as stream:
        stream.write('{"kind":"int')
    code, lines = shown(capsys, RUN, "--verify")
    assert code == 0
    assert lines[0].startswith("OK: 17 entries")
    assert lines[1] == "The last line is torn, and left out: the run was killed while it wrote it."


@pytest.mark.usefixtures("journal")
def test_an_unknown_run_is_a_usage_error_that_names_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = shown(capsys, "20200101T000000Z-0000")
    assert code == 4
    assert line.startswith("ERROR: run 20200101T000000Z-0000: no run of that name")
    assert RUN in line


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("words", [[], [RUN, "--verfy"], [RUN, "another"]], ids=["none", "a typo", "two"])
def test_a_wrong_command_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = shown(capsys, *words)
    assert code == 4
    assert line.startswith("ERROR: taegis-forwarders journal: ")
