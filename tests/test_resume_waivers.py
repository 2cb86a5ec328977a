"""A fix beside a waiver that is killed and resumed: what is accepted stays accepted, in every report."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.chaos import evidence
from tests.chaos.case import Arena, run_folder
from tests.chaos.estate import ACCOUNT
from tests.chaos.faults import EXECUTE, Fault, Spec

pytest_plugins = ["tests.chaos.arena_plugin"]

WAIVER = """
[[waiver]]
check = "code-current"
subject = "*/*/flow-core"
reason = "a build of our own"
owner = "jane@example.com"
ticket = "SEC-42"
expires = {day}
"""


@pytest.fixture
def killed(arena: Arena, tmp_path: Path) -> Path:
    """The folder of a run that was killed while the first stack was updated; one forwarder's code is waived."""
    arena.estate.restore()
    day = datetime.now(UTC).date() + timedelta(days=90)
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(WAIVER.format(day=day), encoding="utf-8")
    (tmp_path / "fix.jsonl").write_text("of last night\n", encoding="utf-8")
    spec = Spec(Fault.KILL_AFTER, *EXECUTE, 1, str(tmp_path / "mark.txt"))
    options = (*arena.estate.options, "--waivers=waivers.toml", "--history=fleet.sqlite", "--export=fix.jsonl")
    ran = arena.run(tmp_path, [spec], options)
    assert ran.code == -9, ran.said
    return run_folder(tmp_path)


def test_what_was_waived_is_left_and_told_by_the_resumed_run(arena: Arena, killed: Path, tmp_path: Path) -> None:
    assert (tmp_path / "fix.jsonl").read_text(encoding="utf-8") == "of last night\n"  # a killed run exports nothing

    exports = [f"--export=fix{suffix}" for suffix in (".jsonl", ".md", ".ocsf.json", ".asff.json", ".csv")]
    ran = arena.run(tmp_path, (), [f"--resume={killed.name}", "--history=fleet.sqlite", *exports])

    rows = [json.loads(line) for line in (tmp_path / "fix.jsonl").read_text(encoding="utf-8").splitlines()]
    told = {(row["check"], row["forwarder"]): row for row in rows if row["account"] == ACCOUNT}
    waived = told["code-current", "flow-core"]
    assert (waived["status"], waived["owner"], waived["ticket"]) == ("WAIVED", "jane@example.com", "SEC-42")
    assert told["runtime-custom", "flow-core"]["status"] == "BLOCKED"
    assert "code-current is waived until" in told["runtime-custom", "flow-core"]["reason"]
    fixed = {row["forwarder"] for row in rows if row["status"] == "FIXED"}
    assert fixed
    assert "flow-core" not in fixed
    writes = [entry for entry in evidence.journal_of(killed) if entry["kind"] == "intent"]
    assert writes
    assert not [entry for entry in writes if "flow-core" in json.dumps(entry)]
    assert rows == [json.loads(line) for line in (killed / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    page = (tmp_path / "fix.md").read_text(encoding="utf-8")
    assert "accepted by jane@example.com (SEC-42)" in page
    assert "## Fixed and proved: " in page
    assert evidence.leaks(tmp_path, ran.said) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "No such file"), (WAIVER.format(day="2026-01-31"), "line 2: it expired on 2026-01-31")],
    ids=["gone", "expired meanwhile"],
)
def test_a_waiver_that_can_no_longer_be_relied_on_stops_the_resume_before_anything_is_asked(
    arena: Arena, killed: Path, tmp_path: Path, text: str | None, why: str
) -> None:
    waivers = tmp_path / "waivers.toml"
    waivers.unlink()
    if text:
        waivers.write_text(text, encoding="utf-8")
    before = (killed / "journal.jsonl").read_bytes()
    asked = len(arena.estate.requests())
    ran = arena.run(tmp_path, (), [f"--resume={killed.name}"])
    assert ran.code == 4
    assert why in ran.said
    assert "waivers.toml" in ran.said
    assert len(arena.estate.requests()) == asked
    assert (killed / "journal.jsonl").read_bytes() == before
