"""For every check and every fact that it uses: what AWS would not show is neither a pass nor a finding."""

from dataclasses import replace
from typing import Any

import pytest

from checks.registry import check_functions, metadata_of
from fixtures.estate import Estate, KeyPolicy, SecretFacts, Seen, Topic
from fixtures.fact import NOT_READ, Unreadable
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    HERE,
    a_bucket,
    a_forwarder,
    a_parameter_set,
    a_release,
    a_rule,
    a_shared_stack,
    a_stack,
    a_statement,
    an_arn,
    an_estate,
    an_unreached,
    denied,
)

KEY = an_arn("kms", "key/0a1b")
TOPIC = an_arn("sns", "logs")
BUCKET = "cloudtrail-prod-logs"
CHECKS = check_functions()
# Facts that nobody asked AWS for, so that there is nothing to judge.
OPTIONAL = {("artifact-apart", "artifact"), ("artifact-private", "artifact"), ("live-as-declared", "drift")}
# Where another state of a check than UNKNOWN is right, and why.
OTHERWISE = {
    ("bucket-single-delivery", "identity"): "only says whether the target of another function was reached",
    ("bucket-single-delivery", "stacks"): "as for identity",
    ("function-dead-letter", "invocation"): "a note says that it was not read",
    ("function-errors", "listed"): "only says from when metrics count",
    ("keys-named", "policy"): "only says whether S3 calls the forwarder at all",
    ("logs-flow", "listed"): "only says from when log lines count",
    ("parameters-desired", "stacks"): "without a list of stacks there is no forwarder to ask about",
    ("shared-stack-credentials", "shared"): "whether a comparison was asked for is not known then; others say UNKNOWN",
    ("stack-healthy", "stacks"): "without a list of stacks there is no forwarder to ask about",
    ("target-listed", "identity"): "a target that cannot be entered is one finding: target-reached",
    ("target-lookalikes", "stacks"): "without a list of stacks there is none to name",
    ("target-orphans", "identity"): "a target that cannot be entered is one finding: target-reached",
    ("target-reached", "functions"): "a target with one list is reached; target-listed says which one is missing",
    ("target-reached", "identity"): "a target that cannot be entered is a finding",
    ("target-reached", "stacks"): "as for functions",
    ("trigger-region", "policy"): "only says whether S3 calls the forwarder at all",
}
STATES = sorted((name, fact) for name, check in CHECKS.items() for fact in metadata_of(check).facts)


def plain() -> Estate:
    """A healthy forwarder, with its secret compared."""
    secret = SecretFacts(an_arn("secretsmanager", "secret:a"), has_value=True, digest=a_release().credentials.digest)
    return an_estate(a_forwarder(), shared=(a_shared_stack(secret=secret),))


def through_a_topic() -> Estate:
    """One that is called through a topic."""
    forwarder = a_forwarder(
        topic_arn=TOPIC,
        policy=(a_statement(principals=("sns.amazonaws.com",), source_arns=(TOPIC,)),),
        stack=a_stack(parameters=a_parameter_set(SNSNotificationarn=TOPIC)),
    )
    topic = Topic(TOPIC, (a_rule().arn,))
    return an_estate(forwarder, buckets=[a_bucket(BUCKET, a_rule(kind="topic", arn=TOPIC))], topics=[topic])


def with_key_and_tags() -> Estate:
    """One that names a key and tags what it has read, in a bucket that tells a topic of tags."""
    wanted = a_parameter_set(NotificationBucketCustomerManagedKMSarn=KEY, EnableObjectTagging="true")
    rules = (a_rule(), a_rule(kind="topic", arn=TOPIC, events=("s3:ObjectTagging:*",)))
    return an_estate(
        a_forwarder(stack=a_stack(parameters=wanted)),
        buckets=[a_bucket(BUCKET, *rules)],
        topics=[Topic(TOPIC, ())],
        keys={KEY: KeyPolicy(KEY, HERE.account, delegates=True, principals=())},
    )


def unwired() -> Estate:
    """One that no rule calls, and a log group may."""
    return an_estate(a_forwarder(integration="awscloudwatchlogs"), buckets=[a_bucket(BUCKET)])


def nobody() -> Estate:
    """A target in which no forwarder was found."""
    return an_estate()


HEALTHY = (plain, through_a_topic, with_key_and_tags)
VARIANTS = (*HEALTHY, unwired, nobody)


def hidden(estate: Estate, fact: str, why: Unreadable) -> Estate:
    """The estate as it is observed where AWS does not show one fact."""
    bucket_fields = {"notification": "notification", "bucket_region": "region", "encryption": "encryption"}
    if fact in bucket_fields:
        hide: dict[str, Any] = {bucket_fields[fact]: why}
        return replace(estate, buckets={name: replace(b, **hide) for name, b in estate.buckets.items()})
    if fact == "topic":
        return replace(estate, topics={arn: Topic(arn, why) for arn in estate.topics})
    if fact == "keys":
        return replace(estate, keys=dict.fromkeys(estate.keys, why))
    return replace(estate, targets=tuple(_hidden_in(seen, fact, why) for seen in estate.targets))


def _hidden_in(seen: Seen, fact: str, why: Unreadable) -> Seen:
    match fact:
        case "identity":
            return an_unreached(seen.target, why)
        case "stacks":
            return replace(seen, stacks=why, shared=why, orphans=why, forwarders=())
        case "functions":
            return replace(_hidden_in(seen, "listed", why), functions=why, orphans=why)
        case "shared":
            return replace(seen, shared=why)
        case "artifact":
            return replace(seen, artifact=why)
    hide: dict[str, Any] = {"policy" if fact == "unwired_policy" else fact: why}
    return replace(seen, forwarders=tuple(replace(forwarder, **hide) for forwarder in seen.forwarders))


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_is_found_wrong_with_a_healthy_estate(name: str) -> None:
    answers = {estate.__name__: told(CHECKS[name], estate()) for estate in HEALTHY}

    assert {estate: answer for estate, answer in answers.items() if not answer.startswith((PASSED, NOT_ASKED))} == {}


@pytest.mark.parametrize("why", [denied("service:Action"), NOT_READ], ids=["denied", "not read"])
@pytest.mark.parametrize(("name", "fact"), STATES, ids=["-".join(state) for state in STATES])
def test_a_fact_that_is_not_shown_is_unknown(name: str, fact: str, why: Unreadable) -> None:
    check = CHECKS[name]
    before = [told(check, estate()) for estate in VARIANTS]
    after = [told(check, hidden(estate(), fact, why)) for estate in VARIANTS]

    turned = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    if (name, fact) in OTHERWISE or (why == NOT_READ and (name, fact) in OPTIONAL):
        assert [pair for pair in turned if pair[1].startswith("UNKNOWN")] == []
    else:
        assert any(answer.startswith("UNKNOWN") and str(why) in answer for _, answer in turned)
        assert [pair for pair in turned if not pair[1].startswith(("UNKNOWN", NOT_ASKED))] == []
