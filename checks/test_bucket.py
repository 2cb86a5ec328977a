"""Is a notification document sound as a whole: nobody's rule dangles, no object is sent twice, nothing loops?"""

from collections.abc import Iterable, Iterator, Sequence

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.wiring import Delivery, deliveries, describe, duplicates, names_function, topics_of
from fixtures.estate import Bucket, Estate, Forwarder, Rule, Target
from fixtures.fact import Absent, Unreadable, value

_TAGGING = "s3:ObjectTagging:"


def stale_rules(rules: Iterable[Rule], estate: Estate) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Rules whose function is gone, and why others could not be judged: the function's target was not listed."""
    gone: list[Rule] = []
    unclear: list[str] = []
    for rule in rules:
        pieces = rule.arn.split(":")
        if rule.kind != "function":
            continue
        if len(pieces) < 7:
            unclear.append(f"{rule.arn} is not a function's ARN")
            continue
        target = Target(pieces[4], pieces[3])
        try:
            functions = estate.seen(target).functions
        except KeyError:
            unclear.append(f"{rule.arn}: {target} was not looked at")
            continue
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
    facts=["identity", "stacks", "functions", "listed", "notification", "topic"],
    fix="duplicates",
)
def test_no_object_is_delivered_twice(bucket: Bucket, estate: Estate) -> None:
    """No new object reaches two forwarders, or one forwarder on two ways."""
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    ways = deliveries(notification, estate.forwarders, estate)
    pairs = duplicates(ways)
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
    unclear = [*_unseen_topics(topics_of(notification), estate), *_unseen_functions(bucket, estate)]
    unclear += _unreached(notification.rules, ways, estate)
    if unclear:
        unknown("; ".join(unclear))


@check(
    "bucket-no-loop",
    severity=Severity.HIGH,
    step="guards against a forwarder that calls itself",
    facts=["listed", "notification", "topic"],
)
def test_no_forwarder_calls_itself(bucket: Bucket, estate: Estate) -> None:
    """Nothing a forwarder does calls it again: no rule fires on the tags it sets, its package lies elsewhere."""
    notification = known(bucket.notification, expected=f"bucket {bucket.name}")
    users = estate.of_bucket(bucket.name)
    tagging = [rule for rule in notification.rules if any(event.startswith(_TAGGING) for event in rule.events)]
    taggers = [forwarder for forwarder in users if tagging and _tags(forwarder)]
    loops = [
        f"{describe(rule)} fires on the tags that {forwarder.name} sets"
        for forwarder in taggers
        for rule in tagging
        if _reaches(rule, forwarder, estate)
    ]
    loops += [
        f"the package of {forwarder.name} lies in its own notification bucket"
        for forwarder in users
        if forwarder.stack.parameters.get("TaegisLambdaS3BucketName") == bucket.name
    ]
    expect(
        not loops,
        expected="no way in which a forwarder calls itself",
        found="; ".join(loops),
        remedy="take the tagging event out of the rule, or move the package to a bucket of its own",
    )
    if taggers:
        topics = [rule.arn for rule in tagging if rule.kind == "topic"]
        unclear = [*_unseen_topics(topics, estate), *_unseen_functions(bucket, estate)]
        if unclear:
            unknown("; ".join(unclear))


def _tags(forwarder: Forwarder) -> bool:
    return forwarder.stack.parameters.get("EnableObjectTagging", "").lower() == "true"


def _reaches(rule: Rule, forwarder: Forwarder, estate: Estate) -> bool:
    function = value(forwarder.listed)
    if function is None:
        return False
    topic = estate.topics.get(rule.arn)
    ends = (value(topic.lambda_endpoints) or ()) if topic else (rule.arn,)
    return any(names_function(end, function.arn) for end in ends)


def _unreached(rules: Iterable[Rule], ways: Sequence[Delivery], estate: Estate) -> Iterator[str]:
    """Functions of targets that were not reached, where one that is a forwarder's would get an object twice."""
    unreached = {(seen.target.account, seen.target.region): seen for seen in estate.targets if not seen.reached}
    for rule in rules if unreached else ():
        pieces = rule.arn.split(":")
        seen = unreached.get((pieces[4], pieces[3])) if rule.kind == "function" and len(pieces) > 6 else None
        if seen and duplicates([*ways, Delivery(rule, ways[0].forwarder)] if ways else ()):
            why = seen.identity if isinstance(seen.identity, Unreadable) else seen.stacks
            yield f"whether {rule.arn} is a forwarder's: {why}"


def _unseen_topics(topics: Iterable[str], estate: Estate) -> Iterator[str]:
    for arn in topics:
        seen = estate.topics.get(arn)
        if seen is None:
            yield f"whom {arn} reaches was not read"
        elif isinstance(seen.lambda_endpoints, Unreadable):
            yield f"whom {arn} reaches: {seen.lambda_endpoints}"


def _unseen_functions(bucket: Bucket, estate: Estate) -> Iterator[str]:
    for forwarder in estate.of_bucket(bucket.name):
        if isinstance(forwarder.listed, Unreadable):
            yield f"which function {forwarder.name} has: {forwarder.listed}"
