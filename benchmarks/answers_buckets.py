"""What the emulated S3 answers: the forwarders' buckets, and the bucket with the package in each target."""

import re
from collections.abc import Iterator

from benchmarks.answers_functions import arn
from benchmarks.estate import PACKAGE, Estate, Forwarder, Target, code_of
from benchmarks.reply import Reply, of_head, of_xml, refused
from benchmarks.request import Request

_OF_FORWARDER = re.compile(r"trail-(?P<account>\d{12})-(?P<region>[a-z0-9-]+)-(?P<number>\d{3,})")
_OF_TARGET = re.compile(r"taegis-forwarders-(?P<account>\d{12})-(?P<region>[a-z0-9-]+)-[0-9a-f]{8}")
_NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_OWNER = "<Owner><ID>synthetic</ID></Owner>"
_EMPTY = {
    "GetBucketTagging": "NoSuchTagSet", "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration", "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration", "GetBucketPolicyStatus": "NoSuchBucketPolicy",
}  # fmt: skip
_BLOCKED = "".join(
    f"<{name}>true</{name}>"
    for name in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
)
_PLAIN = {
    "GetBucketVersioning": f"<VersioningConfiguration {_NS}/>",
    "GetBucketLogging": f"<BucketLoggingStatus {_NS}/>",
    "GetBucketEncryption": (
        f"<ServerSideEncryptionConfiguration {_NS}><Rule><ApplyServerSideEncryptionByDefault>"
        "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
        "<BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
    ),
    "GetPublicAccessBlock": f"<PublicAccessBlockConfiguration {_NS}>{_BLOCKED}</PublicAccessBlockConfiguration>",
    "GetBucketAcl": (
        f"<AccessControlPolicy {_NS}>{_OWNER}<AccessControlList><Grant>"
        '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>synthetic</ID>'
        "</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
    ),
}


def answer(request: Request, estate: Estate) -> Reply | None:
    """The answer, None for an operation that nobody should need."""
    if request.operation == "ListBuckets":
        names = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>2023-11-15T19:27:19.000Z</CreationDate>"
            f"<BucketRegion>{region}</BucketRegion></Bucket>"
            for name, region in _names(estate, request.account)
        )
        return of_xml(f"<ListAllMyBucketsResult {_NS}>{_OWNER}<Buckets>{names}</Buckets></ListAllMyBucketsResult>")
    bucket, key = request.names
    found = _OF_FORWARDER.fullmatch(bucket) or _OF_TARGET.fullmatch(bucket)
    target = estate.target(found["account"], found["region"]) if found else None
    if found is None or target is None:
        absent = refused("s3", "NoSuchBucket", "The specified bucket does not exist", 404)
        return of_head(status=404) if request.method == "HEAD" else absent
    if target.account != request.account:
        denied = refused("s3", "AccessDenied", "Access Denied", 403)
        return of_head(status=403) if request.method == "HEAD" else denied
    return _of_bucket(request, target, found.groupdict().get("number"), key)


def _of_bucket(request: Request, target: Target, number: str | None, key: str) -> Reply | None:
    operation = request.operation
    region = {"x-amz-bucket-region": target.region}
    match operation:
        case "HeadBucket":
            return of_head(**region)
        case "HeadObject":
            return _package(number, key)
        case "GetBucketLocation":
            where = "" if target.region == "us-east-1" else target.region
            return of_xml(f"<LocationConstraint {_NS}>{where}</LocationConstraint>")
        case "GetBucketNotificationConfiguration":
            forwarder = Forwarder(target.account, target.region, int(number)) if number else None
            return of_xml(_notification(forwarder), **region)
    if operation in _EMPTY:
        return refused("s3", _EMPTY[operation], "There is none", 404)
    return of_xml(_PLAIN[operation], **region) if operation in _PLAIN else None


def _notification(forwarder: Forwarder | None) -> str:
    rule = ""
    if forwarder and not forwarder.is_unwired:
        rule = (
            f"<CloudFunctionConfiguration><Id>taegis</Id><CloudFunction>{arn(forwarder)}</CloudFunction>"
            "<Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration>"
        )
    return f"<NotificationConfiguration {_NS}>{rule}</NotificationConfiguration>"


def _package(number: str | None, key: str) -> Reply:
    if number or key != PACKAGE:
        return of_head(status=404)
    package = code_of(legacy=False)
    digest = {"x-amz-checksum-sha256": package.code_sha256, "ETag": '"synthetic"'}
    return of_head(len(package.content), **digest)


def _names(estate: Estate, account: str) -> Iterator[tuple[str, str]]:
    for region in estate.region_names:
        target = estate.target(account, region)
        if target:
            yield target.artifacts, region
            yield from ((forwarder.bucket, region) for forwarder in target.forwarders)
