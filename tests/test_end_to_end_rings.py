"""A fleet of 200 goes through its rings, stops where the tenth forwarder breaks, and is gone on with by a resume."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.sandbox import DEFAULT_ACCOUNTS, DEFAULT_REGIONS, SandboxSpec, start_sandbox
from fixtures.sandbox.fleet import fleet_rows
from remediation.journal import read_journal
from tests.chaos.faults import Fault, Spec
from tests.suite_runs import ROOT, Ran, Suite, at, ended, independently, secrets_in

SIZE = 200
RING = 1 + SIZE // 10  # forwarders in the first two rings
ROWS = fleet_rows(DEFAULT_ACCOUNTS, DEFAULT_REGIONS, SIZE)
LAUNCHER = str(ROOT / "tests" / "chaos" / "launcher.py")
Regions = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]


@dataclass(frozen=True)
class Story:
    """A fix whose tenth update is said to be complete and is not, and what a resume made of it."""

    before: Regions
    limited: Ran
    fault: Spec
    broken: Ran
    journal_then: tuple[dict[str, object], ...]
    halfway: Regions
    resumed: Ran
    after: Regions


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("rings")
    with start_sandbox(SandboxSpec(size=SIZE, traffic=16), folder / "sandbox") as sandbox:
        fault = Spec(Fault.LIES, "forwarder-stack", "ExecuteChangeSet", 10, str(folder / "mark.txt"))
        specs = json.dumps([fault.text()])
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={sandbox.fix_role_name}"]
        consents = ["--fix", "--yes", "--allow=create-bucket"]
        before = independently(sandbox)
        suite = Suite(sandbox.environment, folder / "cache")
        limited = suite.run(folder / "limited", *options, *consents)
        faulty = Suite(sandbox.environment, folder / "cache", (LAUNCHER, specs))
        broken = ended(faulty.start(folder / "fix", *options, *consents, f"--fix-limit={SIZE}"), folder / "fix", 300)
        journal_then, halfway = broken.journal, independently(sandbox)
        again = suite.start(folder / "fix", f"--resume={broken.run_folder.name}")
        resumed = ended(again, folder / "fix", 400)
        yield Story(before, limited, fault, broken, journal_then, halfway, resumed, independently(sandbox))


def migrated(seen: Regions) -> set[tuple[str, str, str]]:
    """Account, region and function of everything that runs on the new runtime."""
    return {(*place, one["FunctionName"]) for place, part in seen.items() for one in part["functions"]
            if one["Runtime"] == "provided.al2"}  # fmt: skip


def updated(journal: tuple[dict[str, object], ...]) -> list[str]:
    """The forwarders whose update was executed, by the journal, in its order."""
    intents = [entry for entry in journal if entry["kind"] == "intent"]
    return [str(one["step"]) for one in intents if one["call"]["operation"] == "ExecuteChangeSet"]  # type: ignore[index]


def test_the_default_limit_refuses_the_fleet_as_a_whole_with_both_numbers(story: Story) -> None:
    story.limited.assert_no_crash()
    assert story.limited.code == 1
    assert f"the plan would touch {SIZE} forwarders, and --fix-limit is 100" in story.limited.said
    assert story.limited.writes() == []
    blocked = {subject for check, subject in story.limited.of("BLOCKED") if check == "runtime-custom"}
    assert len(blocked) == SIZE


def test_it_stops_at_the_ring_in_which_the_tenth_breaks(story: Story) -> None:
    story.broken.assert_no_crash()
    assert len(story.fault.lines) == 1, "the fault never happened"
    assert story.broken.code == 11, story.broken.said
    begun = re.findall(r"^ring (\d) of 3: (\d+) forwarders, ", story.broken.said, re.MULTILINE)
    assert begun == [("1", "1"), ("2", str(RING - 1))]


def test_it_says_what_was_done_what_was_not_and_how_to_go_on(story: Story) -> None:
    said = " ".join(story.broken.said.split())
    assert "UPDATE_COMPLETE, but of function" in said
    assert "ring 2 was not proved" in said
    assert f"{SIZE - RING} steps of later rings were not begun" in said
    assert f"--resume={story.broken.run_folder.name}" in said
    assert "a fix failed, or was stopped" in story.broken.last_line or "failed" in story.broken.last_line


def test_later_rings_were_not_touched(story: Story) -> None:
    names = updated(story.journal_then)
    assert len(set(names)) == len(names)
    assert 10 <= len(names) <= RING
    done = migrated(story.halfway)
    assert len(done) == len(names) - 1, "all but the one that was lied about"
    for place, part in story.before.items():
        now = {one["FunctionName"]: one for one in story.halfway[place]["functions"]}
        for one in part["functions"]:
            if (*place, one["FunctionName"]) not in done:
                assert now[one["FunctionName"]] == one


def test_the_first_rings_are_spread_over_the_accounts(story: Story) -> None:
    accounts = Counter(account for account, _, _ in migrated(story.halfway))
    assert set(accounts) == set(DEFAULT_ACCOUNTS)


def test_a_resume_goes_on_to_the_end(story: Story) -> None:
    story.resumed.assert_no_crash()
    assert story.resumed.code == 0, story.resumed.said
    assert migrated(story.after) == {(row.account, row.region, row.case.function_name) for row in ROWS}


def test_no_forwarder_was_updated_twice_but_the_one_that_broke(story: Story) -> None:
    counted = Counter(updated(story.resumed.journal))
    assert len(counted) == SIZE
    assert [number for number in counted.values() if number > 1] == [2]


def test_no_notification_document_was_changed_or_lost(story: Story) -> None:
    for place, part in story.before.items():
        for bucket, document in part["documents"].items():
            assert story.halfway[place]["documents"][bucket] == document
            assert story.after[place]["documents"][bucket] == document


def test_the_journal_is_valid_and_no_secret_is_left(story: Story) -> None:
    path = story.broken.run_folder / "journal.jsonl"
    assert len(read_journal(path)) == len(path.read_text(encoding="utf-8").splitlines())
    assert secrets_in(Path(story.broken.folder)) == []
