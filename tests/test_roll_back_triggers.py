"""What a rollback does to a bucket: its document and permissions as they were, unless somebody else changed them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.code_location import CodeLocation
from fixtures.estate import Bucket, Estate, Forwarder, Rule, StoredObject
from fixtures.fact import Absent
from fixtures.sandbox.synthetic_release import PACKAGE, artifact_bucket
from remediation.journal import Entry
from remediation.plan_undo import UndoPlan
from remediation.plan_undo_trigger import plan_trigger
from remediation.roll_back_record import TriggerChange, Write
from remediation.steps.undo_trigger import UndoTrigger
from tests.estates import (
    CODE_SHA256,
    CREATED,
    HERE,
    REGION,
    a_bucket,
    a_forwarder,
    a_function,
    a_legacy_forwarder,
    a_notification,
    a_rule,
    a_statement,
    an_arn,
    an_artifact_bucket,
    an_estate,
    denied,
)
from tests.planning import target_plan
from tests.undoing import LOGS, NAME, TOKEN, journalled, migrated, planned, told, undoing, values_from

QUEUE = Rule("queue", an_arn("sqs", "inventory"), ("s3:ObjectRemoved:*",), "inventory/", ".csv")
TOPIC = Rule("topic", an_arn("sns", "theirs"), ("s3:ObjectRemoved:*",), "theirs/")
GONE = Rule("function", an_arn("lambda", "function:decommissioned"), (CREATED,), "archive/")
OURS = a_rule(id=f"taegis-forwarders-{a_function().name}")
ADDED = a_statement(sid=f"taegis-forwarders-{LOGS}")
BARE = a_forwarder(policy=())
PACKAGES = artifact_bucket(HERE.account, REGION)
AT = (HERE, CodeLocation(PACKAGES, PACKAGE))
BOTH = ["PutBucketNotificationConfiguration", "RemovePermission"]


def estate_with(*rules: Rule, forwarder: Forwarder = BARE, **bucket: object) -> Estate:
    return an_estate(forwarder, buckets=[replace(a_bucket(LOGS, *rules), **bucket)])  # type: ignore[arg-type]


def the_run(folder: Path, before: Estate, **intent: object) -> tuple[Entry, ...]:
    return journalled(folder, target_plan(before, {"trigger": [NAME], "stale-rules": [LOGS]}, **intent).steps)


def rolled_back(folder: Path, before: Estate, now: Estate, **intent: object) -> UndoPlan:
    return planned(undoing(before, the_run(folder, before, **intent), now))


def step_of(plan: UndoPlan) -> UndoTrigger:
    (step,) = plan.plan.steps
    assert isinstance(step, UndoTrigger), told(plan)
    return step


def fixed(*rules: Rule, **statement: object) -> Estate:
    forwarder = a_forwarder(policy=(replace(ADDED, **statement),))  # type: ignore[arg-type]
    return estate_with(QUEUE, OURS, *rules, forwarder=forwarder)


def test_the_document_comes_back_first_and_then_the_permission_goes(tmp_path: Path) -> None:
    step = step_of(rolled_back(tmp_path, estate_with(QUEUE), fixed()))
    assert [call.operation for call in step.calls()] == BOTH
    put, remove = (call.parameters for call in step.calls())
    assert put["NotificationConfiguration"] == {"QueueConfigurations": [_entry(QUEUE)]}
    assert put["ExpectedBucketOwner"] == HERE.account
    assert remove == {"FunctionName": a_function().name, "StatementId": ADDED.sid}
    assert step.forwarders == (NAME,)


def _entry(rule: Rule) -> dict[str, object]:
    filters = [{"Name": "Prefix", "Value": rule.prefix}, {"Name": "Suffix", "Value": rule.suffix}]
    return {"Events": list(rule.events), "QueueArn": rule.arn, "Filter": {"Key": {"FilterRules": filters}}}


@pytest.mark.parametrize("now", [(QUEUE, OURS, TOPIC), (OURS,), (QUEUE,)], ids=["one more", "one gone", "ours gone"])
def test_a_document_that_others_changed_is_left_and_the_change_is_named(tmp_path: Path, now: tuple[Rule, ...]) -> None:
    before = estate_with(QUEUE, TOPIC) if now == (QUEUE,) else estate_with(QUEUE)
    forwarder = a_forwarder(policy=(ADDED,))
    plan = rolled_back(tmp_path, before, estate_with(*now, forwarder=forwarder))
    assert not plan.plan.steps
    assert "its document was changed since the run" in told(plan)[0]
    assert "stays, and so does the permission it needs" in told(plan)[1]
    assert [one.count for one in plan.kept] == [1, 1]


def test_eventbridge_that_others_turned_on_is_a_change_too(tmp_path: Path) -> None:
    now = fixed()
    bucket = a_bucket(LOGS, QUEUE, OURS)
    notification = bucket.notification
    assert not isinstance(notification, Absent)
    document = '{"EventBridgeConfiguration": {}}'
    changed: Bucket = replace(bucket, notification=replace(notification, eventbridge=True, document=document))  # type: ignore[arg-type]
    plan = rolled_back(tmp_path, estate_with(QUEUE), replace(now, buckets={LOGS: changed}))
    assert "EventBridge is on" in told(plan)[0]


def test_an_id_or_an_order_that_s3_made_up_is_no_change(tmp_path: Path) -> None:
    forwarder = a_forwarder(policy=(ADDED,))
    now = estate_with(replace(OURS, id="made up"), QUEUE, forwarder=forwarder)
    assert [call.operation for call in step_of(rolled_back(tmp_path, estate_with(QUEUE), now)).calls()] == BOTH


def test_a_document_that_is_as_it_was_leaves_the_permission_to_be_taken_back(tmp_path: Path) -> None:
    now = estate_with(QUEUE, forwarder=a_forwarder(policy=(ADDED,)))
    assert [call.operation for call in step_of(rolled_back(tmp_path, estate_with(QUEUE), now)).calls()] == BOTH[1:]


def test_what_is_as_it_was_needs_nothing(tmp_path: Path) -> None:
    assert told(rolled_back(tmp_path, estate_with(QUEUE), estate_with(QUEUE))) == []


@pytest.mark.parametrize(
    "change",
    [{"principals": ("*",)}, {"source_accounts": ()}, {"conditions": ("StringEquals x",)}, {"allow": False}],
    ids=str,
)
def test_a_statement_that_others_changed_is_left(tmp_path: Path, change: dict[str, object]) -> None:
    plan = rolled_back(tmp_path, estate_with(QUEUE), fixed(**change))
    assert [call.operation for call in step_of(plan).calls()] == BOTH[:1]
    assert "was changed since the run" in told(plan)[1]


def test_a_rule_to_a_function_that_is_gone_is_not_put_back_the_rest_is(tmp_path: Path) -> None:
    allow = frozenset({"remove-stale-rules"})
    plan = rolled_back(tmp_path, estate_with(QUEUE, GONE), fixed(), allow=allow)
    put = step_of(plan).calls()[0].parameters
    assert put["NotificationConfiguration"] == {"QueueConfigurations": [_entry(QUEUE)]}
    assert "its rule for decommissioned is not put back: that function is gone" in told(plan)[1]


@pytest.mark.parametrize(
    ("now", "reason"),
    [(an_estate(shared=()), "was not looked at"), (estate_with(notification=denied("s3:x")), "could not be read"),
     (estate_with(QUEUE, OURS, forwarder=a_forwarder(policy=denied("lambda:GetPolicy"))), "policy of")],
    ids=["not looked at", "unread document", "unread policy"],
)  # fmt: skip
def test_what_cannot_be_seen_is_not_touched(tmp_path: Path, now: Estate, reason: str) -> None:
    plan = rolled_back(tmp_path, estate_with(QUEUE), now)
    assert any(reason in line for line in told(plan)), told(plan)
    assert sum(one.count for one in plan.kept) in {1, 2}


def test_a_forwarder_that_stays_keeps_its_bucket_as_it_is(tmp_path: Path) -> None:
    step = step_of(rolled_back(tmp_path, estate_with(QUEUE), fixed()))
    assert step.without([NAME]) is None
    assert step.without(["another"]) is step


def uploads(folder: Path, *, package: object, now: Forwarder, made: object = Absent("b")) -> UndoPlan:
    before = an_estate(
        a_legacy_forwarder(), artifact=an_artifact_bucket(region=Absent("bucket"), package=Absent("object"))
    )
    wanted = {"forwarder-stack": [NAME], "artifact": [""]}
    entries = journalled(folder, target_plan(before, wanted, allow=frozenset({"create-bucket"})).steps)
    given = values_from(folder, f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{TOKEN}" }}\n')
    found = undoing(before, entries, an_estate(now), packages={AT: package}, buckets={(HERE, PACKAGES): made},
                    given=given)  # type: ignore[dict-item]  # fmt: skip
    return planned(found)


OURS_THERE = StoredObject(PACKAGES, PACKAGE, 1, CODE_SHA256)
UPDATED = migrated(a_legacy_forwarder())


def test_uploads_go_once_no_stack_names_their_bucket_and_the_bucket_goes_last(tmp_path: Path) -> None:
    plan = uploads(tmp_path, package=OURS_THERE, now=UPDATED, made=REGION)
    assert told(plan) == [
        f"do UndoStackUpdate {NAME} ({NAME})",
        f"do UndoUploads {PACKAGES} ({NAME})",
        f"do UndoBucket {PACKAGES} ({NAME})",
    ]


def test_while_a_stack_stays_its_package_and_the_bucket_stay(tmp_path: Path) -> None:
    stuck = replace(UPDATED, stack=replace(UPDATED.stack, status="UPDATE_IN_PROGRESS"))
    plan = uploads(tmp_path, package=OURS_THERE, now=stuck, made=REGION)
    assert not plan.plan.steps
    assert [one.subject for one in plan.kept] == [NAME, PACKAGES, PACKAGES]
    assert "needed by 1 stack" in told(plan)[1]
    assert "the bucket is left: it is not empty" in told(plan)[2]


@pytest.mark.parametrize(
    ("package", "reason"),
    [(replace(OURS_THERE, sha256="x"), "is not what the run uploaded any more"), (denied("s3:x"), "could not be read")],
    ids=["changed", "unread"],
)
def test_an_object_that_is_not_ours_any_more_stays(tmp_path: Path, package: object, reason: str) -> None:
    plan = uploads(tmp_path, package=package, now=UPDATED, made=REGION)
    assert [step.subject for step in plan.plan.steps] == [NAME]
    assert reason in "; ".join(told(plan))


def test_objects_and_buckets_that_are_gone_need_nothing(tmp_path: Path) -> None:
    assert told(uploads(tmp_path, package=Absent("o"), now=a_legacy_forwarder())) == []


SECOND = replace(TOPIC, prefix="second/")


@pytest.mark.parametrize(
    ("now", "sure", "undone"),
    [((QUEUE, OURS, SECOND), True, True), ((QUEUE, OURS), True, False), ((QUEUE, OURS), False, True),
     ((QUEUE, OURS, SECOND), False, True), ((QUEUE,), True, None)],
    ids=["the last one", "only the first", "the last may not have been made", "it was made", "as it was"],
)  # fmt: skip
def test_several_writes_to_a_bucket_go_back_to_before_the_first(
    now: tuple[Rule, ...], sure: bool, undone: bool | None
) -> None:
    documents = [a_notification(QUEUE), a_notification(QUEUE, OURS), a_notification(QUEUE, OURS, SECOND)]
    writes = tuple(
        Write(number, HERE, f"trigger {HERE}/{LOGS}", "PutBucketNotificationConfiguration",
              {"Bucket": LOGS, "NotificationConfiguration": json.loads(documents[number + 1].document)},
              documents[number].document, certain=sure or number == 0)
        for number in range(2)
    )  # fmt: skip
    plan = plan_trigger(TriggerChange(HERE, LOGS, writes, ()), undoing(an_estate(), (), estate_with(*now)))
    assert (plan.step is not None, bool(plan.kept)) == (undone is True, undone is False)
    if plan.step:
        assert plan.step.former == documents[0]
