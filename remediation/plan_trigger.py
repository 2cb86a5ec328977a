"""Plans the merge of each notification document that needs one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

from checks.test_bucket import stale_rules
from checks.wiring import (
    S3,
    bucket_arn,
    deliveries,
    describe,
    direct_rules,
    duplicates,
    function_arn,
    is_created_event,
    names_latest,
    overlap,
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
from remediation.steps.trigger import Grant, MergeNotification, Wiring, grant_for

_EVENTS = ("s3:ObjectCreated:*",)


@dataclass
class _Wish:
    """What one forwarder lacks, and what stands against giving it."""

    forwarder: Forwarder
    rules: tuple[Rule, ...] = ()
    grant: Grant | None = None
    obstacles: list[Obstacle] = field(default_factory=list)


def plan_buckets(context: Context, refused: frozenset[str]) -> tuple[tuple[Step, ...], tuple[Blocked, ...]]:
    """One merge for each bucket with something to do; `refused` forwarders are not touched at all."""
    seen, wants = context.seen, context.wants
    triggers = [f for f in seen.forwarders if f.name in wants.of("trigger") and f.name not in refused]
    names = {forwarder.bucket_name for forwarder in triggers if forwarder.bucket_name}
    names |= {*wants.of("stale-rules"), *wants.of("duplicates")}
    steps: list[Step] = []
    blocked: list[Blocked] = []
    for name in sorted(names):
        mine = [forwarder for forwarder in triggers if forwarder.bucket_name == name]
        step, refusals = _plan_bucket(context, name, mine, refused)
        steps += [step] if step else []
        blocked += refusals
    return tuple(steps), tuple(blocked)


def _plan_bucket(
    context: Context, name: str, forwarders: list[Forwarder], refused: frozenset[str]
) -> tuple[Step | None, list[Blocked]]:
    bucket = context.estate.buckets.get(name)
    notification = bucket.notification if bucket else Absent(f"bucket {name}")
    if bucket is None or isinstance(notification, Absent | Unreadable):
        reason = Obstacle(f"the notification document of {name} could not be read ({notification})", "grant it")
        return None, [_refuse(context, forwarder.name, {"trigger"}, [reason]) for forwarder in forwarders]
    remove, against_writing, blocked = _removals(context, bucket, notification, refused)
    wishes = [_wish(forwarder, bucket, notification) for forwarder in forwarders]
    for wish in wishes:
        wish.obstacles += context.wants.against("trigger", wish.forwarder.name)
        if wish.rules:
            wish.obstacles += against_writing
            conflicts = Merge(wish.rules, remove).conflicts(notification)
            wish.obstacles += [Obstacle(f"S3 would refuse it: {text}", "decide which is right") for text in conflicts]
    _refuse_rivals(wishes)
    wirings = []
    for wish in wishes:
        if wish.obstacles:
            blocked.append(_refuse(context, wish.forwarder.name, {"trigger"}, wish.obstacles))
        else:
            wirings.append(Wiring(wish.forwarder.name, wish.rules, wish.grant))
    if not wirings and not remove:
        return None, blocked
    step = MergeNotification(
        context.target,
        name,
        tuple(wiring.forwarder for wiring in wirings),
        wirings=tuple(wirings),
        remove=remove,
        seen=notification,
        owner=bucket.owner,
    )
    return step, blocked


def _removals(
    context: Context, bucket: Bucket, notification: Notification, refused: frozenset[str]
) -> tuple[tuple[Rule, ...], list[Obstacle], list[Blocked]]:
    """Rules to take out with consent; what stands against any write to the document; what a person must decide."""
    wants, allow = context.wants, context.intent.allow
    blocked: list[Blocked] = []
    against: list[Obstacle] = []
    if bucket.owner != context.target.account:
        against.append(
            Obstacle(
                f"bucket {bucket.name} belongs to account {bucket.owner}, which alone may change its notifications",
                "add the rule there by hand",
            )
        )
    gone, _ = stale_rules(notification.rules, context.estate)
    if gone and "remove-stale-rules" not in allow:
        against.append(_stale(gone))
    against += wants.against("stale-rules", bucket.name) if gone else []
    remove = [*gone] if not against else []
    if against and bucket.name in wants.of("stale-rules"):
        blocked.append(_refuse(context, bucket.name, {"stale-rules"}, against))
    if bucket.name in wants.of("duplicates"):
        surplus, problems = _surplus(notification, context, refused)
        if problems or against:
            blocked.append(_refuse(context, bucket.name, {"duplicates"}, [*problems, *against]))
        else:
            remove += surplus
    return tuple(dict.fromkeys(remove)), against, blocked


def _wish(forwarder: Forwarder, bucket: Bucket, notification: Notification) -> _Wish:
    """The rules and the permission that a forwarder lacks."""
    arn = function_arn(forwarder)
    if arn is None:
        return _against(
            forwarder, f"its function could not be read ({forwarder.listed})", "grant the permission, run again"
        )
    if isinstance(forwarder.policy, Absent | Unreadable):
        return _against(
            forwarder, f"its resource policy could not be read ({forwarder.policy})", "grant the permission, run again"
        )
    if forwarder.topic_arn and not _direct(notification, arn):
        return _against(
            forwarder,
            f"it is to be called through {forwarder.topic_arn}, and the way through it is not whole",
            "wire the topic (bucket to topic, topic to function, permission for SNS) by hand",
        )
    said = permission(forwarder.policy, S3, bucket_arn(partition_of(arn), bucket.name), bucket.owner)
    if said.denying:
        sids = ", ".join(statement.sid or "without Sid" for statement in said.denying)
        return _against(
            forwarder, f"its resource policy keeps S3 out (statement {sids})", "take the statement out, run again"
        )
    grant = None if said.allowing else grant_for(arn, bucket.name, bucket.owner)
    rules = () if _direct(notification, arn) else _rules_for(forwarder, arn, notification)
    if not rules and grant is None:
        return _against(forwarder, "its rule and its permission are there: what else is wrong is not known", "look")
    return _Wish(forwarder, rules, grant)


def _against(forwarder: Forwarder, reason: str, to_do: str) -> _Wish:
    return _Wish(forwarder, obstacles=[Obstacle(reason, to_do)])


def _refuse_rivals(wishes: Iterable[_Wish]) -> None:
    """Two forwarders that would get the same objects: which one should is not known, so neither is given them."""
    able = [wish for wish in wishes if not wish.obstacles]
    for one, other in combinations(able, 2):
        if any(overlap(a, b) for a in one.rules for b in other.rules):
            for wish, rival in ((one, other), (other, one)):
                reason = (
                    f"it and {rival.forwarder.name} would both get the same objects of {wish.forwarder.bucket_name}"
                )
                wish.obstacles.append(Obstacle(reason, "add a rule with a prefix or suffix for each by hand"))


def _direct(notification: Notification, arn: str) -> bool:
    return any(names_latest(rule.arn, arn) for rule in direct_rules(notification, arn))


def _rules_for(forwarder: Forwarder, arn: str, notification: Notification) -> tuple[Rule, ...]:
    """The rules that a forwarder without any should have: those it had, for the function that it has now."""
    name = f"taegis-forwarders-{arn.split(':')[6]}"
    return tuple(
        Rule("function", arn, _EVENTS, prefix, suffix, id=name if number == 1 else f"{name}-{number}")
        for number, (prefix, suffix) in enumerate(_former_filters(forwarder, notification), start=1)
    )


def _former_filters(forwarder: Forwarder, notification: Notification) -> tuple[tuple[str, str], ...]:
    """Prefix and suffix of each rule that was this forwarder's: for the same function, or one named after its stack.

    Every object where there is none.
    """
    found = []
    for rule in notification.rules:
        pieces = rule.arn.split(":")
        match = FUNCTION_NAME.match(pieces[6]) if rule.kind == "function" and len(pieces) > 6 else None
        if match and match["stack"] == forwarder.name and any(map(is_created_event, rule.events)):
            found.append((rule.prefix, rule.suffix))
    return tuple(dict.fromkeys(found)) or (("", ""),)


def _surplus(
    notification: Notification, context: Context, refused: frozenset[str]
) -> tuple[tuple[Rule, ...], list[Obstacle]]:
    """Direct rules beside the topic that a forwarder is meant to be called through, and what stands against that."""
    surplus: list[Rule] = []
    unclear: list[str] = []
    held: list[str] = []
    estate = context.estate
    for one, other in duplicates(deliveries(notification, estate.forwarders, estate)):
        same = one.forwarder == other.forwarder
        direct = [way.rule for way in (one, other) if way.rule.kind == "function"]
        if same and len(direct) == 1 and one.forwarder.topic_arn in {one.rule.arn, other.rule.arn}:
            surplus += direct
            if one.forwarder.name in refused and one.forwarder.target == context.target:
                held.append(one.forwarder.name)
        else:
            unclear.append(
                f"{one.forwarder.name} and {other.forwarder.name} both get what matches {describe(one.rule)}"
            )
    problems = []
    if unclear:
        problems.append(Obstacle("; ".join(unclear), "decide which of the two should get these objects"))
    elif "merge-duplicates" not in context.intent.allow:
        told = "; ".join(describe(rule) for rule in dict.fromkeys(surplus))
        problems.append(
            Obstacle(
                f"objects reach a forwarder twice, by its topic and by {told}", "allow it with --allow=merge-duplicates"
            )
        )
    if held:
        problems.append(
            Obstacle(f"{', '.join(sorted(set(held)))} is not touched in this run", "mend what blocks it first")
        )
    return tuple(dict.fromkeys(surplus)), problems


def _stale(gone: Iterable[Rule]) -> Obstacle:
    return Obstacle(
        f"S3 refuses any change while a rule names a function that is gone: {'; '.join(map(describe, gone))}",
        "ask the rule's owner, or allow it with --allow=remove-stale-rules",
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
