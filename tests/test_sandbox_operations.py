"""A request is named as botocore's models name it, also where two operations share an address."""

import pytest

from fixtures.sandbox.operations import operation_name

OBJECT = "/bucket/a/key.json"


@pytest.mark.parametrize(("method", "path", "fields", "headers", "name"), [
    ("DELETE", OBJECT, {}, {}, "DeleteObject"),
    ("DELETE", OBJECT, {"uploadId": "u"}, {}, "AbortMultipartUpload"),
    ("DELETE", OBJECT, {"tagging": ""}, {}, "DeleteObjectTagging"),
    ("PUT", OBJECT, {}, {}, "PutObject"),
    ("PUT", OBJECT, {}, {"x-amz-copy-source": "/b/k"}, "CopyObject"),
    ("PUT", OBJECT, {"uploadId": "u", "partNumber": "1"}, {}, "UploadPart"),
    ("GET", OBJECT, {}, {}, "GetObject"),
    ("GET", OBJECT, {"uploadId": "u"}, {}, "ListParts"),
    ("PUT", "/bucket", {}, {}, "CreateBucket"),
    ("PUT", "/bucket", {"notification": ""}, {}, "PutBucketNotificationConfiguration"),
    ("GET", "/bucket", {"list-type": "2"}, {}, "ListObjectsV2"),
])  # fmt: skip
def test_an_s3_request_has_its_operations_name(
    method: str, path: str, fields: dict[str, str], headers: dict[str, str], name: str
) -> None:
    assert operation_name("s3", method, path, fields, headers) == name
