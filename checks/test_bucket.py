"""Is a notification document sound as a whole: nobody's rule dangles, no object is sent twice, nothing loops?"""

from collections.abc import Iterable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.wiring import deliveries, describe, duplicates
from fixtures.estate import Bucket, Estate, Rule, Target
from fixtures.fact import Absent, Unreadable, value


def stale_rules(rules: Iterable[Rule], estate: Estate) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Rules whose function is gone, and why some could not be judged (its target was not listed)."""
    gone: list[Rule] = []
    unclear: list[str] = []
    for rule in rules:
        pieces = rule.arn.split(":")
        if rule.kind != "function" or len(pieces) < 7:
            continue
        target = Target(pieces[4], pieces[3])
        if all(seen.target != target for seen in estate.targets):
            continue  # a function of an account or region that was not asked for
        functions = estate.seen(target).functions
        if isinstance(functions, Absent | Unreadable):
            unclear.append(f"{rule.arn}: {functions}")
        elif pieces[6] not in {function.name for function in functions}:
            gone.append(rule)
    return tuple(gone), tuple(unclear)


@check(
    "bucket-stale-rules",
    severity=Severity.HIGH,
    step="6: delete an existing Lambda entry that is no longer right",
    facts=["notification", "functions"],
    fix="stale-rules",
)
def test_no_rule_points_at_a_function_that_is_gone(bucket: Bucket, estate: Estate) -> None:
    """Every function that the bucket's rules name exists.

    S3 refuses any change to a document while one of its rules names a function that is gone, even if that rule is
    somebody else's.
    """
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    gone, unclear = stale_rules(notification.rules, estate)
    expect(
        not gone,
        expected="rules for functions that exist",
        found="; ".join(describe(rule) for rule in gone),
        remedy="ask the rule's owner, or run --fix with --allow=remove-stale-rules",
    )
    if unclear:
        unknown("; ".join(unclear))


@check(
    "bucket-single-delivery",
    severity=Severity.HIGH,
    step="6, 7: one event notification for each forwarder",
    facts=["listed", "notification", "topic"],
    fix="duplicates",
)
def test_no_object_is_delivered_twice(bucket: Bucket, estate: Estate) -> None:
    """No new object reaches two forwarders, or one forwarder on two ways."""
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    pairs = duplicates(deliveries(notification, estate.forwarders, estate))
    told = [
        f"{one.forwarder.name} by {describe(one.rule)} and {other.forwarder.name} by {describe(other.rule)}"
        for one, other in pairs
    ]
    expect(
        not pairs,
        expected="each new object to reach one forwarder once",
        found="; ".join(told),
        remedy="remove the way that is too many, or run --fix with --allow=merge-duplicates",
    )
    for topic in estate.topics.values():
        uses = any(rule.arn == topic.arn for rule in notification.rules)
        if uses and isinstance(topic.lambda_endpoints, Unreadable):
            unknown(f"who {topic.arn} reaches: {topic.lambda_endpoints}")


@check(
    "bucket-no-loop",
    severity=Severity.HIGH,
    step="guards against a forwarder that calls itself",
    facts=["listed", "notification"],
)
def test_no_forwarder_calls_itself(bucket: Bucket, estate: Estate) -> None:
    """Nothing a forwarder does calls it again: no rule fires on the tags it sets, its package lies elsewhere."""
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    loops: list[str] = []
    for forwarder in estate.forwarders:
        if forwarder.bucket_name != bucket.name:
            continue
        function = value(forwarder.listed)
        arn = function.arn if function else ""
        tags = forwarder.stack.parameters.get("EnableObjectTagging", "").lower() == "true"
        loops += [
            f"{describe(rule)} fires on the tags that {forwarder.name} sets"
            for rule in notification.rules
            if tags and rule.arn == arn and any(event.startswith("s3:ObjectTagging:") for event in rule.events)
        ]
        if forwarder.stack.parameters.get("TaegisLambdaS3BucketName") == bucket.name:
            loops.append(f"the package of {forwarder.name} lies in its own notification bucket")
    expect(
        not loops,
        expected="no way in which a forwarder calls itself",
        found="; ".join(loops),
        remedy="take the tagging event out of the rule, or move the package to a bucket of its own",
    )
