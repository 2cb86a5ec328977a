"""The events of a backfill are S3's, letter by letter, and bear its mark."""

import json
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest

from fixtures.ledger.logged_object import LoggedObject
from remediation.s3_event import LARGEST, Address, encoded, event_of

MARK = "taegis-forwarders-backfill-20261124T041530Z-9f3c"
ARRIVED = datetime(2026, 11, 1, 6, 30, 15, tzinfo=UTC)
ADDRESS = Address("logs", "111122223333", "eu-west-1", "aws-cn")


def an_object(key: str = "a b/ü+1.json.gz", **more: object) -> LoggedObject:
    given: dict = {"etag": "0123abcd", **more}
    return LoggedObject("logs", key, 1024, ARRIVED, **given)


def record_of(found: LoggedObject, address: Address = ADDRESS) -> dict:
    (record,) = json.loads(event_of(found, address, MARK))["Records"]
    return dict(record)


def test_the_whole_event_is_what_s3_documents() -> None:
    assert record_of(an_object(version_id="v1")) == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-01T06:30:15.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": MARK},
        "requestParameters": {"sourceIPAddress": "0.0.0.0"},  # noqa: S104  what is expected
        "responseElements": {"x-amz-request-id": MARK, "x-amz-id-2": MARK},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": MARK,
            "bucket": {
                "name": "logs",
                "ownerIdentity": {"principalId": "111122223333"},
                "arn": "arn:aws-cn:s3:::logs",
            },
            "object": {
                "key": "a+b/%C3%BC%2B1.json.gz",
                "size": 1024,
                "eTag": "0123abcd",
                "versionId": "v1",
                "sequencer": "006AE6DC7700000000",
            },
        },
    }


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("AWSLogs/1/x.json.gz", "AWSLogs/1/x.json.gz"),
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("100%", "100%25"),
        ("ü/日本", "%C3%BC/%E6%97%A5%E6%9C%AC"),
        ("date=2026-11-01/x", "date%3D2026-11-01/x"),
        ("a&b?c#d", "a%26b%3Fc%23d"),
        ("line\nbreak", "line%0Abreak"),
        ("2026-11-01-06-30-15-ABCDEF", "2026-11-01-06-30-15-ABCDEF"),
    ],
)
def test_keys_are_encoded_as_s3_encodes_them(key: str, wanted: str) -> None:
    assert encoded(key) == wanted
    assert unquote_plus(wanted) == key


def test_a_version_is_named_only_where_there_are_versions() -> None:
    assert "versionId" not in record_of(an_object())["s3"]["object"]


def test_an_upload_in_parts_is_told_as_one() -> None:
    assert record_of(an_object(etag="0123abcd-7"))["eventName"] == "ObjectCreated:CompleteMultipartUpload"


def test_a_later_object_has_a_greater_sequencer() -> None:
    early, late = (
        record_of(LoggedObject("logs", "k", 1, moment, etag="e"))["s3"]["object"]["sequencer"]
        for moment in (ARRIVED, datetime(2026, 11, 2, tzinfo=UTC))
    )
    assert len(early) == len(late) == 18
    assert early < late


def test_through_a_topic_the_event_is_in_its_envelope() -> None:
    topic = "arn:aws-cn:sns:eu-west-1:111122223333:objects"
    (record,) = json.loads(event_of(an_object(), Address("logs", "1", "eu-west-1", "aws-cn", topic), MARK))["Records"]
    assert (record["EventSource"], record["Sns"]["TopicArn"], record["Sns"]["Type"]) == (
        "aws:sns",
        topic,
        "Notification",
    )
    (inner,) = json.loads(record["Sns"]["Message"])["Records"]
    assert inner["s3"]["object"]["key"] == "a+b/%C3%BC%2B1.json.gz"


@pytest.mark.parametrize("topic", [None, "arn:aws:sns:eu-west-1:111122223333:objects"])
def test_an_event_can_be_told_from_s3s_own(topic: str | None) -> None:
    assert MARK in event_of(an_object(), Address("logs", "1", "eu-west-1", "aws", topic), MARK)


def test_the_longest_key_stays_far_below_the_limit() -> None:
    found = event_of(an_object("ü" * 512), Address("logs", "1", "eu-west-1", "aws", "arn:aws:sns:x:1:t"), MARK)
    assert len(found.encode()) < LARGEST / 20
