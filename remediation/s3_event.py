"""The event that S3 sends for an object, as S3 writes it (S3 User Guide, "Event message structure"), with our mark.

One record in each event: S3 puts one event into one message, and a call that fails then fails for one object.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote_plus

from checks.wiring import bucket_arn
from fixtures.ledger.logged_object import LoggedObject

# Lambda takes 1 MB in an asynchronous call since October 2025 and took 256 KB before: not every partition may have
# followed, and S3's own messages have at most 64 KB (S3 User Guide, same page).
LARGEST: Final = 256 * 1024
_VERSION: Final = "2.1"  # what a forwarder written in any year reads: later versions only add to it


@dataclass(frozen=True, slots=True)
class Address:
    """Where a forwarder's events come from, and through what.

    Attributes:
        bucket: the bucket.
        owner: the account that it belongs to.
        region: where it is.
        partition: of its ARN.
        topic: ARN of the SNS topic that stands between bucket and function, None where S3 calls the function itself.
    """

    bucket: str
    owner: str
    region: str
    partition: str
    topic: str | None = None


def encoded(key: str) -> str:
    """A key as S3 writes it into events: UTF-8, percent-encoded but for `/`, and `+` for a space."""
    return quote_plus(key, safe="/")


def event_of(found: LoggedObject, address: Address, mark: str) -> str:
    """The event as JSON text, in the envelope of SNS where a topic stands between.

    `eventTime` is when the object arrived, not when this was sent. `configurationId`, `userIdentity` and the request
    ids bear the mark, by which it can be told from S3's own. The sequencer is made as S3's are (time in hex), with
    zeros where S3 counts further.
    """
    text = json.dumps({"Records": [_record(found, address, mark)]}, separators=(",", ":"), ensure_ascii=True)
    return text if address.topic is None else _through(address.topic, text, mark)


def _record(found: LoggedObject, address: Address, mark: str) -> dict[str, object]:
    named: dict[str, object] = {"key": encoded(found.key), "size": found.size, "eTag": found.etag}
    if found.version_id is not None:
        named["versionId"] = found.version_id
    named["sequencer"] = _sequencer(found.modified)
    # an ETag with a hyphen is that of an upload in parts (S3 API reference, Object)
    way = "CompleteMultipartUpload" if "-" in found.etag else "Put"
    return {
        "eventVersion": _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": address.region,
        "eventTime": _moment(found.modified),
        "eventName": f"ObjectCreated:{way}",
        "userIdentity": {"principalId": mark},
        "requestParameters": {"sourceIPAddress": "0.0.0.0"},  # noqa: S104  says that nobody's request is behind it
        "responseElements": {"x-amz-request-id": mark, "x-amz-id-2": mark},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": mark,
            "bucket": {
                "name": address.bucket,
                "ownerIdentity": {"principalId": address.owner},
                "arn": bucket_arn(address.partition, address.bucket),
            },
            "object": named,
        },
    }


def _through(topic: str, text: str, mark: str) -> str:
    """The envelope in which SNS hands a message to Lambda (Lambda Developer Guide, "Using Lambda with Amazon SNS")."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    message = {
        "Type": "Notification",
        "MessageId": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}",
        "TopicArn": topic,
        "Subject": "Amazon S3 Notification",
        "Message": text,
        "Timestamp": _moment(datetime.now(UTC)),
        "SignatureVersion": "1",
        "Signature": mark,
        "SigningCertUrl": "",
        "UnsubscribeUrl": "",
        "MessageAttributes": {},
    }
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": topic, "Sns": message}
    return json.dumps({"Records": [record]}, separators=(",", ":"), ensure_ascii=True)


def _moment(found: datetime) -> str:
    return f"{found.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def _sequencer(found: datetime) -> str:
    """`0055AED6DCD90281E5` is S3's example: eight digits of seconds behind `00`, and eight that count within."""
    return f"00{int(found.timestamp()):08X}{0:08X}"
