"""Backfills for real: an outage of known objects is made and mended, and what XDR got is counted by boto3 alone."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place, SeedClients
from tests.sandbox_engine import eventually
from tests.suite_runs import Ran, Suite, at, delivered, ended, writes_of_the_suite

ACCOUNT, REGION = "111122223333", "us-east-1"
NAME = "cloudtrail-prod"  # migrated and healthy; it tags what it has delivered
BUCKET = f"{NAME}-{ACCOUNT}-{REGION}"
FUNCTION = f"{NAME}-scwx-tdr-lambda-awscloudtrail"
MALFORMED = b"SYNTHETIC malformed"


@dataclass
class World:
    """A sandbox, its forwarder's bucket, and how a user calls the suite there."""

    sandbox: Sandbox
    place: Place
    suite: Suite
    where: list[str]
    folder: Path

    def run(self, folder: str, *words: str) -> Ran:
        return self.suite.run(self.folder / folder, *words)

    def backfill(self, folder: str, since: datetime, *words: str) -> Ran:
        given = (f"--since={since.isoformat()}", f"--forwarders={NAME}", "--proof-timeout=60s", *words)
        return self.run(folder, "backfill", *self.where, *given)

    def fix(self, folder: str) -> Ran:
        return self.run(folder, *self.where, f"--forwarders={NAME}", "--fix", "--proof-timeout=5s")

    def outage(self, stem: str, number: int, *, content: bytes | None = None) -> list[str]:
        """Takes the trigger away and writes objects that nobody is told of."""
        self.place.call("s3", "put_bucket_notification_configuration", Bucket=BUCKET, NotificationConfiguration={})
        return self.write(stem, number, content=content)

    def write(self, stem: str, number: int, *, content: bytes | None = None) -> list[str]:
        keys = [f"AWSLogs/{stem} ü+1/{position:05d}.json.gz" for position in range(number)]
        for key in keys:
            self.place.call("s3", "put_object", Bucket=BUCKET, Key=key, Body=content or key.encode())
        return keys

    def deliver_by_hand(self, keys: list[str]) -> None:
        """What somebody did before us: the function is called with events that name a few objects."""
        for key in keys:
            record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": key.replace("+", "%2B")}}}
            self.place.call("lambda", "invoke", FunctionName=FUNCTION, Payload=json.dumps({"Records": [record]}))

    def arrived(self, keys: list[str]) -> Counter[int]:
        """How many of these objects XDR got how often."""
        counts = delivered(self.sandbox)
        return Counter(counts[f"deliveries/{BUCKET}/{key}/"] for key in keys)

    def arrivals(self, keys: list[str]) -> int:
        return sum(times * number for times, number in self.arrived(keys).items())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("backfill")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,)), folder / "sandbox") as sandbox:
        place = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        suite = Suite(sandbox.environment, folder / "cache")
        for found in place.call("s3", "list_objects_v2", Bucket=BUCKET)["Contents"]:
            # S3 tells times in seconds: what the seed left may count as written when the first test begins
            place.call("s3", "delete_object", Bucket=BUCKET, Key=found["Key"])
        yield World(sandbox, place, suite, at(sandbox, settings=folder / "forwarders.toml"), folder)


def now() -> datetime:
    return datetime.now(UTC)


def runs_of(ran: Ran) -> list[str]:
    return sorted(path.name for path in ran.folder.joinpath("forwarder-runs").iterdir())


def journal_of(ran: Ran, run: str) -> list[Mapping[str, object]]:
    path = ran.folder / "forwarder-runs" / run / "journal.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


NUMBER, BY_HAND = 500, 40


def test_what_an_outage_lost_is_delivered_exactly_and_once(world: World) -> None:
    """The proof of the whole: trigger gone, 500 objects, 40 by hand; fixed; then exactly the other 460, then none."""
    since = now() - timedelta(seconds=1)
    keys = world.outage("whole", NUMBER)
    world.deliver_by_hand(keys[:BY_HAND])
    assert world.arrived(keys) == {1: BY_HAND, 0: NUMBER - BY_HAND}
    refused = world.backfill("whole", since)
    assert (refused.code, "REFUSED its trigger: found no such rule" in refused.said) == (1, True), refused.said
    world.fix("whole-fix")
    assert world.arrived(keys) == {1: BY_HAND, 0: NUMBER - BY_HAND}, "a fix sends nothing"

    plan = world.backfill("whole", since, "--plan")
    assert plan.code == 1
    assert f"{NUMBER - BY_HAND} objects to send" in plan.said
    assert "more are proved to be delivered" in plan.said
    assert world.arrived(keys) == {1: BY_HAND, 0: NUMBER - BY_HAND}, "a plan sends nothing"

    ran = world.backfill("whole", since)
    ran.assert_no_crash()
    assert (ran.code, f"{NUMBER - BY_HAND} proved to be delivered" in ran.said) == (0, True), ran.said
    assert world.arrived(keys) == {1: NUMBER}

    second = world.backfill("whole", since)
    assert (second.code, "0 objects to send" in second.said) == (0, True), second.said
    elsewhere = world.backfill("whole-elsewhere", since)  # no journal of ours there: the tags alone tell
    assert (elsewhere.code, "0 objects to send" in elsewhere.said) == (0, True), elsewhere.said
    assert world.arrived(keys) == {1: NUMBER}


def test_killed_in_the_middle_and_resumed_all_arrive_and_as_often_as_was_predicted(world: World) -> None:
    since = now() - timedelta(seconds=1)
    keys = world.outage("killed", 120)
    world.fix("killed-fix")
    folder = world.folder / "killed"
    given = (f"--since={since.isoformat()}", f"--forwarders={NAME}", "--rate=10")
    process = world.suite.start(folder, "backfill", *world.where, *given)
    assert eventually(lambda: world.arrivals(keys) >= 15, seconds=60)
    os.killpg(process.pid, signal.SIGKILL)
    killed = ended(process, folder)
    (run,) = runs_of(killed)
    assert world.arrived(keys)[0] > 0, "it was killed too late to show anything"
    assert journal_of(killed, run)[-1]["kind"] != "finished"

    resumed = world.run("killed", "backfill", f"--resume={run}", "--proof-timeout=60s", "--rate=20")
    resumed.assert_no_crash()
    assert resumed.code == 0, resumed.said
    (resume,) = [entry for entry in journal_of(resumed, run) if entry["kind"] == "resume"]
    (predicted,) = cast("Mapping[str, int]", resume["predicted"]).values()
    counts = world.arrived(keys)
    assert counts[0] == 0, "an object was lost"
    assert counts[2] <= predicted <= 2
    assert set(counts) <= {1, 2}
    assert runs_of(resumed) == [run], "a resumed run is the same run"
    again = world.run("killed", "backfill", f"--resume={run}")
    assert (again.code, "it had finished" in again.said) == (0, True)
    assert world.arrived(keys) == counts


def test_a_poison_object_is_set_aside_and_new_objects_meanwhile_are_s3s_own(world: World) -> None:
    since = now() - timedelta(seconds=1)
    keys = world.outage("poison", 60)
    (poison,) = world.outage("poison-one", 1, content=MALFORMED)
    world.fix("poison-fix")
    folder = world.folder / "poison"
    process = world.suite.start(folder, "backfill", *world.where, f"--since={since.isoformat()}",
                                f"--forwarders={NAME}", "--proof-timeout=60s", "--rate=10")  # fmt: skip
    assert eventually(lambda: world.arrivals(keys) >= 5, seconds=60)
    fresh = world.write("poison-meanwhile", 20)
    ran = ended(process, folder)
    ran.assert_no_crash()
    assert ran.code == 1, ran.said
    assert "60 proved to be delivered, 1 failed in every attempt" in ran.said
    assert f"set aside: s3://{BUCKET}/{poison}: cannot forward: the object cannot be parsed" in ran.said
    assert world.arrived(keys) == {1: 60}
    assert world.arrived([poison]) == {0: 1}
    assert eventually(lambda: world.arrived(fresh) == {1: 20})
    rows = [json.loads(line) for line in (ran.run_folder / "not-delivered.jsonl").read_text().splitlines()]
    assert [row["object"] for row in rows] == [f"s3://{BUCKET}/{poison}"]


def test_a_function_that_fails_on_everything_is_told_a_handful_and_no_more(world: World) -> None:
    since = now() - timedelta(seconds=1)
    keys = world.outage("broken", 40, content=MALFORMED)
    world.fix("broken-fix")
    before = Counter(operation for _, _, operation in writes_of_the_suite(world.sandbox.endpoint))
    ran = world.backfill("broken", since)
    calls = Counter(operation for _, _, operation in writes_of_the_suite(world.sandbox.endpoint)) - before
    assert (ran.code, "more than the error budget of 1% (at least 5)" in ran.said) == (11, True), ran.said
    assert calls["Invoke"] == 6
    assert world.arrived(keys) == {0: 40}
    world.place.call("s3", "delete_objects", Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})


def test_dead_letters_are_sent_again_and_leave_their_queue(world: World) -> None:
    queue = str(world.place.call("sqs", "create_queue", QueueName="letters")["QueueUrl"])
    keep = {"TargetArn": world.place.arn("sqs", "letters")}
    world.place.call("lambda", "update_function_configuration", FunctionName=FUNCTION, DeadLetterConfig=keep)
    keys = world.write("letters", 8, content=MALFORMED)
    assert eventually(lambda: held(world.place, queue) == 8, seconds=60)
    world.outage("letters", 7)  # seven of them are mended, and nobody is told
    world.fix("letters-fix")
    ran = world.run("letters", "backfill", *world.where, "--from-dead-letter", f"--forwarders={NAME}",
                    "--proof-timeout=60s", "--log-window=1s")  # fmt: skip
    ran.assert_no_crash()
    assert "7 proved to be delivered, 1 failed in every attempt" in ran.said, ran.said
    assert ran.code == 1
    assert world.arrived(keys) == {1: 7, 0: 1}
    assert eventually(lambda: held(world.place, queue) == 1), "what fails again comes back"
    world.place.call("lambda", "update_function_configuration", FunctionName=FUNCTION, DeadLetterConfig={})


def held(place: Place, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = place.call("sqs", "get_queue_attributes", QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(text) for text in cast("Mapping[str, str]", found).values())


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_it_so_that_it_can_be_resumed(world: World, times: int) -> None:
    since = now() - timedelta(seconds=1)
    keys = world.outage(f"stopped-{times}", 60)
    world.fix(f"stopped-{times}-fix")
    folder = world.folder / f"stopped-{times}"
    process = world.suite.start(folder, "backfill", *world.where, f"--since={since.isoformat()}",
                                f"--forwarders={NAME}", "--proof-timeout=60s", "--rate=10")  # fmt: skip
    assert eventually(lambda: world.arrivals(keys) >= 5, seconds=60)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    ran = ended(process, folder)
    assert ran.code == 2, ran.said
    (run,) = runs_of(ran)
    assert f"taegis-forwarders backfill --resume={run}" in ran.said
    resumed = world.run(f"stopped-{times}", "backfill", f"--resume={run}", "--proof-timeout=60s")
    assert resumed.code == 0, resumed.said
    counts = world.arrived(keys)
    assert counts[0] == 0
    assert counts[2] <= (0 if times == 1 else 2)


def test_a_forwarder_behind_a_topic_is_sent_its_events_as_the_topic_would(world: World) -> None:
    name = "umbrella-dns"
    bucket = f"{name}-{ACCOUNT}-{REGION}"
    fixed = world.run("topic-fix", *world.where, f"--forwarders={name}", "--fix", "--proof-timeout=5s")
    fixed.assert_no_crash()
    since = now()
    found = world.place.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
    rules = {part: rule for part, rule in found.items() if part != "ResponseMetadata"}
    world.place.call("s3", "put_bucket_notification_configuration", Bucket=bucket, NotificationConfiguration={})
    for number in range(3):
        world.place.call("s3", "put_object", Bucket=bucket, Key=f"lost {number}", Body=b"x")
    world.place.call("s3", "put_bucket_notification_configuration", Bucket=bucket, NotificationConfiguration=rules)
    ran = world.run("topic", "backfill", *world.where, f"--forwarders={name}", f"--since={since.isoformat()}",
                    "--proof-timeout=60s")  # fmt: skip
    assert (ran.code, "3 proved to be delivered" in ran.said) == (0, True), ran.said
    counts = delivered(world.sandbox)
    assert [counts[f"deliveries/{bucket}/lost {number}/"] for number in range(3)] == [1, 1, 1]
