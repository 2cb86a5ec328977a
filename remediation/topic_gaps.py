"""What is missing of the way from a bucket through its topic to a forwarder: each part, with who has to add it. Pure.

The suite does not wire topics: a topic is somebody's, and may have other subscribers.
"""

from collections.abc import Iterator

from checks.wiring import SNS, names_function, names_latest, permission, topic_rules
from fixtures.estate import Estate, Forwarder, Notification
from fixtures.fact import Absent, Unreadable
from remediation.preflight import Obstacle, how_to_read


def topic_gaps(forwarder: Forwarder, notification: Notification, arn: str, estate: Estate) -> Iterator[Obstacle]:
    """From the bucket to the topic, from the topic to the function (`arn`), and whether it lets SNS in."""
    topic = forwarder.topic_arn or ""
    if not topic_rules(notification, topic):
        yield Obstacle(
            f"no rule of bucket {forwarder.bucket_name} sends new objects to the topic",
            f"let the topic's policy allow s3.amazonaws.com to publish for bucket {forwarder.bucket_name}, then add a "
            "rule for s3:ObjectCreated:* with that topic to the bucket",
        )
    yield from _subscription(topic, arn, estate)
    if isinstance(forwarder.policy, Absent | Unreadable):
        return  # told by itself
    said = permission(forwarder.policy, SNS, topic, topic.split(":")[4] if topic.count(":") > 4 else "")
    if said.denying:
        sids = ", ".join(statement.sid or "without Sid" for statement in said.denying)
        yield Obstacle(f"its resource policy keeps SNS out (statement {sids})", "take that statement out")
    elif not said.allowing:
        perhaps = " for certain: a statement has conditions" if said.unclear else ""
        yield Obstacle(
            f"its resource policy does not let SNS call it{perhaps}",
            f"add a permission to it for {SNS} with SourceArn {topic}",
        )


def _subscription(topic: str, arn: str, estate: Estate) -> Iterator[Obstacle]:
    seen = estate.topics.get(topic)
    ends = seen.lambda_endpoints if seen else Absent("topic")
    subscribe = f"subscribe {arn} to it (protocol lambda)"
    if isinstance(ends, Unreadable):
        yield Obstacle(f"whom the topic reaches could not be read ({ends})", how_to_read(ends, "grant the permission"))
    elif isinstance(ends, Absent):
        yield Obstacle("the topic does not exist, or was not looked at", f"make it, then {subscribe}")
    elif not any(names_latest(end, arn) for end in ends):
        others = [end for end in ends if names_function(end, arn)]
        instead = f", but {', '.join(others)}, which may run other code" if others else ""
        yield Obstacle(f"its function is not subscribed to the topic{instead}", subscribe)
