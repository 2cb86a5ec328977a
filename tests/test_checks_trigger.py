import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from checks.registry import check_functions
from fixtures.answers import Malformed
from fixtures.estate import Estate, Rule, Statement, Topic
from fixtures.fact import Absent, Fact
from fixtures.readers.functions import parse_policy
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    OTHER_ACCOUNT,
    a_bucket,
    a_forwarder,
    a_function,
    a_rule,
    a_statement,
    an_arn,
    an_estate,
    denied,
)

CHECKS = check_functions()
wired, permitted = CHECKS["trigger-wired"], CHECKS["trigger-permission"]
names_account, in_region = CHECKS["trigger-source-account"], CHECKS["trigger-region"]
BUCKET = "cloudtrail-prod-logs"
SOURCE = f"arn:aws:s3:::{BUCKET}"
CLOUDWATCH = "awscloudwatchlogs"
TOPIC, OTHER_TOPIC = an_arn("sns", "logs"), an_arn("sns", "alerts")
FUNCTION = a_function().arn
LOGS = a_statement(principals=("logs.us-east-1.amazonaws.com",), source_arns=(an_arn("logs", "log-group:app:*"),))
LOGS_CHINA = a_statement(principals=("logs.cn-north-1.amazonaws.com.cn",), source_arns=(), source_accounts=())
BY_SNS = a_statement(principals=("sns.amazonaws.com",), source_arns=(TOPIC,), source_accounts=())
NO_RULE = f"FAILED: expected a rule in bucket {BUCKET} that calls the function for new objects; found no such rule"
NO_POLICY = denied("lambda:GetPolicy")
NO_TOPIC = denied("sns:ListSubscriptionsByTopic")
Policy = Fact[tuple[Statement, ...]]


def estate_with(*rules: Rule, topics: Mapping[str, Fact[tuple[str, ...]]] | None = None, **changes: object) -> Estate:
    """A forwarder whose bucket has exactly these rules."""
    return an_estate(
        a_forwarder(**changes),
        buckets=[a_bucket(BUCKET, *rules)],
        topics=[Topic(arn, ends) for arn, ends in (topics or {}).items()],
    )


def on(events: str, **changes: object) -> Rule:
    return a_rule(events=tuple(events.split()), **changes)


def to(topic: str, **changes: object) -> Rule:
    return a_rule(kind="topic", arn=topic, **changes)


ONLY_PUT = "PASSED (only s3:ObjectCreated:Put call it: objects that come to be in another way are not forwarded)"
FOUR = [on(f"s3:ObjectCreated:{way}") for way in ("Put", "Post", "Copy", "CompleteMultipartUpload")]
ALIAS = f"{FUNCTION}:live is a version or an alias: which code runs there was not read"
WIRED = {
    "every new object": (estate_with(a_rule()), PASSED),
    "a prefix and a suffix": (estate_with(a_rule(prefix="AWSLogs/", suffix=".gz")), PASSED),
    "puts only": (estate_with(on("s3:ObjectCreated:Put")), ONLY_PUT),
    "each way by a rule of its own": (estate_with(*FOUR), PASSED),
    "several rules by prefix": (estate_with(a_rule(prefix="a/"), a_rule(prefix="b/")), PASSED),
    "no rule": (estate_with(), NO_RULE),
    "removals only": (estate_with(on("s3:ObjectRemoved:* s3:ObjectRestore:Completed")), NO_RULE),
    "a test of all events that S3 does not know": (estate_with(on("s3:*")), NO_RULE),
    "somebody else's function": (estate_with(a_rule("other")), NO_RULE),
    "a function whose name begins alike": (estate_with(a_rule(arn=f"{FUNCTION}-2")), NO_RULE),
    "a queue": (estate_with(a_rule(kind="queue", arn=an_arn("sqs", "q"))), NO_RULE),
    "the latest version by name": (estate_with(a_rule(arn=f"{FUNCTION}:$LATEST")), PASSED),
    "an alias": (estate_with(a_rule(arn=f"{FUNCTION}:live")), f"UNKNOWN: {ALIAS}"),
    "an alias beside the function": (estate_with(a_rule(arn=f"{FUNCTION}:live"), a_rule()), PASSED),
    "a topic": (estate_with(to(TOPIC), topics={TOPIC: (FUNCTION,)}), PASSED),
    "a topic for puts only": (estate_with(on("s3:ObjectCreated:Put", kind="topic", arn=TOPIC),
                                          topics={TOPIC: (FUNCTION,)}), ONLY_PUT),
    "a topic that reaches somebody else": (estate_with(to(TOPIC), topics={TOPIC: (a_rule("other").arn,)}), NO_RULE),
    "a topic that reaches nobody": (estate_with(to(TOPIC), topics={TOPIC: ()}), NO_RULE),
    "a topic that is gone": (estate_with(to(TOPIC), topics={TOPIC: Absent("topic logs")}), NO_RULE),
    "a topic that hears of removals only": (
        estate_with(on("s3:ObjectRemoved:*", kind="topic", arn=TOPIC), topics={TOPIC: (FUNCTION,)}), NO_RULE),
    "a topic that reaches an alias": (
        estate_with(to(TOPIC), topics={TOPIC: (f"{FUNCTION}:live",)}), f"UNKNOWN: {ALIAS}"),
    "a topic that nobody asked about": (estate_with(to(TOPIC)), f"UNKNOWN: whom {TOPIC} reaches was not read"),
    "a topic that is not shown": (
        estate_with(to(TOPIC), topics={TOPIC: NO_TOPIC}), f"UNKNOWN: whom {TOPIC} reaches: {NO_TOPIC}"),
    "a topic that is not shown beside one that reaches it": (
        estate_with(to(OTHER_TOPIC), to(TOPIC), topics={OTHER_TOPIC: NO_TOPIC, TOPIC: (FUNCTION,)}), PASSED),
    "a topic that is not shown beside a rule": (estate_with(to(TOPIC), a_rule(), topics={TOPIC: NO_TOPIC}), PASSED),
    "a topic that no rule names": (
        estate_with(topics={TOPIC: (FUNCTION,)}), NO_RULE),
    "no rule, and a policy that is not shown": (
        estate_with(policy=NO_POLICY, integration=CLOUDWATCH),
        f"UNKNOWN: no rule calls it, and whether a log group does cannot be told: {NO_POLICY}"),
    "no rule, a policy that is not shown, and an integration that is not known": (
        estate_with(policy=NO_POLICY, integration=None),
        f"UNKNOWN: no rule calls it, and whether a log group does cannot be told: {NO_POLICY}"),
    "no rule, and a policy that nobody needs": (estate_with(policy=NO_POLICY), NO_RULE),
    "a rule, and a policy that is not shown": (estate_with(a_rule(), policy=NO_POLICY), PASSED),
    "no bucket": (an_estate(a_forwarder(bucket_name=None)), NOT_ASKED),
    "called by a log group": (estate_with(policy=(LOGS,), integration=CLOUDWATCH), NOT_ASKED),
    "called by a log group, of an integration that is not known": (
        estate_with(policy=(LOGS,), integration=None), NOT_ASKED),
    "called by a log group in China": (estate_with(policy=(LOGS_CHINA,), integration=CLOUDWATCH), NOT_ASKED),
    "a log group that is denied": (estate_with(integration=CLOUDWATCH, policy=(a_statement(
        allow=False, principals=("logs.amazonaws.com",)),)), NO_RULE),
    "called by a log group and by S3": (
        estate_with(policy=(LOGS, a_statement()), integration=CLOUDWATCH), NO_RULE),
    "a log group's permission was left over on one that reads a bucket": (estate_with(policy=(LOGS,)), NO_RULE),
    "a bucket that is gone": (
        an_estate(a_forwarder(), buckets=[a_bucket(BUCKET, notification=Absent(f"bucket {BUCKET}"))]),
        f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"),
    "a function that is gone": (
        estate_with(a_rule(), listed=Absent("function x")),
        "FAILED: expected a function; found function x does not exist"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), WIRED.values(), ids=WIRED)
def test_wired(estate: Estate, answer: str) -> None:
    assert told(wired, estate) == answer


def test_a_forwarder_in_another_partition_is_judged_by_its_own_arns() -> None:
    function = a_function(arn=FUNCTION.replace("arn:aws:", "arn:aws-cn:"))
    statement = a_statement(source_arns=(SOURCE.replace("arn:aws:", "arn:aws-cn:"),))
    estate = estate_with(a_rule(arn=function.arn), listed=function, policy=(statement,))

    assert told(wired, estate) == PASSED
    assert told(permitted, estate) == PASSED


def needed(service: str = "s3", source: str = SOURCE, count: int = 1) -> str:
    found = f"{count} statements, none for it" if count else "none"
    return (
        f"FAILED: expected a statement that lets {service}.amazonaws.com call the function for {source}; found {found}"
    )


def stated(
    effect: str = "Allow", principal: object = None, action: object = None, **condition: object
) -> tuple[Statement, ...]:
    """A policy as Lambda returns it: parsed as the reader does."""
    statement = {
        "Sid": "one",
        "Effect": effect,
        "Principal": principal or {"Service": "s3.amazonaws.com"},
        "Action": action or "lambda:InvokeFunction",
        "Condition": condition,
    }
    return parse_policy(json.dumps({"Statement": [statement]}))


LIKE = {"AWS:SourceArn": SOURCE}
UNCLEAR = "UNKNOWN: the policy has conditions that cannot be judged: statement one"
DENIED = (
    f"FAILED: expected a policy that lets s3.amazonaws.com call the function for {SOURCE}; "
    "found it is denied by statement one"
)
DENY = a_statement(sid="one", allow=False)
PERMITTED: Mapping[str, tuple[Policy, str]] = {
    "as AddPermission writes it": (stated(ArnLike=LIKE), PASSED),
    "with the owner's account": (stated(ArnLike=LIKE, StringEquals={"AWS:SourceAccount": "111122223333"}), PASSED),
    "with another account": (stated(ArnLike=LIKE, StringEquals={"AWS:SourceAccount": OTHER_ACCOUNT}), needed()),
    "no policy": ((), needed(count=0)),
    "a policy that is not shown": (NO_POLICY, f"UNKNOWN: {NO_POLICY}"),
    "a policy of a function that is gone": (
        Absent("function x"), "FAILED: expected a function; found function x does not exist"),
    "wildcards in SourceArn": (stated(ArnLike={"aws:SourceArn": "arn:aws:s3:::cloudtrail-*-log?"}), PASSED),
    "a wildcard that does not fit": (stated(ArnLike={"aws:SourceArn": "arn:aws:s3:::cloudtrail-dev*"}), needed()),
    "a wildcard taken literally": (stated(StringEquals={"aws:SourceArn": "arn:aws:s3:::*"}), UNCLEAR),
    "a bracket is no wildcard": (stated(ArnLike={"aws:SourceArn": "arn:aws:s3:::[c]loudtrail-prod-logs"}), needed()),
    "another bucket": (stated(ArnLike={"aws:SourceArn": "arn:aws:s3:::other"}), needed()),
    "no condition at all": (stated(), PASSED),
    "everybody": (stated(principal="*"), PASSED),
    "somebody else": (stated(principal={"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}), needed()),
    "another service": (stated(principal={"Service": "events.amazonaws.com"}), needed()),
    "any action of Lambda": (stated(action="lambda:*"), PASSED),
    "an action in lower case": (stated(action=["lambda:invokefunction"]), PASSED),
    "another action": (stated(action="lambda:GetFunction"), needed()),
    "a condition that cannot be judged": (stated(StringLike={"aws:PrincipalOrgID": "o-1"}), UNCLEAR),
    "such a condition for everybody": (stated(principal="*", Bool={"aws:SecureTransport": "true"}), UNCLEAR),
    "such a condition on another bucket": (
        stated(ArnLike={"aws:SourceArn": "arn:aws:s3:::other"}, Bool={"aws:SecureTransport": "true"}), needed()),
    "such a condition beside a plain statement": (
        (*stated(Bool={"aws:SecureTransport": "true"}), a_statement()), PASSED),
    "denied": (stated(effect="Deny"), DENIED),
    "denied and allowed": ((a_statement(), DENY), DENIED),
    "denied to everybody": ((a_statement(), a_statement(sid="one", allow=False, principals=("*",))), DENIED),
    "denied for another bucket": (
        (a_statement(), a_statement(allow=False, source_arns=("arn:aws:s3:::other",))), PASSED),
    "denied to another service": ((a_statement(), a_statement(allow=False, principals=("x.amazonaws.com",))), PASSED),
    "denied by a condition that cannot be judged": (
        (a_statement(), *stated(effect="Deny", StringNotEquals={"aws:SourceAccount": "1"})), UNCLEAR),
    "several statements": ((LOGS, BY_SNS, a_statement()), PASSED),
}  # fmt: skip


@pytest.mark.parametrize(("policy", "answer"), PERMITTED.values(), ids=PERMITTED)
def test_permitted(policy: Policy, answer: str) -> None:
    assert told(permitted, estate_with(a_rule(), policy=policy)) == answer


@pytest.mark.parametrize("element", ["NotPrincipal", "NotAction"])
def test_a_statement_by_exclusion_makes_the_policy_unreadable(element: str) -> None:
    plain = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Principal": "*"}
    del plain[element.removeprefix("Not")]

    with pytest.raises(Malformed):
        parse_policy(json.dumps({"Statement": {**plain, element: "lambda:GetFunction"}}))


THROUGH: dict[str, Any] = {"topics": {TOPIC: (FUNCTION,)}, "topic_arn": TOPIC}
PERMITTED_BY_WAY = {
    "a topic that may": (estate_with(to(TOPIC), policy=(BY_SNS,), **THROUGH), PASSED),
    "a topic, and only S3 may": (estate_with(to(TOPIC), **THROUGH), needed("sns", TOPIC)),
    "a topic of another account than the statement says": (
        estate_with(to(TOPIC), policy=(a_statement(principals=("sns.amazonaws.com",), source_arns=(TOPIC,),
                                                   source_accounts=(OTHER_ACCOUNT,)),), **THROUGH),
        needed("sns", TOPIC)),
    "two topics, one of which may": (
        estate_with(to(TOPIC), to(OTHER_TOPIC), policy=(BY_SNS,),
                    topics=dict.fromkeys([TOPIC, OTHER_TOPIC], (FUNCTION,))),
        needed("sns", OTHER_TOPIC)),
    "a rule, and only SNS may": (estate_with(a_rule(), policy=(BY_SNS,)), needed()),
    "not wired, meant for S3": (estate_with(), PASSED),
    "not wired, meant for S3, no policy": (estate_with(policy=()), needed(count=0)),
    "not wired, meant for a topic": (estate_with(topic_arn=TOPIC, topics={TOPIC: ()}), needed("sns", TOPIC)),
    "a topic that is not shown": (
        estate_with(to(TOPIC), topics={TOPIC: NO_TOPIC}), f"UNKNOWN: whom {TOPIC} reaches: {NO_TOPIC}"),
    "an alias has a policy of its own": (estate_with(a_rule(arn=f"{FUNCTION}:live")), f"UNKNOWN: {ALIAS}"),
    "called by a log group": (estate_with(policy=(LOGS,), integration=CLOUDWATCH), NOT_ASKED),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), PERMITTED_BY_WAY.values(), ids=PERMITTED_BY_WAY)
def test_permitted_on_its_way(estate: Estate, answer: str) -> None:
    assert told(permitted, estate) == answer


def without_account(count: int, of: int) -> str:
    wanted = "SourceAccount in every statement that lets S3 in"
    return f"FAILED: expected {wanted}; found {count} of {of} statements without it"


OPEN = a_statement(source_accounts=())
ACCOUNTS: Mapping[str, tuple[Policy, str]] = {
    "named": ((a_statement(),), PASSED),
    "not named": ((OPEN,), without_account(1, 1)),
    "neither bucket nor account": ((a_statement(source_accounts=(), source_arns=()),), without_account(1, 1)),
    "one of two": ((a_statement(), OPEN), without_account(1, 2)),
    "for another bucket": ((a_statement(), a_statement("other-logs", source_accounts=())), PASSED),
    "denied": ((a_statement(), a_statement(allow=False, source_accounts=())), PASSED),
    "no statement lets S3 in": ((), NOT_ASKED),
    "only SNS": ((BY_SNS,), NOT_ASKED),
    "everybody": ((a_statement(principals=("*",), source_accounts=()),), without_account(1, 1)),
    "not shown": (NO_POLICY, f"UNKNOWN: {NO_POLICY}"),
}


@pytest.mark.parametrize(("policy", "answer"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_the_buckets_account_is_named(policy: Policy, answer: str) -> None:
    assert told(names_account, estate_with(a_rule(), policy=policy)) == answer


REGIONS: Mapping[str, tuple[Fact[str], str]] = {
    "here": ("us-east-1", PASSED),
    "elsewhere": ("eu-west-1", "FAILED: expected a bucket in us-east-1; found it is in eu-west-1"),
    "gone": (Absent(f"bucket {BUCKET}"), f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"),
    "not shown": (denied("s3:ListBucket"), f"UNKNOWN: {denied('s3:ListBucket')}"),
}


@pytest.mark.parametrize(("region", "answer"), REGIONS.values(), ids=REGIONS)
def test_the_buckets_region(region: Fact[str], answer: str) -> None:
    assert told(in_region, an_estate(a_forwarder(), buckets=[a_bucket(BUCKET, region=region)])) == answer


@pytest.mark.parametrize("check", [wired, permitted, in_region], ids=lambda check: check.__name__)
def test_a_bucket_that_was_not_read_is_unknown(check: Callable[..., None]) -> None:
    estate = replace(an_estate(a_forwarder()), buckets={})

    assert told(check, estate) == "UNKNOWN: its bucket was not read"
