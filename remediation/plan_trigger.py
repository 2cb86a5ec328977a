"""Plans the merge of each notification document that needs one. Pure."""

from collections.abc import Iterable

from checks.test_bucket import stale_rules
from checks.wiring import (
    S3,
    bucket_arn,
    deliveries,
    describe,
    direct_rules,
    duplicates,
    function_arn,
    names_latest,
    partition_of,
    permission,
)
from fixtures.estate import FUNCTION_NAME, Bucket, Estate, Forwarder, Notification, Rule
from fixtures.fact import Absent, Unreadable, value
from remediation.context import Context
from remediation.notification_merge import Merge
from remediation.plan import Blocked
from remediation.preflight import Obstacle, blocked_by
from remediation.step import Step
from remediation.steps.trigger import Grant, MergeNotification, grant_for

_EVENTS = ("s3:ObjectCreated:*",)


def plan_buckets(context: Context, refused: frozenset[str]) -> tuple[tuple[Step, ...], tuple[Blocked, ...]]:
    """One merge for each bucket with something to do; `refused` forwarders are not touched at all."""
    seen, wants = context.seen, context.wants
    triggers = [f for f in seen.forwarders if f.name in wants.of("trigger") and f.name not in refused]
    names = {forwarder.bucket_name for forwarder in triggers if forwarder.bucket_name}
    names |= {*wants.of("stale-rules"), *wants.of("duplicates")}
    steps: list[Step] = []
    blocked: list[Blocked] = []
    for name in sorted(names):
        bucket = context.estate.buckets[name]
        mine = [forwarder for forwarder in triggers if forwarder.bucket_name == name]
        step, refusals = _plan_bucket(context, bucket, mine)
        steps += [step] if step else []
        blocked += refusals
    return tuple(steps), tuple(blocked)


def _plan_bucket(context: Context, bucket: Bucket, forwarders: list[Forwarder]) -> tuple[Step | None, list[Blocked]]:
    notification = bucket.notification
    if isinstance(notification, Absent | Unreadable):
        reason = Obstacle(f"the notification document of {bucket.name} could not be read ({notification})", "grant it")
        return None, [_refuse(context, forwarder.name, {"trigger"}, [reason]) for forwarder in forwarders]
    remove, gone, blocked = _removals(context, bucket, notification)
    add: list[Rule] = []
    grants: list[Grant] = []
    accepted: list[str] = []
    for forwarder in forwarders:
        rule, grant, obstacles = _wire(forwarder, bucket, notification)
        if gone and not remove:
            obstacles.append(_stale(gone))
        if rule and not obstacles:
            conflicts = Merge((*add, rule), tuple(remove)).conflicts(notification)
            obstacles += [Obstacle(f"S3 would refuse it: {text}", "decide which is right") for text in conflicts]
        if obstacles:
            blocked.append(_refuse(context, forwarder.name, {"trigger"}, obstacles))
            continue
        accepted.append(forwarder.name)
        add += [rule] if rule else []
        grants += [grant] if grant else []
    merge = Merge(tuple(add), tuple(dict.fromkeys(remove)))
    if merge.done_in(notification) and not grants:
        return None, blocked
    step = MergeNotification(
        context.target, bucket.name, tuple(accepted), grants=tuple(grants), merge=merge, seen=notification,
        owner=bucket.owner,
    )  # fmt: skip
    return step, blocked


def _removals(
    context: Context, bucket: Bucket, notification: Notification
) -> tuple[list[Rule], tuple[Rule, ...], list[Blocked]]:
    """Rules to take out with consent; those whose function is gone in any case; and what a person must decide."""
    wants, allow = context.wants, context.intent.allow
    blocked: list[Blocked] = []
    remove: list[Rule] = []
    gone, _ = stale_rules(notification.rules, context.estate)
    if gone and "remove-stale-rules" in allow:
        remove += gone
    elif gone and bucket.name in wants.of("stale-rules"):
        blocked.append(_refuse(context, bucket.name, {"stale-rules"}, [_stale(gone)]))
    if bucket.name in wants.of("duplicates"):
        surplus, unclear = _surplus(notification, context.estate)
        if surplus and not unclear and "merge-duplicates" in allow:
            remove += surplus
        else:
            blocked.append(_refuse(context, bucket.name, {"duplicates"}, [_twice(surplus, unclear)]))
    return remove, gone, blocked


def _wire(
    forwarder: Forwarder, bucket: Bucket, notification: Notification
) -> tuple[Rule | None, Grant | None, list[Obstacle]]:
    """The rule and the permission that a forwarder lacks."""
    arn = function_arn(forwarder)
    if arn is None:
        return None, None, [Obstacle(f"its function could not be read ({forwarder.listed})", "grant the permission")]
    if isinstance(forwarder.policy, Absent | Unreadable):
        return None, None, [Obstacle(f"its resource policy could not be read ({forwarder.policy})", "grant it")]
    if forwarder.topic_arn and not _direct(notification, arn):
        return None, None, [Obstacle(
            f"it is to be called through {forwarder.topic_arn}, which does not reach it",
            "wire the topic (bucket to topic, topic to function, permission for SNS) by hand",
        )]  # fmt: skip
    said = permission(forwarder.policy, S3, bucket_arn(partition_of(arn), bucket.name), bucket.owner)
    if said.denying:
        sids = ", ".join(statement.sid or "without Sid" for statement in said.denying)
        return None, None, [Obstacle(f"its resource policy keeps S3 out (statement {sids})", "take the statement out")]
    grant = None if said.allowing else grant_for(arn, bucket.name, bucket.owner)
    if _direct(notification, arn):
        return None, grant, []
    prefix, suffix = _former_filter(forwarder, notification)
    rule = Rule("function", arn, _EVENTS, prefix, suffix, id=f"taegis-forwarders-{arn.split(':')[6]}")
    return rule, grant, []


def _direct(notification: Notification, arn: str) -> bool:
    return any(names_latest(rule.arn, arn) for rule in direct_rules(notification, arn))


def _former_filter(forwarder: Forwarder, notification: Notification) -> tuple[str, str]:
    """Prefix and suffix of a rule that was this forwarder's: for the same function, or one named after its stack."""
    for rule in notification.rules:
        pieces = rule.arn.split(":")
        match = FUNCTION_NAME.match(pieces[6]) if rule.kind == "function" and len(pieces) > 6 else None
        if match and match["stack"] == forwarder.name:
            return rule.prefix, rule.suffix
    return "", ""


def _surplus(notification: Notification, estate: Estate) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Direct rules beside the topic a forwarder is meant to be called through; pairs that only a person can decide."""
    surplus: list[Rule] = []
    unclear: list[str] = []
    for one, other in duplicates(deliveries(notification, estate.forwarders, estate)):
        same = one.forwarder == other.forwarder
        direct = [way.rule for way in (one, other) if way.rule.kind == "function"]
        if same and len(direct) == 1 and one.forwarder.topic_arn in {one.rule.arn, other.rule.arn}:
            surplus += direct
        else:
            unclear.append(
                f"{one.forwarder.name} and {other.forwarder.name} both get what matches {describe(one.rule)}"
            )
    return tuple(dict.fromkeys(surplus)), tuple(unclear)


def _stale(gone: Iterable[Rule]) -> Obstacle:
    return Obstacle(
        f"S3 refuses any change while a rule names a function that is gone: {'; '.join(map(describe, gone))}",
        "ask the rule's owner, or allow it with --allow=remove-stale-rules",
    )


def _twice(surplus: Iterable[Rule], unclear: Iterable[str]) -> Obstacle:
    open_questions = tuple(unclear)
    if open_questions:
        return Obstacle("; ".join(open_questions), "decide which of the two should get these objects")
    return Obstacle(
        f"objects reach a forwarder twice, by its topic and by {'; '.join(map(describe, surplus))}",
        "allow it with --allow=merge-duplicates",
    )


def _refuse(context: Context, subject: str, fixes: set[str], obstacles: Iterable[Obstacle]) -> Blocked:
    return blocked_by(context.target, subject, fixes, obstacles)


def filters_of(forwarder: Forwarder, estate: Estate) -> tuple[tuple[str, str], ...]:
    """Prefix and suffix of each rule that calls the forwarder directly; every object where there is none."""
    bucket = estate.bucket_of(forwarder)
    notification = value(bucket.notification) if bucket else None
    arn = function_arn(forwarder)
    rules = direct_rules(notification, arn) if notification and arn else ()
    return tuple((rule.prefix, rule.suffix) for rule in rules) or (("", ""),)
