"""The journal: what was written is on the disk, in order, chained, and a torn end does not make it unreadable."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.errors import InputError
from remediation.journal import START, BrokenJournalError, Journal, JournalError, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def written(path: Path, *kinds: str) -> list[str]:
    journal = Journal(path)
    for number, kind in enumerate(kinds):
        journal.write(kind, count=number)
    journal.close()
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def test_what_was_written_is_read_back_in_order(path: Path) -> None:
    written(path, "begin", "intent", "result")
    entries = read_journal(path)
    assert [(entry.number, entry.kind, entry.content["count"]) for entry in entries] == [
        (1, "begin", 0),
        (2, "intent", 1),
        (3, "result", 2),
    ]
    assert entries[0].content["previous"] == START
    assert {entry.content["version"] for entry in entries} == {1}


def test_only_its_owner_may_read_it_and_an_old_one_is_never_continued(path: Path) -> None:
    written(path, "begin")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match=r"journal .*: .*exists.*; start where you may write"):
        Journal(path)


def test_without_a_place_for_the_journal_nothing_can_begin(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Journal(tmp_path / "no-such-folder" / "journal.jsonl")


def test_a_line_is_on_the_disk_when_write_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(path.read_text(encoding="utf-8"))
        really(descriptor)

    monkeypatch.setattr("remediation.journal.os.fsync", fsync)
    journal = Journal(path)
    journal.write("intent", step="one")
    journal.write("result", step="one")
    assert [len(text.splitlines()) for text in synced] == [1, 2]
    assert all(text.endswith("\n") for text in synced)
    journal.close()


def test_many_threads_make_one_chain(path: Path) -> None:
    journal = Journal(path)

    def lane(name: int) -> None:
        for number in range(20):
            journal.write("intent", lane=name, number_in_lane=number)

    lanes = [threading.Thread(target=lane, args=(name,)) for name in range(6)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    journal.close()
    entries = read_journal(path)
    assert [entry.number for entry in entries] == list(range(1, 121))
    for name in range(6):
        assert [e.content["number_in_lane"] for e in entries if e.content["lane"] == name] == list(range(20))


def drop(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def swap(lines: list[str]) -> list[str]:
    return [lines[1], lines[0], *lines[2:]]


def change(lines: list[str]) -> list[str]:
    return [lines[0].replace('"count":0', '"count":7'), *lines[1:]]


def renumber(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2].replace('"number":3', '"number":4')]


def no_json(lines: list[str]) -> list[str]:
    return [lines[0], "oops\n", *lines[1:]]


def no_object(lines: list[str]) -> list[str]:
    return [lines[0], "[1]\n", *lines[1:]]


def begun_later(lines: list[str]) -> list[str]:
    return lines[1:]


@pytest.mark.parametrize("harm", [drop, swap, change, renumber, no_json, no_object, begun_later])
def test_a_line_that_does_not_follow_is_told(path: Path, harm: Callable[[list[str]], list[str]]) -> None:
    lines = harm(written(path, "begin", "intent", "result"))
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BrokenJournalError, match=r"journal.jsonl, line \d"):
        read_journal(path)


@pytest.mark.parametrize("left", [1, 20, -2, -1], ids=["one-byte", "some", "all-but-the-brace", "all-but-the-line-end"])
def test_a_torn_last_line_is_what_a_kill_leaves_and_no_harm(path: Path, left: int) -> None:
    lines = written(path, "begin", "intent", "result")
    path.write_text("".join([*lines[:2], lines[2][:left]]), encoding="utf-8")
    assert [entry.kind for entry in read_journal(path)] == ["begin", "intent"]


@pytest.mark.parametrize("text", ["", "{"])
def test_a_journal_without_a_whole_line_is_empty(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert read_journal(path) == ()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\n"], ids=["missing", "not-text"])
def test_what_is_no_journal_is_one_clear_line(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="name the journal of a run"):
        read_journal(path)


def test_what_cannot_be_told_in_json_leaves_the_chain_whole(path: Path) -> None:
    journal = Journal(path)
    journal.write("begin")
    with pytest.raises(TypeError):
        journal.write("verified", facts=object())
    journal.write("end")
    journal.close()
    assert [entry.kind for entry in read_journal(path)] == ["begin", "end"]


def test_after_a_full_disk_nothing_is_written_behind_the_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.write("begin")
    with monkeypatch.context() as patch:

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("remediation.journal.os.fsync", full)
        with pytest.raises(JournalError, match="No space left"):
            journal.write("intent")
    with pytest.raises(JournalError, match="nothing further may be changed"):
        journal.write("intent")
    journal.close()
    assert read_journal(path)[0].kind == "begin"


def test_a_closed_journal_refuses(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError):
        journal.write("intent")


def test_odd_texts_survive(path: Path) -> None:
    texts = ["line\nend", 'quote"', "\u2028", "\udcff", "日本語"]
    journal = Journal(path)
    for text in texts:
        journal.write("note", text=text)
    journal.close()
    assert [entry.content["text"] for entry in read_journal(path)] == texts
    assert all(json.loads(line) for line in path.read_text(encoding="ascii").splitlines())
