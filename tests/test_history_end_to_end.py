"""Two nights over an emulated AWS with drift in between, a fix beside a waiver, and shards, as their user runs them."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from tests.suite_runs import Ran, Suite, at, secrets_in

ACCOUNT, REGION = "111122223333", "us-east-1"
WHERE = f"{ACCOUNT}/{REGION}"
DRIFT = {("function-concurrency", f"{WHERE}/umbrella-dns"), ("trigger-wired", f"{WHERE}/cloudtrail-prod")}
EXPORTS = tuple(f"--export=night{suffix}" for suffix in (".csv", ".jsonl", ".md", ".ocsf.json", ".asff.json"))
WAIVER = """
[[waiver]]
check = "code-current"
subject = "{where}/umbrella-dns"
reason = "a build of our own, until the vendor takes the patch"
owner = "jane@example.com"
ticket = "SEC-42"
expires = {day}
"""


@dataclass(frozen=True)
class Nights:
    sandbox: Sandbox
    history: Path
    runs: tuple[Ran, ...]

    def changed(self, number: int) -> dict[str, set[tuple[str, str]]]:
        """What stands in the history for a run, by status."""
        with closing(sqlite3.connect(self.history)) as history:
            (name,) = history.execute("SELECT id FROM run ORDER BY number LIMIT 1 OFFSET ?", (number,)).fetchone()
            rows = history.execute(
                "SELECT status, check_id, subject FROM sighting JOIN finding ON finding.number = sighting.finding"
                " JOIN run ON run.number = sighting.run WHERE run.id = ?", (name,)
            ).fetchall()  # fmt: skip
        found: dict[str, set[tuple[str, str]]] = {}
        for status, check, subject in rows:
            found.setdefault(status, set()).add((check, subject))
        return found


def drift(sandbox: Sandbox) -> None:
    """What somebody did by hand between two nights."""
    clients = SeedClients(sandbox.endpoint)
    functions = clients.client(ACCOUNT, REGION, "lambda")
    names = [one["FunctionName"] for one in functions.list_functions()["Functions"]]  # type: ignore[attr-defined]
    (name,) = (name for name in names if name.startswith("umbrella-dns-"))
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)  # type: ignore[attr-defined]
    buckets = clients.client(ACCOUNT, REGION, "s3")
    bucket = f"cloudtrail-prod-{ACCOUNT}-{REGION}"
    buckets.put_bucket_notification_configuration(  # type: ignore[attr-defined]
        Bucket=bucket, NotificationConfiguration={}
    )


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("nights")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,)), folder / "sandbox") as sandbox:
        suite = Suite(sandbox.environment, folder / "cache")
        waivers, history = folder / "waivers.toml", folder / "history.sqlite"
        day = datetime.now(UTC).date() + timedelta(days=90)
        waivers.write_text(WAIVER.format(where=WHERE, day=day), encoding="utf-8")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--waivers={waivers}", f"--history={history}"]
        first = suite.run(folder / "first", *options, *EXPORTS)
        drift(sandbox)
        second = suite.run(folder / "second", *options, *EXPORTS, "-n2", "--html=report.html")
        third = suite.run(folder / "third", *options)
        narrow = [*options, "--forwarders=alb-edge,umbrella-dns"]
        plan = suite.run(folder / "plan", *narrow, *EXPORTS, "--plan")
        fix = suite.run(folder / "fix", *narrow, *EXPORTS, "--fix", "--yes", "--allow=create-bucket",
                        "--proof-timeout=5s")  # fmt: skip
        yield Nights(sandbox, history, (first, second, third, plan, fix))


@dataclass(frozen=True)
class Exported:
    """What one run's files say, by check and subject."""

    csv: dict[tuple[str, str], dict[str, str]]
    lines: dict[tuple[str, str], dict[str, str]]
    page: str
    ocsf: dict[tuple[str, str], dict]  # type: ignore[type-arg]
    asff: dict[tuple[str, str], dict]  # type: ignore[type-arg]


def exported(ran: Ran) -> Exported:
    def named(name: str) -> tuple[str, str]:
        _, check, subject = name.split("/", 2)
        return check, subject

    def text(suffix: str) -> str:
        return (ran.folder / f"night{suffix}").read_text(encoding="utf-8")

    lines = [json.loads(line) for line in text(".jsonl").splitlines()]
    return Exported(
        {(row["check"], row["subject"]): row for row in csv.DictReader(text(".csv").splitlines())},
        {(row["check"], row["subject"]): row for row in lines},
        text(".md"),
        {named(finding["finding_info"]["uid"]): finding for finding in json.loads(text(".ocsf.json"))},
        {named(finding["Id"]): finding for finding in json.loads(text(".asff.json"))},
    )


def test_the_drift_of_the_day_is_new_and_nothing_else_is(nights: Nights) -> None:
    first, second, third, *_ = nights.runs
    assert "the first run, nothing to compare with" in first.said
    (line,) = (line for line in second.said.splitlines() if line.startswith("changes "))
    assert ": 2 new, " in line
    assert "fixed" not in line
    assert "gone" not in line
    (told,) = (line for line in second.said.splitlines() if line.startswith("  new: "))
    assert told == "  new: " + ", ".join(f"{check} on {subject}" for check, subject in sorted(DRIFT))
    assert nights.changed(1)["FAILED"] - nights.changed(0)["FAILED"] == DRIFT
    (line,) = (line for line in third.said.splitlines() if line.startswith("changes "))
    assert "new" not in line
    for _, subject in DRIFT:
        assert subject in second.folder.joinpath("report.html").read_text(encoding="utf-8")


def test_a_fix_leaves_what_is_waived_and_says_so(nights: Nights) -> None:
    ran = nights.runs[-1]
    statuses = ran.statuses()
    assert statuses["code-current", f"{WHERE}/umbrella-dns"] == "WAIVED"
    assert statuses["runtime-custom", f"{WHERE}/umbrella-dns"] == "BLOCKED"
    assert statuses["runtime-custom", f"{WHERE}/alb-edge"] == "FIXED"
    row = ran.of("BLOCKED")["runtime-custom", f"{WHERE}/umbrella-dns"]
    assert "code-current is waived until" in row["reason"]
    assert not [entry for entry in ran.journal if entry["kind"] == "intent" and "umbrella-dns" in str(entry)]
    assert ("runtime-custom", f"{WHERE}/alb-edge") in nights.changed(4)["FIXED"]


def test_the_drift_of_the_day_is_new_in_every_export_and_nothing_else_is(nights: Nights) -> None:
    found = exported(nights.runs[1])
    assert {name for name, row in found.csv.items() if row["change"] == "new"} == DRIFT
    assert {name for name, row in found.lines.items() if row["change"] == "new"} == DRIFT
    assert {name for name, finding in found.ocsf.items() if finding["activity_name"] == "Create"} == DRIFT
    fields = {name: finding["ProductFields"] for name, finding in found.asff.items()}
    assert {name for name, told in fields.items() if told.get("taegis-forwarders/Change") == "new"} == DRIFT
    new = {line.split(":")[1].strip() for line in found.page.splitlines() if line.startswith("- new: ")}
    assert new == {f"{check} on {subject}" for check, subject in DRIFT}
    since = {finding["CreatedAt"] for name, finding in found.asff.items() if name not in DRIFT}
    assert min(since) < min(finding["CreatedAt"] for name, finding in found.asff.items() if name in DRIFT)


@pytest.mark.parametrize("number", [0, 1, 3, 4], ids=["first night", "distributed", "plan", "fix"])
def test_every_export_says_the_same_as_the_run(nights: Nights, number: int) -> None:
    ran = nights.runs[number]
    found = exported(ran)
    statuses = {name: row["status"] for name, row in found.lines.items()}
    if ran.folder.joinpath("forwarder-runs").is_dir():
        assert statuses == ran.statuses()
    assert {name: row["status"] for name, row in found.csv.items()} == statuses
    assert {name: finding["status_code"] for name, finding in found.ocsf.items()} == statuses
    placed = {name: status for name, status in statuses.items() if "/" in name[1]}
    told = {name: finding["ProductFields"]["taegis-forwarders/Status"] for name, finding in found.asff.items()}
    assert told == placed
    assert f"**{ran.last_line}**" in found.page.replace("\\", "")
    assert secrets_in(ran.folder) == []


def test_what_is_waived_and_what_is_fixed_is_told_as_that_in_every_export(nights: Nights) -> None:
    found = exported(nights.runs[-1])
    waived, fixed = ("code-current", f"{WHERE}/umbrella-dns"), ("runtime-custom", f"{WHERE}/alb-edge")
    assert found.lines[waived]["owner"] == found.csv[waived]["owner"] == "jane@example.com"
    assert (found.ocsf[waived]["status"], found.asff[waived]["Workflow"]) == ("Suppressed", {"Status": "SUPPRESSED"})
    assert "accepted by jane@example.com (SEC-42)" in found.page
    assert (found.lines[fixed]["change"], found.csv[fixed]["status"]) == ("fixed", "FIXED")
    assert (found.ocsf[fixed]["activity_name"], found.asff[fixed]["Compliance"]["Status"]) == ("Close", "PASSED")
    assert "## Fixed and proved: " in found.page


def test_shards_that_share_a_history_are_merged_without_anything_new(nights: Nights, tmp_path: Path) -> None:
    sandbox = nights.sandbox
    suite = Suite(sandbox.environment, tmp_path / "cache")
    waivers = nights.history.with_name("waivers.toml")
    options = [*at(sandbox, settings=tmp_path / "forwarders.toml"), f"--waivers={waivers}"]
    history = f"--history={tmp_path / 'fleet.sqlite'}"
    whole = suite.run(tmp_path / "whole", *options, history, *EXPORTS)
    shards = [suite.start(tmp_path / f"shard-{number}", *options, history, f"--shard={number}/2") for number in (1, 2)]
    codes = [process.wait(60) for process in shards]
    assert 1 in codes  # one account in one region is one shard's; the other has nothing to do
    merged = suite.run(tmp_path / "merged", "merge", str(tmp_path), f"--waivers={waivers}", history, *EXPORTS)
    one, both = exported(whole), exported(merged)
    assert {name: row["status"] for name, row in both.lines.items()} == {
        name: row["status"] for name, row in one.lines.items()
    }
    assert both.lines["code-current", f"{WHERE}/umbrella-dns"]["status"] == "WAIVED"
    assert {row["change"] for row in both.lines.values()} <= {"", "still", "waived", "unknown"}
    assert merged.code == whole.code
    assert secrets_in(tmp_path) == []
