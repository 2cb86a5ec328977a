"""What a backfill's journal predicts, wherever it is cut: nothing is lost, and no more is sent twice than it says."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.errors import InputError
from fixtures.ledger.entry import Delivery
from fixtures.ledger.logged_object import LoggedObject
from remediation.backfill.book import Fate, Standing, read_book
from remediation.backfill.earlier import RECORD, EarlierRun, earlier_runs
from remediation.backfill.lane import Lane
from remediation.backfill.manifest import Manifest
from remediation.backfill.pace import Pace
from remediation.journal import Journal, iter_journal
from tests.backfill_world import BUCKET, SUBJECT, FakeLambda, a_lane, a_manifest, an_object, objects
from tests.fake_aws import FakeAws


def standing_at(path: Path, cut: int, folder: Path) -> Standing:
    """What the first lines of a journal say, as a kill would have left them."""
    short = folder / f"cut-{cut}.jsonl"
    short.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:cut]))
    (told,) = read_book(iter_journal(short)).standings.values()
    return told


@pytest.mark.parametrize("width", [1, 4])
def test_wherever_it_is_cut_nothing_is_lost_and_no_more_than_predicted_is_sent_twice(
    fake: FakeAws, fake_account: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(Pace, "take", lambda _: 0.0)
    monkeypatch.setattr(Lane, "_width", property(lambda _: width))
    monkeypatch.setattr(Lane, "_size", lambda _: 7)
    FakeLambda(fake)
    world = a_lane(fake_account, tmp_path, 30)
    world.run()
    world.bench.close()
    sent_by = calls_by_line(world.bench.path)
    for cut in range(2, len(sent_by) + 1):
        standing = standing_at(world.bench.path, cut, tmp_path)
        left = set(standing.again) | set(range(standing.cursor + 1, 31))
        taken = {line for line in range(1, 31) if standing.fate(line) is not Fate.OPEN}
        assert left | taken == set(range(1, 31)), f"lost when cut behind line {cut}"
        twice = left & sent_by[cut - 1]
        assert len(twice) <= standing.maybe_sent <= width, f"when cut behind line {cut}"


def calls_by_line(path: Path) -> list[set[int]]:
    """Which lines Lambda may have had when each line of the journal stood: at most those that it says a moment later.

    An event is sent between its batch's intent and its own line: of those that follow, the first is under way.
    """
    entries = list(iter_journal(path))
    found: list[set[int]] = []
    sent: set[int] = set()
    for position, entry in enumerate(entries):
        if entry.kind == "accepted":
            sent = sent | {int(str(entry.content["line"]))}
        later = (one for one in entries[position + 1 :] if one.kind in {"accepted", "result"})
        following = next(later, None)
        under_way = {int(str(following.content["line"]))} if following and following.kind == "accepted" else set()
        found.append(sent | (under_way if entry.kind in {"intent", "accepted"} else set()))
    return found


def test_of_a_batch_without_a_result_as_many_may_be_sent_as_are_under_way_at_once() -> None:
    standing = Standing(SUBJECT, 100)
    standing.begun(5, list(range(1, 51)), 4)
    for line in (1, 2, 4):
        standing.set(line, Fate.WAITING)
    assert standing.again == (3, *range(5, 51))
    assert standing.maybe_sent == 4
    standing.through(5)
    assert (standing.maybe_sent, len(standing.again)) == (0, 47)


def test_what_nobody_answered_for_counts_as_maybe_sent() -> None:
    standing = Standing(SUBJECT, 10)
    standing.begun(5, [1, 2, 3], 1)
    standing.set(1, Fate.WAITING)
    standing.set(2, Fate.UNANSWERED, "a time-out")
    standing.set(3, Fate.WAITING)
    standing.through(5)
    assert (standing.again, standing.maybe_sent, standing.undelivered) == ((2,), 1, (2,))


def test_a_standing_of_ten_million_lines_is_ten_megabytes() -> None:
    standing = Standing(SUBJECT, 10_000_000)
    standing.set(10_000_000, Fate.PROVED)
    assert len(standing._fates) == 10_000_001
    assert (standing.fate(10_000_000), standing.fate(1)) == (Fate.PROVED, Fate.OPEN)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = [
        an_object("a/ü b\n.json", version_id="v1"),
        LoggedObject(
            BUCKET, "b", 7, datetime(2026, 11, 1, 1, 2, 3, tzinfo=UTC), etag="e-2", storage_class="GLACIER_IR"
        ),
        an_object("c", version_id="null"),
    ]
    manifest = a_manifest(tmp_path / "list.jsonl", found)
    assert [line.object for line in manifest.read()] == found
    assert [line.number for line in manifest.read(after=1)] == [2, 3]
    assert (manifest.lines, manifest.size, manifest.uncertain) == (3, 27, 0)
    assert manifest.path.stat().st_mode & 0o777 == 0o600


def test_a_list_says_how_many_may_have_been_delivered(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path / "list.jsonl", objects(3), Delivery.NO_EVIDENCE)
    assert manifest.uncertain == 3
    assert not any(line.certain for line in manifest.read())


def test_another_list_is_not_taken_for_the_runs(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path / "list.jsonl", objects(3))
    manifest.refuse_another()
    manifest.path.write_text(manifest.path.read_text(encoding="utf-8").replace("00002", "00009"), encoding="utf-8")
    with pytest.raises(InputError, match="it has changed since the run began"):
        manifest.refuse_another()
    manifest.path.unlink()
    with pytest.raises(InputError, match="put it back"):
        manifest.refuse_another()


def a_run(runs: Path, name: str, found: list[LoggedObject], fates: list[Fate]) -> Manifest:
    """An earlier run with its journal."""
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / RECORD).write_text("{}", encoding="utf-8")
    manifest = a_manifest(folder / "list.jsonl", found)
    journal = Journal(folder / "journal.jsonl")
    journal.write("begin", run=name, forwarders=[{
        "subject": SUBJECT, "bucket": BUCKET, "manifest": "list.jsonl", "sha256": manifest.sha256,
        "lines": manifest.lines, "uncertain": 0, "size": manifest.size}])  # fmt: skip
    where = {"account": "1", "region": "r", "step": f"backfill {SUBJECT}"}
    intent = journal.write("intent", **where, lines=[[1, len(found)]], width=1)  # type: ignore[arg-type]
    for line, fate in enumerate(fates, start=1):
        if fate is not Fate.OPEN:
            journal.write("accepted", intent=intent, line=line, request=f"r{line}")
            journal.write("ended", **where, fate=fate.name, lines=[[line, line]], reason="")  # type: ignore[arg-type]
    journal.write("result", **where, intent=intent)  # type: ignore[arg-type]
    journal.close()
    return manifest


def test_what_earlier_runs_sent_is_known_object_by_object(tmp_path: Path) -> None:
    found = objects(4)
    a_run(tmp_path, "one", found[:3], [Fate.PROVED, Fate.FAILED, Fate.UNSEEN])
    a_run(tmp_path, "two", found[1:], [Fate.PROVED, Fate.QUIET, Fate.OPEN])
    earlier = earlier_runs(tmp_path, SUBJECT, BUCKET, "this")
    assert [earlier.fate_of(one) for one in found] == [Fate.PROVED, Fate.PROVED, Fate.QUIET, None]


def test_an_object_that_was_overwritten_since_is_another_one(tmp_path: Path) -> None:
    (found,) = objects(1)
    a_run(tmp_path, "one", [found], [Fate.PROVED])
    newer = an_object(found.key, hours=5)
    other = LoggedObject(BUCKET, found.key, found.size, found.modified, etag="another")
    assert [earlier_runs(tmp_path, SUBJECT, BUCKET, "this").fate_of(one) for one in (newer, other)] == [None, None]


@pytest.mark.parametrize("missing", ["00000", "00002x", "zzz"])
def test_objects_between_those_of_earlier_runs_were_not_sent(tmp_path: Path, missing: str) -> None:
    found = objects(3)
    a_run(tmp_path, "one", found, [Fate.PROVED] * 3)
    earlier = earlier_runs(tmp_path, SUBJECT, BUCKET, "this")
    asked = sorted([*found, an_object(f"AWSLogs/{missing}.json.gz")], key=lambda one: one.key)
    assert Counter(earlier.fate_of(one) for one in asked) == {Fate.PROVED: 3, None: 1}


def test_a_broken_journal_is_noted_and_not_believed(tmp_path: Path) -> None:
    found = objects(2)
    a_run(tmp_path, "one", found, [Fate.PROVED] * 2)
    path = tmp_path / "one" / "journal.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("r1", "r9"), encoding="utf-8")
    earlier = earlier_runs(tmp_path, SUBJECT, BUCKET, "this")
    assert earlier.fate_of(found[0]) is None
    assert "run one cannot be relied on" in earlier.notes[0]


def test_runs_of_another_forwarder_bucket_or_kind_do_not_count(tmp_path: Path) -> None:
    (found,) = objects(1)
    a_run(tmp_path, "one", [found], [Fate.PROVED])
    (tmp_path / "a-fix").mkdir()
    assert earlier_runs(tmp_path, "1/r/other", BUCKET, "this").fate_of(found) is None
    assert earlier_runs(tmp_path, SUBJECT, "other", "this").fate_of(found) is None
    assert earlier_runs(tmp_path, SUBJECT, BUCKET, "one").fate_of(found) is None
    assert earlier_runs(tmp_path / "nowhere", SUBJECT, BUCKET, "this").fate_of(found) is None


def test_runs_are_read_side_by_side_and_nothing_is_held(tmp_path: Path) -> None:
    found = [an_object(f"k{number:06d}") for number in range(2000)]
    manifest = a_manifest(tmp_path / "list.jsonl", found)
    standing = Standing(SUBJECT, 2000)
    for line in range(1, 2001):
        standing.set(line, Fate.PROVED)
    sent = EarlierRun("one", manifest, standing).sent()
    assert [key for key, *_ in itertools.islice(sent, 2)] == ["k000000", "k000001"]


def test_how_long_something_waits_is_told_from_the_first() -> None:
    standing = Standing(SUBJECT, 3)
    assert datetime.now(UTC) - standing.waits_since < timedelta(seconds=5)
