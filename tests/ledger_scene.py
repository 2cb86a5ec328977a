"""A forwarder, its bucket and an AWS that answers for them, to read a ledger of; each answer can be told otherwise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from fixtures.aws import Aws
from fixtures.estate import Bucket, Forwarder
from fixtures.fact import Absent
from fixtures.ledger.entry import Delivery
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Ledger
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.ledger import How, Sources, open_ledger
from tests.estates import NOW, a_bucket, a_forwarder, a_function, a_parameter_set, a_rule, a_stack, an_estate
from tests.fake_aws import FakeAws, Script, jsonish, xml

SPAN = Span(NOW - timedelta(days=2), NOW)
BUCKET = "cloudtrail-prod-logs"
OLD = NOW - timedelta(days=1)
LIST, VERSIONS, TAG = "s3:ListObjectsV2", "s3:ListObjectVersions", "s3:GetObjectTagging"
LOG, GROUPS, METRICS = "logs:FilterLogEvents", "logs:DescribeLogGroups", "cloudwatch:GetMetricData"
_UPLOAD = '{"level":"debug","message":"Uploading data to s3"}'


def listing(keys: Iterable[str], modified: datetime = OLD, *, size: int = 3, token: str = "") -> Answer:
    """A page of a listing; with a token there is another one."""
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>&quot;e&quot;</ETag><Size>{size}</Size></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return xml(
        f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>{str(bool(token)).lower()}</IsTruncated>{more}{rows}"
        "</ListBucketResult>"
    )


def tagging(tagged: Iterable[str]) -> Script:
    """Answers that these keys bear the forwarder's tag, and others none."""
    known = set(tagged)

    def answer(call: AwsCall) -> Answer:
        key = call.path.split("/", 2)[2]
        tag = "<Tag><Key>TaegisProcessed</Key><Value>true</Value></Tag>" if key in known else ""
        return xml(f"<Tagging><TagSet>{tag}</TagSet></Tagging>")

    return answer


def log_of(*requests: tuple[datetime, str]) -> Answer:
    """A log with a good request for each key, that names it."""
    events = [
        {"logStreamName": "s", "timestamp": int(at.timestamp() * 1000), "message": line}
        for at, key in requests
        for line in ("START RequestId: 1", f'{{"key":"{key}"}}', _UPLOAD, "REPORT RequestId: 1\tDuration: 3 ms")
    ]
    return jsonish({"events": events})


def calls_counted(**sums: Mapping[datetime, float]) -> Answer:
    """What CloudWatch counts."""
    names = ("invocations", "errors", "throttles", "asynceventsdropped", "deadlettererrors")
    return jsonish({"MetricDataResults": [
        {"Id": name, "Label": name, "StatusCode": "Complete",
         "Timestamps": [at.timestamp() for at in sums.get(name, {})], "Values": list(sums.get(name, {}).values())}
        for name in names]})  # fmt: skip


@dataclass
class Scene:
    """What is asked, of whom."""

    fake: FakeAws
    aws: Aws
    tags: bool = False
    how: How = field(default_factory=How)
    bucket: Bucket | None = None
    forwarder: Forwarder | None = None

    def __post_init__(self) -> None:
        """Everything goes well, and nothing is there."""
        self.fake.say("s3:GetBucketVersioning", xml("<VersioningConfiguration/>"))
        self.fake.say(LIST, listing([]))
        self.fake.say(TAG, tagging([]))
        self.fake.say(LOG, jsonish({"events": []}))
        created = int((NOW - timedelta(days=90)).timestamp() * 1000)
        group = a_function().log_group
        self.fake.say(GROUPS, jsonish({"logGroups": [{"logGroupName": group, "creationTime": created}]}))
        self.fake.say(METRICS, calls_counted())

    def read(self, span: Span = SPAN, after: str = "") -> tuple[Ledger, dict[str, Delivery]]:
        """The ledger, read to its end, and its verdicts by key."""
        ledger = self.open(span, after)
        return ledger, {entry.object.key: entry.delivery for entry in ledger}

    def open(self, span: Span = SPAN, after: str = "") -> Ledger:
        """The ledger before it is read."""
        stack = a_stack(parameters=a_parameter_set(EnableObjectTagging=str(self.tags).lower()))
        forwarder = self.forwarder or a_forwarder(stack=stack)
        bucket = self.bucket or a_bucket(BUCKET, a_rule())
        estate = an_estate(forwarder, buckets=[bucket])
        return open_ledger(Sources(estate, {self.aws.account: self.aws}, NOW, self.how), forwarder, span, after=after)


def without_function(forwarder: Forwarder) -> Forwarder:
    """The same after somebody deleted its function."""
    gone = Absent("function")
    return replace(forwarder, listed=gone, function=gone)
