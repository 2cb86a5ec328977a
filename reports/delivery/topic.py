"""Publishes a message to an SNS topic."""

from fixtures.answers import Malformed, text
from fixtures.aws import CallFailed
from fixtures.fact import Unreadable
from fixtures.notify_target import Topic
from reports.delivery.access import Access
from reports.delivery.message import Message
from reports.delivery.rendering import plain_text

_MOST_BYTES = 256 * 1024 - 4096  # SNS API reference, Publish: 256 KB, of which attributes take their share
_CUT = "\n\n(cut here: SNS takes 256 KB)\n"


def publish(topic: Topic, message: Message, access: Access) -> str:
    """Publish; answers why it could not be done, empty where it was.

    Attributes tell subscriptions apart that want, say, only what is new (SNS filter policies).
    """
    aws = access.enter(topic.account)
    if isinstance(aws, Unreadable):
        return str(aws)
    attributes = {
        name: {"DataType": "Number" if isinstance(number, int) else "String", "StringValue": str(number)}
        for name, number in message.attributes.items()
    }
    order = {"MessageGroupId": "taegis-forwarders", "MessageDeduplicationId": message.run} if topic.is_fifo else {}
    try:
        answer = aws.call(
            topic.region, "sns", "Publish", TopicArn=topic.arn, Subject=message.subject,
            Message=_fitting(plain_text(message.text)), MessageAttributes=attributes, **order,
        )  # fmt: skip
        text(answer, "MessageId")
    except CallFailed as failure:
        return str(failure)
    except Malformed as problem:
        return f"sns:Publish malformed answer: {problem}"
    return ""


def _fitting(told: str) -> str:
    content = told.encode()
    if len(content) <= _MOST_BYTES:
        return told
    return content[: _MOST_BYTES - len(_CUT)].decode(errors="ignore") + _CUT
