"""An audit as its user runs it: it finds what was seeded, writes nothing, and says the same everywhere."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.export_file import ExportFormat
from fixtures.sandbox import DEFAULT_ACCOUNTS, Sandbox, Wrong, expected_defects
from fixtures.sandbox.demo import CHECK_OF, subject_of
from tests.suite_runs import (
    ROOT,
    Ran,
    Suite,
    at,
    canaries_in,
    html_rows,
    junit_of,
    requests_of_the_suite,
    secrets_in,
    writes_of_the_suite,
)

ALLOW = "--allow=create-bucket,remove-stale-rules"
OFFLINE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}  # nobody listens there, and there are no credentials


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def options(shared_sandbox: Sandbox, folder: Path) -> list[str]:
    return at(shared_sandbox, settings=folder / "forwarders.toml")


@pytest.fixture(scope="module")
def suite(shared_sandbox: Sandbox, folder: Path) -> Suite:
    return Suite(shared_sandbox.environment, folder / "cache")


@pytest.fixture(scope="module")
def alone(suite: Suite, shared_sandbox: Sandbox, folder: Path, options: list[str]) -> tuple[Ran, Counter[str]]:
    """An audit that keeps what it saw, and its calls by operation."""
    before = requests_of_the_suite(shared_sandbox.endpoint)
    kept = ("--snapshot=kept.json.gz", "--html=report.html", "--junitxml=junit.xml")
    ran = suite.run(folder / "alone", *options, *kept, *(f"--export=all{suffix}" for suffix in ExportFormat))
    return ran, requests_of_the_suite(shared_sandbox.endpoint) - before


@pytest.fixture(scope="module")
def offline(folder: Path) -> Suite:
    return Suite(OFFLINE, folder / "cache")


def test_the_sandbox_alone_fails_with_exactly_the_seeded_defects(folder: Path) -> None:
    """In the checkout, with nothing but pytest: the first thing that a new user tries."""
    junit = folder / "first.xml"
    command = [sys.executable, "-m", "pytest", "--sandbox", "--regions=us-east-1", "-p", "no:cacheprovider",
               f"--junitxml={junit}"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90,
                          env=Suite(OFFLINE, folder / "cache").environment)  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    cases = [properties for properties, told in junit_of(junit).values() if "failure" in told]
    found = {(one["check"], one["subject"]): one for one in cases}
    expected = {(CHECK_OF[one.wrong], subject_of(one)) for one in expected_defects(DEFAULT_ACCOUNTS, ["us-east-1"])}
    assert set(found) == expected
    for one in found.values():
        assert one["expected"]
        assert one["found"]
        assert one["status"] == "FAILED"
        assert one["subject"].startswith(f"{one['account']}/us-east-1")
    assert "findings remain on" in done.stdout.rstrip().rpartition("\n")[2]
    assert canaries_in(done.stdout.encode()) == []


def test_low_findings_beside_the_migration_are_the_missing_source_accounts_alone() -> None:
    """What a migration clears by the way: old permissions name no account, so every S3 forwarder has that finding."""
    extra = {one.wrong for one in expected_defects(DEFAULT_ACCOUNTS, ["us-east-1"])} - {
        Wrong.RUNTIME, Wrong.CODE, Wrong.TEMPLATE, Wrong.TRIGGER, Wrong.FLOW, Wrong.STALE_RULE, Wrong.STACK_STATE,
        Wrong.NO_STACK,
    }  # fmt: skip
    assert extra == {Wrong.SOURCE_ACCOUNT}


def test_an_audit_finds_the_seeded_defects_of_every_target(alone: tuple[Ran, Counter[str]]) -> None:
    ran, _ = alone
    ran.assert_no_crash()
    assert ran.code == 1
    defects = expected_defects(DEFAULT_ACCOUNTS, ["us-east-1", "eu-west-1"])
    assert set(ran.of("FAILED")) == {(CHECK_OF[one.wrong], subject_of(one)) for one in defects}
    assert {row["status"] for row in ran.results} == {"PASSED", "FAILED", "NO EVIDENCE"}


def test_an_audit_writes_nothing_and_leaves_no_secret(alone: tuple[Ran, Counter[str]], shared_sandbox: Sandbox) -> None:
    ran, _ = alone
    assert writes_of_the_suite(shared_sandbox.endpoint) == []
    exports = {f"all{suffix}" for suffix in ExportFormat}
    names = {path.name for path in ran.folder.iterdir()}
    assert names >= {"kept.json.gz", "report.html", "junit.xml", "said.txt", *exports}
    assert secrets_in(ran.folder) == []


def test_its_reports_tell_the_same_truth(alone: tuple[Ran, Counter[str]]) -> None:
    ran, _ = alone
    by_name = {row["nodeid"]: row["status"] for row in ran.results}
    exported = [json.loads(line) for line in (ran.folder / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert exported == list(ran.results)
    assert {name: one["status"] for name, (one, _) in junit_of(ran.folder / "junit.xml").items()} == by_name
    shown = {key: one["status"] for key, one in html_rows(ran.folder / "report.html").items()}
    assert shown == {key: status for key, status in ran.statuses().items() if status != "PASSED"}


def test_workers_say_the_same_and_ask_aws_nothing(
    alone: tuple[Ran, Counter[str]], suite: Suite, shared_sandbox: Sandbox, folder: Path, options: list[str]
) -> None:
    ran, calls = alone
    before = requests_of_the_suite(shared_sandbox.endpoint)
    distributed = suite.run(folder / "two", *options, "-n2", "--snapshot=kept.json.gz", "--junitxml=junit.xml")
    distributed.assert_no_crash()
    assert distributed.code == ran.code
    assert told(distributed) == told(ran)
    junit = {name: one["status"] for name, (one, _) in junit_of(distributed.folder / "junit.xml").items()}
    assert junit == {row["nodeid"]: row["status"] for row in ran.results}
    assert requests_of_the_suite(shared_sandbox.endpoint) - before == calls
    assert summary(distributed) == summary(ran)


def test_a_replay_says_the_same_without_a_network(
    alone: tuple[Ran, Counter[str]], offline: Suite, folder: Path, options: list[str]
) -> None:
    ran, _ = alone
    kept = f"--replay={ran.folder / 'kept.json.gz'}"
    replayed = offline.run(folder / "replay", kept, settings_of(options), "--snapshot=again.json.gz")
    replayed.assert_no_crash()
    assert replayed.code == ran.code
    assert told(replayed) == told(ran)


def told(ran: Ran) -> list[tuple[str, ...]]:
    """All that is said, but for the number of requests: Lambda repeats calls that failed, minutes later."""
    keys = ("check", "subject", "status", "expected", "found", "reason", "remedy", "advice", "fix")
    return sorted(tuple(re.sub(r"\d+ requests", "N requests", row[key]) for key in keys) for row in ran.results)


def summary(ran: Ran) -> list[str]:
    """What the last screen says, without times and run ids."""
    lines = ran.said.rpartition(" summary ===")[2].splitlines()
    return [line for line in lines if line.startswith(("forwarders ", "results ", "not asked"))]


@pytest.fixture(scope="module")
def planned(suite: Suite, folder: Path, options: list[str]) -> Ran:
    return suite.run(folder / "plan", *options, "--plan", ALLOW, "--snapshot=kept.json.gz", "-n2")


def test_a_plan_is_shown_and_kept_and_nothing_is_written(planned: Ran, shared_sandbox: Sandbox) -> None:
    planned.assert_no_crash()
    assert planned.code == 1
    assert writes_of_the_suite(shared_sandbox.endpoint) == []
    kinds: dict[str, set[str]] = {}
    for step in steps_of(planned):
        assert step["calls"]
        assert str(step["fix"]) in planned.said
        names = [f"{step['account']}/{step['region']}/{name}" for name in step["forwarders"]]
        kinds.setdefault(step["fix"], set()).update(names or [f"{step['account']}/{step['region']}"])
    assert set(kinds) == {"artifact", "shared-stack", "forwarder-stack", "trigger"}
    stacks = {CHECK_OF[wrong] for wrong in (Wrong.RUNTIME, Wrong.CODE, Wrong.TEMPLATE)}
    to_update = {subject for check, subject in planned.of("FAILED") if check in stacks}
    assert kinds["forwarder-stack"] == to_update
    assert kinds["artifact"] == kinds["shared-stack"] == {f"{account}/eu-west-1" for account in DEFAULT_ACCOUNTS}
    assert f"--fix would take {len(list(steps_of(planned)))} steps" in planned.last_line
    assert "journal.jsonl" not in {path.name for path in planned.run_folder.iterdir()}


def test_a_plan_masks_the_secret_and_nothing_else(planned: Ran) -> None:
    assert secrets_in(planned.folder) == []
    (created,) = {json.dumps(call["parameters"]["Parameters"], sort_keys=True) for step in steps_of(planned)
                  for call in step["calls"] if call["operation"] == "CreateStack"}  # fmt: skip
    values = {one["ParameterKey"]: one["ParameterValue"] for one in json.loads(created)}
    assert set(values) == {"SecretValue", "TaegisRegion"}
    assert values["TaegisRegion"] == "ctpx"
    assert set(values["SecretValue"]) <= set("*<>secretvalu -…")


def test_a_plan_can_be_made_offline_from_what_a_plan_kept(
    planned: Ran, offline: Suite, folder: Path, options: list[str]
) -> None:
    """The same plan but for names that hold the run's id."""
    kept = f"--replay={planned.folder / 'kept.json.gz'}"
    replayed = offline.run(folder / "plan-offline", kept, settings_of(options), "--plan", ALLOW)
    replayed.assert_no_crash()
    assert replayed.code == 1
    assert plan_text(replayed) == plan_text(planned)


def test_a_plan_from_what_an_audit_kept_says_what_it_lacks(
    alone: tuple[Ran, Counter[str]], offline: Suite, folder: Path, options: list[str]
) -> None:
    kept = f"--replay={alone[0].folder / 'kept.json.gz'}"
    replayed = offline.run(folder / "plan-of-an-audit", kept, settings_of(options), "--plan", ALLOW)
    replayed.assert_no_crash()
    assert replayed.code == 1
    assert "plan from a snapshot that --plan --snapshot=FILE kept" in replayed.said
    assert [step for step in steps_of(replayed) if step["fix"] == "forwarder-stack"] == []


def settings_of(options: list[str]) -> str:
    return next(one for one in options if one.startswith("--settings"))


def steps_of(ran: Ran) -> Iterator[dict]:  # type: ignore[type-arg]
    for target in ran.plan["targets"]:  # type: ignore[attr-defined]
        yield from ({**step, "account": target["account"], "region": target["region"]} for step in target["steps"])


def plan_text(ran: Ran) -> str:
    return json.dumps(ran.plan["targets"], sort_keys=True).replace(ran.run_folder.name, "RUN")
