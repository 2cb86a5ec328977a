"""Shards told as one run: what is joined, what is missing, and what is no run of its own."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from checks.verdict import count
from fixtures.errors import InputError
from fixtures.estate import Target
from fixtures.estate_join import joined
from fixtures.run_folder import ROOT as RUNS
from fixtures.sandbox.synthetic_release import write_release
from fixtures.selection import Selection
from fixtures.shard import Shard
from fixtures.shard_merge import find_shards, join
from fixtures.shard_record import ESTATE, RECORD
from tests.estates import NOW, an_estate, an_unreached
from tests.shard_folders import (
    EAST,
    FORWARDERS,
    ONE,
    TWO,
    WEST,
    Folders,
    merged,
    share,
    summary,
    told,
    whole,
)

pytest_plugins = ["pytester"]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "kept")


@pytest.mark.parametrize("of", [1, 3, 7])
def test_any_number_of_shards_is_told_as_one_run(of: int, folders: Folders, pytester: pytest.Pytester) -> None:
    found, expected = merged(pytester, *folders.all(of)), whole(pytester, folders)
    assert found.nodeids == expected.nodeids
    assert told(found) == told(expected)
    assert (found.code, summary(found)) == (expected.code, summary(expected))
    assert f"merged from {count(of, 'shard')}" in found.text


def test_workers_tell_the_same_of_shards(folders: Folders, pytester: pytest.Pytester) -> None:
    paths = folders.all(2)
    alone, two = merged(pytester, *paths), merged(pytester, *paths, "-n2")
    assert told(two) == told(alone)
    assert (two.code, summary(two)) == (alone.code, summary(alone))


def test_an_object_that_reaches_forwarders_of_two_shards_is_found(folders: Folders, pytester: pytest.Pytester) -> None:
    twice = ("bucket-single-delivery", f"{ONE}/{EAST}/central")
    (first, *_) = folders.all(3)
    assert whole(pytester, folders).statuses[twice] == "FAILED"
    assert merged(pytester, folders.folder).statuses[twice] == "FAILED"
    assert merged(pytester, first).statuses[twice] == "UNKNOWN"


def test_a_bucket_that_one_shard_was_refused_is_told_as_the_other_saw_it(
    folders: Folders, pytester: pytest.Pytester
) -> None:
    paths = folders.all(3, refused=ONE)
    assert told(merged(pytester, *paths)) == told(whole(pytester, folders))


def test_reports_hold_the_same(folders: Folders, pytester: pytest.Pytester) -> None:
    reports = ("--junitxml=all.xml", "--html=all.html")
    ran = merged(pytester, *folders.all(2), *reports)
    (results,) = pytester.path.joinpath(RUNS).glob("*/results.jsonl")
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert [(row["check"], row["subject"], row["status"]) for row in rows] == [
        (check, subject, status) for (check, subject), status in ran.statuses.items()
    ]
    assert pytester.path.joinpath("all.xml").read_text(encoding="utf-8").count("<testcase ") == len(rows)
    page = pytester.path.joinpath("all.html").read_text(encoding="utf-8")
    assert "merged from 2 shards" in page
    assert "looked at 2026-11-24 04:16:30 to 2026-11-24 04:17:30 UTC" in page


@pytest.mark.parametrize("killed", [False, True], ids=["missing", "killed"])
def test_the_targets_of_a_shard_that_is_not_there_are_not_reached(
    killed: bool, folders: Folders, pytester: pytest.Pytester
) -> None:
    first, third = Shard(1, 3), Shard(3, 3)
    paths = [folders.leave("s1", first, share(first)), folders.leave("s3", third, share(third))]
    paths += [folders.leave("s2", Shard(2, 3), None)] if killed else []
    ran = merged(pytester, *paths)
    why = "20261124T041530Z-0002 was killed or interrupted while it looked" if killed else "no folder holds it"
    line = f"  not reached: shard 2 of 3 missing: {why}; it is run again with --shard=2/3 ({TWO}/{WEST}, {TWO}/{EAST})"
    assert line in ran.text
    assert "targets    4 asked, 1 reached, 3 not reached" in ran.text
    assert ran.code == 1
    assert ran.results["target-reached", f"{TWO}/{EAST}"].remedy == "run that shard again and merge all"


def test_a_shard_that_was_killed_and_run_again_is_told_by_its_second_run(
    folders: Folders, pytester: pytest.Pytester
) -> None:
    folders.leave("killed", Shard(1, 2), None)
    folders.all(2)
    assert told(merged(pytester, folders.folder)) == told(whole(pytester, folders))


def test_what_came_or_went_while_the_shards_ran_is_not_reached(folders: Folders) -> None:
    other = Shard(2, 2)
    paths = [folders.leave("s1", Shard(1, 2), share(Shard(1, 2))), folders.leave("s2", other, share(other))]
    content = json.loads(paths[1].joinpath(RECORD).read_text(encoding="utf-8"))
    content["targets"].append({"account": "888899990000", "region": EAST})
    paths[1].joinpath(RECORD).write_text(json.dumps(content), encoding="utf-8")
    estate, _ = join(find_shards(paths))
    new = estate.seen(Target("888899990000", EAST))
    assert "no shard looked at it: accounts or regions came or went" in str(new.identity)


def test_of_a_target_in_two_shards_that_which_was_reached_is_kept_else_the_later() -> None:
    here = Target(ONE, EAST)
    reached = replace(an_estate(FORWARDERS[0]), left_out=())
    closed = replace(an_estate(targets=[an_unreached(here)]), taken=NOW + timedelta(minutes=5))
    assert joined([closed, reached]).seen(here).reached
    later = replace(an_estate(targets=[replace(reached.targets[0], stacks=99)]), taken=NOW + timedelta(minutes=9))
    assert joined([later, closed, reached]).seen(here).stacks == 99


DIFFERENCES: Mapping[str, Mapping[str, object]] = {
    "regions": {"regions": (EAST,)},
    "accounts": {"accounts": (ONE,)},
    "checks": {"checks": ("runtime-custom",)},
    "forwarders": {"forwarders": ("a*",)},
    "releases": {"releases": {"default": "0" * 64}},
    "versions": {"suite": "9.9.9"},
    "log window": {"log_window": timedelta(hours=1)},
    "selection": {"selection": Selection(keyword="trigger")},
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_shards_that_were_asked_otherwise_are_no_run(what: str, folders: Folders) -> None:
    one, two = Shard(1, 2), Shard(2, 2)
    paths = [folders.leave("s1", one, share(one)), folders.leave("s2", two, share(two), **DIFFERENCES[what])]
    with pytest.raises(InputError, match=f"they differ in {what}.*; merge shards of one run"):
        find_shards(paths)


def test_what_is_no_run_ends_with_4_in_one_line(folders: Folders, pytester: pytest.Pytester) -> None:
    first = Shard(1, 2)
    paths = [folders.leave("s1", first, share(first)), folders.leave("s2", first, share(first))]
    ran = merged(pytester, *paths)
    assert (ran.code, ran.text.count("ERROR")) == (4, 1)


def test_shards_of_another_number_are_no_run(folders: Folders) -> None:
    paths = [folders.leave("s1", Shard(1, 2), share(Shard(1, 2))), folders.leave("s2", Shard(2, 3), share(Shard(2, 3)))]
    with pytest.raises(InputError, match=r"they differ in numbers of shards \(2; 3\); merge shards of one run"):
        find_shards(paths)


def test_the_same_shard_twice_is_refused(folders: Folders) -> None:
    folders.all(2)
    folders.leave("again", Shard(2, 2), share(Shard(2, 2)))
    with pytest.raises(InputError, match=r"shard 2 of 2: it is in .*again.* and in .*s2.*; name one of the two"):
        find_shards([folders.folder])


def test_shards_of_another_version_are_refused(folders: Folders) -> None:
    path = folders.leave("s1", Shard(1, 1), share(Shard(1, 1)), suite="0.0.1")
    with pytest.raises(InputError, match=r"version 0.0.1, and this is .*; merge with the version of the shards"):
        find_shards([path])


def test_shards_of_two_nights_are_refused(folders: Folders) -> None:
    one, two = Shard(1, 2), Shard(2, 2)
    paths = [folders.leave("s1", one, share(one)), folders.leave("s2", two, share(two, later=24 * 60))]
    with pytest.raises(
        InputError, match=r"shard 1 of 2: it was looked at 2026-11-24 .*shard 2 of 2 2026-11-25 .*older"
    ):
        join(find_shards(paths))


def test_no_shard_that_finished_is_refused(folders: Folders) -> None:
    with pytest.raises(InputError, match="none of the shards has finished"):
        find_shards([folders.leave("s1", Shard(1, 2), None)])


def test_a_folder_without_a_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no {RECORD} is in it"):
        find_shards([tmp_path])
    with pytest.raises(InputError, match="there is no such folder"):
        find_shards([tmp_path / "nowhere"])


@pytest.mark.parametrize("name", [RECORD, ESTATE])
def test_what_is_torn_is_refused(name: str, folders: Folders) -> None:
    path = folders.leave("s1", Shard(1, 1), share(Shard(1, 1)))
    path.joinpath(name).write_bytes(path.joinpath(name).read_bytes()[:200])
    with pytest.raises(InputError, match=r"is none of this version|not a whole gzip file"):
        join(find_shards([path]))


class TestRelease:
    def test_one_that_is_gone_is_named_and_may_be_said_again(self, folders: Folders, pytester: pytest.Pytester) -> None:
        paths = folders.all(2)
        folders.release.rename(pytester.path / "elsewhere")
        ran = merged(pytester, *paths)
        assert ran.code == 4
        assert f"release {folders.release}: the shards were judged by it, and it is not here" in ran.text
        again = merged(pytester, *paths, f"--release={pytester.path / 'elsewhere'}")
        folders.release = pytester.path / "elsewhere"
        assert told(again) == told(whole(pytester, folders))

    def test_another_one_is_refused(self, folders: Folders, pytester: pytest.Pytester) -> None:
        other = write_release(pytester.path / "newer", "2.0.0")
        ran = merged(pytester, *folders.all(2), f"--release={other}")
        assert ran.code == 4
        assert "that of the shards is" in ran.text


def test_what_makes_the_exit_code_is_the_shards_unless_it_is_said_again(
    folders: Folders, pytester: pytest.Pytester
) -> None:
    path = folders.leave("s1", Shard(1, 1), share(Shard(1, 1)), fail_on=("no-evidence",))
    assert merged(pytester, path).code == 0
    assert merged(pytester, path, "--fail-on=finding").code == 1


def test_a_run_narrowed_by_a_word_is_merged_narrowed(folders: Folders, pytester: pytest.Pytester) -> None:
    path = folders.leave("s1", Shard(1, 1), share(Shard(1, 1)), selection=Selection(keyword="runtime"))
    assert {"runtime-custom", "runtime-supported"} <= (checks := merged(pytester, path).checks)
    assert all("runtime" in check for check in checks)
