"""A way through a topic that is not whole: the plan names each part that is missing, and what to add."""

from collections.abc import Mapping

import pytest

from fixtures.estate import Rule, Topic
from fixtures.fact import Absent
from tests.estates import (
    CREATED,
    HERE,
    a_bucket,
    a_forwarder,
    a_function,
    a_statement,
    an_arn,
    an_estate,
    denied,
)
from tests.planning import target_plan

NAME = "cloudtrail-prod"
LOGS = f"{NAME}-logs"
ARN = a_function().arn
TOPIC = an_arn("sns", "cloudtrail-objects")
RULE = Rule("topic", TOPIC, (CREATED,))
LETS_SNS = a_statement(sid="sns", principals=("sns.amazonaws.com",), source_arns=(TOPIC,))


def whole(**changes: object) -> Mapping[str, object]:
    """Rule, subscription, permission: what a way through a topic is made of."""
    return {"rules": (RULE,), "topics": (Topic(TOPIC, (ARN,)),), "policy": (LETS_SNS,), **changes}


def blocked(parts: Mapping[str, object]) -> tuple[tuple[str, ...], str]:
    forwarder = a_forwarder(topic_arn=TOPIC, policy=parts["policy"])
    estate = an_estate(forwarder, buckets=[a_bucket(LOGS, *parts["rules"])], topics=parts["topics"])  # type: ignore[arg-type,misc]
    plan = target_plan(estate, {"trigger": [NAME]})
    assert not plan.steps
    (refusal,) = plan.blocked
    assert all(reason.startswith(f"it is to be called through {TOPIC}: ") for reason in refusal.reasons)
    return tuple(reason.partition(f"{TOPIC}: ")[2] for reason in refusal.reasons), "; ".join(refusal.to_do)


OTHERS = an_arn("lambda", "function:another")
GAPS = [
    pytest.param(whole(rules=()), f"no rule of bucket {LOGS} sends new objects to the topic", "publish for bucket",
                 id="no-rule"),
    pytest.param(whole(rules=(Rule("topic", TOPIC, ("s3:ObjectRemoved:*",)),)), "no rule of bucket", "add a rule",
                 id="a-rule-for-other-events"),
    pytest.param(whole(topics=(Topic(TOPIC, (OTHERS,)),)), "its function is not subscribed to the topic",
                 f"subscribe {ARN} to it (protocol lambda)", id="not-subscribed"),
    pytest.param(whole(topics=(Topic(TOPIC, (f"{ARN}:live",)),)), f"but {ARN}:live, which may run other code",
                 "subscribe", id="an-alias-is-subscribed"),
    pytest.param(whole(topics=(Topic(TOPIC, denied("sns:ListSubscriptionsByTopic")),)), "whom the topic reaches could",
                 "grant", id="subscriptions-denied"),
    pytest.param(whole(topics=(Topic(TOPIC, Absent("topic")),)), "the topic does not exist", "make it", id="no-topic"),
    pytest.param(whole(topics=()), "the topic does not exist, or was not looked at", "make it", id="not-looked-at"),
    pytest.param(whole(policy=(a_statement(),)), "its resource policy does not let SNS call it",
                 f"add a permission to it for sns.amazonaws.com with SourceArn {TOPIC}", id="s3-is-let-in-and-not-sns"),
    pytest.param(whole(policy=(LETS_SNS, a_statement(sid="no", allow=False, principals=("*",), source_arns=()))),
                 "its resource policy keeps SNS out (statement no)", "take that statement out", id="denied"),
    pytest.param(whole(), "rule, subscription and permission are there", "look at it", id="whole"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "reason", "to_do"), GAPS)
def test_what_is_missing_is_named_alone(parts: Mapping[str, object], reason: str, to_do: str) -> None:
    (found,), remedy = blocked(parts)
    assert reason in found
    assert to_do in remedy


def test_everything_that_is_missing_is_named_at_once() -> None:
    found, _ = blocked(whole(rules=(), topics=(Topic(TOPIC, ()),), policy=()))
    assert len(found) == 3
    assert HERE.account in TOPIC
