"""Listings against moto's S3: pages, delimiters, versions and tags as an engine that is not ours answers them."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.aws import Aws
from fixtures.ledger.listing import Arrival, Bounds, Listing
from fixtures.ledger.logged_object import KeyFilter, LoggedObject
from fixtures.ledger.span import Span
from fixtures.ledger.walk import Unlisted
from fixtures.readers.objects import read_processed_tag, read_versioning
from tests.conftest import MOTO_ACCOUNT

REGION, BUCKET = "eu-west-1", "forwarded-logs"
KEYS = [f"AWSLogs/1/CloudTrail/{REGION}/2026/11/{day:02}/a b+ü{number}.gz" for day in (1, 23, 24) for number in (0, 1)]


@pytest.fixture
def bucket(moto_aws: Aws) -> Aws:
    where = {"LocationConstraint": REGION}
    moto_aws.call(REGION, "s3", "CreateBucket", Bucket=BUCKET, CreateBucketConfiguration=where)
    return moto_aws


def put(aws: Aws, *keys: str) -> None:
    for key in keys:
        aws.call(REGION, "s3", "PutObject", Bucket=BUCKET, Key=key, Body=b"x")


def arrivals(aws: Aws, *, bucket: str = BUCKET, after: str = "", prefix: str = "", suffix: str = "") -> list[Arrival]:
    now = datetime.now(UTC)
    span = Span(now - timedelta(hours=1), now + timedelta(hours=1))
    told: list[int] = []
    filters = (KeyFilter(prefix, suffix),)
    listing = Listing(aws, bucket, MOTO_ACCOUNT, REGION, filters, span, Bounds(after=after), told.append)
    found = list(listing.arrivals())
    assert told == sorted(told)
    return found


def keys_of(found: list[Arrival]) -> list[str]:
    return [one.object.key for one in found]


def test_every_key_is_listed_once_decoded_and_in_order(bucket: Aws) -> None:
    put(bucket, *reversed(KEYS), "note.txt")
    found = arrivals(bucket)
    assert keys_of(found) == [*KEYS, "note.txt"]  # of old dates too: the sample shows that they arrived just now
    assert {one.object.size for one in found} == {1}
    assert {one.object.latest for one in found} == {True}
    assert keys_of(arrivals(bucket, prefix="AWSLogs/", suffix="1.gz")) == KEYS[1::2]


def test_a_listing_goes_on_behind_a_key(bucket: Aws) -> None:
    put(bucket, *KEYS)
    assert keys_of(arrivals(bucket, after=KEYS[2])) == KEYS[3:]


def test_overwritten_and_deleted_versions_are_arrivals_too(bucket: Aws) -> None:
    status = {"Status": "Enabled"}
    bucket.call(REGION, "s3", "PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration=status)
    assert read_versioning(bucket, REGION, BUCKET, MOTO_ACCOUNT) is True
    put(bucket, "a", "a", "b")
    bucket.call(REGION, "s3", "DeleteObject", Bucket=BUCKET, Key="b")
    found = arrivals(bucket)
    assert [(one.object.key, one.object.latest) for one in found] == [("a", True), ("a", False), ("b", False)]
    assert found[0].replaced is None
    assert found[1].replaced == found[0].object.modified
    assert len({one.object.version_id for one in found}) == 3


def test_a_tag_is_read_of_an_object_and_of_a_version(bucket: Aws) -> None:
    put(bucket, "a")
    tags = {"TagSet": [{"Key": "other", "Value": "x"}, {"Key": "TaegisProcessed", "Value": "true"}]}
    logged = LoggedObject(BUCKET, "a", 1, datetime.now(UTC))
    assert read_processed_tag(bucket, REGION, logged, MOTO_ACCOUNT) is False
    bucket.call(REGION, "s3", "PutObjectTagging", Bucket=BUCKET, Key="a", Tagging=tags)
    assert read_processed_tag(bucket, REGION, logged, MOTO_ACCOUNT) is True


def test_a_bucket_that_is_not_there_cannot_be_listed(bucket: Aws) -> None:
    with pytest.raises(Unlisted, match="bucket nowhere does not exist"):
        arrivals(bucket, bucket="nowhere")
