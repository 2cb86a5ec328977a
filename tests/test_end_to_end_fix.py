"""A whole migration as its user runs it, with logs flowing, judged by a reader that shares no code with the suite."""

import base64
import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.sandbox import (
    DEFAULT_ACCOUNTS,
    DEFAULT_REGIONS,
    Kind,
    Outcome,
    Placed,
    Sandbox,
    SandboxSpec,
    Sent,
    Trigger,
    placed_cases,
    start_sandbox,
)
from fixtures.sandbox.demo import judge, read_results
from fixtures.sandbox.seed_client import SeedClients
from fixtures.sandbox.seed_neighbours import make_topic, notification_rule, put_rules
from fixtures.sandbox.synthetic_release import PACKAGE
from remediation.journal import read_journal
from tests.suite_runs import (
    Ran,
    Suite,
    at,
    canaries_in,
    delivered,
    ended,
    html_rows,
    independently,
    junit_of,
    log_sources,
    secrets_in,
    writes_of_the_suite,
)

ACCOUNTS, REGIONS = DEFAULT_ACCOUNTS, DEFAULT_REGIONS
ROWS = placed_cases(ACCOUNTS, REGIONS)
FORWARDERS = tuple(row for row in ROWS if row.case.kind is Kind.FORWARDER)
MIGRATED = tuple(row for row in FORWARDERS if row.case.outcome is not Outcome.BLOCKED)
LEFT_ALONE = tuple(row for row in ROWS if row.case.outcome in {Outcome.BLOCKED, Outcome.UNTOUCHED})
CONSENTS = "--allow=create-bucket,remove-stale-rules"
STALE = "decommissioned-indexer"
OUTCOMES = {"FAILED": ["failure"], "BLOCKED": ["failure"], "UNKNOWN": ["skipped"], "NO EVIDENCE": ["skipped"]}
Regions = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]


@dataclass(frozen=True)
class Story:
    """Everything that happened to one sandbox, in order: a fix, the same fix again, a newer release."""

    sandbox: Sandbox
    before: Regions
    fixed: Ran
    writes: list[tuple[str, str, str]]
    commands: bytes
    sent: tuple[Sent, ...]
    after: Regions
    again: Ran
    writes_again: list[tuple[str, str, str]]
    newer: Ran
    sent_newer: tuple[Sent, ...]
    after_newer: Regions
    deliveries: Counter[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("fix")
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS), folder / "sandbox") as sandbox:
        suite = Suite(sandbox.environment, folder / "cache")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={sandbox.fix_role_name}", "--fix",
                   "--yes", CONSENTS]  # fmt: skip
        for account in ACCOUNTS:
            share_the_silent_bucket(sandbox, account)
        before = independently(sandbox)
        reports = ("--html=report.html", "--self-contained-html", "--junitxml=junit.xml")
        with log_sources(sandbox.endpoint, ACCOUNTS, first=1_000) as source:
            running = suite.start(folder / "fix", *options, *reports)
            commands = command_lines_of(running)
            fixed = ended(running, folder / "fix")
            writes = writes_of_the_suite(sandbox.endpoint)
            again = suite.run(folder / "again", *options)
            writes_again = writes_of_the_suite(sandbox.endpoint)[len(writes) :]
        sent = source.sent()
        await_deliveries(sandbox, after_migration(fixed, sent))
        after = independently(sandbox, "--probe")
        with log_sources(sandbox.endpoint, ACCOUNTS, first=500_000) as source:
            newer = suite.run(folder / "newer", *options, f"--release={sandbox.newer_release_dir}", "--rings=100%")
        sent_newer = source.sent()
        await_deliveries(sandbox, after_migration(newer, sent_newer))
        after_newer = independently(sandbox, "--probe")
        yield Story(sandbox, before, fixed, writes, commands, sent, after, again, writes_again, newer, sent_newer,
                    after_newer, delivered(sandbox))  # fmt: skip


def share_the_silent_bucket(sandbox: Sandbox, account: str) -> None:
    """Others hang a topic and EventBridge on the bucket whose document a fix has to write."""
    place, bucket = SeedClients(sandbox.endpoint).at(account, REGIONS[0]), f"alb-silent-{account}-{REGIONS[0]}"
    topic = make_topic(place, f"audits-{account}", bucket)
    removals = {**notification_rule("audits", {"TopicArn": topic}, "audit/", ".log"), "Events": ["s3:ObjectRemoved:*"]}
    put_rules(place, bucket, [{"TopicConfigurations": [removals], "EventBridgeConfiguration": []}])


def command_lines_of(running: "subprocess.Popen[str]") -> bytes:
    """The command lines of a run and of every process that it starts, as any user of the machine can read them."""
    seen = set()
    while running.poll() is None:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[3]) == running.pid:
                    seen.add(entry.joinpath("cmdline").read_bytes())
            except OSError:
                continue  # it has ended
        try:
            running.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    return b"\n".join(sorted(seen))


def migration_times(ran: Ran) -> dict[tuple[str, str, str], datetime]:
    """When each forwarder or bucket was read back as it should be, by the run's journal."""
    times = {}
    for entry in ran.journal:
        if entry["kind"] == "verified":
            name = str(entry["step"]).partition(" ")[2].rpartition("/")[2]
            times[str(entry["account"]), str(entry["region"]), name] = datetime.fromisoformat(str(entry["time"]))
    return times


def after_migration(ran: Ran, sent: tuple[Sent, ...]) -> list[Sent]:
    """What was sent when its forwarder had been migrated, and half a second had passed."""
    times = migration_times(ran)
    rows = {(row.account, row.region, row.case.name): row for row in MIGRATED}
    start = datetime.min.replace(tzinfo=UTC)
    found = []
    for one in sent:
        row = rows.get((one.account, one.region, one.forwarder))
        if row:
            names = ((row.account, row.region, name) for name in (row.case.name, row.bucket))
            if one.time > max(times.get(name, start) for name in names) + timedelta(seconds=0.5):
                found.append(one)
    return found


def of_objects(sent: list[Sent] | tuple[Sent, ...]) -> list[Sent]:
    return [one for one in sent if not one.source.startswith("/")]


def await_deliveries(sandbox: Sandbox, sent: list[Sent]) -> None:
    """Look until everything has arrived, thirty times at most; whether it has is for the tests to say."""
    for _ in range(30):
        arrived = delivered(sandbox)
        if all(arrived[one.delivered_below] for one in of_objects(sent)):
            return


def code_of(release: Path) -> str:
    return base64.b64encode(hashlib.sha256((release / PACKAGE).read_bytes()).digest()).decode()


def function_of(seen: Regions, row: Placed) -> dict:  # type: ignore[type-arg]
    functions = seen[row.account, row.region]["functions"]
    return next(one for one in functions if one["FunctionName"] == row.case.function_name)


def name_of(row: Placed) -> str:
    return f"{row.account[:4]}-{row.region}-{row.case.name}"


def entries_of(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """Every part of a notification document as comparable text."""
    return sorted(
        (part, json.dumps(entry, sort_keys=True))
        for part, entries in document.items()
        for entry in (entries if isinstance(entries, list) else [entries])
    )


def test_it_ends_as_the_table_of_the_estate_says(story: Story) -> None:
    story.fixed.assert_no_crash()
    assert story.fixed.code == 1, story.fixed.said
    judgement = judge(read_results(story.fixed.run_folder / "results.jsonl"), ACCOUNTS, REGIONS)
    assert [row for row in judgement.rows if not row.as_expected] == []
    assert judgement.surprises == ()
    assert "blocked: a person must act" in story.fixed.last_line


def test_what_the_fix_made_is_judged_too(story: Story) -> None:
    """Before it, there was no shared stack of which its template, secret and region could be asked."""
    made = [f"{account}/{REGIONS[1]}" for account in ACCOUNTS]
    for check in ("shared-stack-template", "shared-stack-secret", "shared-stack-region"):
        for target in made:
            assert story.fixed.statuses()[check, target] == "PASSED"


@pytest.mark.parametrize("phase", ["fixed", "newer"])
def test_every_migrated_function_runs_the_release(story: Story, phase: str) -> None:
    release, seen = {
        "fixed": (story.sandbox.release_dir, story.after),
        "newer": (story.sandbox.newer_release_dir, story.after_newer),
    }[phase]
    for row in MIGRATED:
        function = function_of(seen, row)
        state = {key: function[key] for key in ("Runtime", "CodeSha256", "State", "LastUpdateStatus")}
        assert state == {
            "Runtime": "provided.al2",
            "CodeSha256": code_of(release),
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }, name_of(row)
        assert seen[row.account, row.region]["stacks"][row.case.name] == "UPDATE_COMPLETE" or phase == "fixed"


@pytest.mark.parametrize("phase", ["fixed", "newer"])
def test_an_object_put_into_each_bucket_yields_the_log_line_and_is_delivered_once(story: Story, phase: str) -> None:
    seen = story.after if phase == "fixed" else story.after_newer
    probes = {one["function"]: one for place in seen.values() for one in place["probes"]}
    called = [row for row in MIGRATED if row.bucket]
    assert len({(row.case.function_name, row.bucket) for row in called}) == len(called)
    for place, part in seen.items():
        functions = {one["function"]: one for one in part["probes"]}
        for row in called:
            if (row.account, row.region) != place:
                continue
            one = functions[row.case.function_name]
            assert one["bucket"] == row.bucket
            assert (one["delivered"], one["uploads_logged"], one["errors"]) == (1, 1, []), name_of(row)
    assert probes


def test_everything_sent_after_a_migration_arrives_exactly_once(story: Story) -> None:
    for ran, sent in ((story.fixed, story.sent), (story.newer, story.sent_newer)):
        expected = of_objects(after_migration(ran, sent))
        forwarders = {(one.account, one.region, one.forwarder) for one in expected}
        assert forwarders == {(row.account, row.region, row.case.name) for row in MIGRATED if row.bucket}
        counted = {one: story.deliveries[one.delivered_below] for one in expected}
        assert [(one, number) for one, number in counted.items() if number != 1] == []


def test_what_arrives_twice_was_under_way_while_its_forwarder_was_updated(story: Story) -> None:
    # S3 calls at least once: a call that an update cuts off is made again, also if it had uploaded already
    sent = of_objects([*story.sandbox.sent(), *story.sent, *story.sent_newer])
    assert len({one.delivered_below for one in sent}) == len(sent)
    settled = {*after_migration(story.fixed, story.sent), *after_migration(story.newer, story.sent_newer)}
    twice = [one for one in sent if story.deliveries[one.delivered_below] > 1]
    assert [one for one in twice if one in settled] == []
    assert len(twice) <= len(MIGRATED)


def test_the_healthy_forwarder_loses_nothing_while_its_neighbours_are_migrated(story: Story) -> None:
    healthy = {row.case.name for row in FORWARDERS if row.case.outcome is Outcome.PASSED}
    sent = [one for one in story.sent if one.forwarder in healthy]
    assert len(sent) > len(ACCOUNTS)
    assert [one for one in sent if story.deliveries[one.delivered_below] != 1] == []


def test_log_events_of_a_subscription_arrive_after_the_migration(story: Story) -> None:
    rows = [row for row in MIGRATED if row.case.trigger is Trigger.SUBSCRIPTION]
    names = {row.case.name for row in rows}
    surely = [one for one in after_migration(story.fixed, story.sent) if one.forwarder in names]
    surely += [one for one in after_migration(story.newer, story.sent_newer) if one.forwarder in names]
    at_most = [one for one in [*story.sent, *story.sent_newer] if one.forwarder in names]
    # a group's events share a prefix, over both accounts
    arrived = story.deliveries[surely[0].delivered_below]
    assert len(surely) <= arrived <= len(at_most)


@pytest.mark.parametrize("phase", ["fixed", "newer"])
def test_foreign_rules_are_all_there_unchanged_and_forwarders_keep_their_filters(story: Story, phase: str) -> None:
    seen = story.after if phase == "fixed" else story.after_newer
    changed = {}
    for place, part in story.before.items():
        for bucket, document in part["documents"].items():
            old, new = entries_of(document), entries_of(seen[place]["documents"][bucket])
            lost = [entry for entry in old if entry not in new]
            came = [entry for entry in new if entry not in old]
            if lost or came:
                changed[bucket.partition(f"-{place[0]}")[0]] = (lost, came)
    assert set(changed) == {"waf-public", "alb-silent"}
    (stale,), came = changed["waf-public"]
    assert STALE in stale[1]
    assert came == []
    lost, ((kind, added),) = changed["alb-silent"]
    assert lost == []
    assert kind == "LambdaFunctionConfigurations"
    assert "alb-silent-scwx-tdr-lambda-awsalb" in added
    written = story.after[ACCOUNTS[0], REGIONS[0]]["documents"][f"alb-silent-{ACCOUNTS[0]}-{REGIONS[0]}"]
    assert {"TopicConfigurations", "EventBridgeConfiguration"} < set(written), "there was something to lose"


@pytest.mark.parametrize("phase", ["fixed", "newer"])
def test_what_is_blocked_is_wholly_untouched(story: Story, phase: str) -> None:
    seen = story.after if phase == "fixed" else story.after_newer
    for row in LEFT_ALONE:
        place = row.account, row.region
        if row.case.function_name:
            assert function_of(seen, row) == function_of(story.before, row), name_of(row)
        if row.case.kind is not Kind.ORPHAN:
            now, then = (one[place]["stack_details"][row.case.name] for one in (seen, story.before))
            assert now == then, name_of(row)
        if row.bucket:
            assert seen[place]["documents"][row.bucket] == story.before[place]["documents"][row.bucket]


@pytest.mark.parametrize("phase", ["fixed", "newer"])
def test_nothing_was_deleted_or_overwritten(story: Story, phase: str) -> None:
    seen = story.after if phase == "fixed" else story.after_newer
    for place, part in story.before.items():
        assert set(part["stacks"]) <= set(seen[place]["stacks"])
        assert set(part["all_functions"]) == set(seen[place]["all_functions"])
        for bucket, objects in part["buckets"].items():
            assert objects.items() <= seen[place]["buckets"][bucket].items(), bucket
        assert [name for name, stack in seen[place]["stack_details"].items() if stack["ChangeSets"]] == []


def test_permissions_that_were_there_are_there(story: Story) -> None:
    for place, part in story.before.items():
        after = {one["FunctionName"]: one for one in story.after[place]["functions"]}
        for function in part["functions"]:
            callers = {principal(one) for one in function["Policy"]}
            assert callers <= {principal(one) for one in after[function["FunctionName"]]["Policy"]}


def principal(statement: Mapping[str, object]) -> str:
    return json.dumps([statement["Principal"], statement["Action"]], sort_keys=True)


def test_no_secret_is_in_any_file_that_a_run_left(story: Story) -> None:
    for ran in (story.fixed, story.again, story.newer):
        left = {path.name for path in ran.folder.rglob("*") if path.is_file()}
        assert {"said.txt", "plan.json", "journal.jsonl", "results.jsonl", "before.json.gz", "after.json.gz"} <= left
        assert secrets_in(ran.folder) == []
    assert {"report.html", "junit.xml"} <= {path.name for path in story.fixed.folder.iterdir()}


def test_no_secret_is_in_a_command_line(story: Story) -> None:
    assert b"--fix" in story.commands
    assert canaries_in(story.commands) == []


def test_junit_html_and_results_tell_the_same_truth(story: Story) -> None:
    results = {row["nodeid"]: row for row in story.fixed.results}
    cases = junit_of(story.fixed.folder / "junit.xml")
    page = html_rows(story.fixed.folder / "report.html")
    assert set(cases) == set(results)
    told_of = {(row["check"], row["subject"]): row for row in story.fixed.results if row["status"] != "PASSED"}
    assert set(page) == set(told_of)
    for name, row in results.items():
        properties, told = cases[name]
        assert told == OUTCOMES.get(row["status"], []), name
        for key in ("check", "severity", "status", "account", "region", "forwarder", "expected", "found"):
            assert properties.get(key, "") == row[key], name
    for key, row in told_of.items():
        assert page[key]["status"] == row["status"]
        assert page[key]["severity"] == row["severity"]
        if row["status"] in {"FAILED", "BLOCKED"}:
            assert " ".join(row["expected"].split()) in " ".join(page[key]["evidence"].split())


def test_the_terminal_counts_what_the_results_hold(story: Story) -> None:
    counted = Counter(row["status"] for row in story.fixed.results)
    words = ", ".join(f"{counted[status]} {status.lower()}" for status in ("FAILED", "PASSED", "FIXED", "BLOCKED"))
    for part in words.split(", "):
        assert part in story.fixed.said


def test_the_journal_is_valid_and_holds_every_write_that_the_engine_saw(story: Story) -> None:
    entries = read_journal(story.fixed.run_folder / "journal.jsonl")
    previous = "0" * 64  # and by hand, as docs/results.md describes the chain
    lines = story.fixed.run_folder.joinpath("journal.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert json.loads(line)["previous"] == previous
        previous = hashlib.sha256(line.encode()).hexdigest()
    assert len(entries) == len(lines)
    intents, results = story.fixed.writes("intent"), story.fixed.writes("result")
    assert Counter(intents) == Counter(results) == Counter(story.writes)
    for place in story.before:  # within a lane also in this order
        assert [one for one in intents if one[:2] == place] == [one for one in story.writes if one[:2] == place]


def test_a_second_run_finds_nothing_to_do(story: Story) -> None:
    story.again.assert_no_crash()
    assert story.writes_again == []
    assert story.again.code == 1
    assert story.again.of("FIXED", "UNKNOWN", "ERROR") == {}
    assert set(story.again.of("BLOCKED", "FAILED")) == set(story.fixed.of("BLOCKED", "FAILED"))
    assert story.again.plan["targets"]
    assert [step for target in story.again.plan["targets"] for step in target["steps"]] == []  # type: ignore[attr-defined]


def test_a_newer_release_is_rolled_out_by_the_same_fix(story: Story) -> None:
    story.newer.assert_no_crash()
    assert story.newer.code == 1
    fixed = {subject for check, subject in story.newer.of("FIXED") if check == "code-current"}
    assert fixed == {f"{row.account}/{row.region}/{row.case.name}" for row in MIGRATED}
    assert story.newer.of("UNKNOWN", "ERROR") == {}
    assert set(story.newer.of("BLOCKED", "FAILED")) == set(story.fixed.of("BLOCKED", "FAILED"))


def test_only_the_owner_may_read_what_a_run_left(story: Story) -> None:
    for path in [story.fixed.run_folder, *story.fixed.run_folder.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path
