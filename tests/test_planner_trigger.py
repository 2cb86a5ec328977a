"""What the plan does to a bucket: nobody's rule is lost, nothing is delivered twice, nobody blocked is touched."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from checks.outcome import Status
from checks.result import Result
from fixtures.estate import Bucket, Estate, Forwarder, Function, Rule, Target, Topic
from fixtures.fact import Absent
from remediation.plan import TargetPlan
from remediation.planner import make_plan
from remediation.steps.trigger import MergeNotification
from tests.estates import (
    CREATED,
    HERE,
    NOW,
    OTHER_ACCOUNT,
    a_bucket,
    a_forwarder,
    a_function,
    a_rule,
    a_statement,
    an_arn,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import an_intent, findings, target_plan, told

NAME = "cloudtrail-prod"
LOGS = f"{NAME}-logs"
ARN = a_function().arn
TOPIC = an_arn("sns", "cloudtrail-objects")
REMOVED = ("s3:ObjectRemoved:*",)
QUEUE = Rule("queue", an_arn("sqs", "inventory"), REMOVED, "inventory/", ".csv")
GONE = Rule("function", an_arn("lambda", "function:decommissioned"), (CREATED,), "archive/")
OLD_NAME = Rule("function", an_arn("lambda", f"function:{NAME}-scwx-tdr-lambda-generic"), (CREATED,), "AWSLogs/", ".gz")
LIST = {"trigger": [NAME]}


def an_untriggered(*rules: Rule, policy: object = (), **changes: object) -> Estate:
    """A forwarder whose bucket has these rules and none for it."""
    return an_estate(a_forwarder(policy=policy, **changes), buckets=[a_bucket(LOGS, *rules)])


def merge_of(plan: TargetPlan) -> MergeNotification:
    (step,) = plan.steps
    assert isinstance(step, MergeNotification)
    return step


def filters(step: MergeNotification) -> list[tuple[str, str, str]]:
    return [(rule.arn.rpartition(":")[2], rule.prefix, rule.suffix) for rule in step.merge.add]


def reasons(plan: TargetPlan) -> str:
    assert not plan.steps, told(plan)
    return "\n".join(told(plan))


def test_permission_first_then_one_write_that_keeps_all_others() -> None:
    step = merge_of(target_plan(an_untriggered(QUEUE), LIST))
    assert [call.operation for call in step.calls()] == ["AddPermission", "PutBucketNotificationConfiguration"]
    permission, put = (call.parameters for call in step.calls())
    assert permission["SourceArn"] == f"arn:aws:s3:::{LOGS}"
    assert permission["SourceAccount"] == HERE.account
    assert permission["FunctionName"] == a_function().name
    assert put["ExpectedBucketOwner"] == HERE.account
    document = put["NotificationConfiguration"]
    assert isinstance(document, Mapping)
    assert set(document) == {"QueueConfigurations", "LambdaFunctionConfigurations"}
    assert filters(step) == [(a_function().name, "", "")]
    assert step.forwarders == (NAME,)


def test_a_permission_that_is_there_is_not_added_again() -> None:
    step = merge_of(target_plan(an_untriggered(policy=(a_statement(),)), LIST))
    assert [call.operation for call in step.calls()] == ["PutBucketNotificationConfiguration"]


def test_a_rule_that_is_there_is_not_written_again() -> None:
    step = merge_of(target_plan(an_untriggered(a_rule()), LIST))
    assert [call.operation for call in step.calls()] == ["AddPermission"]
    assert not step.merge.add


def test_a_finding_that_no_rule_and_no_permission_can_clear_says_so() -> None:
    plan = target_plan(an_untriggered(a_rule(), policy=(a_statement(),)), LIST)
    assert "what else is wrong is not known" in reasons(plan)


@pytest.mark.parametrize("rule_id", ["taegis", None])
def test_the_prefix_and_suffix_that_the_forwarder_had_are_kept(rule_id: str | None) -> None:
    former = replace(OLD_NAME, id=rule_id)
    plan = target_plan(an_untriggered(former), LIST, allow=frozenset({"remove-stale-rules"}))
    step = merge_of(plan)
    assert filters(step) == [(a_function().name, "AWSLogs/", ".gz")]
    assert step.remove == (former,)
    (document,) = (call.parameters["NotificationConfiguration"] for call in step.calls() if call.service == "s3")
    assert OLD_NAME.arn not in json.dumps(document)


def test_every_filter_that_it_had_is_kept_not_only_the_first() -> None:
    former = (OLD_NAME, replace(OLD_NAME, prefix="elb/"))
    step = merge_of(target_plan(an_untriggered(*former), LIST, allow=frozenset({"remove-stale-rules"})))
    assert filters(step) == [(a_function().name, "AWSLogs/", ".gz"), (a_function().name, "elb/", ".gz")]
    assert len({rule.id for rule in step.merge.add}) == 2


def test_a_former_rule_for_other_events_is_not_taken_for_a_filter() -> None:
    removed = replace(OLD_NAME, events=REMOVED)
    step = merge_of(target_plan(an_untriggered(removed), LIST, allow=frozenset({"remove-stale-rules"})))
    assert filters(step) == [(a_function().name, "", "")]


def test_a_rule_of_a_forwarder_whose_name_only_begins_alike_is_not_taken_over() -> None:
    other = Rule("function", an_arn("lambda", "function:cloudtrail-prod-eu-scwx-tdr-lambda-awsalb"), (CREATED,), "eu/")
    other_function = a_function("cloudtrail-prod-eu-scwx-tdr-lambda-awsalb")
    estate = an_estate(a_forwarder(policy=()), buckets=[a_bucket(LOGS, other)],
                       functions=(a_function(), other_function))  # fmt: skip
    assert "overlaps with" in reasons(target_plan(estate, LIST))


OVERLAPPING = [
    pytest.param(replace(QUEUE, events=(CREATED,)), id="a-queue-for-some-objects"),
    pytest.param(Rule("topic", TOPIC, ("s3:ObjectCreated:Put",), "AWSLogs/"), id="a-topic-for-some"),
    pytest.param(a_rule(arn=f"{ARN}:live"), id="an-alias-of-the-same-function"),
]


@pytest.mark.parametrize("rule", OVERLAPPING)
def test_what_s3_would_refuse_is_blocked_before_the_permission_is_given(rule: Rule) -> None:
    text = reasons(target_plan(an_untriggered(rule), LIST))
    assert "S3 would refuse it" in text
    assert text.startswith(f"refuse {NAME} trigger")


def test_a_stale_rule_blocks_without_consent_whoever_owns_it() -> None:
    text = reasons(target_plan(an_untriggered(GONE), LIST))
    assert "S3 refuses any change while a rule names a function that is gone" in text
    assert "archive/*" in text


def test_a_stale_rule_does_not_block_a_permission_which_changes_no_document() -> None:
    step = merge_of(target_plan(an_untriggered(a_rule(), GONE), LIST))
    assert [call.operation for call in step.calls()] == ["AddPermission"]
    assert not step.remove


def test_with_consent_the_stale_rule_goes_in_the_same_write() -> None:
    step = merge_of(target_plan(an_untriggered(GONE, QUEUE), LIST, allow=frozenset({"remove-stale-rules"})))
    assert step.remove == (GONE,)
    assert [call.operation for call in step.calls()].count("PutBucketNotificationConfiguration") == 1


@pytest.mark.parametrize("allowed", [True, False])
def test_a_stale_rule_alone_is_dropped_with_consent_and_told_without(allowed: bool) -> None:
    estate = an_estate(a_forwarder(), buckets=[a_bucket(LOGS, a_rule(), GONE)])
    consent = frozenset({"remove-stale-rules"} if allowed else ())
    plan = target_plan(estate, {"stale-rules": [LOGS]}, allow=consent)
    if allowed:
        step = merge_of(plan)
        assert (step.remove, step.merge.add, step.grants, step.forwarders) == ((GONE,), (), (), ())
    else:
        assert reasons(plan).startswith(f"refuse {LOGS} stale-rules")
        assert plan.blocked[0].to_do == ("ask the rule's owner, or allow it with --allow=remove-stale-rules",)


REMOVE = frozenset({"remove-stale-rules"})


def waived(fix: str, name: str, at: Target = HERE) -> Result:
    (found,) = findings({fix: [name]}, at)
    return replace(found, status=Status.WAIVED, expires="2027-01-01", ticket="SEC-1")


REFUSED_TRIGGERS = [
    pytest.param({"policy": denied("lambda:GetPolicy")}, [], id="refused"),
    pytest.param({}, [waived("trigger", NAME)], id="waived"),
]


@pytest.mark.parametrize(("changes", "waivers"), REFUSED_TRIGGERS)
def test_consent_removes_no_stale_rule_for_a_trigger_that_is_not_mended(
    changes: Mapping[str, object], waivers: list[Result]
) -> None:
    """Nobody asked about the bucket: with the forwarder's rule not added, nothing of it is written."""
    estate = an_untriggered(GONE, **changes)
    plan = make_plan([*findings(LIST), *waivers], estate, some_desires(), an_intent(allow=REMOVE), NOW)
    assert not plan.steps
    assert [found.subject for found in plan.blocked] == [NAME]


def test_a_stale_rule_stays_that_alone_says_which_objects_an_unmended_forwarder_is_for() -> None:
    estate = an_untriggered(OLD_NAME, policy=denied("lambda:GetPolicy"))
    plan = target_plan(estate, {**LIST, "stale-rules": [LOGS]}, allow=REMOVE)
    assert f"says which objects {NAME} is for" in reasons(plan)
    assert {found.subject for found in plan.blocked} == {NAME, LOGS}
    wired = an_estate(a_forwarder(), buckets=[a_bucket(LOGS, a_rule(), OLD_NAME)])
    assert merge_of(target_plan(wired, {"stale-rules": [LOGS]}, allow=REMOVE)).remove == (OLD_NAME,)


def test_a_waived_finding_of_a_bucket_holds_for_every_target_that_uses_it() -> None:
    """A bucket's finding is told in one of the targets of its forwarders, and another one may be its owner."""
    there = Target("222233334444", HERE.region)
    mine, theirs = a_forwarder("mine", bucket_name="both", policy=()), a_forwarder("theirs", there, bucket_name="both")
    estate = an_estate(mine, theirs, buckets=[a_bucket("both", GONE)])
    found = findings({"trigger": ["mine"]})
    plan = make_plan([*found, waived("stale-rules", "both", there)], estate, some_desires(),
                     an_intent(allow=REMOVE), NOW)  # fmt: skip
    assert not plan.steps
    assert "is waived until 2027-01-01 (SEC-1)" in str(plan.blocked)


def test_a_bucket_called_as_its_forwarder_loses_none_of_their_findings() -> None:
    estate = an_estate(a_forwarder(bucket_name=NAME, policy=()), buckets=[a_bucket(NAME)])
    step = merge_of(target_plan(estate, LIST))
    assert step.clears == {NAME: frozenset({"trigger", "stale-rules", "duplicates"})}


UNCLEAR = [
    pytest.param(Rule("function", "arn:aws:lambda:us-east-1:999988887777:function:x", REMOVED), id="account"),
    pytest.param(Rule("function", "arn:aws:lambda:eu-north-1:111122223333:function:x", REMOVED), id="region"),
    pytest.param(Rule("function", "arn:odd", REMOVED), id="no-arn"),
]


@pytest.mark.parametrize("rule", UNCLEAR)
def test_a_rule_whose_function_was_not_looked_for_is_never_dropped(rule: Rule) -> None:
    step = merge_of(target_plan(an_untriggered(rule), LIST, allow=frozenset({"remove-stale-rules"})))
    assert not step.remove


def test_functions_that_were_not_listed_are_not_gone() -> None:
    bucket = a_bucket(LOGS, replace(GONE, events=REMOVED))
    estate = an_estate(a_forwarder(policy=()), buckets=[bucket], functions=denied("lambda:ListFunctions"))
    step = merge_of(target_plan(estate, LIST, allow=frozenset({"remove-stale-rules"})))
    assert not step.remove


UNSEEN = [
    pytest.param({"listed": denied("lambda:ListFunctions")}, "function could not be read", id="function"),
    pytest.param({"listed": Absent("function x")}, "function x does not exist", id="function-gone"),
    pytest.param({"policy": denied("lambda:GetPolicy")}, "policy could not be read", id="policy"),
    pytest.param({"policy": Absent("function x")}, "does not exist", id="policy-gone"),
    pytest.param({"policy": (a_statement(allow=False),)}, "keeps S3 out (statement s3)", id="denied"),
]


@pytest.mark.parametrize(("changes", "reason"), UNSEEN)
def test_what_was_not_seen_is_not_written_over(changes: Mapping[str, object], reason: str) -> None:
    assert reason in reasons(target_plan(an_untriggered(**{"policy": (), **changes}), LIST))


@pytest.mark.parametrize("fact", [denied("s3:GetBucketNotification"), Absent(f"bucket {LOGS}")])
def test_a_document_that_was_not_read_is_never_written(fact: object) -> None:
    estate = an_estate(a_forwarder(policy=()), buckets=[a_bucket(LOGS, notification=fact)])
    assert "notification document of cloudtrail-prod-logs could not be read" in reasons(target_plan(estate, LIST))
    without = replace(an_estate(a_forwarder(policy=())), buckets={})
    assert "could not be read" in reasons(target_plan(without, LIST))


def test_a_bucket_of_another_account_is_written_by_that_account_alone() -> None:
    elsewhere = a_bucket(LOGS, owner=OTHER_ACCOUNT)
    text = reasons(target_plan(an_estate(a_forwarder(policy=()), buckets=[elsewhere]), LIST))
    assert f"belongs to account {OTHER_ACCOUNT}" in text
    wired = replace(elsewhere, notification=a_bucket(LOGS, a_rule()).notification)
    step = merge_of(target_plan(an_estate(a_forwarder(policy=()), buckets=[wired]), LIST))
    assert step.grants[0].source_account == OTHER_ACCOUNT


def test_a_bucket_of_another_region_is_not_given_a_rule_that_s3_would_refuse() -> None:
    away = a_bucket(LOGS, region="eu-west-1")
    text = reasons(target_plan(an_estate(a_forwarder(policy=()), buckets=[away]), LIST))
    assert f"bucket {LOGS} is in eu-west-1, and S3 calls functions of its own region only" in text
    unread = a_bucket(LOGS, region=denied("s3:GetBucketLocation"))
    assert merge_of(target_plan(an_estate(a_forwarder(policy=()), buckets=[unread]), LIST)).merge.add


def a_topic_path(*rules: Rule, subscribed: Iterable[str] = (ARN,), **changes: object) -> Estate:
    forwarder = a_forwarder(topic_arn=TOPIC, **changes)
    through = Rule("topic", TOPIC, (CREATED,))
    return an_estate(forwarder, buckets=[a_bucket(LOGS, through, *rules)], topics=[Topic(TOPIC, tuple(subscribed))])


def test_a_broken_topic_path_is_for_a_person_and_gets_no_second_way() -> None:
    text = reasons(target_plan(a_topic_path(subscribed=()), LIST))
    assert f"through {TOPIC}" in text


DIRECT = a_rule(prefix="AWSLogs/", events=("s3:ObjectCreated:Post",))


@pytest.mark.parametrize("allowed", [True, False])
def test_a_direct_rule_beside_the_topic_is_dropped_with_consent(allowed: bool) -> None:
    consent = frozenset({"merge-duplicates"} if allowed else ())
    plan = target_plan(a_topic_path(DIRECT), {"duplicates": [LOGS]}, allow=consent)
    if allowed:
        step = merge_of(plan)
        assert step.remove == (DIRECT,)
        assert step.merge.document(step.seen)["TopicConfigurations"]
    else:
        assert "allow it with --allow=merge-duplicates" in str(plan.blocked[0].to_do)
        assert reasons(plan).startswith(f"refuse {LOGS} duplicates")


def test_a_duplicate_is_not_dropped_while_s3_refuses_every_change() -> None:
    plan = target_plan(a_topic_path(DIRECT, GONE), {"duplicates": [LOGS], "stale-rules": [LOGS]},
                       allow=frozenset({"merge-duplicates"}))  # fmt: skip
    assert reasons(plan).count("a function that is gone") == 2


def test_the_way_of_a_forwarder_that_is_not_touched_is_not_touched_either() -> None:
    estate = a_topic_path(DIRECT, template=denied("cloudformation:GetTemplate"))
    plan = target_plan(estate, {"duplicates": [LOGS], "forwarder-stack": [NAME], "trigger": [NAME]},
                       allow=frozenset({"merge-duplicates"}))  # fmt: skip
    assert not [step for step in plan.steps if isinstance(step, MergeNotification)]
    assert f"refuse {LOGS} duplicates: {NAME} is not touched in this run" in told(plan)


def test_two_forwarders_for_the_same_objects_are_for_a_person() -> None:
    estate = a_pair([a_rule("one"), a_rule("two", events=("s3:ObjectCreated:Copy",))])
    plan = target_plan(estate, {"duplicates": ["shared"]}, allow=frozenset({"merge-duplicates"}))
    assert "decide which of the two should get these objects" in str(plan.blocked[0].to_do)
    assert not plan.steps


def a_pair(rules: Iterable[Rule], **changes: object) -> Estate:
    """Two forwarders that share a bucket."""
    pair = [a_forwarder(name, bucket_name="shared", **{"policy": (), **changes}) for name in ("one", "two")]
    return an_estate(*pair, buckets=[a_bucket("shared", *rules)])


def former(name: str, prefix: str) -> Rule:
    return Rule("function", an_arn("lambda", f"function:{name}-scwx-tdr-lambda-generic"), (CREATED,), prefix)


BOTH = {"trigger": ["one", "two"]}


def test_several_forwarders_of_one_bucket_are_wired_in_one_write() -> None:
    estate = a_pair([former("one", "alb/"), former("two", "flow/"), QUEUE])
    step = merge_of(target_plan(estate, BOTH, allow=frozenset({"remove-stale-rules"})))
    assert filters(step) == [
        ("one-scwx-tdr-lambda-awscloudtrail", "alb/", ""),
        ("two-scwx-tdr-lambda-awscloudtrail", "flow/", ""),
    ]
    assert [call.operation for call in step.calls()] == ["AddPermission"] * 2 + ["PutBucketNotificationConfiguration"]
    assert step.forwarders == ("one", "two")


def test_two_forwarders_that_would_get_the_same_objects_are_both_left_alone() -> None:
    text = reasons(target_plan(a_pair([QUEUE]), BOTH))
    assert "refuse one trigger: it and two would both get the same objects of shared" in text
    assert "refuse two trigger: it and one would both get the same objects of shared" in text


def test_one_that_has_its_rule_does_not_stand_in_the_way_of_another_prefix() -> None:
    estate = a_pair([a_rule("one", prefix="alb/"), former("two", "flow/")])
    step = merge_of(target_plan(estate, BOTH, allow=frozenset({"remove-stale-rules"})))
    assert [wiring.forwarder for wiring in step.wirings] == ["one", "two"]
    assert filters(step) == [("two-scwx-tdr-lambda-awscloudtrail", "flow/", "")]


def test_a_refused_neighbour_is_left_out_and_does_not_hold_up_the_other() -> None:
    estate = a_pair([former("one", "alb/"), former("two", "flow/")])
    one, two = estate.targets[0].forwarders
    broken = replace(one, policy=denied("lambda:GetPolicy"))
    estate = replace(estate, targets=(replace(estate.targets[0], forwarders=(broken, two)),))
    plan = target_plan(estate, BOTH, allow=frozenset({"remove-stale-rules"}))
    step = merge_of(plan)
    assert step.forwarders == ("two",)
    assert [b.subject for b in plan.blocked] == ["one"]


def test_the_step_for_some_of_its_forwarders_leaves_the_others_rules_and_permissions_out() -> None:
    estate = a_pair([former("one", "alb/"), former("two", "flow/")])
    step = merge_of(target_plan(estate, BOTH, allow=frozenset({"remove-stale-rules"})))
    rest = step.without(["one"])
    assert isinstance(rest, MergeNotification)
    assert filters(rest) == [("two-scwx-tdr-lambda-awscloudtrail", "flow/", "")]
    assert [grant.function for grant in rest.grants] == ["two-scwx-tdr-lambda-awscloudtrail"]
    assert rest.remove == step.remove
    assert step.without(["one", "two"]) is None


PLACES = [
    pytest.param("aws-cn", "cn-north-1", id="china"),
    pytest.param("aws-us-gov", "us-gov-west-1", id="govcloud"),
    pytest.param("aws-eusc", "eusc-de-east-1", id="sovereign"),
]


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_arns_are_of_the_functions_partition(partition: str, region: str) -> None:
    target = Target(HERE.account, region)
    forwarder = elsewhere(a_forwarder(NAME, target, policy=()), partition)
    bucket: Bucket = a_bucket(LOGS, target=target)
    step = merge_of(target_plan(an_estate(forwarder, buckets=[bucket]), LIST, at=target))
    text = json.dumps([call.shown() for call in step.calls()])
    assert f"arn:{partition}:s3:::{LOGS}" in text
    assert f"arn:{partition}:lambda:{region}:" in text
    assert "arn:aws:" not in text
    assert '"s3.amazonaws.com"' in text  # the same in every partition


def elsewhere(forwarder: Forwarder, partition: str) -> Forwarder:
    function = forwarder.listed
    assert isinstance(function, Function)
    moved = replace(function, arn=function.arn.replace("arn:aws:", f"arn:{partition}:"))
    return replace(forwarder, listed=moved, function=moved)
