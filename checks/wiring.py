"""How a bucket's notification document, topics and permissions reach a forwarder. Pure; read by checks and by steps."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from fixtures.estate import CREATED, FUNCTION_NAME, Estate, Forwarder, Notification, Rule, Statement, Topic
from fixtures.fact import value
from fixtures.identify import reads_a_bucket

S3 = "s3.amazonaws.com"
SNS = "sns.amazonaws.com"
EVERY_CREATION = "s3:ObjectCreated:*"
# S3 User Guide, "Supported event types": what `s3:ObjectCreated:*` stands for
_CREATIONS = frozenset(f"{CREATED}{way}" for way in ("Put", "Post", "Copy", "CompleteMultipartUpload"))


def function_arn(forwarder: Forwarder) -> str | None:
    """The ARN of the forwarder's function, None where the listing does not show it."""
    function = value(forwarder.listed)
    return function.arn if function else None


def partition_of(arn: str) -> str:
    """The partition in an ARN."""
    return arn.split(":")[1]


def bucket_arn(partition: str, bucket: str) -> str:
    """A bucket's ARN; it names neither account nor region."""
    return f"arn:{partition}:s3:::{bucket}"


def is_created_event(event: str) -> bool:
    """Whether a rule's event stands for new objects."""
    return event.startswith(CREATED)


def covers_every_creation(rules: Iterable[Rule]) -> bool:
    """Whether the rules together fire however an object comes to be: put, post, copied or uploaded in parts."""
    events = {event for rule in rules for event in rule.events}
    return EVERY_CREATION in events or events >= _CREATIONS


def names_function(arn: str, function: str) -> bool:
    """Whether an ARN is the function's, or that of a version or alias of it."""
    return arn == function or arn.startswith(f"{function}:")


def names_latest(arn: str, function: str) -> bool:
    """Whether an ARN stands for the code that stacks deploy: versions and aliases run other code, maybe old."""
    return arn in {function, f"{function}:$LATEST"}


def direct_rules(notification: Notification, arn: str) -> tuple[Rule, ...]:
    """The rules that call the function without a topic between."""
    return tuple(rule for rule in notification.rules if rule.calls(arn))


def was_of(rule: Rule, forwarder: Forwarder) -> bool:
    """Whether a rule calls, or called, a function named after the forwarder's stack for new objects."""
    pieces = rule.arn.split(":")
    match = FUNCTION_NAME.match(pieces[6]) if rule.kind == "function" and len(pieces) > 6 else None
    return bool(match and match["stack"] == forwarder.name and any(map(is_created_event, rule.events)))


def former_filters(forwarder: Forwarder, notification: Notification) -> tuple[tuple[str, str], ...]:
    """Prefix and suffix of each rule that was this forwarder's: for the same function, or one named after its stack.

    Every object where there is none.
    """
    found = [(rule.prefix, rule.suffix) for rule in notification.rules if was_of(rule, forwarder)]
    return tuple(dict.fromkeys(found)) or (("", ""),)


def topics_of(notification: Notification) -> tuple[str, ...]:
    """The topics that the document sends new objects to, sorted."""
    rules = (rule for rule in notification.rules if rule.kind == "topic")
    return tuple(sorted({rule.arn for rule in rules if any(map(is_created_event, rule.events))}))


def topic_rules(notification: Notification, topic: str) -> tuple[Rule, ...]:
    """The rules that send new objects to the topic."""
    return tuple(
        rule
        for rule in notification.rules
        if rule.kind == "topic" and rule.arn == topic and any(map(is_created_event, rule.events))
    )


def is_called_by_log_group(forwarder: Forwarder) -> bool:
    """Whether a log-group subscription calls the forwarder: its policy lets CloudWatch Logs in, and not S3 or SNS.

    One of an integration that is known to read a bucket is not: a permission that was left over would hide that no rule
    calls it.
    """
    if reads_a_bucket(forwarder.integration):
        return False
    statements = [statement for statement in value(forwarder.policy) or () if statement.allow]
    services = {principal for statement in statements for principal in statement.principals}
    # logs.amazonaws.com, logs.us-east-1.amazonaws.com, logs.cn-north-1.amazonaws.com.cn, ...
    logs = any(name.startswith("logs.") and "amazonaws." in name for name in services)
    return logs and not services & {S3, SNS}


def has_s3_trigger(forwarder: Forwarder, _estate: Estate) -> bool:
    """Whether there is an S3 trigger to judge."""
    return forwarder.bucket_name is not None and not is_called_by_log_group(forwarder)


def is_wired_or_should_be(forwarder: Forwarder, estate: Estate) -> bool:
    """Whether its bucket calls it, or has to: only where no rule does so, its policy is read to know whether to ask."""
    bucket, arn = estate.bucket_of(forwarder), function_arn(forwarder)
    notification = value(bucket.notification) if bucket else None
    wired = arn is not None and notification is not None and bool(direct_rules(notification, arn))
    return wired or has_s3_trigger(forwarder, estate)


@dataclass(frozen=True, slots=True)
class Permission:
    """What a resource policy says of one caller: statements that let it in, that keep it out, that may do either."""

    allowing: tuple[Statement, ...]
    denying: tuple[Statement, ...]
    unclear: tuple[Statement, ...]


def permission(policy: Iterable[Statement], service: str, source: str, account: str) -> Permission:
    """What the policy says of `service` calling in the name of `source` (an ARN), which belongs to `account`.

    A statement with conditions other than the source's is unclear: whether it counts cannot be told from here. A
    statement that denies wins over all that allow (IAM User Guide, "Policy evaluation logic").
    """
    spoken = [statement for statement in policy if _speaks_of(statement, service, source, account)]
    return Permission(
        allowing=tuple(statement for statement in spoken if statement.allow and not statement.conditions),
        denying=tuple(statement for statement in spoken if not statement.allow and not statement.conditions),
        unclear=tuple(statement for statement in spoken if statement.conditions),
    )


def lets_in(statement: Statement, service: str, source: str, account: str) -> bool:
    """Whether a statement by itself lets `service` call the function in the name of `source`."""
    return bool(permission([statement], service, source, account).allowing)


def _speaks_of(statement: Statement, service: str, source: str, account: str) -> bool:
    acts = any(_like("lambda:invokefunction", action.lower()) for action in statement.actions)
    named = service in statement.principals or "*" in statement.principals
    from_source = not statement.source_arns or any(_like(source, pattern) for pattern in statement.source_arns)
    from_account = not statement.source_accounts or any(_like(account, one) for one in statement.source_accounts)
    return acts and named and from_source and from_account


def _like(text: str, pattern: str) -> bool:
    """IAM's wildcards: `*` for any characters, `?` for one; nothing else is special."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def overlap(one: Rule, other: Rule) -> bool:
    """Whether some new object matches both rules: a common event, and prefixes and suffixes that fit together.

    S3 refuses a document in which two rules do (S3 User Guide, "Configuring notifications with object key name
    filtering").
    """
    events = any(_events_meet(a, b) for a in one.events for b in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes


def _events_meet(one: str, other: str) -> bool:
    return _like(one, other) or _like(other, one)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way in which a bucket's new objects reach a forwarder."""

    rule: Rule
    forwarder: Forwarder


def deliveries(notification: Notification, forwarders: Iterable[Forwarder], estate: Estate) -> tuple[Delivery, ...]:
    """Every way in which new objects reach one of `forwarders`, direct or through a topic."""
    topics = set(topics_of(notification))
    ends = {rule.arn for rule in notification.rules}
    ends.update(end for topic in topics if topic in estate.topics for end in _ends_of(estate.topics[topic]))
    named = {_unqualified(end) for end in ends}
    found = []
    for forwarder in forwarders:
        arn = function_arn(forwarder)
        if arn is None or arn not in named:  # of a fleet's thousands, one or two are
            continue
        found += [Delivery(rule, forwarder) for rule in direct_rules(notification, arn)]
        for topic in estate.topics.values():
            subscriptions = [end for end in _ends_of(topic) if names_function(end, arn)]
            found += [Delivery(rule, forwarder) for rule in topic_rules(notification, topic.arn) for _ in subscriptions]
    return tuple(found)


def _ends_of(topic: Topic) -> tuple[str, ...]:
    return value(topic.lambda_endpoints) or ()


def _unqualified(arn: str) -> str:
    """A function's ARN without version or alias."""
    return ":".join(arn.split(":")[:7])


def duplicates(ways: Iterable[Delivery]) -> tuple[tuple[Delivery, Delivery], ...]:
    """Pairs of ways by which one new object would be delivered twice."""
    return tuple(
        (one, other)
        for one, other in combinations(ways, 2)
        if overlap(_of_creation(one.rule), _of_creation(other.rule))
    )


def _of_creation(rule: Rule) -> Rule:
    """The rule without what it says of other events than new objects."""
    return replace(rule, events=tuple(filter(is_created_event, rule.events)))


def describe(rule: Rule) -> str:
    """A rule in a few words."""
    where = f"{rule.prefix}*{rule.suffix}" if rule.prefix or rule.suffix else "every object"
    name = f"rule {rule.id}" if rule.id else "a rule without id"
    return f"{name} ({', '.join(rule.events)} for {where} to {rule.arn})"
