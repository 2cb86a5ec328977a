"""Do new objects reach the forwarder?"""

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.wiring import (
    S3,
    SNS,
    bucket_arn,
    direct_rules,
    has_s3_trigger,
    lets_in,
    partition_of,
    topic_rules,
)
from fixtures.estate import Estate, Forwarder, Function, Notification, Rule
from fixtures.fact import Absent, Unreadable

_STEP = "6, 7: the bucket's event notification calls the function"


def _function(forwarder: Forwarder) -> Function:
    return known(forwarder.listed, expected="a function")


def _notification(forwarder: Forwarder, estate: Estate) -> Notification:
    bucket = estate.bucket_of(forwarder)
    if bucket is None:
        unknown("its bucket was not read")
    return known(bucket.notification, expected=f"bucket {bucket.name}")


def ways_in(forwarder: Forwarder, estate: Estate) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """The rules that call the function directly, and those that reach it through its topic."""
    notification = _notification(forwarder, estate)
    arn = _function(forwarder).arn
    direct = direct_rules(notification, arn)
    if direct:
        return direct, ()
    through: list[Rule] = []
    for topic in estate.topics.values():
        rules = topic_rules(notification, topic.arn)
        if not rules or isinstance(topic.lambda_endpoints, Absent):
            continue
        if isinstance(topic.lambda_endpoints, Unreadable):
            unknown(f"whether {topic.arn} reaches the function: {topic.lambda_endpoints}")
        if arn in topic.lambda_endpoints:
            through.extend(rules)
    return (), tuple(through)


@check(
    "trigger-wired",
    severity=Severity.CRITICAL,
    step=_STEP,
    facts=["listed", "notification", "topic"],
    fix="trigger",
    applies=has_s3_trigger,
)
def test_new_objects_reach_the_forwarder(forwarder: Forwarder, estate: Estate) -> None:
    """A rule of the bucket's notification document, direct or through a topic, calls the function for new objects."""
    direct, through = ways_in(forwarder, estate)
    expect(
        bool(direct or through),
        expected=f"a rule in bucket {forwarder.bucket_name} that calls the function for new objects",
        found="no such rule",
    )


@check(
    "trigger-permission",
    severity=Severity.CRITICAL,
    step=_STEP,
    facts=["listed", "notification", "topic", "policy"],
    fix="trigger",
    applies=has_s3_trigger,
)
def test_the_trigger_may_call_the_forwarder(forwarder: Forwarder, estate: Estate) -> None:
    """The function's resource policy lets S3 (or SNS, where a topic stands between) call it for this bucket."""
    policy = known(forwarder.policy, expected="a function")
    arn = _function(forwarder).arn
    _, through = ways_in(forwarder, estate)
    service = SNS if through else S3
    sources = [rule.arn for rule in through] or [bucket_arn(partition_of(arn), str(forwarder.bucket_name))]
    missing = [source for source in sources if not any(lets_in(statement, service, source) for statement in policy)]
    conditional = [s.sid or "without Sid" for s in policy if s.conditions and s.allow and service in s.principals]
    if missing and conditional:
        unknown(f"the policy has conditions that cannot be judged: statement {', '.join(conditional)}")
    expect(
        not missing,
        expected=f"a statement that lets {service} call the function for {', '.join(sources)}",
        found="none" if not policy else f"{len(policy)} statements, none for it",
    )


@check(
    "trigger-source-account",
    severity=Severity.LOW,
    step=_STEP,
    facts=["listed", "policy"],
    applies=has_s3_trigger,
)
def test_the_permission_names_the_buckets_account(forwarder: Forwarder) -> None:
    """The statement that lets S3 in names the bucket owner's account.

    A bucket's ARN has no account: if the bucket is deleted, somebody else can make one of that name and call the
    function. The vendor's template may lack the condition, so nothing is changed here.
    """
    policy = known(forwarder.policy, expected="a function")
    source = bucket_arn(partition_of(_function(forwarder).arn), str(forwarder.bucket_name))
    open_ones = [s for s in policy if lets_in(s, S3, source) and not s.source_accounts]
    expect(
        not open_ones,
        expected="SourceAccount in every statement that lets S3 in",
        found=f"{len(open_ones)} of {len(policy)} statements without it",
        remedy="add SourceAccount with the bucket owner's account to the permission",
    )


@check(
    "trigger-region",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["bucket_region"],
    applies=has_s3_trigger,
)
def test_bucket_is_in_the_forwarders_region(forwarder: Forwarder, estate: Estate) -> None:
    """The notification bucket is in the forwarder's region: S3 calls functions in its own region only."""
    bucket = estate.bucket_of(forwarder)
    if bucket is None:
        unknown("its bucket was not read")
    region = known(bucket.region, expected=f"bucket {bucket.name}")
    expect(
        region == forwarder.target.region,
        expected=f"a bucket in {forwarder.target.region}",
        found=f"it is in {region}",
        remedy="deploy the forwarder in the bucket's region",
    )
