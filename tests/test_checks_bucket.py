from collections.abc import Iterable

import pytest

from checks.registry import check_functions
from fixtures.estate import Estate, Forwarder, Rule, Target, Topic
from fixtures.fact import Absent, Fact, Unreadable
from tests.asking import PASSED, told
from tests.estates import (
    HERE,
    OTHER_ACCOUNT,
    a_bucket,
    a_forwarder,
    a_function,
    a_parameter_set,
    a_rule,
    a_seen,
    a_stack,
    an_arn,
    an_estate,
    an_unreached,
    denied,
)

CHECKS = check_functions()
sound, single, no_loop = (CHECKS[name] for name in ("bucket-stale-rules", "bucket-single-delivery", "bucket-no-loop"))
BUCKET = "share"
TOPIC = an_arn("sns", "logs")
THERE = Target(OTHER_ACCOUNT, "us-east-1")
ALB, FLOW = a_function("alb").arn, a_function("flow").arn
NO_LIST = denied("lambda:ListFunctions")
NO_TOPIC = denied("sns:ListSubscriptionsByTopic")
GONE = f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"


def sharing(
    *rules: Rule,
    forwarders: Iterable[Forwarder] = (),
    topic: Fact[tuple[str, ...]] | None = None,
    functions: Unreadable | None = None,
) -> Estate:
    """`alb` and `flow` share a bucket with exactly these rules; `topic` is whom TOPIC reaches."""
    users = tuple(forwarders) or (a_forwarder("alb", bucket_name=BUCKET), a_forwarder("flow", bucket_name=BUCKET))
    return an_estate(
        *users,
        targets=[a_seen(*users, functions=functions) if functions else a_seen(*users)],
        buckets=[a_bucket(BUCKET, *rules)],
        topics=[] if topic is None else [Topic(TOPIC, topic)],
    )


def stale(arn: str, where: str = "every object") -> str:
    return f"FAILED: expected rules for functions that exist; found rule old (s3:ObjectCreated:* for {where} to {arn})"


OLD = an_arn("lambda", "function:old")
AWAY, FAR = an_arn("lambda", "function:old", THERE), an_arn("lambda", "function:old", Target(HERE.account, "eu-west-1"))
STALE = {
    "functions that exist": (sharing(a_rule("alb"), a_rule("flow")), PASSED),
    "no rule at all": (sharing(), PASSED),
    "a queue and a topic": (sharing(a_rule(kind="queue", arn="arn:q"), a_rule(kind="topic", arn=TOPIC)), PASSED),
    "a function that is gone": (sharing(a_rule("alb"), a_rule(arn=OLD, id="old")), stale(OLD)),
    "its version": (sharing(a_rule(arn=f"{OLD}:7", id="old", prefix="a/", suffix=".gz")),
                    stale(f"{OLD}:7", "a/*.gz")),
    "a version of one that exists": (sharing(a_rule(arn=f"{ALB}:7")), PASSED),
    "for removals only": (sharing(a_rule(arn=OLD, id="old", events=("s3:ObjectRemoved:*",))),
                          stale(OLD).replace("Created", "Removed")),
    "in an account that was not asked for": (sharing(a_rule(arn=AWAY)), f"UNKNOWN: {AWAY}: {THERE} was not looked at"),
    "in a region that was not asked for": (
        sharing(a_rule(arn=FAR)), f"UNKNOWN: {FAR}: {HERE.account}/eu-west-1 was not looked at"),
    "functions that are not shown": (sharing(a_rule("alb"), functions=NO_LIST), f"UNKNOWN: {ALB}: {NO_LIST}"),
    "one gone, another not shown": (sharing(a_rule(arn=AWAY), a_rule(arn=OLD, id="old")), stale(OLD)),
    "something that is no function's ARN": (sharing(a_rule(arn="arn:aws:lambda")),
                                            "UNKNOWN: arn:aws:lambda is not a function's ARN"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), STALE.values(), ids=STALE)
def test_stale_rules(estate: Estate, answer: str) -> None:
    assert told(sound, estate) == answer


def test_a_function_in_another_account_that_was_looked_at_is_judged() -> None:
    users = (a_forwarder("alb", bucket_name=BUCKET),)
    there = a_seen(target=THERE)
    estate = an_estate(*users, targets=[a_seen(*users), there], buckets=[a_bucket(BUCKET, a_rule(arn=AWAY, id="old"))])

    assert told(sound, estate) == stale(AWAY)


def told_twice(answer: str) -> list[str]:
    """The forwarders in a finding of double delivery."""
    head, _, pairs = answer.partition("; found ")
    assert head == "FAILED: expected each new object to reach one forwarder once"
    return [
        " and ".join(part.split(" by ")[0] for part in pair.split(" and ") if " by " in part)
        for pair in pairs.split("; ")
    ]


def to_topic(**changes: object) -> Rule:
    return a_rule(kind="topic", arn=TOPIC, **changes)


PUT, COPY, REMOVED = "s3:ObjectCreated:Put", "s3:ObjectCreated:Copy", "s3:ObjectRemoved:*"
ONCE = {
    "apart by prefix": sharing(a_rule("alb", prefix="alb/"), a_rule("flow", prefix="flow/")),
    "apart by suffix": sharing(a_rule("alb", suffix=".gz"), a_rule("flow", suffix=".json")),
    "apart by event": sharing(a_rule("alb", events=(PUT,)), a_rule("flow", events=(COPY,))),
    "together for removals only": sharing(a_rule("alb", events=(PUT, REMOVED)), a_rule("flow", events=(COPY, REMOVED))),
    "one by the topic, one by a rule": sharing(to_topic(prefix="a/"), a_rule("flow", prefix="b/"), topic=(ALB,)),
    "a topic that is gone": sharing(to_topic(), a_rule("flow"), topic=Absent("topic")),
    "somebody else gets it too": sharing(a_rule("alb"), a_rule("indexer")),
    "no rules": sharing(),
    "one whose function is gone": sharing(
        a_rule("flow"), forwarders=[a_forwarder("alb", bucket_name=BUCKET, listed=Absent("function alb"))]),
}  # fmt: skip
TWICE = {
    "the same rule for both": (sharing(a_rule("alb"), a_rule("flow")), ["alb and flow"]),
    "a prefix within the other": (sharing(a_rule("alb", prefix="a/"), a_rule("flow", prefix="a/b/")), ["alb and flow"]),
    "a suffix within the other": (sharing(a_rule("alb", suffix="z"), a_rule("flow", suffix=".gz")), ["alb and flow"]),
    "a prefix and a suffix": (sharing(a_rule("alb", prefix="a/"), a_rule("flow", suffix=".gz")), ["alb and flow"]),
    "a part of the events": (sharing(a_rule("alb"), a_rule("flow", events=(PUT,))), ["alb and flow"]),
    "both by one topic": (sharing(to_topic(), topic=(ALB, FLOW)), ["alb and flow"]),
    "one by rule and by topic": (sharing(to_topic(), a_rule("alb"), topic=(ALB,)), ["alb and alb"]),
    "one and its alias by one topic": (sharing(to_topic(), topic=(ALB, f"{ALB}:live")), ["alb and alb"]),
    "by a topic that is not shown, beside what is plain": (
        sharing(to_topic(), a_rule("alb"), a_rule("flow"), topic=NO_TOPIC), ["alb and flow"]),
}  # fmt: skip


@pytest.mark.parametrize("estate", ONCE.values(), ids=ONCE)
def test_delivered_once(estate: Estate) -> None:
    assert told(single, estate) == PASSED


@pytest.mark.parametrize(("estate", "pairs"), TWICE.values(), ids=TWICE)
def test_delivered_twice(estate: Estate, pairs: list[str]) -> None:
    assert told_twice(told(single, estate)) == pairs


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", f"UNKNOWN: whether {AWAY} is a forwarder's: {denied('sts:AssumeRole')}"), ("elsewhere/", PASSED)],
    ids=["of the same objects", "of others"],
)
def test_a_rule_into_a_target_that_was_not_reached_may_deliver_twice(prefix: str, expected: str) -> None:
    """What was found twice last night is not cured because nobody could look there tonight."""
    users = [a_forwarder("alb", bucket_name=BUCKET)]
    rules = [a_rule("alb", prefix="alb/"), a_rule(arn=AWAY, prefix=prefix)]
    estate = an_estate(*users, targets=[a_seen(*users), an_unreached(THERE)], buckets=[a_bucket(BUCKET, *rules)])
    assert told(single, estate) == expected
    assert told(single, sharing(*rules)) == PASSED  # nobody asked for that account


ALB_UNSEEN = a_forwarder("alb", bucket_name=BUCKET, listed=NO_LIST)
UNSEEN = {
    "a topic that is not shown": (sharing(to_topic(), topic=NO_TOPIC), f"whom {TOPIC} reaches: {NO_TOPIC}"),
    "a topic that was not read": (sharing(to_topic()), f"whom {TOPIC} reaches was not read"),
    "a function that is not shown": (sharing(a_rule("flow"), forwarders=[ALB_UNSEEN]),
                                     f"which function alb has: {NO_LIST}"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "reason"), UNSEEN.values(), ids=UNSEEN)
def test_whether_it_is_delivered_once_cannot_be_told(estate: Estate, reason: str) -> None:
    assert told(single, estate) == f"UNKNOWN: {reason}"


def tagging(*rules: Rule, on: str = "true", topic: Fact[tuple[str, ...]] | None = None, **changes: object) -> Estate:
    """A forwarder that tags what it has read, in a bucket with exactly these rules."""
    wanted = a_parameter_set("alb", NotificationBucket=BUCKET, EnableObjectTagging=on)
    user = a_forwarder("alb", bucket_name=BUCKET, stack=a_stack("alb", parameters=wanted), **changes)
    return sharing(*rules, forwarders=[user], topic=topic)


LOOP = "FAILED: expected no way in which a forwarder calls itself; found "


def loop(arn: str = ALB) -> str:
    return f"{LOOP}rule alb-rule (s3:ObjectTagging:Put for every object to {arn}) fires on the tags that alb sets"


TAG = a_rule("alb", events=("s3:ObjectTagging:Put",))
TAG_BY_TOPIC = a_rule("alb", kind="topic", arn=TOPIC, events=("s3:ObjectTagging:Put",))
OWN_PACKAGE = a_stack("alb", parameters=a_parameter_set("alb", TaegisLambdaS3BucketName=BUCKET))
LOOPS = {
    "no tags": (tagging(TAG, on="false"), PASSED),
    "no rule on tags": (tagging(a_rule("alb")), PASSED),
    "tags call it": (tagging(a_rule("alb"), TAG), loop()),
    "tags call its alias": (tagging(a_rule("alb", arn=f"{ALB}:live", events=TAG.events)), loop(f"{ALB}:live")),
    "tags call it by a topic": (tagging(TAG_BY_TOPIC, topic=(ALB,)), loop(TOPIC)),
    "tags call somebody else": (tagging(a_rule("flow", events=TAG.events)), PASSED),
    "tags call somebody else by a topic": (tagging(TAG_BY_TOPIC, topic=(FLOW,)), PASSED),
    "tags go to a queue": (tagging(a_rule("alb", kind="queue", arn=an_arn("sqs", "q"), events=TAG.events)), PASSED),
    "spelled True": (tagging(TAG, on="True"), loop()),
    "a function that is not shown": (tagging(TAG, listed=NO_LIST), f"UNKNOWN: which function alb has: {NO_LIST}"),
    "such a function without tags": (tagging(TAG, on="false", listed=NO_LIST), PASSED),
    "such a function without a rule on tags": (tagging(a_rule("alb"), listed=NO_LIST), PASSED),
    "a topic that is not shown": (tagging(TAG_BY_TOPIC, topic=NO_TOPIC), f"UNKNOWN: whom {TOPIC} reaches: {NO_TOPIC}"),
    "its package lies in its bucket": (
        sharing(a_rule("alb"), forwarders=[a_forwarder("alb", bucket_name=BUCKET, stack=OWN_PACKAGE)]),
        f"{LOOP}the package of alb lies in its own notification bucket"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), LOOPS.values(), ids=LOOPS)
def test_loops(estate: Estate, answer: str) -> None:
    assert told(no_loop, estate) == answer


@pytest.mark.parametrize("name", ["bucket-stale-rules", "bucket-single-delivery", "bucket-no-loop"])
def test_a_bucket_that_is_gone_is_a_finding(name: str) -> None:
    user = a_forwarder("alb", bucket_name=BUCKET)
    gone = a_bucket(BUCKET, notification=Absent(f"bucket {BUCKET}"))

    assert told(CHECKS[name], an_estate(user, buckets=[gone])) == GONE
