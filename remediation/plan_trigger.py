"""Plans the merge of each notification document that needs one. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from checks.wiring import (
    S3,
    bucket_arn,
    direct_rules,
    former_filters,
    function_arn,
    overlap,
    partition_of,
    permission,
)
from fixtures.estate import Bucket, Estate, Forwarder, Notification, Rule
from fixtures.fact import Absent, Unreadable, value
from remediation.context import Context
from remediation.notification_merge import Merge
from remediation.plan import Blocked
from remediation.preflight import Obstacle, blocked_by, unidentified
from remediation.rule_removal import Removal, is_called
from remediation.step import Step
from remediation.steps.trigger import Grant, MergeNotification, Wiring, grant_for
from remediation.topic_gaps import topic_gaps

_EVENTS = ("s3:ObjectCreated:*",)
_NO_GAP = Obstacle("rule, subscription and permission are there, and what else is wrong is not known", "look at it")


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
        return None, [blocked_by(context.target, forwarder.name, {"trigger"}, [reason]) for forwarder in forwarders]
    removal = Removal(context, bucket, notification, refused)
    surplus, blocked = removal.surplus()
    wishes = [_wish(context, forwarder, bucket, notification) for forwarder in forwarders]
    for wish in wishes:
        wish.obstacles += [*filter(None, [unidentified(wish.forwarder)])]
        wish.obstacles += context.wants.against("trigger", wish.forwarder.name)
        if wish.rules:
            wish.obstacles += [*removal.against, *_elsewhere(context, bucket)]
            conflicts = Merge(wish.rules, (*removal.gone, *surplus)).conflicts(notification)
            wish.obstacles += [Obstacle(f"S3 would refuse it: {text}", "decide which is right") for text in conflicts]
    _refuse_rivals(wishes)
    wirings = []
    for wish in wishes:
        if wish.obstacles:
            blocked.append(blocked_by(context.target, wish.forwarder.name, {"trigger"}, wish.obstacles))
        else:
            wirings.append(Wiring(wish.forwarder.name, wish.rules, wish.grant))
    stale, refusals = removal.stale(needed=bool(surplus) or any(wiring.rules for wiring in wirings))
    blocked += refusals
    remove = tuple(dict.fromkeys((*stale, *surplus)))
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


def _elsewhere(context: Context, bucket: Bucket) -> Iterator[Obstacle]:
    """S3 takes no rule for a function of another region (S3 user guide, event notification destinations)."""
    if isinstance(bucket.region, str) and bucket.region != context.target.region:
        yield Obstacle(
            f"bucket {bucket.name} is in {bucket.region}, and S3 calls functions of its own region only",
            "deploy the forwarder in the bucket's region",
        )


def _wish(context: Context, forwarder: Forwarder, bucket: Bucket, notification: Notification) -> _Wish:
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
    if forwarder.topic_arn and not is_called(notification, arn):
        gaps = tuple(topic_gaps(forwarder, notification, arn, context.estate)) or (_NO_GAP,)
        return _Wish(
            forwarder,
            obstacles=[
                Obstacle(f"it is to be called through {forwarder.topic_arn}: {gap.reason}", gap.to_do) for gap in gaps
            ],
        )
    said = permission(forwarder.policy, S3, bucket_arn(partition_of(arn), bucket.name), bucket.owner)
    if said.denying:
        sids = ", ".join(statement.sid or "without Sid" for statement in said.denying)
        return _against(
            forwarder, f"its resource policy keeps S3 out (statement {sids})", "take the statement out, run again"
        )
    grant = None if said.allowing else grant_for(arn, bucket.name, bucket.owner)
    rules = () if is_called(notification, arn) else _rules_for(forwarder, arn, notification)
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


def _rules_for(forwarder: Forwarder, arn: str, notification: Notification) -> tuple[Rule, ...]:
    """The rules that a forwarder without any should have: those it had, for the function that it has now."""
    name = f"taegis-forwarders-{arn.split(':')[6]}"
    return tuple(
        Rule("function", arn, _EVENTS, prefix, suffix, id=name if number == 1 else f"{name}-{number}")
        for number, (prefix, suffix) in enumerate(former_filters(forwarder, notification), start=1)
    )


def filters_of(forwarder: Forwarder, estate: Estate) -> tuple[tuple[str, str], ...]:
    """Prefix and suffix of each rule that calls the forwarder directly; every object where there is none."""
    bucket = estate.bucket_of(forwarder)
    notification = value(bucket.notification) if bucket else None
    arn = function_arn(forwarder)
    rules = direct_rules(notification, arn) if notification and arn else ()
    return tuple((rule.prefix, rule.suffix) for rule in rules) or (("", ""),)
