"""A ledger read over HTTP: what counts, what is left out, and how each failure of AWS is told and never a verdict."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.aws import Aws
from fixtures.estate import Rule
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.ledger.entry import Delivery, EvidenceKind
from fixtures.ledger.listing import Bounds, NoLedgerError
from fixtures.ledger.logged_object import KeyFilter
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.ledger import How
from tests.estates import NOW, a_bucket, a_forwarder, a_function, a_rule, a_stack
from tests.fake_aws import DENIED, FakeAws, Script, garbage, jsonish, refusal, xml
from tests.ledger_scene import (
    BUCKET,
    LIST,
    LOG,
    METRICS,
    OLD,
    SPAN,
    TAG,
    VERSIONS,
    Scene,
    calls_counted,
    listing,
    log_of,
    tagging,
    without_function,
)

DELIVERED, NOT_DELIVERED, NO_EVIDENCE = Delivery.DELIVERED, Delivery.NOT_DELIVERED, Delivery.NO_EVIDENCE
EXPIRED = refusal("ExpiredToken", "The provided token has expired.", 400)


@pytest.fixture
def scene(fake: FakeAws, fake_account: Aws) -> Scene:
    return Scene(fake, fake_account)


@pytest.fixture
def tagged(fake: FakeAws, fake_account: Aws) -> Scene:
    """The same, of a forwarder that tags what it has delivered."""
    return Scene(fake, fake_account, tags=True)


def test_tags_tell_what_was_delivered_once_one_is_seen(tagged: Scene) -> None:
    tagged.fake.say(LIST, listing(["a.json", "b.json", "c.json"]))
    tagged.fake.say(TAG, tagging(["a.json", "c.json"]))
    ledger, verdicts = tagged.read()
    assert verdicts == {"a.json": DELIVERED, "b.json": NOT_DELIVERED, "c.json": DELIVERED}
    assert (ledger.counts.total, ledger.counts.open, ledger.complete) == (3, 1, True)
    assert ledger.counts.size[DELIVERED] == 6
    assert ledger.counts.first_open == ledger.counts.last_open == OLD


def test_no_object_is_asked_for_its_tag_where_the_forwarder_sets_none(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a.json"]))
    assert scene.read()[1] == {"a.json": NO_EVIDENCE}
    assert scene.fake.counted()[TAG] == 0


def test_what_the_log_proves_is_not_asked_for_its_tag(tagged: Scene) -> None:
    tagged.fake.say(LIST, listing(["a.json", "b.json"]))
    tagged.fake.say(LOG, log_of((OLD + timedelta(minutes=1), "a.json")))
    assert tagged.read()[1] == {"a.json": DELIVERED, "b.json": NO_EVIDENCE}
    assert [call.path for call in tagged.fake.seen if call.operation == "GetObjectTagging"] == [f"/{BUCKET}/b.json"]


def test_objects_that_arrived_in_a_silence_were_not_delivered(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a.json"]))
    scene.fake.say(METRICS, calls_counted(invocations={OLD - timedelta(hours=5): 3, OLD + timedelta(hours=7): 1}))
    ledger = scene.open()
    (entry,) = ledger
    assert (entry.delivery, entry.evidence) == (NOT_DELIVERED, EvidenceKind.SILENCE)
    assert list(ledger.open_entries()) == []  # a stream is read once


def test_the_log_alone_can_show_a_silence_in_the_time_that_it_keeps(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a.json"]))
    scene.fake.say(LOG, log_of((OLD + timedelta(hours=8), "b.json")))
    assert scene.read()[1] == {"a.json": NOT_DELIVERED}
    group = {"logGroupName": a_function().log_group, "creationTime": 0, "retentionInDays": 1}
    scene.fake.say("logs:DescribeLogGroups", jsonish({"logGroups": [group]}))
    shorter = replace(SPAN, since=SPAN.since)
    scene.fake.say(LIST, listing(["a.json"], OLD - timedelta(hours=3)))
    assert scene.read(shorter)[1] == {"a.json": NO_EVIDENCE}  # what was logged then is gone by now


def test_only_what_arrived_in_the_span_under_the_rules_counts(scene: Scene) -> None:
    scene.bucket = a_bucket(BUCKET, a_rule(prefix="AWSLogs/", suffix=".gz"), a_rule(prefix="more/"))
    pages = {
        "AWSLogs/": listing(["AWSLogs/a.gz", "AWSLogs/b.json"]),
        "more/": listing(["more/x.json"], SPAN.since - timedelta(seconds=1)),
    }
    scene.fake.say(LIST, lambda call: pages[call.query["prefix"]])
    ledger, verdicts = scene.read()
    assert list(verdicts) == ["AWSLogs/a.gz"]
    assert ledger.filters == (KeyFilter("AWSLogs/", ".gz"), KeyFilter("more/"))


def test_what_is_no_log_is_left_out_and_counted(scene: Scene) -> None:
    digest = "AWSLogs/1/CloudTrail-Digest/eu-west-1/2026/11/23/d.json.gz"
    keys = [digest, "CloudTrail-Digest/e.json.gz", "a.json", "taegis-forwarders.lock", "taegis-lambda-amd64.zip"]
    scene.fake.say(LIST, listing(keys))
    ledger, verdicts = scene.read()
    assert list(verdicts) == ["a.json"]
    assert ledger.counts.left_out == Counter({
        "CloudTrail digest": 2, "package or lock of the forwarders themselves": 2,
    })  # fmt: skip


def test_a_folder_marker_is_left_out_and_an_empty_log_is_not(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a.json", "folder/"], size=0))
    ledger, verdicts = scene.read()
    assert (list(verdicts), ledger.counts.left_out) == (["a.json"], Counter({"folder marker": 1}))


def test_all_pages_are_read_and_the_cursor_is_a_key(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a"], token="1"), listing(["a", "b"], token="2"), listing(["c"]))
    assert list(scene.read()[1]) == ["a", "b", "c"]  # the first page is the look at the layout
    scene.fake.say(LIST, listing(["b", "c"]))
    assert list(scene.read(after="b")[1]) == ["c"]


def test_versions_are_told_apart_and_a_tag_is_asked_of_each(tagged: Scene) -> None:
    tagged.fake.say(
        "s3:GetBucketVersioning", xml("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    )
    rows = "".join(
        f"<Version><Key>a.json</Key><VersionId>v{number}</VersionId><IsLatest>{str(number == 2).lower()}</IsLatest>"
        f"<LastModified>{OLD + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}</LastModified><Size>3</Size></Version>"
        for number in (2, 1)
    )
    marker = "<DeleteMarker><Key>b.json</Key><VersionId>d</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
    tagged.fake.say(
        VERSIONS,
        xml(
            f"<ListVersionsResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>{rows}{marker}</ListVersionsResult>"
        ),
    )
    tagged.fake.say(LOG, log_of((OLD + timedelta(hours=1, minutes=1), "a.json")))
    entries = list(tagged.open())
    assert [(one.object.version_id, one.object.latest, one.delivery, one.evidence) for one in entries] == [
        ("v2", True, NOT_DELIVERED, EvidenceKind.SILENCE), ("v1", False, DELIVERED, EvidenceKind.LOG_LINE),
    ]  # fmt: skip
    assert str(entries[1].object) == f"s3://{BUCKET}/a.json?versionId=v1"
    assert tagged.fake.counted()[LIST] == 0


REFUSALS: Mapping[str, tuple[Script, str]] = {
    "denied": (DENIED, "denied"),
    "throttled": (refusal("SlowDown", "Please reduce your request rate.", 503), "throttled"),
    "expired": (EXPIRED, "expired"),
    "malformed": (garbage(), "failed"),
    "failed": (refusal("InternalError", "boom", 500), "failed"),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_a_bucket_that_cannot_be_listed_has_an_unlisted_ledger_and_no_verdicts(scene: Scene, how: str) -> None:
    script, word = REFUSALS[how]
    scene.fake.say(LIST, script)
    ledger, verdicts = scene.read()
    assert (verdicts, ledger.complete) == ({}, False)
    assert word in ledger.unlisted
    assert "s3:ListBucket" in ledger.unlisted


def test_a_bucket_that_is_gone_is_said_to_be(scene: Scene) -> None:
    scene.fake.say(LIST, refusal("NoSuchBucket", "The specified bucket does not exist", 404))
    ledger, _ = scene.read()
    assert (ledger.complete, ledger.unlisted) == (False, f"bucket {BUCKET} does not exist")


def test_credentials_that_expire_in_the_middle_leave_what_was_read_and_say_that_it_is_not_all(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a"], token="1"), listing(["a", "b"], token="2"), EXPIRED)
    ledger, verdicts = scene.read()
    assert list(verdicts) == ["a", "b"]
    assert not ledger.complete
    assert "expired" in ledger.unlisted


@pytest.mark.parametrize("how", REFUSALS)
def test_tags_that_cannot_be_read_are_no_evidence_whatever_else_speaks_against_it(tagged: Scene, how: str) -> None:
    script, _ = REFUSALS[how]
    tagged.fake.say(LIST, listing(["a", "b", "c", "d"]))
    tagged.fake.say(TAG, script)
    tagged.fake.say(METRICS, calls_counted(invocations={OLD - timedelta(hours=5): 3}))
    ledger, verdicts = tagged.read()
    assert set(verdicts.values()) == {NO_EVIDENCE}
    ((_, reason),) = ledger.counts.reasons
    assert reason.startswith("its tags could not be read")
    assert ledger.complete


def test_where_tags_are_denied_nobody_is_asked_for_ever(tagged: Scene) -> None:
    tagged.fake.say(
        LIST,
        *(listing([f"{page}{one:03}" for one in range(200)], token=f"t{place}") for place, page in enumerate("aabcd")),
        listing([]),
    )
    tagged.fake.say(TAG, DENIED)
    ledger, verdicts = tagged.read()
    assert len(verdicts) == 800
    assert tagged.fake.counted()[TAG] == 200
    assert any("tags could not be read" in note for note in ledger.notes)


def test_no_more_tags_are_asked_for_than_allowed(tagged: Scene) -> None:
    tagged.how = How(tags=250)
    pages = (listing([f"{page}{one:03}" for one in range(200)], token=f"t{page}") for page in "ab")
    tagged.fake.say(LIST, listing([], token="t"), *pages, listing([]))
    ledger, verdicts = tagged.read()
    assert len(verdicts) == 400
    assert tagged.fake.counted()[TAG] == 200
    assert any("of no more than 250 objects here" in note for note in ledger.notes)


@pytest.mark.parametrize("call", [LOG, METRICS])
@pytest.mark.parametrize("how", REFUSALS)
def test_a_log_or_metrics_that_cannot_be_read_are_noted_and_prove_nothing(scene: Scene, call: str, how: str) -> None:
    script, _ = REFUSALS[how]
    scene.fake.say(LIST, listing(["a"]))
    scene.fake.say(call, script)
    ledger, verdicts = scene.read()
    assert verdicts == {"a": NO_EVIDENCE}
    assert any("could not be read" in note for note in ledger.notes)
    assert ledger.complete  # the listing is; what there is to see of it was not shown


def test_a_denied_log_does_not_keep_the_metrics_from_showing_a_silence(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a"]))
    scene.fake.say(LOG, DENIED)
    scene.fake.say(METRICS, calls_counted(invocations={OLD - timedelta(hours=5): 3}))
    assert scene.read()[1] == {"a": NOT_DELIVERED}


def test_a_log_group_that_is_not_there_is_noted(scene: Scene) -> None:
    scene.fake.say(LOG, refusal("ResourceNotFoundException", "no such group", 400))
    assert any("does not exist" in note for note in scene.read()[0].notes)


def test_a_function_that_is_gone_leaves_its_objects_without_evidence(scene: Scene) -> None:
    scene.forwarder = without_function(a_forwarder())
    scene.fake.say(LIST, listing(["a"]))
    ledger, verdicts = scene.read()
    assert verdicts == {"a": NO_EVIDENCE}
    assert any("its function is not there" in note for note in ledger.notes)
    assert scene.fake.counted()[LOG] == scene.fake.counted()[METRICS] == 0


def test_objects_that_arrive_while_it_is_listed_are_not_in_it(scene: Scene) -> None:
    numbers = itertools.count()

    def growing(_: AwsCall) -> Answer:
        page = next(numbers)
        return listing([f"new{page}"], NOW + timedelta(seconds=page), token=f"more{page}" if page < 3 else "")

    scene.fake.say(LIST, listing(["a"]))
    assert list(scene.read()[1]) == ["a"]
    scene.fake.say(LIST, growing)
    ledger, verdicts = scene.read()
    assert (verdicts, ledger.complete) == ({}, True)


def test_an_object_that_is_deleted_while_it_is_looked_at_is_no_evidence(tagged: Scene) -> None:
    tagged.fake.say(LIST, listing(["a"]))
    tagged.fake.say(TAG, refusal("NoSuchKey", "gone", 404))
    ledger, verdicts = tagged.read()
    assert verdicts == {"a": NO_EVIDENCE}
    assert list(ledger.counts.reasons) == [(NO_EVIDENCE, "it was deleted while it was looked at")]


def test_a_bounded_ledger_says_that_it_is_not_all(scene: Scene) -> None:
    scene.how = How(Bounds(most=2))
    scene.fake.say(LIST, listing(["a"], token="1"), listing(["a", "b"], token="2"), listing(["c"]))
    ledger, verdicts = scene.read()
    assert (list(verdicts), ledger.complete) == (["a", "b"], False)
    assert ledger.unlisted == "2 LIST calls were made, and more are not allowed here"


def test_a_forwarder_without_a_bucket_has_no_ledger(scene: Scene) -> None:
    scene.forwarder = a_forwarder(bucket_name=None)
    with pytest.raises(NoLedgerError, match="names no bucket") as caught:
        scene.open()
    assert not caught.value.has_bucket


def test_a_bucket_that_was_seen_to_be_gone_has_no_ledger(scene: Scene) -> None:
    scene.bucket = a_bucket(BUCKET, notification=Absent(f"bucket {BUCKET}"))
    with pytest.raises(NoLedgerError, match="does not exist") as caught:
        scene.open()
    assert caught.value.has_bucket


def test_an_account_that_was_not_entered_has_no_ledger(scene: Scene) -> None:
    scene.bucket = a_bucket(BUCKET, owner="999988887777")
    with pytest.raises(NoLedgerError, match="account 999988887777 was not entered"):
        scene.open()


@pytest.mark.parametrize(("rules", "expected", "note"), [
    ((), (KeyFilter(),), "no rule of the bucket calls it now: every object of the bucket counts"),
    (
        (a_rule(arn=f"{a_function('cloudtrail-prod').arn}-old", prefix="x/"),),
        (KeyFilter("x/"),), "no rule of the bucket calls it now: those of its former rule count",
    ),
    (
        (a_rule(events=("s3:ObjectCreated:Put",), prefix="p/"),),
        (KeyFilter("p/"),), "its rules fire for s3:ObjectCreated:Put only",
    ),
])  # fmt: skip
def test_the_rules_say_which_objects_count(
    scene: Scene, rules: tuple[Rule, ...], expected: tuple[KeyFilter, ...], note: str
) -> None:
    scene.bucket = a_bucket(BUCKET, *rules)
    ledger, _ = scene.read()
    assert ledger.filters == expected
    assert any(found.startswith(note) for found in ledger.notes)


def test_a_document_that_could_not_be_read_lets_every_object_count(scene: Scene) -> None:
    scene.bucket = a_bucket(BUCKET, notification=Unreadable("s3:GetBucketNotification", Cause.DENIED, "no"))
    ledger, _ = scene.read()
    assert ledger.filters == (KeyFilter(),)
    assert any("could not be read" in found for found in ledger.notes)


def test_fewer_calls_than_objects_are_noted_and_make_fewer_likely(scene: Scene) -> None:
    scene.fake.say(LIST, listing(["a", "b", "c"]))
    scene.fake.say(METRICS, calls_counted(invocations={OLD + timedelta(seconds=20): 2}))
    ledger, verdicts = scene.read()
    assert set(verdicts.values()) == {NO_EVIDENCE}
    assert ledger.counts.likely == 2
    assert "CloudWatch counts 2 calls for 3 objects, and S3 calls for each" in ledger.notes


@pytest.mark.parametrize(("answer", "note"), [
    (jsonish({"Attributes": {"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1"}}),
     "about 3 messages wait in the dead-letter queue dead; they were not read"),
    (DENIED, "how much waits in the dead-letter queue is not known"),
])  # fmt: skip
def test_a_dead_letter_queue_is_counted_and_never_received_from(scene: Scene, answer: Answer, note: str) -> None:
    arn = "arn:aws:sqs:us-east-1:111122223333:dead"
    scene.forwarder = a_forwarder(listed=a_function(dead_letter_arn=arn), stack=a_stack())
    scene.fake.say("sqs:GetQueueUrl", jsonish({"QueueUrl": f"{scene.fake.endpoint}/111122223333/dead"}))
    scene.fake.say("sqs:GetQueueAttributes", answer)
    ledger, _ = scene.read()
    assert any(found.startswith(note) for found in ledger.notes)
    assert scene.fake.counted()["sqs:ReceiveMessage"] == 0


def test_dead_letters_that_somebody_received_name_what_was_not_delivered(scene: Scene) -> None:
    scene.how = How(dead_letters={BUCKET: frozenset({"b"})})
    scene.fake.say(LIST, listing(["a", "b"]))
    assert scene.read()[1] == {"a": NO_EVIDENCE, "b": NOT_DELIVERED}
