"""Waivers, history and exports over shards: `merge` tells them as one run would."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.replayed import Ran
from tests.shard_folders import EAST, ONE, TWO, WEST, Folders, merged, summary, told, whole

pytest_plugins = ["pytester"]

TWICE = ("bucket-single-delivery", f"{ONE}/{EAST}/central")
DAY = datetime.now(UTC).date() + timedelta(days=60)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "kept")


def waivers(pytester: pytest.Pytester, *entries: tuple[str, str]) -> str:
    """The option that accepts these checks for these subjects."""
    texts = (
        f'[[waiver]]\ncheck = "{check}"\nsubject = "{subject}"\nreason = "by design"\nowner = "jane@example.com"\n'
        f'ticket = "SEC-{number}"\nexpires = {DAY}\n'
        for number, (check, subject) in enumerate(entries)
    )
    path = pytester.path / "waivers.toml"
    path.write_text("".join(texts), encoding="utf-8")
    return f"--waivers={path}"


def exported(pytester: pytest.Pytester, name: str) -> list[Mapping[str, object]]:
    return [json.loads(line) for line in (pytester.path / name).read_text(encoding="utf-8").splitlines()]


def line_of(ran: Ran, start: str) -> str:
    (line,) = (line for line in ran.text.splitlines() if line.startswith(start))
    return line


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "distributed"])
def test_what_is_waived_in_one_run_is_waived_in_its_shards(
    workers: tuple[str, ...], folders: Folders, pytester: pytest.Pytester
) -> None:
    paths = folders.all(3)
    accept = waivers(
        pytester, TWICE, ("target-reached", "777788889999/*"), ("runtime-custom", f"{TWO}/*/gone-long-ago")
    )
    found, expected = merged(pytester, *paths, accept, *workers), whole(pytester, folders, accept)
    assert found.statuses[TWICE] == "WAIVED"
    assert told(found) == told(expected)
    assert (found.code, summary(found)) == (expected.code, summary(expected))
    assert "SEC-2) accepts nothing any more: take it out" in found.text


def test_a_waiver_for_a_shard_that_is_missing_is_not_judged(folders: Folders, pytester: pytest.Pytester) -> None:
    _, two, three = folders.all(3)
    there = ("runtime-custom", f"{TWO}/{WEST}/gone-long-ago")
    missing = ("runtime-custom", f"{ONE}/{EAST}/gone-long-ago")
    ran = merged(pytester, two, three, waivers(pytester, there, missing))
    assert "(runtime-custom on 444455556666/eu-west-1/gone-long-ago, SEC-0) accepts nothing any more" in ran.text
    assert "not judged: 1 speak of what was not looked at (line 8)" in ran.text


def test_a_history_of_merged_runs_says_what_changed(folders: Folders, pytester: pytest.Pytester) -> None:
    paths, history = folders.all(2), f"--history={pytester.path / 'fleet.sqlite'}"
    first = merged(pytester, *paths, history, "--export=first.jsonl")
    second = merged(pytester, *paths, history, waivers(pytester, TWICE), "--export=second.jsonl", "--export=second.md")
    third = merged(pytester, *paths, history, "--export=third.jsonl", "-n2")
    still = sum(status in {"FAILED", "BLOCKED"} for status in first.statuses.values()) - 1

    assert "the first run, nothing to compare with" in first.text
    assert {row["change"] for row in exported(pytester, "first.jsonl")} == {"", "new"}
    assert line_of(second, "changes ").endswith(f": {still} still, 1 waived")
    changes = {(row["check"], row["subject"]): row["change"] for row in exported(pytester, "second.jsonl")}
    assert changes[TWICE] == "waived"
    assert "new" not in changes.values()
    assert "accepted by jane@example.com (SEC-0)" in (pytester.path / "second.md").read_text(encoding="utf-8")
    # what is no longer accepted is open, and new: somebody has to look at it again
    assert line_of(third, "changes ").endswith(f": 1 new, {still} still")
    new = [(row["check"], row["subject"]) for row in exported(pytester, "third.jsonl") if row["change"] == "new"]
    assert new == [TWICE]


def test_a_merge_is_compared_with_a_run_of_all(folders: Folders, pytester: pytest.Pytester) -> None:
    """The night's shards were one run before the fleet grew; a snapshot's history is one of its own."""
    history = f"--history={pytester.path / 'fleet.sqlite'}"
    whole(pytester, folders, history)
    ran = merged(pytester, *folders.all(2), history)
    assert "the first run, nothing to compare with" in ran.text


def test_what_a_missing_shard_would_have_seen_is_unknown_and_not_fixed(
    folders: Folders, pytester: pytest.Pytester
) -> None:
    history = f"--history={pytester.path / 'fleet.sqlite'}"
    one, two = folders.all(2)
    merged(pytester, one, two, history)
    ran = merged(pytester, one, history, "--export=part.jsonl")
    line = line_of(ran, "changes ")
    assert "2 unknown" in line  # one in a target that was not reached, one that takes both shards to tell
    assert "fixed" not in line
    assert "gone" not in line
    changes = {(row["check"], row["subject"]): row["change"] for row in exported(pytester, "part.jsonl")}
    assert changes[TWICE] == "unknown"
