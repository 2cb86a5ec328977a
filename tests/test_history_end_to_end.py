"""Two nights over an emulated AWS with drift in between, and a fix beside a waiver, as their user runs them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from tests.suite_runs import Ran, Suite, at

ACCOUNT, REGION = "111122223333", "us-east-1"
WHERE = f"{ACCOUNT}/{REGION}"
DRIFT = {("function-concurrency", f"{WHERE}/umbrella-dns"), ("trigger-wired", f"{WHERE}/cloudtrail-prod")}
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
        first = suite.run(folder / "first", *options)
        drift(sandbox)
        second = suite.run(folder / "second", *options, "-n2", "--html=report.html")
        third = suite.run(folder / "third", *options)
        fix = suite.run(folder / "fix", *options, "--fix", "--yes", "--forwarders=alb-edge,umbrella-dns",
                        "--allow=create-bucket", "--proof-timeout=5s")  # fmt: skip
        yield Nights(sandbox, history, (first, second, third, fix))


def test_the_drift_of_the_day_is_new_and_nothing_else_is(nights: Nights) -> None:
    first, second, third, _ = nights.runs
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
    assert ("runtime-custom", f"{WHERE}/alb-edge") in nights.changed(3)["FIXED"]
