"""How a bucket's notification document, topics and permissions reach a forwarder. Pure; read by checks and by steps."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from fixtures.estate import Estate, Forwarder, Notification, Rule, Statement
from fixtures.fact import value

S3 = "s3.amazonaws.com"
SNS = "sns.amazonaws.com"
CREATED = "s3:ObjectCreated:"


def function_arn(forwarder: Forwarder) -> str | None:
    """The ARN of the forwarder's function, None where no answer shows it."""
    function = value(forwarder.function) or value(forwarder.listed)
    return function.arn if function else None


def partition_of(arn: str) -> str:
    """The partition in an ARN."""
    return arn.split(":")[1]


def bucket_arn(partition: str, bucket: str) -> str:
    """A bucket's ARN; it names neither account nor region."""
    return f"arn:{partition}:s3:::{bucket}"


def is_created_event(event: str) -> bool:
    """Whether a rule's event stands for new objects; `s3:*` is not one that S3 knows."""
    return event.startswith(CREATED)


def calls(rule: Rule, arn: str) -> bool:
    """Whether a rule calls this function for new objects; a rule may name a version or an alias behind the ARN."""
    same = rule.arn == arn or rule.arn.startswith(f"{arn}:")
    return rule.kind == "function" and same and any(map(is_created_event, rule.events))


def direct_rules(notification: Notification, arn: str) -> tuple[Rule, ...]:
    """The rules that call the function without a topic between."""
    return tuple(rule for rule in notification.rules if calls(rule, arn))


def topic_rules(notification: Notification, topic: str) -> tuple[Rule, ...]:
    """The rules that send new objects to the topic."""
    return tuple(
        rule
        for rule in notification.rules
        if rule.kind == "topic" and rule.arn == topic and any(map(is_created_event, rule.events))
    )


def is_called_by_log_group(forwarder: Forwarder) -> bool:
    """Whether a log-group subscription calls the forwarder: its policy lets CloudWatch Logs in, and not S3 or SNS."""
    statements = [statement for statement in value(forwarder.policy) or () if statement.allow]
    services = {principal for statement in statements for principal in statement.principals}
    logs = any(name.startswith("logs.") and name.endswith("amazonaws.com") for name in services)
    return logs and not services & {S3, SNS}


def has_s3_trigger(forwarder: Forwarder, _estate: Estate) -> bool:
    """Whether there is an S3 trigger to judge."""
    return forwarder.bucket_name is not None and not is_called_by_log_group(forwarder)


def lets_in(statement: Statement, service: str, source: str) -> bool:
    """Whether a statement lets `service` call the function in the name of `source` (an ARN).

    Lambda compares SourceArn with wildcards. A statement with other conditions may or may not: it does not count.
    """
    acts = any(fnmatch.fnmatchcase("lambda:InvokeFunction", action) for action in statement.actions)
    named = service in statement.principals or "*" in statement.principals
    from_source = not statement.source_arns or any(
        fnmatch.fnmatchcase(source, pattern) for pattern in statement.source_arns
    )
    return statement.allow and acts and named and from_source and not statement.conditions


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
    return fnmatch.fnmatchcase(one, other) or fnmatch.fnmatchcase(other, one)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way in which a bucket's new objects reach a forwarder."""

    rule: Rule
    forwarder: Forwarder


def deliveries(notification: Notification, forwarders: Iterable[Forwarder], estate: Estate) -> tuple[Delivery, ...]:
    """Every way in which new objects reach one of `forwarders`, direct or through a topic."""
    found = []
    for forwarder in forwarders:
        arn = function_arn(forwarder)
        if arn is None:
            continue
        found += [Delivery(rule, forwarder) for rule in direct_rules(notification, arn)]
        for topic in estate.topics.values():
            if arn in (value(topic.lambda_endpoints) or ()):
                found += [Delivery(rule, forwarder) for rule in topic_rules(notification, topic.arn)]
    return tuple(found)


def duplicates(ways: Iterable[Delivery]) -> tuple[tuple[Delivery, Delivery], ...]:
    """Pairs of ways by which one object would be delivered twice."""
    return tuple((one, other) for one, other in combinations(ways, 2) if overlap(one.rule, other.rule))


def describe(rule: Rule) -> str:
    """A rule in a few words."""
    where = f"{rule.prefix}*{rule.suffix}" if rule.prefix or rule.suffix else "every object"
    name = f"rule {rule.id}" if rule.id else "a rule without id"
    return f"{name} ({', '.join(rule.events)} for {where} to {rule.arn})"
