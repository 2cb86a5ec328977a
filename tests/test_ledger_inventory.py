"""An S3 Inventory in place of a listing: read as a stream, held against its manifest, refused where it says nothing."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, timedelta
from hashlib import md5

import pytest

from fixtures.aws import Aws
from fixtures.errors import InputError
from fixtures.fact import Unreadable
from fixtures.ledger.entry import Delivery
from fixtures.ledger.inventory import inventoried, parse_address
from fixtures.ledger.listing import NoLedgerError
from fixtures.readers.inventory import Address, Manifest, read_manifest
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.ledger import How
from tests.estates import NOW
from tests.fake_aws import DENIED, FakeAws, refusal
from tests.ledger_scene import BUCKET, LIST, OLD, SPAN, TAG, Scene, tagging

MANIFEST = "s3://inventories/logs/daily/2026-11-24T01-00Z/manifest.json"
COLUMNS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
TAKEN = NOW + timedelta(hours=1)


def row(key: str, *, at: object = OLD, latest: bool = True, deleted: bool = False, size: int = 5) -> str:
    when = OLD if at is OLD else at
    cells = (BUCKET, key, "v1", str(latest).lower(), str(deleted).lower(), "" if deleted else size,
             f"{when:%Y-%m-%dT%H:%M:%S.000Z}", "e1", "STANDARD")  # fmt: skip
    return ",".join(f'"{cell}"' for cell in cells)


class Inventory:
    """What stands in the bucket of inventories."""

    def __init__(self, *files: Iterable[str], **changes: object) -> None:
        self.files = {
            f"data/{number}.csv.gz": gzip.compress("\n".join(rows).encode()) for number, rows in enumerate(files)
        }
        self.manifest: dict[str, object] = {
            "sourceBucket": BUCKET, "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
            "creationTimestamp": str(int(TAKEN.timestamp() * 1000)), "fileFormat": "CSV", "fileSchema": COLUMNS,
            "files": [{"key": key, "size": len(body), "MD5checksum": md5(body, usedforsecurity=False).hexdigest()}
                      for key, body in self.files.items()],
            **changes,
        }  # fmt: skip

    def __call__(self, call: AwsCall) -> Answer:
        key = call.path.split("/", 2)[2]
        if key.endswith("manifest.json"):
            return Answer(200, (), json.dumps(self.manifest).encode())
        return Answer(200, (), self.files[key]) if key in self.files else refusal("NoSuchKey", "gone", 404)(call)


@pytest.fixture
def scene(fake: FakeAws, fake_account: Aws) -> Scene:
    return Scene(fake, fake_account, how=How(inventory=MANIFEST))


def test_an_inventory_is_read_in_place_of_a_listing(scene: Scene) -> None:
    rows = [
        row("AWSLogs/a+b%2B%C3%BC.json.gz"),
        row("gone", deleted=True),
        row("older", at=SPAN.since - timedelta(days=1)),
    ]
    scene.fake.say("s3:GetObject", Inventory(rows, [row("c"), row("d", latest=False), ""]))
    entries = list(scene.open())
    assert [(one.object.key, one.object.latest, one.object.size) for one in entries] == [
        ("AWSLogs/a b+ü.json.gz", True, 5), ("c", True, 5), ("d", False, 5),
    ]  # fmt: skip
    assert entries[0].object.modified == OLD.replace(microsecond=0).astimezone(UTC)
    assert scene.fake.counted()[LIST] == 0


def test_objects_of_an_inventory_are_asked_for_their_tags(scene: Scene) -> None:
    scene.tags = True
    scene.fake.say("s3:GetObject", Inventory([row("a"), row("b")]))
    scene.fake.say(TAG, tagging(["a"]))
    assert scene.read()[1] == {"a": Delivery.DELIVERED, "b": Delivery.NOT_DELIVERED}


def test_an_inventory_that_is_older_than_the_span_is_not_all(scene: Scene) -> None:
    early = str(int((NOW - timedelta(hours=6)).timestamp() * 1000))
    scene.fake.say("s3:GetObject", Inventory([row("a")], creationTimestamp=early))
    ledger, verdicts = scene.read()
    assert list(verdicts) == ["a"]
    assert not ledger.complete
    assert "what arrived later is not in it" in ledger.unlisted


@pytest.mark.parametrize(("changes", "said"), [
    ({"sourceBucket": "another"}, "it is of bucket another"),
    ({"fileFormat": "ORC"}, "its format is ORC"),
    ({"fileFormat": "Parquet"}, "its format is Parquet"),
    ({"fileSchema": "Bucket, Key"}, "it has no column Size, LastModifiedDate"),
], ids=["another-bucket", "orc", "parquet", "columns"])  # fmt: skip
def test_what_tells_nothing_of_the_bucket_is_refused(scene: Scene, changes: dict[str, object], said: str) -> None:
    scene.fake.say("s3:GetObject", Inventory([row("a")], **changes))
    with pytest.raises(InputError, match=said):
        scene.open()


@pytest.mark.parametrize(
    "given", ["manifest.json", "s3://b/manifest.csv", "https://b/manifest.json", "s3:///x/manifest.json"]
)
def test_what_is_no_address_of_a_manifest_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="not the address of a manifest"):
        parse_address(given)


def test_an_inventory_that_may_not_be_read_leaves_no_ledger(scene: Scene) -> None:
    scene.fake.say("s3:GetObject", DENIED)
    with pytest.raises(NoLedgerError, match="could not be read"):
        scene.open()


def broken(how: str) -> Inventory:
    made = Inventory([row("a")], [row("b")])
    body = made.files["data/1.csv.gz"]
    if how == "missing":
        del made.files["data/1.csv.gz"]
    elif how == "another-file":
        made.files["data/1.csv.gz"] = gzip.compress(row("x").encode())
    else:
        damaged = {"cut-off": body[:-9], "no-gzip": b"Bucket,Key", "columns": gzip.compress(b'"a","b"')}[how]
        made.files["data/1.csv.gz"] = damaged
        made.manifest["files"] = [{"key": key} for key in made.files]  # without a digest that would tell
    return made


@pytest.mark.parametrize("how", ["missing", "another-file", "cut-off", "no-gzip", "columns"])
def test_a_broken_file_ends_the_ledger_and_what_came_before_stays(scene: Scene, how: str) -> None:
    scene.fake.say("s3:GetObject", broken(how))
    ledger, verdicts = scene.read()
    assert list(verdicts) == ["a"]
    assert not ledger.complete
    assert "data/1.csv.gz" in ledger.unlisted


def test_a_manifest_that_is_none_is_malformed(fake: FakeAws, fake_account: Aws) -> None:
    fake.say("s3:GetObject", Answer(200, (), b"[]"))
    found = read_manifest(fake_account, "us-east-1", Address("b", "manifest.json"))
    assert isinstance(found, Unreadable)


def test_files_are_read_one_after_the_other(fake: FakeAws, fake_account: Aws) -> None:
    fake.say("s3:GetObject", Inventory([row("a")], [row("b")]))
    manifest = read_manifest(fake_account, "us-east-1", Address("b", "manifest.json"))
    assert isinstance(manifest, Manifest)
    stream = inventoried(fake_account, "us-east-1", manifest)
    assert next(stream).key == "a"
    assert fake.counted()["s3:GetObject"] == 2  # the manifest and the first file
    assert [one.key for one in stream] == ["b"]
