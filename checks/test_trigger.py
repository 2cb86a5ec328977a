"""Do new objects reach the forwarder?"""

from collections.abc import Callable
from dataclasses import dataclass

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.wiring import (
    S3,
    SNS,
    bucket_arn,
    covers_every_creation,
    direct_rules,
    has_s3_trigger,
    is_wired_or_should_be,
    lets_in,
    names_function,
    names_latest,
    partition_of,
    permission,
    topic_rules,
    topics_of,
)
from fixtures.estate import Bucket, Estate, Forwarder, Function, Notification, Rule, Statement
from fixtures.fact import Absent, Unreadable, value
from fixtures.identify import reads_a_bucket

_STEP = "6, 7: the bucket's event notification calls the function"


def _function(forwarder: Forwarder) -> Function:
    return known(forwarder.listed, expected="a function")


def _bucket(forwarder: Forwarder, estate: Estate) -> Bucket:
    return estate.bucket_of(forwarder) or unknown("its bucket was not read")


@dataclass(frozen=True, slots=True)
class Ways:
    """The rules that call a function directly, and those that reach it through a topic."""

    direct: tuple[Rule, ...]
    through: tuple[Rule, ...]


def ways_in(forwarder: Forwarder, estate: Estate) -> Ways:
    """How new objects reach the function; UNKNOWN where there is no way, and one may exist that was not seen."""
    bucket = _bucket(forwarder, estate)
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    arn = _function(forwarder).arn
    direct = direct_rules(notification, arn)
    latest = tuple(rule for rule in direct if names_latest(rule.arn, arn))
    if latest:
        return Ways(latest, ())
    through, unclear = _through_topics(notification, arn, estate)
    unclear += [f"{rule.arn} is a version or an alias: which code runs there was not read" for rule in direct]
    if unclear and not through:
        unknown("; ".join(unclear))
    return Ways((), tuple(through))


def _through_topics(notification: Notification, arn: str, estate: Estate) -> tuple[list[Rule], list[str]]:
    """The rules whose topic hands its messages to the function, and why this cannot be told of others."""
    through: list[Rule] = []
    unclear: list[str] = []
    for topic in topics_of(notification):
        seen = estate.topics.get(topic)
        if seen is None:
            unclear.append(f"whom {topic} reaches was not read")
        elif isinstance(seen.lambda_endpoints, Unreadable):
            unclear.append(f"whom {topic} reaches: {seen.lambda_endpoints}")
        elif not isinstance(seen.lambda_endpoints, Absent):
            endpoints = [end for end in seen.lambda_endpoints if names_function(end, arn)]
            if any(names_latest(end, arn) for end in endpoints):
                through.extend(topic_rules(notification, topic))
            else:
                unclear += [f"{end} is a version or an alias: which code runs there was not read" for end in endpoints]
    return through, unclear


@check(
    "trigger-wired",
    severity=Severity.CRITICAL,
    step=_STEP,
    facts=["listed", "notification", "topic", "unwired_policy"],
    fix="trigger",
    applies=is_wired_or_should_be,
)
def test_new_objects_reach_the_forwarder(forwarder: Forwarder, estate: Estate, advise: Callable[[str], None]) -> None:
    """A rule of the bucket's notification document, direct or through a topic, calls the function for new objects.

    A rule for some kinds of new objects only (say `s3:ObjectCreated:Put`) is enough, and noted.
    """
    ways = ways_in(forwarder, estate)
    rules = ways.direct or ways.through
    if not rules and isinstance(forwarder.policy, Unreadable) and not reads_a_bucket(forwarder.integration):
        unknown(f"no rule calls it, and whether a log group does cannot be told: {forwarder.policy}")
    expect(
        bool(rules),
        expected=f"a rule in bucket {forwarder.bucket_name} that calls the function for new objects",
        found="no such rule",
    )
    if not covers_every_creation(rules):
        events = sorted({event for rule in rules for event in rule.events})
        advise(f"only {', '.join(events)} call it: objects that come to be in another way are not forwarded")


@check(
    "trigger-permission",
    severity=Severity.CRITICAL,
    step=_STEP,
    facts=["listed", "notification", "topic", "policy"],
    fix="trigger",
    applies=has_s3_trigger,
)
def test_the_trigger_may_call_the_forwarder(forwarder: Forwarder, estate: Estate) -> None:
    """The function's resource policy lets S3 (or SNS, where a topic stands between) call it for this bucket.

    A statement that denies wins over those that allow. One with conditions that cannot be judged from here counts
    neither way.
    """
    policy = known(forwarder.policy, expected="a function")
    arn = _function(forwarder).arn
    bucket = _bucket(forwarder, estate)
    ways = ways_in(forwarder, estate)
    topics = sorted({rule.arn for rule in ways.through})
    if not topics and not ways.direct and forwarder.topic_arn:
        topics = [forwarder.topic_arn]
    service = SNS if topics else S3
    callers = {topic: topic.split(":")[4] for topic in topics}
    callers = callers or {bucket_arn(partition_of(arn), bucket.name): bucket.owner}
    said = {source: permission(policy, service, source, account) for source, account in callers.items()}
    denying = [statement for found in said.values() for statement in found.denying]
    expect(
        not denying,
        expected=f"a policy that lets {service} call the function for {', '.join(callers)}",
        found=f"it is denied by statement {_sids(denying)}",
        remedy="take the statement that denies it out of the function's policy",
    )
    unclear = [
        statement for found in said.values() for statement in found.unclear if not statement.allow or not found.allowing
    ]
    if unclear:
        unknown(f"the policy has conditions that cannot be judged: statement {_sids(unclear)}")
    missing = [source for source, found in said.items() if not found.allowing]
    expect(
        not missing,
        expected=f"a statement that lets {service} call the function for {', '.join(missing)}",
        found=f"{len(policy)} statements, none for it" if policy else "none",
    )


def _lets_s3_in(forwarder: Forwarder, estate: Estate) -> bool:
    """Whether there is a statement to judge, or it cannot be told."""
    if not has_s3_trigger(forwarder, estate):
        return False
    unseen = isinstance(forwarder.policy, Unreadable) or isinstance(forwarder.listed, Unreadable)
    return unseen or any({S3, "*"} & {*statement.principals} for statement in value(forwarder.policy) or ())


@check(
    "trigger-source-account",
    severity=Severity.LOW,
    step=_STEP,
    facts=["listed", "policy"],
    applies=_lets_s3_in,
)
def test_the_permission_names_the_buckets_account(forwarder: Forwarder, estate: Estate) -> None:
    """The statement that lets S3 in names the bucket owner's account.

    A bucket's ARN has no account: if the bucket is deleted, somebody else can make one of that name and call the
    function. The vendor's template may lack the condition, so nothing is changed here.
    """
    policy = known(forwarder.policy, expected="a function")
    source = bucket_arn(partition_of(_function(forwarder).arn), str(forwarder.bucket_name))
    owner = _bucket(forwarder, estate).owner
    open_ones = [s for s in policy if lets_in(s, S3, source, owner) and not s.source_accounts]
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
    facts=["bucket_region", "policy"],
    applies=has_s3_trigger,
)
def test_bucket_is_in_the_forwarders_region(forwarder: Forwarder, estate: Estate) -> None:
    """The notification bucket is in the forwarder's region: S3 calls functions in its own region only."""
    bucket = _bucket(forwarder, estate)
    region = known(bucket.region, expected=f"bucket {bucket.name}")
    expect(
        region == forwarder.target.region,
        expected=f"a bucket in {forwarder.target.region}",
        found=f"it is in {region}",
        remedy="deploy the forwarder in the bucket's region",
    )


def _sids(statements: list[Statement]) -> str:
    return ", ".join(statement.sid or "without Sid" for statement in statements)
