"""A pack is held to its manifest, its journal's chain and its run: each way of tampering is told in a line."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.snapshot import read_snapshot, snapshot_content
from reports.command import main
from reports.evidence.manifest import FILE, digest_of
from tests.evidence_packs import AFTER, OTHER_RUN, RUN, UNTOUCHED, a_pack, manifest_of, with_manifest_mended

JOURNAL, RESULTS, PLAN = "journal/journal.jsonl", "results/results.jsonl", "plan/plan.json"
BEFORE = "snapshots/before.json.gz"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pack, and one of another run."""
    return a_pack(tmp_path_factory.mktemp("pack")), a_pack(tmp_path_factory.mktemp("other"), OTHER_RUN)


@pytest.fixture
def pack(written: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to tamper with."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # the command changes it
    return Path(shutil.copytree(written[0], tmp_path / "pack"))


@pytest.fixture
def other(written: tuple[Path, Path]) -> Path:
    return written[1]


def verified(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    """Exit code, the faults, and all that was said."""
    code = main(["evidence", "verify", *map(str, words)])
    captured = capsys.readouterr()
    said = captured.out + captured.err
    return code, [line.removeprefix("FAULT   ") for line in said.splitlines() if line.startswith("FAULT")], said


def test_a_pack_as_it_was_written_holds_and_says_what_was_checked(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, faults, said = verified(capsys, pack)
    assert (code, faults) == (0, []), said
    for told in ("files: ", "journal: ", "plan.json: a plan of this run", "results: 3 results of this run",
                 "before.json.gz: loads; 1 target, 1 forwarder", "parts: all", "HOLDS"):  # fmt: skip
        assert told in said


def changed_byte(pack: Path, name: str) -> None:
    content = bytearray(pack.joinpath(name).read_bytes())
    content[len(content) // 2] ^= 1
    pack.joinpath(name).write_bytes(content)


CHANGED = [JOURNAL, RESULTS, PLAN, BEFORE, "README.md", "policies/fix.json", "flow/flow.txt"]


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_byte_is_seen(pack: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    changed_byte(pack, name)
    code, faults, _ = verified(capsys, pack)
    assert code == 1
    assert f"{name}: it was changed: its SHA-256 is not the manifest's" in faults


def cut(pack: Path, name: str, keep: slice) -> None:
    lines = pack.joinpath(name).read_bytes().splitlines(keepends=True)
    pack.joinpath(name).write_bytes(b"".join(lines[keep]))


def replaced(pack: Path, other: Path, name: str) -> None:
    shutil.copy(other / name, pack / name)


def stranger_snapshot(pack: Path) -> None:
    pack.joinpath(BEFORE).write_bytes(snapshot_content(read_snapshot(pack / BEFORE), zipped=True, run=OTHER_RUN))


def narrow_snapshot(pack: Path) -> None:
    estate = read_snapshot(pack / BEFORE)
    elsewhere = tuple(seen for seen in AFTER.targets if seen.target == UNTOUCHED)
    content = snapshot_content(type(estate)(**{**vars(estate), "targets": elsewhere}), zipped=True, run=RUN)
    pack.joinpath(BEFORE).write_bytes(content)


def link(pack: Path) -> None:
    content = pack / "release.json"
    content.rename(pack.parent / "release.json")
    content.symlink_to(pack.parent / "release.json")


# what was done to the pack, and what is said of it; `Path` is the pack of another run
Deed = Callable[[Path, Path], object]
TAMPERED: dict[str, tuple[Deed, str]] = {
    "a deleted file": (lambda pack, _: pack.joinpath("release.json").unlink(), "release.json: it is missing"),
    "a file besides": (lambda pack, _: pack.joinpath("x.txt").write_text("x"), "x.txt: it is not in the manifest"),
    "a file besides in a folder": (
        lambda pack, _: pack.joinpath("plan", ".x").write_text("x"), "plan/.x: it is not in the manifest"),
    "a longer file": (
        lambda pack, _: pack.joinpath("release.json").write_text("x" * 9), "release.json: it has 9 bytes, the man"),
    "a link in place of a file": (lambda pack, _: link(pack), "release.json: it is a link or a device"),
    "a journal line cut out": (
        lambda pack, _: cut(pack, JOURNAL, slice(1, None)), f"{JOURNAL}: line 1: it does not follow"),
    "the journal's end cut off": (lambda pack, _: cut(pack, JOURNAL, slice(0, -2)), f"{JOURNAL}: it ends after"),
    "results of another run": (lambda pack, other: replaced(pack, other, RESULTS), f"{RESULTS}, line 1: it is of run"),
    "a plan of another run": (lambda pack, other: replaced(pack, other, PLAN), f"{PLAN}: it is of run {OTHER_RUN}"),
    "a journal of another run": (lambda pack, other: replaced(pack, other, JOURNAL), f"{JOURNAL}: it ends after"),
    "a snapshot of another run": (lambda pack, _: stranger_snapshot(pack), f"{BEFORE}: it is of run {OTHER_RUN}"),
    "a snapshot that is none": (
        lambda pack, _: pack.joinpath(BEFORE).write_text("{}"), f"{BEFORE}: not a snapshot"),
    "a snapshot of other targets": (lambda pack, _: narrow_snapshot(pack), f"{BEFORE}: it does not hold 111122223333"),
}  # fmt: skip


@pytest.mark.parametrize("deed", TAMPERED)
def test_whatever_is_done_to_a_pack_is_told(
    pack: Path, other: Path, capsys: pytest.CaptureFixture[str], deed: str
) -> None:
    do, told = TAMPERED[deed]
    do(pack, other)
    code, faults, said = verified(capsys, pack)
    assert code == 1
    assert [line for line in faults if line.startswith(told)], said
    assert said.rstrip().splitlines()[-1].startswith("DOES NOT HOLD: ")


MENDED = [name for name in TAMPERED if "file" not in name]


@pytest.mark.parametrize("deed", MENDED)
def test_what_does_not_fit_together_is_told_also_where_the_manifest_was_mended(
    pack: Path, other: Path, capsys: pytest.CaptureFixture[str], deed: str
) -> None:
    do, told = TAMPERED[deed]
    do(pack, other)
    with_manifest_mended(pack)
    code, faults, said = verified(capsys, pack)
    assert code == 1
    assert [line for line in faults if line.startswith(told)] == faults, said


def test_a_journal_of_another_run_is_told_also_where_its_end_was_mended(
    pack: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(pack, other, JOURNAL)
    with_manifest_mended(pack)
    manifest_with(pack, journal=manifest_of(other).journal.model_dump())
    code, faults, _ = verified(capsys, pack)
    assert (code, faults) == (1, [f"{JOURNAL}: it speaks of run {OTHER_RUN}"])


def test_a_pack_of_a_version_that_knew_fewer_parts_holds(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = manifest_of(pack)
    absent = [piece.model_dump() for piece in manifest.absent if piece.part != "shards"]
    manifest_with(pack, absent=absent, parts=[name for name in manifest.parts if name != "shards"])
    assert verified(capsys, pack)[:2] == (0, [])


def test_an_approved_plan_that_is_another_one_is_told(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    approvals = json.loads((pack / "approvals.json").read_text())
    pack.joinpath("approvals.json").write_text(json.dumps({**approvals, "approved_plan": {"sha256": "0" * 64}}))
    with_manifest_mended(pack)
    code, faults, _ = verified(capsys, pack)
    assert (code, faults) == (1, ["plan/approved.json: it is not the plan that was approved, by approvals.json"])


def test_a_manifest_that_was_written_anew_is_told_by_the_digest_that_was_kept_elsewhere(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = digest_of((pack / FILE).read_bytes())
    assert verified(capsys, pack, f"--digest={kept.upper()}")[0] == 0
    pack.joinpath("release.json").write_text("[]\n")
    with_manifest_mended(pack)
    assert verified(capsys, pack)[0] == 0, "nothing in the folder can tell"
    code, faults, _ = verified(capsys, pack, f"--digest={kept}")
    assert code == 1
    assert faults[0].startswith(f"{FILE}: its SHA-256 is ")


def manifest_with(pack: Path, **changes: object) -> None:
    content = json.loads((pack / FILE).read_text())
    pack.joinpath(FILE).write_text(json.dumps({**content, **changes}))


def a_file(path: str) -> dict[str, object]:
    return {"path": path, "part": "p", "about": "", "size": 0, "sha256": "0" * 64}


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "torn": (lambda pack: pack.joinpath(FILE).write_bytes((pack / FILE).read_bytes()[:-40]), f"{FILE}: Invalid JSON"),
    "with a field besides": (lambda pack: manifest_with(pack, more=1), f"{FILE}: more: "),
    "that leads out of the folder": (
        lambda pack: manifest_with(pack, files=[a_file("../x")]),
        f"{FILE}: files.0.path: "),
    "that leads to the root": (
        lambda pack: manifest_with(pack, files=[a_file("/x")]),
        f"{FILE}: files.0.path: "),
    "that says nothing of a part": (lambda pack: manifest_with(pack, absent=[]), "part shards: neither there nor"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_manifest_that_is_none_is_a_fault(pack: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    do, told = BROKEN[name]
    do(pack)
    code, faults, said = verified(capsys, pack)
    assert code == 1
    assert [line for line in faults if line.startswith(told)], said


NO_PACK: dict[str, tuple[Callable[[Path], object], str]] = {
    "without a manifest": (lambda pack: pack.joinpath(FILE).unlink(), f"no pack: {FILE} is not there"),
    "of something else": (lambda pack: pack.joinpath(FILE).write_text("{}"), f"no pack: {FILE} is of something else"),
    "of a newer version": (lambda pack: manifest_with(pack, version=2), "version 2, this suite reads 1"),
    "that is not there": (lambda pack: pack.rename(pack.parent / "gone"), f"no pack: {FILE} is not there"),
    "with a pipe for a manifest": (
        lambda pack: (pack.joinpath(FILE).unlink(), os.mkfifo(pack / FILE)), f"no pack: {FILE} is no file"),
    "that is a file": (lambda pack: (shutil.rmtree(pack), pack.write_text("x")), "Not a directory"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PACK)
def test_what_is_no_pack_is_refused_in_one_line(pack: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    do, told = NO_PACK[name]
    do(pack)
    code, faults, said = verified(capsys, pack)
    assert (code, faults) == (4, [])
    assert told in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["verify"], ["verify", "a", "b"], ["shew", "x"], ["verify", "x", "--digest=1"]])
def test_a_command_that_says_too_little_or_too_much_is_refused_in_one_line(
    pack: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    del pack
    assert main(["evidence", *words]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_index_is_shown_and_moves_no_cursor(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack.joinpath("README.md").write_text((pack / "README.md").read_text() + "\x1b[2Jgone\n")
    assert main(["evidence", "show", str(pack)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# Evidence of run {RUN}\n")
    assert shown.endswith("?[2Jgone\n")


def test_it_reads_nothing_but_the_folder(
    pack: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline: where no address answers, and from a folder that holds nothing."""
    monkeypatch.chdir(pack.parent)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for folder in manifest_of(pack).files:
        assert os.access(pack / folder.path, os.R_OK)
    assert verified(capsys, "pack")[0] == 0
