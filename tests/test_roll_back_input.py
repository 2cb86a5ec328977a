"""What a rollback is given: a run that is over and whole, and values that never leave their file."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.estate import Target
from fixtures.snapshot import write_snapshot
from remediation.journal import Journal, JournalError, is_being_written, read_journal
from remediation.roll_back import read_past
from remediation.roll_back_parameters import read_given_values
from remediation.roll_back_record import done_by
from remediation.run_record import read_record, write_record
from reports.command import ROOT
from tests.estates import HERE, OTHER_ACCOUNT, an_estate
from tests.some_options import parsed

RUN = "20261124T041530Z-9f3c"
VALUE = "canary-value-0123456789"
LATER = "20261125T041530Z-0001"


def a_run(folder: Path, name: str = RUN, **begin: object) -> Path:
    """The folder of a run that began and ended."""
    made = folder / name
    made.mkdir()
    write_snapshot(an_estate(), made / "before.json.gz")
    journal = Journal(made / "journal.jsonl")
    journal.write("begin", run=name, **begin)
    intent(journal, "artifact", "PutObject", {"Bucket": "b", "Key": "k", "ChecksumSHA256": "abc="})
    journal.close()
    return made


def intent(journal: Journal, kind: str, operation: str, parameters: Mapping[str, object], end: str = "done") -> None:
    where = {"account": HERE.account, "region": HERE.region, "step": f"{kind} {HERE}/x"}
    call = {"service": "s3", "operation": operation, "parameters": parameters, "why": ""}
    number = journal.write("intent", **where, call=call, before=None)
    if end == "done":
        journal.write("result", **where, intent=number, request_id="")


def test_a_run_that_is_over_is_read_with_its_snapshot(tmp_path: Path) -> None:
    past = read_past(a_run(tmp_path))
    assert (past.run, past.done.count, past.after) == (RUN, 1, None)


def test_a_run_that_is_still_going_on_is_refused(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    journal = Journal(folder / "journal.jsonl", take_up=True)
    try:
        with pytest.raises(InputError, match=f"--rollback={RUN}: that run is not over"):
            read_past(folder)
        with pytest.raises(InputError, match="another process is writing it"):
            Journal(folder / "journal.jsonl", take_up=True)
    finally:
        journal.close()
    assert not is_being_written(folder / "journal.jsonl")
    with pytest.raises(JournalError):
        journal.write("end")


def test_a_journal_whose_chain_is_broken_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    path = folder / "journal.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"Key":"k"', '"Key":"another"'), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_past(folder)
    assert "its journal cannot be relied on" in str(refused.value)
    assert "line 3" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_torn_last_line_is_what_a_kill_leaves(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    path = folder / "journal.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:20], encoding="utf-8")
    assert read_past(folder).done.count == 1


def test_without_the_first_snapshot_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder / "before.json.gz").unlink()
    with pytest.raises(InputError, match="snapshot"):
        read_past(folder)


def test_rollbacks_of_a_run_that_were_begun_before_are_known(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    a_run(tmp_path, LATER, undoes=RUN)
    a_run(tmp_path, "20261126T041530Z-0002", undoes="another")
    assert list(read_past(folder).journals) == [RUN, LATER]


@pytest.mark.parametrize(
    ("kind", "operation", "count"),
    [("lock", "PutObject", 0), ("lock", "DeleteObject", 0), ("artifact", "PutPublicAccessBlock", 0),
     ("forwarder-stack", "CreateChangeSet", 0), ("forwarder-stack", "DeleteChangeSet", 0),
     ("forwarder-stack", "PutObject", 1), ("shared-stack", "CreateStack", 1), ("test-event", "Invoke", 1),
     ("artifact", "CreateBucket", 1), ("new-step", "SomethingNew", 1)],
    ids=str,
)  # fmt: skip
def test_every_write_is_either_undone_or_accounted_for(tmp_path: Path, kind: str, operation: str, count: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    intent(journal, kind, operation, {"Bucket": "b", "Key": "k", "StackName": "s", "FunctionName": "f"})
    journal.close()
    assert done_by(read_journal(path)).count == count


def test_the_first_table_that_names_a_value_wins(tmp_path: Path) -> None:
    path = tmp_path / "values.toml"
    path.write_text(
        f'[[stack]]\nname = "cloud*"\naccount = "{HERE.account}"\nparameters = {{ A = "one" }}\n'
        '[[stack]]\nname = "*"\nparameters = { A = "two", B = "three" }\n'
    )
    values = read_given_values(path)
    mine, theirs = values.of(HERE, "cloudtrail"), values.of(Target(OTHER_ACCOUNT, HERE.region), "cloudtrail")
    assert {name: secret.reveal() for name, secret in mine.items()} == {"A": "one", "B": "three"}
    assert {name: secret.reveal() for name, secret in theirs.items()} == {"A": "two", "B": "three"}
    assert str(mine) == "{'A': ****, 'B': ****}"


BAD = {
    "no TOML": (f'[[stack]\nname = "{VALUE}"', "not TOML (at line 1, column 8)"),
    "a typo": (f'[[stack]]\nname = "*"\nparameter = {{ A = "{VALUE}" }}', "did you mean parameters?"),
    "a strange table": (f'[[stacks]]\nname = "{VALUE}"', "did you mean stack?"),
    "no name": (f'[[stack]]\nparameters = {{ A = "{VALUE}" }}', "stack.0.name: Field required"),
    "a number": ('[[stack]]\nname = "*"\nparameters = { A = 12345678 }', "stack.0.parameters.A"),
    "a text": (f'stack = "{VALUE}"', "stack: "),
    "twice": (f'[[stack]]\nname = "*"\nname = "{VALUE}"', "not TOML (at end of document)"),
}


@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_line_without_a_value(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "values.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_given_values(path)
    assert told in str(refused.value)
    assert f"--rollback-parameters={path}" in str(refused.value)
    assert VALUE not in json.dumps([str(refused.value), repr(refused.value), repr(refused.value.__cause__)])
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_given_values(tmp_path / "none.toml")


def test_the_file_that_the_page_shows_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "rollback.md").read_text(encoding="utf-8")
    path = tmp_path / "values.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    assert list(read_given_values(path).of(HERE, "cloudtrail-prod")) == ["LegacyToken"]


def test_a_release_that_is_gone_does_not_stand_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    write_record(parsed("--regions=us-east-1", f"--release={folder}", "--fix"), tmp_path, ())
    record = read_record(tmp_path)
    assert record.undone(parsed("--rollback=x")).release == folder
    folder.rmdir()
    assert record.undone(parsed("--rollback=x")).release is None
    assert record.undone(parsed("--rollback=x", f"--release={folder}")).release == folder  # what is said is refused
