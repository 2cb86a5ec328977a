"""The ledger for real: an outage of known objects is made, and who got what is counted by boto3 alone."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place, SeedClients
from tests.sandbox_engine import eventually
from tests.suite_runs import Ran, Suite, at, delivered, writes_of_the_suite

ACCOUNT, REGION = "111122223333", "us-east-1"
NAME, SILENT = "cloudtrail-prod", "alb-silent"  # both tag what they have delivered; nothing calls the second
FUNCTION = f"{NAME}-scwx-tdr-lambda-awscloudtrail"
DIGEST = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/11/24/digest.json.gz"


def bucket_of(name: str) -> str:
    return f"{name}-{ACCOUNT}-{REGION}"


@dataclass
class World:
    """A sandbox, its forwarders' buckets, and how a user calls the suite there."""

    sandbox: Sandbox
    place: Place
    suite: Suite
    where: list[str]
    folder: Path

    def write(self, name: str, stem: str, number: int) -> list[str]:
        keys = [f"AWSLogs/{stem} ü+1/{position:05d}.json.gz" for position in range(number)]
        for key in keys:
            self.place.call("s3", "put_object", Bucket=bucket_of(name), Key=key, Body=key.encode())
        return keys

    def deliver_by_hand(self, keys: list[str]) -> None:
        for key in keys:
            record = {"s3": {"bucket": {"name": bucket_of(NAME)}, "object": {"key": key.replace("+", "%2B")}}}
            self.place.call("lambda", "invoke", FunctionName=FUNCTION, Payload=json.dumps({"Records": [record]}))

    def xdr_has(self, name: str, keys: list[str]) -> set[str]:
        """Those that arrived at the bucket that plays XDR."""
        counts = delivered(self.sandbox)
        return {key for key in keys if counts[f"deliveries/{bucket_of(name)}/{key}/"]}

    def keys_in(self, name: str) -> set[str]:
        answer = self.place.call("s3", "list_objects_v2", Bucket=bucket_of(name))
        return {one["Key"] for one in answer["Contents"]}  # type: ignore[attr-defined]

    def ledger(self, folder: str, name: str, *words: str) -> Ran:
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        return self.suite.run(
            self.folder / folder, "ledger", *self.where, f"--forwarders={name}", f"--since={since}", *words
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ledger")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,)), folder / "sandbox") as sandbox:
        place = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        suite = Suite(sandbox.environment, folder / "cache")
        yield World(sandbox, place, suite, at(sandbox, settings=folder / "forwarders.toml"), folder)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_ledger_states_exactly_what_xdr_has_not_got(world: World) -> None:
    document = world.place.call("s3", "get_bucket_notification_configuration", Bucket=bucket_of(NAME))
    wired = {part: document[part] for part in ("LambdaFunctionConfigurations",)}
    before = world.write(NAME, "before", 5)
    assert eventually(lambda: len(world.xdr_has(NAME, before)) == 5, 30)
    world.place.call(
        "s3", "put_bucket_notification_configuration", Bucket=bucket_of(NAME), NotificationConfiguration={}
    )
    lost = world.write(NAME, "lost", 30)
    world.place.call("s3", "put_object", Bucket=bucket_of(NAME), Key=DIGEST, Body=b"digest")
    world.place.call("s3", "put_object", Bucket=bucket_of(NAME), Key="AWSLogs/", Body=b"")
    world.deliver_by_hand(lost[:7])
    world.place.call(
        "s3", "put_bucket_notification_configuration", Bucket=bucket_of(NAME), NotificationConfiguration=wired
    )
    after = world.write(NAME, "after", 5)
    assert eventually(lambda: len(world.xdr_has(NAME, after)) == 5, 30)
    wrote = writes_of_the_suite(world.sandbox.endpoint)
    ran = world.ledger("stated", NAME, "--objects=objects.csv")
    ran.assert_no_crash()
    rows = {row["key"]: row for row in rows_of(ran.folder / "objects.csv")}
    expected = {key for key in world.keys_in(NAME) if key.endswith(".json.gz")} - {DIGEST}
    assert set(rows) == expected
    had = world.xdr_has(NAME, sorted(expected))
    assert {key for key, row in rows.items() if row["verdict"] == "DELIVERED"} == had
    assert {*before, *lost[:7], *after} <= had
    assert {key for key, row in rows.items() if row["verdict"] != "DELIVERED"} == expected - had
    assert set(lost[7:]) <= expected - had
    assert ran.code == 10  # they are too young to be called lost
    assert "1 of CloudTrail digest" in ran.said
    assert f"taegis-forwarders backfill --regions={REGION}" in ran.said
    assert writes_of_the_suite(world.sandbox.endpoint) == wrote, "it only reads"


def test_objects_as_json_lines_are_the_same(world: World) -> None:
    ran = world.ledger("lines", NAME, "--objects=objects.jsonl", "--until=0s")
    assert ran.errors == []
    lines = [json.loads(line) for line in (ran.folder / "objects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["verdict"] for line in lines} <= {"DELIVERED", "NOT DELIVERED", "NO EVIDENCE"}
    assert all(line["forwarder"] == NAME and line["bucket"] == bucket_of(NAME) for line in lines)
    assert (ran.folder / "objects.jsonl").stat().st_mode & 0o077 == 0


def test_since_an_outage_each_forwarder_has_its_own_span_with_its_source(world: World) -> None:
    since = f"{NAME},{SILENT}"
    ran = world.suite.run(world.folder / "outage", "ledger", *world.where, f"--forwarders={since}", "--since=outage")
    ran.assert_no_crash()
    assert f"{ACCOUNT}/{REGION}/{NAME}: no ledger: no outage is seen: it delivered until shortly before" in ran.said
    assert "no call without an error and no upload is seen in the 14 days before" in ran.said
    assert f"--forwarders={SILENT} " in ran.said
    assert ran.code == 10


def test_a_fix_states_what_is_open_and_the_command_that_sends_it(world: World) -> None:
    lost = world.write(SILENT, "lost", 20)
    ran = world.suite.run(
        world.folder / "fix", *world.where, f"--fix-role={world.sandbox.fix_role_name}", f"--forwarders={SILENT}",
        "--fix", "--yes", "--proof-timeout=2s", "--html=fix.html",
    )  # fmt: skip
    ran.assert_no_crash()
    assert ran.of("FIXED")
    lines = [json.loads(line) for line in (ran.run_folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    (told,) = [line for line in lines if line["kind"] == "forwarder"]
    missing = world.keys_in(SILENT) - world.xdr_has(SILENT, sorted(world.keys_in(SILENT)))
    assert set(lost) <= missing
    assert told["forwarder"] == SILENT
    assert told["before"]["open"] == len(missing)
    assert told["complete"] is True
    page = (ran.folder / "fix.html").read_text(encoding="utf-8")
    for text in (ran.said, page):
        assert f"{len(missing)} objects of 1 forwarder since" in text
        assert "without evidence of delivery" in text
        assert f"--after-fix={ran.run_folder.name}" in text
    assert "fixed, and open: what nobody has seen delivered" in ran.said
    assert f"taegis-forwarders backfill --regions={REGION}" in ran.said


@dataclass(frozen=True)
class Flooded:
    """A fix under continuous writing: what stands in the buckets, since when, and what the ledger of the run says."""

    ran: Ran
    buckets: dict[str, dict[str, datetime]]
    forwarders: dict[str, Mapping[str, object]]
    objects: dict[str, dict[str, Mapping[str, object]]]
    arrived: set[str]


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flooded]:
    folder = tmp_path_factory.mktemp("flooded")
    with start_sandbox(SandboxSpec((ACCOUNT,), (REGION,), traffic=15, size=4), folder / "sandbox") as sandbox:
        where = at(sandbox, settings=folder / "forwarders.toml")
        suite = Suite(sandbox.environment, folder / "cache")
        ran = suite.run(
            folder / "fix", *where, f"--fix-role={sandbox.fix_role_name}", "--fix", "--yes", "--rings=100%",
            "--allow=create-bucket", "--proof-timeout=30s",
        )  # fmt: skip
        sandbox.stop_traffic()
        place = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        lines = [json.loads(line) for line in (ran.run_folder / "ledger.jsonl").read_text("utf-8").splitlines()]
        objects: dict[str, dict[str, Mapping[str, object]]] = {}
        for line in lines:
            if line["kind"] == "object":
                objects.setdefault(line["forwarder"], {})[line["key"]] = line
        forwarders = {line["forwarder"]: line for line in lines if line["kind"] == "forwarder"}
        buckets = {name: listed(place, bucket_of(name)) for name in forwarders}
        yield Flooded(ran, buckets, forwarders, objects, set(delivered(sandbox)))


def listed(place: Place, bucket: str) -> dict[str, datetime]:
    """Every key of a bucket, and when S3 says that it arrived."""
    answer = place.call("s3", "list_objects_v2", Bucket=bucket)
    return {one["Key"]: one["LastModified"] for one in answer["Contents"]}  # type: ignore[attr-defined]


def test_under_continuous_writing_the_ledger_of_a_fix_has_no_gap(flooded: Flooded) -> None:
    flooded.ran.assert_no_crash()
    assert len(flooded.forwarders) == 4
    for name, told in flooded.forwarders.items():
        begun, ended = (datetime.fromisoformat(str(told[end])) for end in ("begun", "ended"))
        expected = {key for key, at in flooded.buckets[name].items() if begun <= at < ended}
        assert set(flooded.objects.get(name, {})) == expected
    assert any(flooded.objects.values()), "it was written to all the time"


def test_what_the_ledger_of_a_fix_calls_delivered_has_arrived(flooded: Flooded) -> None:
    """These forwarders set no tags, and their log names no key: nothing may be called delivered."""
    rows = [row for objects in flooded.objects.values() for row in objects.values()]
    assert {str(row["verdict"]) for row in rows} == {"NO EVIDENCE"}
    assert flooded.arrived, "although XDR got some"


def test_what_cannot_be_used_is_refused_before_anything_is_called(world: World, tmp_path: Path) -> None:
    ran = world.suite.run(tmp_path, "ledger", f"--regions={REGION}", "--since=2999-01-01")
    assert (ran.code, len(ran.errors)) == (4, 1)
    assert ran.errors[0].startswith("ERROR: --since=2999-01-01: in the future")
    ran.assert_no_crash()


def test_several_forwarders_cannot_share_an_inventory(world: World, tmp_path: Path) -> None:
    ran = world.suite.run(tmp_path, "ledger", *world.where, "--since=1h", "--inventory=s3://inventories/manifest.json")
    assert ran.code == 4
    assert "name one with --forwarders=NAME" in ran.said
