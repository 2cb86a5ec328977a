"""The history: what changed since the last look, kept whole or not at all, and never over anything else."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks.looked import Looked
from checks.outcome import Status
from checks.result import Result
from fixtures.errors import InputError
from fixtures.estate import Target
from reports.history import schema
from reports.history.changes import TREND, Change, History, PastRun
from reports.history.fingerprint import fingerprint
from reports.history.record import Recorded, record
from reports.history.schema import opened, refuse_unusable
from tests.estates import HERE, a_forwarder, a_legacy_forwarder, an_estate
from tests.fake_run import case
from tests.replayed import ROOT, kept, run_suite

pytest_plugins = ("pytester",)
TAKEN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TARGET = Target("111122223333", "us-east-1")
OTHER = Target("444455556666", "us-east-1")
EDGE = f"{TARGET}/alb-edge"
CHECK = "runtime-custom"


def looked(**changes: object) -> Looked:
    both = frozenset({TARGET, OTHER})
    return replace(Looked(frozenset({CHECK, "logs-flow"}), both, both, whole=True, accounts=True, regions=True),
                   **changes)  # type: ignore[arg-type]  # fmt: skip


def found(status: Status, subject: str = EDGE, was: str = "go1.x", check: str = CHECK) -> Result:
    return case(check, status, subject, expected="provided.al2", found=was)


def keep(path: Path, night: int, results: Sequence[Result], source: str = "aws", **changes: object) -> History:
    run = PastRun(f"run-{night}-{source}", TAKEN + timedelta(days=night), "audit", 1, 2, 2, 3, {Status.PASSED: 9})
    return record(path, Recorded(run, source, looked(**changes), results))


def became(history: History) -> dict[str, str]:
    return {one.subject: str(one.change) for one in history.changes.findings}


UNSEEN: dict[str, object] = {"reached": frozenset({OTHER})}
TURNS = {
    "a-new-finding": ([], [found(Status.FAILED)], {}, "new"),
    "the-same-finding": ([found(Status.FAILED)], [found(Status.FAILED)], {}, "still"),
    "the-same-refused": ([found(Status.FAILED)], [found(Status.BLOCKED)], {}, "still"),
    "another-evidence": ([found(Status.FAILED)], [found(Status.FAILED, was="nodejs")], {}, "new"),
    "it-holds": ([found(Status.FAILED)], [found(Status.PASSED)], {}, "fixed"),
    "it-was-fixed": ([found(Status.FAILED)], [found(Status.FIXED)], {}, "fixed"),
    "it-was-fixed-in-the-first-run": ([], [found(Status.FIXED)], {}, "fixed"),
    "it-always-held": ([found(Status.PASSED)], [found(Status.PASSED)], {}, ""),
    "it-is-waived": ([found(Status.FAILED)], [found(Status.WAIVED)], {}, "waived"),
    "its-waiver-is-gone": ([found(Status.WAIVED)], [found(Status.FAILED)], {}, "new"),
    "what-was-waived-holds": ([found(Status.WAIVED)], [found(Status.PASSED)], {}, "fixed"),
    "it-could-not-be-told": ([found(Status.FAILED)], [found(Status.UNKNOWN)], {}, "unknown"),
    "nothing-proves-that-it-is-gone": ([found(Status.FAILED)], [found(Status.NO_EVIDENCE)], {}, "unknown"),
    "what-held-could-not-be-told": ([found(Status.PASSED)], [found(Status.UNKNOWN)], {}, ""),
    "its-target-was-not-reached": ([found(Status.FAILED)], [], UNSEEN, "unknown"),
    "its-subject-is-gone": ([found(Status.FAILED)], [], {}, "gone"),
    "its-check-was-not-asked": ([found(Status.FAILED)], [], {"checks": frozenset({"logs-flow"})}, "elsewhere"),
    "subjects-were-left-out": ([found(Status.FAILED)], [], {"whole": False}, "elsewhere"),
    "its-target-was-not-asked-for": ([found(Status.FAILED)], [], {"asked": frozenset({OTHER})}, "elsewhere"),
}


@pytest.mark.parametrize("name", TURNS)
def test_what_became_of_a_finding(name: str, tmp_path: Path) -> None:
    before, after, changes, expected = TURNS[name]
    keep(tmp_path / "h", 0, before)
    history = keep(tmp_path / "h", 1, after, **changes)
    assert became(history) == ({EDGE: expected} if expected not in {"", "elsewhere"} else {})
    assert history.changes.elsewhere == (expected == "elsewhere")
    again = keep(tmp_path / "h", 2, after, **changes).changes
    assert not again.of(Change.GONE)
    assert not again.of(Change.NEW)


def test_a_finding_that_was_out_of_sight_for_a_night_is_still_there(tmp_path: Path) -> None:
    first = keep(tmp_path / "h", 0, [found(Status.FAILED)])
    assert became(keep(tmp_path / "h", 1, [found(Status.UNKNOWN)])) == {EDGE: "unknown"}
    assert became(keep(tmp_path / "h", 2, [], **UNSEEN)) == {EDGE: "unknown"}
    last = keep(tmp_path / "h", 3, [found(Status.FAILED)])
    assert became(last) == {EDGE: "still"}
    assert last.changes.findings[0].since == first.changes.findings[0].since == TAKEN


def test_a_finding_that_comes_back_is_new(tmp_path: Path) -> None:
    for night, status in enumerate((Status.FAILED, Status.PASSED, Status.FAILED)):
        history = keep(tmp_path / "h", night, [found(status)])
    assert became(history) == {EDGE: "new"}
    assert history.changes.findings[0].since == TAKEN + timedelta(days=2)


def test_a_sandbox_says_nothing_of_aws(tmp_path: Path) -> None:
    keep(tmp_path / "h", 0, [found(Status.FAILED)])
    history = keep(tmp_path / "h", 1, [found(Status.FAILED)], source="sandbox")
    assert (history.changes.previous, became(history)) == (None, {EDGE: "new"})
    assert [run.id for run in history.trend] == ["run-1-sandbox"]


def test_the_trend_is_that_of_the_last_thirty_whole_runs(tmp_path: Path) -> None:
    for night in range(TREND + 5):
        history = keep(tmp_path / "h", night, [], whole=night != 30)
    assert [run.id for run in history.trend] == [f"run-{n}-aws" for n in range(4, TREND + 5) if n != 30]
    assert history.trend[-1].counts == {Status.PASSED: 9}


STEADY = {
    "counts": ("3 requests since 2026-11-24 05:14:22 UTC failed", "14 requests since 2026-11-25 01:00:00 UTC failed"),
    "days": ("29 days left", "28 days left"),
    "digests": ("digest 3a7bd3e2360a3d29", "digest 9f86d081884c7d65"),
    "digests-of-code": (f"code {'Aa1+' * 10}abc=", f"code {'/b2C' * 10}xyz="),
}


@pytest.mark.parametrize("name", STEADY)
def test_a_fingerprint_is_the_same_when_nothing_but_numbers_moved(name: str) -> None:
    one, other = STEADY[name]
    assert fingerprint(found(Status.FAILED, was=one)) == fingerprint(found(Status.BLOCKED, was=other))


def test_a_fingerprint_differs_by_check_subject_and_evidence() -> None:
    several = [found(Status.FAILED), found(Status.FAILED, was="nodejs"), found(Status.FAILED, f"{OTHER}/alb-edge"),
               found(Status.FAILED, check="logs-flow")]  # fmt: skip
    assert len(set(map(fingerprint, several))) == len(several)


def test_a_run_that_dies_while_it_writes_leaves_the_history_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "h"
    keep(path, 0, [found(Status.FAILED)])
    script = (
        "import os, pathlib, sys\n"
        "from reports.history.schema import opened\n"
        "with opened(pathlib.Path(sys.argv[1])) as history:\n"
        "    history.execute('DELETE FROM finding')\n"
        "    history.execute('DELETE FROM run')\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert became(keep(path, 1, [found(Status.FAILED)])) == {EDGE: "still"}


def test_two_runs_that_end_at_once_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "h"
    script = (
        "import pathlib, sys\n"
        "from tests.test_history import keep, found, Status, TARGET\n"
        "for night in range(10):\n"
        "    name = sys.argv[2]\n"
        "    keep(pathlib.Path(sys.argv[1]), int(name) * 100 + night, [found(Status.FAILED, f'{TARGET}/{name}')],\n"
        "         whole=False)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=ROOT) for name in ("1", "2")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with closing(sqlite3.connect(path)) as history:
        assert history.execute("SELECT count(*) FROM run").fetchone() == (20,)
        assert history.execute("SELECT subject, count(*) FROM finding JOIN sighting ON finding = number"
                               " GROUP BY subject ORDER BY subject").fetchall() == [
            (f"{TARGET}/1", 10), (f"{TARGET}/2", 10)]  # fmt: skip


def test_a_run_that_is_resumed_is_kept_once(tmp_path: Path) -> None:
    keep(tmp_path / "h", 0, [found(Status.FAILED)])
    assert len(keep(tmp_path / "h", 0, [found(Status.FIXED)]).trend) == 1


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE accounts (name)")


def newer(path: Path) -> None:
    keep(path, 0, [])
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")


def broken(path: Path) -> None:
    keep(path, 0, [found(Status.FAILED, f"{TARGET}/{number}") for number in range(500)])
    content = bytearray(path.read_bytes())
    content[4096:20480] = b"\xff" * 16384
    path.write_bytes(bytes(content))


def text(path: Path) -> None:
    path.write_text("[[waiver]]\n" * 100, encoding="utf-8")


def truncated(path: Path) -> None:
    keep(path, 0, [found(Status.FAILED, f"{TARGET}/{number}") for number in range(500)])
    path.write_bytes(path.read_bytes()[:9000])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (foreign, "a database of something else"),
        (newer, "of version 99, newer than this suite"),
        (broken, "bro|readable"),
        (text, "not a readable history"),
        (truncated, "bro|readable"),
    ],
    ids=["foreign", "newer", "broken", "text", "truncated"],
)
def test_what_is_not_our_history_is_refused_before_the_audit_and_left_as_it_is(
    made: Callable[[Path], None], reason: str, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    path = tmp_path / "h.sqlite"
    made(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=reason):
        refuse_unusable(path)
    ran = run_suite(pytester, kept(pytester, an_estate(a_forwarder())), f"--history={path}")
    assert (ran.code, ran.results) == (4, {})
    assert path.read_bytes() == before


def test_a_path_that_cannot_be_written_is_refused_before_the_audit(tmp_path: Path, pytester: pytest.Pytester) -> None:
    estate = kept(pytester, an_estate(a_forwarder()))
    for path, reason in ((tmp_path / "no" / "h", "there is no folder"), (tmp_path, "not a file")):
        ran = run_suite(pytester, estate, f"--history={path}")
        assert (ran.code, ran.results) == (4, {})
        assert reason in ran.text


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "h", 0, [found(Status.FAILED)])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE note (text TEXT)"))
    with opened(tmp_path / "h") as history:
        assert history.execute("SELECT count(*) FROM note").fetchone() == (0,)
    assert became(keep(tmp_path / "h", 1, [found(Status.FAILED)])) == {EDGE: "still"}


def test_a_fleet_of_24_000_findings_is_kept_within_seconds(tmp_path: Path) -> None:
    many = [found(Status.FAILED, f"{TARGET}/forwarder-{number}") for number in range(24_000)]
    keep(tmp_path / "h", 0, many)
    began = time.process_time()
    history = keep(tmp_path / "h", 1, many)
    assert history.changes.counts == {Change.STILL: 24_000}
    assert time.process_time() - began < 3  # about half a second on an idle machine


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "distributed"])
def test_two_nights_show_what_changed_and_nothing_else(workers: list[str], pytester: pytest.Pytester) -> None:
    path = pytester.path / "history.sqlite"
    options = ["--checks=runtime-custom", f"--history={path}", *workers]
    good, bad = a_forwarder("one"), a_legacy_forwarder("two")
    first = run_suite(pytester, kept(pytester, an_estate(good, bad)), *options)
    assert "the first run, nothing to compare with" in first.text
    drifted = [a_legacy_forwarder("one"), bad]
    second = run_suite(pytester, kept(pytester, an_estate(*drifted)), *options)
    assert "1 new, 1 still" in second.text
    assert f"  new: runtime-custom on {HERE}/one" in second.text
    third = run_suite(pytester, kept(pytester, an_estate(good)), *options)
    assert "1 fixed, 1 gone" in third.text


def test_an_interrupted_run_is_not_kept(pytester: pytest.Pytester) -> None:
    path = pytester.path / "history.sqlite"
    pytester.makepyfile(test_stop="def test_stop():\n    raise KeyboardInterrupt\n")
    estate = kept(pytester, an_estate(a_legacy_forwarder()))
    paths = (ROOT / "checks", pytester.path / "test_stop.py")
    options = (f"--config-file={ROOT}/pyproject.toml", f"--rootdir={ROOT}", "-p", "no:cacheprovider", estate)
    ran = pytester.runpytest_subprocess(*options, "--checks=runtime-custom", f"--history={path}", *paths)
    assert ran.ret == 2
    ran.stdout.fnmatch_lines(["*history    not kept: the run was not brought to its end"])
    assert not path.exists()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    keep(tmp_path / "h", 0, [found(Status.FAILED)])
    assert (tmp_path / "h").stat().st_mode & 0o077 == 0
