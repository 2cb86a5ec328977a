"""What a rollback does to a stack: back to what it was through the same gate, or a reason that a person can act on."""

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from fixtures.estate import Estate, Forwarder, Invocation, SharedStack, StoredObject, Target
from fixtures.fact import Absent
from fixtures.sandbox.synthetic_release import artifact_bucket
from fixtures.stack_facts import PendingChangeSet
from remediation.journal import Entry
from remediation.plan_undo import UndoPlan
from remediation.steps.undo_stack import UndoStackUpdate
from remediation.undo_context import Undoing
from tests.estates import (
    CHANGED,
    CODE_SHA256,
    HERE,
    LEGACY_DIGEST,
    LEGACY_SHA256,
    LEGACY_TEMPLATE,
    NOW,
    OTHER_ACCOUNT,
    a_legacy_forwarder,
    a_parameter_set,
    a_shared_stack,
    a_stack,
    an_estate,
    an_unreached,
    denied,
)
from tests.planning import RUN, padded, target_plan
from tests.undoing import (
    LATER,
    LEGACY_BUCKET,
    NAME,
    OLD_PACKAGE,
    TOKEN,
    journalled,
    migrated,
    planned,
    told,
    values_from,
)
from tests.undoing import undoing as _undoing

BEFORE = an_estate(a_legacy_forwarder())
NOW_THERE = migrated(a_legacy_forwarder())
THEIRS = PendingChangeSet("theirs", "arn", "AVAILABLE")
GIVEN = f'[[stack]]\nname = "cloud*"\nparameters = {{ LegacyToken = "{TOKEN}" }}\n'


@pytest.fixture
def entries(tmp_path: Path) -> tuple[Entry, ...]:
    """The journal of a run that updated the one forwarder's stack."""
    return journalled(tmp_path, target_plan(BEFORE, {"forwarder-stack": [NAME]}).steps)


def undo(tmp_path: Path, entries: tuple[Entry, ...], now: Estate, values: str = GIVEN, **changes: object) -> Undoing:
    return _undoing(BEFORE, entries, now, given=values_from(tmp_path, values), **changes)  # type: ignore[arg-type]


def update_of(plan: UndoPlan) -> UndoStackUpdate:
    (step,) = plan.plan.steps
    assert isinstance(step, UndoStackUpdate), told(plan)
    return step


def test_a_stack_gets_its_old_template_and_its_old_values_back(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    step = update_of(planned(undo(tmp_path, entries, an_estate(NOW_THERE))))
    create, execute = (call.parameters for call in step.calls())
    assert create["TemplateBody"] == LEGACY_TEMPLATE
    assert create["ChangeSetName"] == f"taegis-forwarders-{LATER}"
    assert execute["DisableRollback"] is False
    shown = {
        one["ParameterKey"]: one for one in json.loads(json.dumps(step.calls()[0].shown()))["parameters"]["Parameters"]
    }
    assert shown["LegacyCodeBucket"]["ParameterValue"] == LEGACY_BUCKET
    assert shown["LegacyToken"]["ParameterValue"] == "****"
    assert step.former
    assert (step.former.runtime, step.former.handler, step.former.code_sha256) == ("go1.x", "main", LEGACY_SHA256)
    assert step.forwarders == (NAME,)


def test_a_given_value_is_in_no_text_of_the_plan(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    plan = planned(undo(tmp_path, entries, an_estate(NOW_THERE)))
    assert TOKEN not in plan.plan.json() + repr(plan) + "\n".join(plan.plan.lines(calls=True))


def test_what_the_run_itself_did_within_its_prediction_is_accepted(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    update = update_of(planned(undo(tmp_path, entries, an_estate(NOW_THERE)))).update
    assert update.shape in update.accepted_shapes


@pytest.mark.parametrize(
    ("values", "told_of"),
    [("", "LegacyToken"), ('[[stack]]\nname = "other"\nparameters = { LegacyToken = "x" }\n', "LegacyToken"),
     (GIVEN.replace("cloud*", NAME) + 'account = "999999999999"\n', "LegacyToken")],
    ids=["no file", "for another stack", "for another account"],
)  # fmt: skip
def test_without_a_value_that_is_gone_the_stack_waits(
    tmp_path: Path, entries: tuple[Entry, ...], values: str, told_of: str
) -> None:
    plan = planned(undo(tmp_path, entries, an_estate(NOW_THERE), values))
    assert not plan.plan.steps
    (kept,) = plan.kept
    (obstacle,) = kept.obstacles
    assert told_of in obstacle.reason
    assert "--rollback-parameters=FILE" in obstacle.to_do


def of_stack(**changes: object) -> Forwarder:
    return replace(NOW_THERE, stack=replace(NOW_THERE.stack, **changes))  # type: ignore[arg-type]


AGAINST = {
    "another template": (replace(NOW_THERE, template="0" * 64), "another template"),
    "another value": (of_stack(parameters=a_parameter_set(EnableObjectTagging="true")), "EnableObjectTagging"),
    "in progress": (of_stack(status="UPDATE_IN_PROGRESS"), "UPDATE_IN_PROGRESS"),
    "stuck": (of_stack(status="UPDATE_ROLLBACK_FAILED"), "UPDATE_ROLLBACK_FAILED"),
    "a foreign change set": (replace(NOW_THERE, change_sets=(THEIRS,)), "theirs"),
    "change sets unread": (replace(NOW_THERE, change_sets=denied("cloudformation:ListChangeSets")), "change sets"),
    "no retries": (replace(NOW_THERE, invocation=Invocation(0, None)), "retries are switched off"),
    "template unread": (replace(NOW_THERE, template=denied("cloudformation:GetTemplate")), "could not be read"),
}  # fmt: skip


@pytest.mark.parametrize(("forwarder", "reason"), AGAINST.values(), ids=AGAINST)
def test_a_stack_that_is_not_what_the_run_left_or_cannot_be_updated_is_left_alone(
    tmp_path: Path, entries: tuple[Entry, ...], forwarder: Forwarder, reason: str
) -> None:
    estate = an_estate(forwarder)
    estate = replace(estate, templates={**estate.templates, "0" * 64: LEGACY_TEMPLATE + "\n# changed\n"})
    plan = planned(undo(tmp_path, entries, estate))
    assert not plan.plan.steps
    assert [one.subject for one in plan.kept] == [NAME]
    assert reason in "; ".join(told(plan))
    assert all(obstacle.to_do for one in plan.kept for obstacle in one.obstacles)


@pytest.mark.parametrize(
    ("package", "reason"),
    [(Absent("object"), "cannot be read"), (denied("s3:GetObject"), "cannot be read"),
     (StoredObject(LEGACY_BUCKET, "k", 1, CODE_SHA256), "does not hold the package that ran before")],
    ids=["gone", "denied", "another one"],
)  # fmt: skip
def test_without_the_old_package_there_is_no_way_back(
    tmp_path: Path, entries: tuple[Entry, ...], package: object, reason: str
) -> None:
    plan = planned(undo(tmp_path, entries, an_estate(NOW_THERE), packages={OLD_PACKAGE: package}))
    assert not plan.plan.steps
    assert reason in "; ".join(told(plan))


@pytest.mark.parametrize(("day", "open_still"), [(date(2027, 3, 2), True), (date(2027, 3, 3), False)], ids=str)
def test_after_the_update_block_go1x_cannot_be_brought_back(
    tmp_path: Path, entries: tuple[Entry, ...], day: date, open_still: bool
) -> None:
    plan = planned(undo(tmp_path, entries, an_estate(NOW_THERE), today=day))
    assert bool(plan.plan.steps) is open_still
    assert ("blocked updates to go1.x since 2027-03-03" in "; ".join(told(plan))) is not open_still


def test_a_stack_that_is_gone_or_was_not_looked_at_is_said(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    plan = planned(undo(tmp_path, entries, an_estate(shared=())))
    assert "not among those that were looked at" in "; ".join(told(plan))


def test_a_stack_that_is_as_it_was_has_nothing_left_to_undo(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    plan = planned(undo(tmp_path, entries, BEFORE, values=""))
    assert told(plan) == []


@pytest.mark.parametrize("end", ["killed", "lost"])
@pytest.mark.parametrize("carried_out", [True, False])
def test_of_a_write_without_an_answer_what_is_there_now_decides(tmp_path: Path, end: str, carried_out: bool) -> None:
    steps = target_plan(BEFORE, {"forwarder-stack": [NAME]}).steps
    entries = journalled(tmp_path, steps, {"ExecuteChangeSet": end})
    plan = planned(undo(tmp_path, entries, an_estate(NOW_THERE) if carried_out else BEFORE))
    assert told(plan) == ([f"do UndoStackUpdate {NAME} ({NAME})"] if carried_out else [])


def test_a_write_that_was_refused_is_none(tmp_path: Path) -> None:
    steps = target_plan(BEFORE, {"forwarder-stack": [NAME]}).steps
    entries = journalled(tmp_path, steps, {"ExecuteChangeSet": "refused"})
    found = undo(tmp_path, entries, an_estate(NOW_THERE))
    assert found.past.done.count == 0
    assert told(planned(found)) == []


@pytest.mark.parametrize(
    ("status", "moved"), [("UPDATE_COMPLETE", True), ("UPDATE_ROLLBACK_COMPLETE", False)], ids=["updated", "taken back"]
)
def test_a_later_update_is_seen_even_if_nothing_that_shows_was_changed(
    tmp_path: Path, entries: tuple[Entry, ...], status: str, moved: bool
) -> None:
    found = undo(tmp_path, entries, an_estate(of_stack(changed=NOW + timedelta(hours=1), status=status)))
    plan = planned(replace(found, past=replace(found.past, after=an_estate(NOW_THERE))))
    assert ("was updated since the run" in "; ".join(told(plan))) is moved
    assert bool(plan.plan.steps) is not moved


def a_shared(**parameters: str) -> SharedStack:
    stack = a_stack("taegis-shared-resources", parameters={"SecretValue": "****", **parameters}, changed=CHANGED)
    return a_shared_stack(stack=stack)


def of_shared(
    tmp_path: Path, was: SharedStack, *forwarders: Forwarder, now: SharedStack | None = None, values: str = "",
    **intent: object,
) -> UndoPlan:  # fmt: skip
    before = an_estate(*(forwarders or (NOW_THERE,)), shared=(was,))
    wanted = {"shared-stack": [""], **({"forwarder-stack": [NAME]} if forwarders else {})}
    entries = journalled(tmp_path, target_plan(before, wanted, **intent).steps)
    after = an_estate(NOW_THERE, shared=(now or a_shared(TaegisRegion="ctpx"),))
    return planned(_undoing(before, entries, after, given=values_from(tmp_path, values)))


def test_a_shared_stack_gets_its_region_back_and_keeps_its_secret(tmp_path: Path) -> None:
    step = update_of(of_shared(tmp_path, a_shared(TaegisRegion="echo")))
    given = {str(one["ParameterKey"]): one for one in step.update.parameters}
    assert given["TaegisRegion"]["ParameterValue"] == "echo"
    assert given["SecretValue"] == {"ParameterKey": "SecretValue", "UsePreviousValue": True}
    assert step.former is None


def test_a_rotated_secret_cannot_be_known(tmp_path: Path) -> None:
    plan = of_shared(tmp_path, a_shared(TaegisRegion="ctpx"), rotate=True)
    assert not plan.plan.steps
    assert "the value that SecretValue had is not known" in "; ".join(told(plan))


def test_a_rotated_secret_that_is_given_is_put_back(tmp_path: Path) -> None:
    values = '[[stack]]\nname = "taegis-shared-*"\nparameters = { SecretValue = "the one before" }\n'
    step = update_of(of_shared(tmp_path, a_shared(TaegisRegion="ctpx"), values=values, rotate=True))
    given = {str(one["ParameterKey"]): one for one in step.update.parameters}
    assert str(given["SecretValue"]["ParameterValue"]) == "****"


def test_while_a_forwarder_stays_on_the_new_template_the_shared_stack_stays(tmp_path: Path) -> None:
    plan = of_shared(tmp_path, a_shared(TaegisRegion="echo"), a_legacy_forwarder())
    assert not plan.plan.steps
    assert any(f"forwarders stay on the new template and may import from it: {NAME}" in line for line in told(plan))


def test_the_shared_stack_comes_after_its_forwarders(tmp_path: Path) -> None:
    plan = of_shared(tmp_path, a_shared(TaegisRegion="echo"), a_legacy_forwarder(), values=GIVEN)
    assert told(plan) == [f"do UndoStackUpdate {NAME} ({NAME})", f"do UndoStackUpdate taegis-shared-resources ({NAME})"]
    last = plan.plan.steps[-1]
    assert last.without([NAME]) is None


def test_the_run_and_its_line_are_named(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    found = undo(tmp_path, entries, an_estate(NOW_THERE))
    (change,) = found.past.done.stacks
    assert (found.past.run, change.template, change.stack) == (RUN, LEGACY_DIGEST, NAME)
    assert change.target == HERE


@pytest.mark.parametrize(
    ("now", "reason"),
    [(an_estate(targets=[an_unreached()]), "it was not reached (sts:AssumeRole denied"),
     (an_estate(targets=[an_unreached(Target(OTHER_ACCOUNT, HERE.region))]), "it was not looked at")],
    ids=["not reached", "not asked for"],
)  # fmt: skip
def test_a_target_that_was_not_seen_is_kept_as_a_whole(
    tmp_path: Path, entries: tuple[Entry, ...], now: Estate, reason: str
) -> None:
    plan = planned(undo(tmp_path, entries, now))
    (kept,) = plan.kept
    assert (kept.count, kept.waits, reason in kept.obstacles[0].reason) == (1, True, True)
    assert not plan.plan.steps


LARGE = padded(LEGACY_TEMPLATE)
LARGE_DIGEST = hashlib.sha256(LARGE.encode()).hexdigest()


@pytest.mark.parametrize(("there", "undone"), [(HERE.region, True), ("eu-west-1", False), (Absent("bucket"), False)])
def test_a_large_template_is_lent_in_the_bucket_of_the_run(tmp_path: Path, there: object, undone: bool) -> None:
    before = an_estate(a_legacy_forwarder(template=LARGE_DIGEST))
    before = replace(before, templates={**before.templates, LARGE_DIGEST: LARGE})
    entries = journalled(tmp_path, target_plan(before, {"forwarder-stack": [NAME]}).steps)
    bucket = artifact_bucket(HERE.account, HERE.region)
    found = _undoing(before, entries, an_estate(NOW_THERE), given=values_from(tmp_path, GIVEN),
                     buckets={(HERE, bucket): there})  # type: ignore[dict-item]  # fmt: skip
    done = replace(found.past.done, locks={HERE: bucket})
    plan = planned(replace(found, past=replace(found.past, done=done)))
    if not undone:
        assert "too large to be given inline" in "; ".join(told(plan))
        return
    step = update_of(plan)
    create = step.update.calls()[0].parameters
    assert create["TemplateURL"] == f"https://s3.{HERE.region}.amazonaws.com/{bucket}/templates/{LARGE_DIGEST}.yaml"
    assert step.lent
    assert (step.lent.bucket, step.lent.body.sha256) == (bucket, LARGE_DIGEST)
