"""What AWS refuses, and what ends a run in the middle: the rest goes on, and what was begun can be completed."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.seed_estate import switch_rules
from remediation.journal import read_journal
from tests.fake_aws import DENIED, FakeAws
from tests.sandbox_engine import eventually
from tests.suite_runs import Ran, Suite, at, ended, independently, log_sources, writes_of_the_suite

# Reading and writing tests are kept apart by account, region or forwarder.
READ, LANES = "111122223333", "222233334444"
KILLED = STOPPED = READ  # in the other region
TO_KILL, TO_STOP = ("alb-edge", "cloudtrail-kms", "waf-public"), ("share-alb", "share-flow")
PROVED = (*TO_KILL, *TO_STOP, "flow-core")  # a fix waits to see that logs flow
STRANGER = "999988887777"
REGIONS = ("us-east-1", "eu-west-1")
ALL_AT_ONCE = "--rings=100%"
CONSENTS = "--allow=create-bucket,remove-stale-rules"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    spec = SandboxSpec((READ, LANES), REGIONS)
    with (
        start_sandbox(spec, tmp_path_factory.mktemp("failures")) as running,
        log_sources(running.endpoint, (READ, LANES), first=1_000, only=PROVED, per_second=6),
    ):
        yield running


@pytest.fixture(scope="module")
def _between(sandbox: Sandbox) -> Iterator[FakeAws]:
    proxy = FakeAws(sandbox.endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def between(_between: FakeAws) -> Iterator[FakeAws]:
    """Stands between the suite and the sandbox, and passes on what it is not told to refuse."""
    yield _between
    _between.forget()


@pytest.fixture(scope="module")
def suite(sandbox: Sandbox, _between: FakeAws, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return Suite({**sandbox.environment, "AWS_ENDPOINT_URL": _between.endpoint}, tmp_path_factory.mktemp("cache"))


def entering(sandbox: Sandbox, folder: Path, *accounts: str, regions: tuple[str, ...] = ()) -> list[str]:
    return at(sandbox, accounts=accounts, regions=regions, settings=folder / "forwarders.toml")


@pytest.fixture(scope="module")
def undisturbed(suite: Suite, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What an audit of one target says when nothing is refused."""
    folder = tmp_path_factory.mktemp("undisturbed")
    options = entering(sandbox, folder, READ, regions=("us-east-1",))
    return suite.run(folder / "run", *options, "--snapshot=kept.json.gz")


def test_a_denied_read_makes_unknown_what_needs_it_and_everything_else_goes_on(
    suite: Suite, sandbox: Sandbox, between: FakeAws, undisturbed: Ran, tmp_path: Path
) -> None:
    between.say("lambda:ListFunctions", DENIED)
    options = entering(sandbox, tmp_path, READ, regions=("us-east-1",))
    ran = suite.run(tmp_path / "run", *options, "--snapshot=kept.json.gz")
    ran.assert_no_crash()
    assert ran.code == 1
    before, now = undisturbed.statuses(), ran.statuses()
    assert set(now) == set(before)
    changed = {name for name, status in now.items() if status != before[name]}
    assert changed
    assert {now[name] for name in changed} == {"UNKNOWN"}
    assert set(ran.of("UNKNOWN")) == changed
    for row in ran.of("UNKNOWN").values():
        assert "lambda:ListFunctions" in row["reason"], row
    assert "1 partly seen" in ran.said


def test_what_could_not_be_seen_is_an_exit_code_of_its_own(
    suite: Suite, sandbox: Sandbox, between: FakeAws, tmp_path: Path
) -> None:
    options = [*entering(sandbox, tmp_path, READ, regions=("us-east-1",)), "--forwarders=cloudtrail-prod",
               "--checks=runtime-custom,trigger-permission"]  # fmt: skip
    assert suite.run(tmp_path / "seen", *options).code == 0
    between.say("lambda:GetPolicy", DENIED)
    ran = suite.run(tmp_path / "denied", *options)
    assert ran.code == 10
    assert ran.last_line == "Nothing was found wrong, but 1 check could not tell."


def test_an_account_that_cannot_be_entered_is_said_and_the_others_are_judged(
    suite: Suite, sandbox: Sandbox, undisturbed: Ran, tmp_path: Path
) -> None:
    options = entering(sandbox, tmp_path, READ, STRANGER, regions=("us-east-1",))
    ran = suite.run(tmp_path / "run", *options, "--snapshot=kept.json.gz")
    ran.assert_no_crash()
    assert ran.code == 1
    mine = {name: status for name, status in ran.statuses().items() if STRANGER not in name[1]}
    assert mine == undisturbed.statuses()
    (row,) = [row for row in ran.results if row["account"] == STRANGER]
    assert (row["check"], row["status"]) == ("target-reached", "FAILED")
    assert "sts:AssumeRole" in row["found"]
    assert "2 asked, 1 reached, 1 not reached" in ran.said


def test_throttling_at_the_rates_of_aws_changes_nothing_that_is_said(
    suite: Suite, sandbox: Sandbox, undisturbed: Ran, tmp_path: Path
) -> None:
    switch_rules(sandbox.endpoint, {"throttling": {"on": True, "multiplier": 1}})
    try:
        options = entering(sandbox, tmp_path, READ, regions=("us-east-1",))
        ran = suite.run(tmp_path / "run", *options, "--snapshot=kept.json.gz")
    finally:
        switch_rules(sandbox.endpoint, {"throttling": False})
    ran.assert_no_crash()
    assert ran.statuses() == undisturbed.statuses()


def fixing(sandbox: Sandbox, folder: Path, account: str, *more: str, regions: tuple[str, ...] = REGIONS) -> list[str]:
    entries = entering(sandbox, folder, account, regions=regions)
    return [*entries, f"--fix-role={sandbox.fix_role_name}", "--fix", "--yes", CONSENTS, *more]


def test_a_denied_write_stops_what_it_must_and_the_others_go_on(
    suite: Suite, sandbox: Sandbox, between: FakeAws, tmp_path: Path
) -> None:
    """One forwarder may not be updated, and is as it was; one region ends half-way; the rest is fixed."""

    def refuse(call: AwsCall) -> Answer | None:
        return DENIED(call) if call.form["StackName"] == "generic-mixed" else None

    between.say("cloudformation:ExecuteChangeSet", refuse)
    between.say("s3:PutPublicAccessBlock", DENIED)
    options = fixing(sandbox, tmp_path, LANES, ALL_AT_ONCE, "--forwarders=generic-mixed,flow-core,share-*")
    ran = suite.run(tmp_path / "run", *options)
    ran.assert_no_crash()
    assert ran.code == 11, ran.said
    ends = {row["forwarder"]: row["status"] for row in ran.results if row["check"] == "code-current"}
    assert ends.pop("flow-core") == "FIXED"
    assert ends.pop("generic-mixed") == "BLOCKED"
    assert set(ends.values()) <= {"FAILED", "BLOCKED"}
    assert set(ends) == {"share-alb", "share-flow"}
    assert "failed, or stopped after a write" in ran.said
    for action in ("cloudformation:ExecuteChangeSet", "s3:PutBucketPublicAccessBlock"):
        assert f"{action} denied" in ran.said
    seen = independently(sandbox, accounts=[LANES])[LANES, "us-east-1"]["stack_details"]
    assert [stack["ChangeSets"] for stack in seen.values() if stack["ChangeSets"]] == [], "what it made is taken back"


def test_a_run_that_was_killed_leaves_every_trigger_and_can_be_resumed(
    suite: Suite, sandbox: Sandbox, between: FakeAws, tmp_path: Path
) -> None:
    place = {"accounts": (KILLED,), "regions": ("eu-west-1",)}
    options = fixing(sandbox, tmp_path, KILLED, f"--forwarders={','.join(TO_KILL)}", regions=place["regions"])
    before = independently(sandbox, **place)
    written_before = Counter(writes_of_the_suite(sandbox.endpoint))
    waiting = iter(range(1))

    def kill(call: AwsCall) -> Answer | None:
        if next(waiting, None) is None:
            os.kill(running.pid, signal.SIGKILL)
            return DENIED(call)  # nobody reads it, and the change set is never executed
        return None

    between.say("cloudformation:ExecuteChangeSet", kill)
    running = suite.start(tmp_path / "run", *options, ALL_AT_ONCE)
    ran = ended(running, tmp_path / "run")
    assert ran.code == -signal.SIGKILL
    between.forget()

    read_journal(ran.run_folder / "journal.jsonl")
    written = Counter(writes_of_the_suite(sandbox.endpoint)) - written_before
    assert written
    assert not written - Counter(ran.writes("intent")), "the engine saw no write that the journal does not hold"
    assert triggers(independently(sandbox, **place)) >= triggers(before)

    other = suite.run(tmp_path / "other", *options)
    assert other.code == 1
    assert "another run works on" in other.said
    assert ran.run_folder.name in other.said

    entries = entering(sandbox, tmp_path, KILLED, regions=place["regions"])
    resumed = suite.run(
        tmp_path / "run", *entries, f"--fix-role={sandbox.fix_role_name}", f"--resume={ran.run_folder.name}"
    )
    resumed.assert_no_crash()
    assert resumed.of("FAILED", "BLOCKED", "UNKNOWN", "ERROR") == {}
    assert resumed.code == 0, resumed.said
    after = independently(sandbox, **place)[KILLED, "eu-west-1"]
    assert triggers({(KILLED, "eu-west-1"): after}) >= triggers(before)
    assert [stack for stack in after["stack_details"].values() if stack["ChangeSets"]] == []
    runtimes = {one["FunctionName"].partition("-scwx")[0]: one["Runtime"] for one in after["functions"]}
    assert {runtimes[name] for name in TO_KILL} == {"provided.al2"}


def triggers(seen: Mapping[tuple[str, str], dict]) -> set[tuple[str, str]]:  # type: ignore[type-arg]
    """Bucket and ARN of every rule for a forwarder or its topic."""
    return {
        (bucket, rule.get("LambdaFunctionArn") or rule.get("TopicArn"))
        for part in seen.values()
        for bucket, document in part["documents"].items()
        for kind in ("LambdaFunctionConfigurations", "TopicConfigurations")
        for rule in document.get(kind, [])
        if "decommissioned" not in str(rule)
    }


def test_ctrl_c_ends_in_order_and_says_how_to_go_on(
    suite: Suite, sandbox: Sandbox, between: FakeAws, tmp_path: Path
) -> None:
    waiting = iter(range(1))

    def interrupt(_: AwsCall) -> Answer | None:
        if next(waiting, None) is None:
            os.killpg(running.pid, signal.SIGINT)  # as a terminal does it: everybody gets it
        return None

    between.say("cloudformation:ExecuteChangeSet", interrupt)
    options = fixing(sandbox, tmp_path, STOPPED, f"--forwarders={','.join(TO_STOP)}", regions=("eu-west-1",))
    running = suite.start(tmp_path / "run", *options, ALL_AT_ONCE)
    ran = ended(running, tmp_path / "run")
    ran.assert_no_crash()
    assert ran.code == 2, ran.said
    assert f"--resume={ran.run_folder.name}" in ran.said
    entries = read_journal(ran.run_folder / "journal.jsonl")
    assert not ran.run_folder.joinpath("journal.jsonl").read_text().rpartition("\n")[2], "its last line is whole"
    answered = {entry.content["intent"] for entry in entries if entry.kind in {"result", "failure", "unclear"}}
    assert {entry.number for entry in entries if entry.kind == "intent"} <= answered
    assert ran.results


def test_ctrl_c_takes_the_sandbox_with_it(tmp_path: Path) -> None:
    suite = Suite({"TMPDIR": str(tmp_path / "scratch")}, tmp_path / "cache")
    tmp_path.joinpath("scratch").mkdir()
    running = suite.start(tmp_path / "run", "--sandbox", "--regions=us-east-1", f"--accounts={READ}", "--fix")
    try:
        assert eventually(lambda: results_in(tmp_path / "run") or running.poll() is not None, 60)
        assert engines(running)
        os.killpg(running.pid, signal.SIGINT)
        ran = ended(running, tmp_path / "run")
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    ran.assert_no_crash()
    assert ran.code == 2, ran.said
    assert eventually(lambda: not engines(running)), "the emulated AWS is gone"
    assert list(tmp_path.joinpath("scratch").iterdir()) == []


def results_in(folder: Path) -> bool:
    """Whether a run in this folder has had the answer to a write."""
    return any('"kind":"result"' in journal.read_text() for journal in folder.glob("forwarder-runs/*/journal.jsonl"))


def engines(running: "subprocess.Popen[str]") -> list[str]:
    """The engines that were started by a run, or lost it."""
    listed = subprocess.run(["ps", "-eo", "ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines()]
    return [args for parent, args in rows if parent == str(running.pid) and "fixtures.sandbox.server" in args]
