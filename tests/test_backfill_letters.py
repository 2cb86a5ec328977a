"""Dead letters: what a message holds, what is sent of it, and when it is taken out of its queue."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from fixtures.answers import Malformed
from fixtures.aws import Aws
from fixtures.fact import value
from remediation.backfill.dead_letters import Letter, Letters, Queue, event_in, objects_of, queues_of
from tests.backfill_world import BUCKET, REGION
from tests.estates import a_forwarder
from tests.writing import Bench, a_bench

S3_EVENT = {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": BUCKET}, "object": {"key": "a+b/%C3%BC"}}}]}
BY_TOPIC = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(S3_EVENT)}}]}
RECORD = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": S3_EVENT}
MESSAGES = {
    "a dead letter": S3_EVENT,
    "of a forwarder behind a topic": BY_TOPIC,
    "a destination's record": RECORD,
    "a dead letter that a topic passed on": {"Type": "Notification", "Message": json.dumps(S3_EVENT)},
    "a record that a topic passed on": {"Type": "Notification", "Message": json.dumps(RECORD)},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_event_is_found_in_every_kind_of_message(name: str) -> None:
    assert objects_of(event_in(json.dumps(MESSAGES[name]))) == ((BUCKET, "a b/ü"),)


@pytest.mark.parametrize("body", ["", "no json", "[]", '{"Records": 1}', '{"Records": [{}]}', "{}", '{"a": 1}'])
def test_what_is_no_event_of_s3_is_told_apart(body: str) -> None:
    with pytest.raises(Malformed):
        objects_of(event_in(body))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One empty answer is enough: moto asks all of its servers."""
    monkeypatch.setattr("remediation.backfill.dead_letters._EMPTY_IN_A_ROW", 1)


@pytest.fixture
def bench(moto_aws: Aws, tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as closing:
        found = a_bench(moto_aws, tmp_path, REGION)
        closing.callback(found.close)
        yield found


@pytest.fixture
def queue(moto_aws: Aws) -> Queue:
    url = str(moto_aws.call(REGION, "sqs", "CreateQueue", QueueName="letters")["QueueUrl"])
    return Queue(f"arn:aws:sqs:{REGION}:{moto_aws.account}:letters", url, 0)


@pytest.fixture
def put(moto_aws: Aws, queue: Queue) -> Callable[[object], str]:
    """Puts a message into the queue; its id."""

    def one(body: object) -> str:
        text = body if isinstance(body, str) else json.dumps(body)
        return str(moto_aws.call(REGION, "sqs", "SendMessage", QueueUrl=queue.url, MessageBody=text)["MessageId"])

    return one


def held(aws: Aws, queue: Queue) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = aws.call(REGION, "sqs", "GetQueueAttributes", QueueUrl=queue.url, AttributeNames=names)
    return sum(int(text) for text in cast("dict[str, str]", answer["Attributes"]).values())


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=5)


def test_letters_are_sent_as_they_were_and_taken_out_one_by_one(
    moto_aws: Aws, bench: Bench, queue: Queue, put: Callable[[object], str]
) -> None:
    ids = {put(S3_EVENT) for _ in range(23)}
    letters = list(Letters(bench.writer, queue, BUCKET, soon()).read(1))
    assert {letter.message for letter in letters} == ids
    assert [letter.line for letter in letters] == list(range(1, 24))
    assert {letter.payload for letter in letters} == {json.dumps(S3_EVENT, separators=(",", ":"))}
    assert held(moto_aws, queue) == 23
    letters[0].take_out(bench.writer)
    assert held(moto_aws, queue) == 22
    assert bench.writes() == ["sqs:DeleteMessage"]


def test_what_is_not_the_forwarders_stays_in_the_queue_and_is_told(
    moto_aws: Aws, bench: Bench, queue: Queue, put: Callable[[object], str]
) -> None:
    put(json.dumps(S3_EVENT).replace(BUCKET, "somebody-elses"))
    put("no json")
    put({"Records": []})
    put(S3_EVENT)
    found = Letters(bench.writer, queue, BUCKET, soon())
    assert len(list(found.read(1))) == 1
    assert {reason.partition(":")[0]: number for reason, number in found.left.items()} == {
        "of another bucket": 1, "not an event of S3": 1, "an event that names no object": 1,
    }  # fmt: skip
    assert held(moto_aws, queue) == 4
    assert bench.writes() == ["sqs:ChangeMessageVisibility"] * 3  # given back, and nothing taken out


def test_what_failed_since_the_run_began_is_left(bench: Bench, queue: Queue, put: Callable[[object], str]) -> None:
    put(S3_EVENT)
    found = Letters(bench.writer, queue, BUCKET, datetime.now(UTC) - timedelta(seconds=5))
    assert list(found.read(1)) == []
    assert found.left == {"failed since the run began": 1}


def test_what_an_earlier_part_of_the_run_sent_is_taken_out_and_not_sent_again(
    moto_aws: Aws, bench: Bench, queue: Queue, put: Callable[[object], str]
) -> None:
    sent, other = put(S3_EVENT), put(S3_EVENT)
    letters = list(Letters(bench.writer, queue, BUCKET, soon(), frozenset({sent})).read(5))
    assert [(letter.message, letter.line) for letter in letters] == [(other, 5)]
    assert held(moto_aws, queue) == 1


def test_a_letter_shows_neither_its_content_nor_its_receipt() -> None:
    letter = Letter(1, "the event", "id", "the receipt", "queue", ("s3://b/k",))
    assert "the event" not in repr(letter)
    assert "the receipt" not in repr(letter)


def test_the_queues_are_those_of_function_and_destination_and_behind_topics(moto_aws: Aws, bench: Bench) -> None:
    def arn(service: str, name: str) -> str:
        return f"arn:aws:{service}:{REGION}:{moto_aws.account}:{name}"

    for name in ("letters", "behind"):
        moto_aws.call(REGION, "sqs", "CreateQueue", QueueName=name)
    topic = str(moto_aws.call(REGION, "sns", "CreateTopic", Name="failures")["TopicArn"])
    moto_aws.call(REGION, "sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "behind"))
    moto_aws.call(REGION, "sns", "Subscribe", TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    forwarder = with_letters(arn("sqs", "letters"))
    queues, obstacles = queues_of(bench.writer, forwarder, topic)
    assert ([queue.name for queue in queues], obstacles) == (["letters", "behind"], ())


def with_letters(arn: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN201  a forwarder of the estates
    function = value(a_forwarder().function)
    assert function is not None
    return a_forwarder(function=replace(function, dead_letter_arn=arn))


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        (f"arn:aws:sqs:{REGION}:123456789012:gone", "cannot be read"),
        ("arn:aws:sqs:eu-west-1:123456789012:letters", "the queue is in eu-west-1"),
        (f"arn:aws:events:{REGION}:123456789012:event-bus/default", "does not keep them"),
        (f"arn:aws:lambda:{REGION}:123456789012:function:f", "does not keep them"),
        (f"arn:aws:s3:::failed-{REGION}", "does not keep them"),
    ],
)
def test_a_place_that_cannot_be_emptied_is_told_and_not_passed_over(bench: Bench, arn: str, told: str) -> None:
    queues, (obstacle,) = queues_of(bench.writer, with_letters(arn), None)
    assert (queues, told in obstacle.reason) == ((), True)


def test_a_topic_that_nobody_keeps_is_told(moto_aws: Aws, bench: Bench) -> None:
    topic = str(moto_aws.call(REGION, "sns", "CreateTopic", Name="lost")["TopicArn"])
    _, (obstacle,) = queues_of(bench.writer, with_letters(topic), None)
    assert "no queue is subscribed" in obstacle.reason


def test_nothing_that_keeps_failed_events_is_no_obstacle(bench: Bench) -> None:
    assert queues_of(bench.writer, with_letters(None), None) == ((), ())
