"""A pack is there as a whole or not at all, and what could not be written is refused before anything is asked."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.outcome import Status
from fixtures.errors import InputError
from reports.evidence.folder import refuse_unusable, write_folder
from tests.fake_run import case, write_run
from tests.some_options import parsed
from tests.suite_runs import ROOT

pytest_plugins = ["pytester"]

FILES = [("manifest.json", b"{}"), ("plan/plan.json", b"[]"), ("a/b/c.txt", b"deep"), ("README.md", b"# x")]
# the write at which the process is killed: the third file is open, and half of it is written
KILLED = """
import os, signal, sys
from pathlib import Path
from reports.evidence import folder
count = 0
def fsync(descriptor):
    global count
    count += 1
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
folder.os.fsync = fsync
folder.write_folder(Path(sys.argv[1]), [("one", b"1"), ("two", b"2"), ("three", b"3"), ("four", b"4")])
"""


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("there", [False, True], ids=["not-there", "empty"])
def test_a_folder_is_written_whole(tmp_path: Path, there: bool) -> None:
    pack = tmp_path / "pack"
    if there:
        pack.mkdir()
    refuse_unusable(pack)
    assert listing(tmp_path) == ({"pack"} if there else set()), "asking leaves nothing behind"
    write_folder(pack, FILES)
    assert {name: (pack / name).read_bytes() for name, _ in FILES} == dict(FILES)
    assert {path.name for path in tmp_path.iterdir()} == {"pack"}


def test_a_process_that_is_killed_while_it_writes_leaves_no_half_pack(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(pack)], cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not pack.exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".pack.")
    refuse_unusable(pack)
    write_folder(pack, FILES)
    assert listing(pack) >= {name for name, _ in FILES}


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reports.evidence.folder.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_folder(tmp_path / "pack", FILES)
    assert not listing(tmp_path)


def test_what_came_there_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    pack.joinpath("somebody's").write_text("x")
    with pytest.raises(OSError, match="not empty"):
        write_folder(pack, FILES)
    assert listing(tmp_path) == {"pack", "pack/somebody's"}


def hold_something(pack: Path) -> None:
    pack.mkdir()
    pack.joinpath(".hidden").write_text("x")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder that holds something": (hold_something, "it is not empty"),
    "a file": (lambda pack: pack.write_text("x"), "a file, not a folder"),
    "a link": (lambda pack: pack.symlink_to(pack.parent), "a link, which would be replaced"),
    "a link that leads nowhere": (lambda pack: pack.symlink_to("nowhere"), "a link, which would be replaced"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_as_a_whole_is_refused(tmp_path: Path, name: str) -> None:
    make, told = REFUSED[name]
    make(tmp_path / "pack")
    before = listing(tmp_path)
    with pytest.raises(InputError, match=told):
        refuse_unusable(tmp_path / "pack")
    assert listing(tmp_path) == before


def test_a_folder_without_a_folder_above_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        refuse_unusable(tmp_path / "no" / "pack")
    tmp_path.joinpath("file").write_text("x")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        refuse_unusable(tmp_path / "file" / "pack")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        refuse_unusable(tmp_path / "pack")


def test_a_mounted_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    with pytest.raises(InputError, match="a mounted folder"):
        refuse_unusable(tmp_path / "pack")


# Within a run.

CASES = [case("runtime-custom", Status.FAILED, "111122223333/us-east-1/one", expected="a", found="b"),
         case("logs-flow", Status.PASSED, "111122223333/us-east-1/one")]  # fmt: skip


def run(pytester: pytest.Pytester, *options: str) -> tuple[int, str]:
    ran = pytester.runpytest_inprocess("--regions=us-east-1", *options)
    return ran.ret, ran.stdout.str() + ran.stderr.str()


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "n2"])
def test_a_run_leaves_a_pack_with_its_reports_and_says_its_digest(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    write_run(pytester, CASES)
    code, said = run(pytester, "--evidence=pack", "--junitxml=j.xml", "--html=r.html", *workers)
    assert code == 1
    pack = pytester.path / "pack"
    assert pack.joinpath("results/junit.xml").read_bytes() == pytester.path.joinpath("j.xml").read_bytes()
    assert pack.joinpath("results/report.html").read_bytes() == pytester.path.joinpath("r.html").read_bytes()
    lines = said.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("evidence   pack: "))
    assert lines[at + 1].startswith("           SHA-256 of its manifest, for the ticket: ")
    assert next(number for number, line in enumerate(lines) if line.startswith("results ")) < at


def test_a_run_whose_pack_cannot_be_written_is_refused_before_anything_is_asked(pytester: pytest.Pytester) -> None:
    write_run(pytester, CASES)
    pytester.path.joinpath("pack").mkdir()
    pytester.path.joinpath("pack", "x").write_text("x")
    code, said = run(pytester, "--evidence=pack")
    assert code == 4
    assert "ERROR: --evidence=pack: it is not empty" in said
    assert "passed" not in said
    assert not pytester.path.joinpath("forwarder-runs").exists()


def test_a_pack_that_cannot_be_written_at_the_end_is_said_and_changes_no_verdict(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_run(pytester, CASES[1:])
    monkeypatch.setattr("reports.evidence.folder.os.fsync", full)
    code, said = run(pytester, "--evidence=pack")
    assert code == 0
    assert "evidence   NOT WRITTEN to pack: No space left on device" in said
    assert not pytester.path.joinpath("pack").exists()


def test_a_share_of_a_run_has_no_pack() -> None:
    with pytest.raises(InputError, match="--evidence: a share is not the whole; give it to taegis-forwarders merge"):
        parsed("--regions=us-east-1", "--evidence=pack", "--shard=1/2")


def test_a_run_that_is_interrupted_before_it_looked_says_that_there_is_no_pack(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_run(pytester, CASES)
    conftest = pytester.path / "conftest.py"
    content = conftest.read_text().replace("session.config.stash[ESTATE] = estate_of(CASES)", "pass")
    conftest.write_text(content + "\n\ndef pytest_collection():\n    raise KeyboardInterrupt\n")
    ran = pytester.runpytest_subprocess("--regions=us-east-1", "--evidence=pack")
    assert ran.ret == 2
    ran.stdout.fnmatch_lines(["evidence   NOT WRITTEN to pack: the run ended before anything was looked at"])


def test_where_nothing_was_run_there_is_no_pack(pytester: pytest.Pytester) -> None:
    write_run(pytester, CASES)
    code, _ = run(pytester, "--evidence=pack", "--collect-only")
    assert code == 0
    assert not pytester.path.joinpath("pack").exists()
