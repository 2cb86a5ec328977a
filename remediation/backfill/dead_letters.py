"""Events that failed before, out of the queues in which Lambda keeps them: dead letters, and on-failure destinations.

A message is taken out of its queue only when Lambda has taken its event and the journal says so: whatever fails again
comes back into the queue by itself, as a message of its own. What came into the queue after the run began is left.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import unquote_plus

from fixtures.answers import Answer, Malformed, as_answer, items, optional_part, optional_text, text
from fixtures.aws import CallFailed
from fixtures.estate import Forwarder
from fixtures.fact import value
from remediation.call import Call
from remediation.preflight import Obstacle
from remediation.s3_event import LARGEST
from remediation.writer import Writer

ACTIONS: Final = (
    "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage", "sns:ListSubscriptionsByTopic",
)  # fmt: skip
_HIDDEN: Final = 900  # seconds that a message stays away from others while its event is sent
_AT_ONCE: Final = 10  # messages, the most that SQS hands out
_AWAY: Final = 60  # seconds for which a message that is not ours is handed out to nobody
_EMPTY_IN_A_ROW: Final = 3  # answers without a message before a queue counts as empty: SQS asks a part of its servers


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of dead letters, and how many messages it holds, roughly."""

    arn: str
    url: str
    messages: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """One event out of a queue, to be sent as it was.

    Attributes:
        line: its number in the journal.
        payload: the event.
        message: the message's id.
        receipt: by which it is taken out of the queue.
        queue: the queue's address.
        objects: what the event names, for people.
    """

    line: int
    payload: str = field(repr=False)
    message: str
    receipt: str = field(repr=False)
    queue: str
    objects: tuple[str, ...]

    def take_out(self, writer: Writer) -> None:
        """Take the message out of the queue: Lambda has its event, and the journal says so.

        Raises:
            CallFailed: it stays there.
        """
        take_out(writer, self.queue, self.message, self.receipt)


def queues_of(
    writer: Writer, forwarder: Forwarder, destination: str | None
) -> tuple[tuple[Queue, ...], tuple[Obstacle, ...]]:
    """The queues in which the forwarder's failed events are kept, and why others cannot be read."""
    function = value(forwarder.function)
    named = [function.dead_letter_arn if function else None, destination]
    arns = [arn for arn in dict.fromkeys(named) if arn]
    queues: list[Queue] = []
    obstacles: list[Obstacle] = []
    for arn in arns:
        try:
            queues += [_opened(writer, queue) for queue in _behind(writer, arn)]
        except CallFailed as failure:
            obstacles.append(Obstacle(f"{arn} cannot be read ({failure})", "grant the permission, run again"))
        except Malformed as problem:
            obstacles.append(Obstacle(f"{arn}: {problem}", "read it by hand"))
    return tuple(queues), tuple(obstacles)


def _behind(writer: Writer, arn: str) -> Iterator[str]:
    """The queue itself, or those that are subscribed to a topic."""
    service = arn.split(":")[2]
    if service == "sqs":
        yield arn
        return
    if service != "sns":
        raise Malformed(f"failed events go to {service}, which does not keep them for anybody to take out")
    ends = [
        text(one, "Endpoint")
        for page in writer.pages(arn.split(":")[3], "sns", "ListSubscriptionsByTopic", TopicArn=arn)
        for one in items(page, "Subscriptions")
        if optional_text(one, "Protocol") == "sqs"
    ]
    if not ends:
        raise Malformed("no queue is subscribed to the topic: what was published to it is gone")
    yield from ends


def _opened(writer: Writer, arn: str) -> Queue:
    pieces = arn.split(":")
    if pieces[3] != writer.region:
        raise Malformed(f"the queue is in {pieces[3]}")
    url = text(writer.read("sqs", "GetQueueUrl", QueueName=pieces[5], QueueOwnerAWSAccountId=pieces[4]), "QueueUrl")
    held = optional_part(
        writer.read("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]),
        "Attributes",
    )
    return Queue(arn, url, int(optional_text(held, "ApproximateNumberOfMessages") or 0))


@dataclass
class Letters:
    """Takes a queue's messages, one after the other, and gives back what is not the forwarder's.

    Attributes:
        left: messages that stay in the queue, by reason.
        known: ids of messages that an earlier part of this run sent: they are taken out, and not sent again.
    """

    writer: Writer
    queue: Queue
    bucket: str
    began: datetime
    known: frozenset[str] = frozenset()
    left: Counter[str] = field(default_factory=Counter)

    def read(self, first: int) -> Iterator[Letter]:
        """Every event that was in the queue when the run began, numbered from `first`."""
        line, empty, given_back = first, 0, set[str]()
        while empty < _EMPTY_IN_A_ROW and not self.writer.stop.is_set():
            messages = self._received()
            fresh = [one for one in messages if text(one, "MessageId") not in given_back]
            empty = 0 if fresh else empty + 1
            for message in messages:
                name = text(message, "MessageId")
                if name in self.known:
                    take_out(self.writer, self.queue.url, name, text(message, "ReceiptHandle"))
                    continue
                found = self._letter(message, line)
                if isinstance(found, Letter):
                    line += 1
                    yield found
                else:
                    if name not in given_back:
                        self.left[found] += 1
                    given_back.add(name)
                    self._give_back(message)

    def _received(self) -> tuple[Answer, ...]:
        answer = self.writer.read(
            "sqs", "ReceiveMessage", QueueUrl=self.queue.url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=1,
            VisibilityTimeout=_HIDDEN, AttributeNames=["SentTimestamp"], MessageAttributeNames=["All"],
        )  # fmt: skip
        return items(answer, "Messages")

    def _letter(self, message: Answer, line: int) -> Letter | str:
        """The event, or why it is not sent."""
        sent = optional_text(optional_part(message, "Attributes"), "SentTimestamp")
        if sent and int(sent) >= int(self.began.timestamp() * 1000):
            return "failed since the run began"
        try:
            event = event_in(text(message, "Body"))
            objects = objects_of(event)
        except Malformed as problem:
            return f"not an event of S3: {problem}"
        if not objects:
            return "an event that names no object"
        if any(bucket != self.bucket for bucket, _ in objects):
            return "of another bucket"
        payload = json.dumps(event, separators=(",", ":"))
        if len(payload.encode()) > LARGEST:
            return f"larger than the {LARGEST // 1024} KB of an asynchronous call"
        return Letter(
            line=line,
            payload=payload,
            message=text(message, "MessageId"),
            receipt=text(message, "ReceiptHandle"),
            queue=self.queue.url,
            objects=tuple(f"s3://{bucket}/{key}" for bucket, key in objects),
        )

    def _give_back(self, message: Answer) -> None:
        """Let others see it again soon: not at once, or this run would be handed the same few again and again."""
        parameters = {
            "QueueUrl": self.queue.url, "ReceiptHandle": text(message, "ReceiptHandle"), "VisibilityTimeout": _AWAY,
        }  # fmt: skip
        call = Call("sqs", "ChangeMessageVisibility", parameters, "it is not ours, and others may read it")
        self.writer.write(_step(text(message, "MessageId")), call, lasting=False)


def take_out(writer: Writer, queue: str, message: str, receipt: str) -> None:
    """Take a message out of a queue."""
    parameters = {"QueueUrl": queue, "ReceiptHandle": receipt}
    call = Call("sqs", "DeleteMessage", parameters, f"Lambda has taken its event ({message})")
    writer.write(_step(message), call)


def _step(message: str) -> str:
    return f"dead letter {message}"


def hidden_in(writer: Writer, queue: Queue) -> int:
    """How many messages of a queue somebody is reading, roughly; 0 where it is not told."""
    name = "ApproximateNumberOfMessagesNotVisible"
    try:
        answer = writer.read("sqs", "GetQueueAttributes", QueueUrl=queue.url, AttributeNames=[name])
        return int(optional_text(optional_part(answer, "Attributes"), name) or 0)
    except (CallFailed, Malformed, ValueError):
        return 0


def event_in(body: str) -> Mapping[str, object]:
    """The event in a message: a dead letter is the event; a destination's record holds it; SNS wraps either.

    Lambda Developer Guide, "Capturing records of asynchronous invocations" and "Adding a dead-letter queue".

    Raises:
        Malformed: the message is none of these.
    """
    try:
        found = as_answer(json.loads(body), "body")
    except ValueError as error:
        raise Malformed(f"not JSON ({error})") from error
    if found.get("Type") == "Notification" and "Message" in found:
        return event_in(text(found, "Message"))
    if "requestPayload" in found:
        return as_answer(found.get("requestPayload"), "requestPayload")
    return found


def objects_of(event: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Bucket and key of every object that an event of S3 names, also in the envelope of SNS.

    Raises:
        Malformed: it is no such event.
    """
    found: list[tuple[str, str]] = []
    for record in items(event, "Records", required=True):
        if "Sns" in record:
            message = text(as_answer(record.get("Sns"), "Sns"), "Message")
            found += objects_of(event_in(message))
            continue
        inside = as_answer(record.get("s3"), "s3")
        key = text(as_answer(inside.get("object"), "object"), "key")
        found.append((text(as_answer(inside.get("bucket"), "bucket"), "name"), unquote_plus(key)))
    return tuple(found)
