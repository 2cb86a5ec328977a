"""The steps of a rollback for real: what moved since they were planned stays, and what was written is read back."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.code_location import CodeLocation
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN, legacy_package
from remediation.call import BytesBody
from remediation.engine import Outcome, State
from remediation.gated_update import TemplateSource
from remediation.journal import Entry
from remediation.plan_undo import UndoPlan, buckets_of, packages_of, plan_undo
from remediation.roll_back_look import look
from remediation.step import Step
from remediation.steps.undo_artifact import UndoBucket, UndoUploads
from remediation.steps.undo_stack import LentTemplate, UndoStackUpdate
from remediation.steps.undo_trigger import UndoTrigger
from tests.estates import NOW
from tests.fake_aws import DENIED, refusal
from tests.planning import padded
from tests.step_world import First, Lost, World
from tests.step_world import world as world  # noqa: PLC0414  a fixture
from tests.undoing import undoing, values_from

NAME = "cloudtrail-prod"
PACKAGE = "taegis-lambda-amd64.zip"
ALL = {"artifact": [""], "shared-stack": [""], "forwarder-stack": [NAME], "trigger": [NAME]}
GIVEN = f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{CANARY_LEGACY_TOKEN}" }}\n'
QUIET = refusal("InternalError", status=500)


@dataclass
class Undone:
    """One forwarder that was fixed, and the plan of the way back."""

    world: World
    function: str
    bucket: str
    entries: tuple[Entry, ...]
    plan: UndoPlan

    def step(self, kind: type[Step]) -> Step:
        (found,) = [step for step in self.plan.plan.steps if isinstance(step, kind)]
        return found

    def apply(self, *kinds: type[Step]) -> Outcome:
        return self.world.apply(*map(self.step, kinds))

    @property
    def artifacts(self) -> str:
        return self.step(UndoUploads).subject


@pytest.fixture
def fixed(world: World, tmp_path: Path) -> Undone:
    world.legacy()
    function = f"{NAME}-scwx-tdr-lambda-awscloudtrail"
    for statement in world.statements(function):
        world.place.call("lambda", "remove_permission", FunctionName=function, StatementId=statement["Sid"])
    before, bench = world.look(), world.bench()
    outcome = world.apply(*world.plan(ALL).steps, bench=bench)
    assert {one.state for one in outcome.steps} == {State.DONE}, [one.told for one in outcome.steps]
    world.apply(*world.plan({"trigger": [NAME]}).steps, bench=bench)
    return Undone(
        world, function, f"{NAME}-{world.account}", bench.entries, plan(world, tmp_path, before, bench.entries)
    )


def plan(world: World, folder: Path, before: object, entries: tuple[Entry, ...]) -> UndoPlan:
    found = undoing(before, entries, world.look(), given=values_from(folder, GIVEN))  # type: ignore[arg-type]
    done = found.past.done
    uploads = [(one.target, one.bucket, one.key) for one in done.uploads]
    looked = look(lambda _: world.aws, packages_of(done, found), uploads, buckets_of(done))
    return plan_undo(replace(found, looked=looked), NOW)


def state(outcome: Outcome) -> tuple[State, str]:
    ended = outcome.steps[-1]
    return ended.state, f"{ended.told}; {ended.to_do}"


def test_everything_is_undone_in_reverse_order(fixed: Undone) -> None:
    world = fixed.world
    kinds = [type(step) for step in fixed.plan.plan.steps]
    assert kinds == [UndoTrigger, UndoStackUpdate, UndoUploads, UndoBucket]
    world.done(*fixed.plan.plan.steps)
    assert world.document(fixed.bucket) == {}
    assert world.function(fixed.function)["Runtime"] == "go1.x"
    assert world.function(fixed.function)["Environment"] == {"Variables": {"LEGACY_TOKEN": CANARY_LEGACY_TOKEN}}
    assert world.written() == world.journalled()


def test_a_stack_that_moved_since_it_was_planned_is_left(fixed: Undone) -> None:
    world = fixed.world
    world.place.call("cloudformation", "update_stack", StackName=NAME, UsePreviousTemplate=True,
                     Capabilities=["CAPABILITY_IAM"],
                     Parameters=[{"ParameterKey": "EnableObjectTagging", "ParameterValue": "true"},
                                 *({"ParameterKey": name, "UsePreviousValue": True} for name in
                                   ("IntegrationType", "NotificationBucket", "TaegisLambdaS3BucketName"))])  # fmt: skip
    written = world.written()
    ended, told = state(fixed.apply(UndoStackUpdate))
    assert (ended, "moved since it was looked at" in told) == (State.BLOCKED, True), told
    assert world.written() == written


@pytest.mark.parametrize("content", [None, b"another package"], ids=["gone", "another"])
def test_without_the_old_package_nothing_is_begun(fixed: Undone, content: bytes | None) -> None:
    world = fixed.world
    step = fixed.step(UndoStackUpdate)
    assert isinstance(step, UndoStackUpdate)
    assert step.former
    at = CodeLocation(step.former.package.bucket, step.former.package.key)
    if content is None:
        world.place.call("s3", "delete_object", Bucket=at.bucket, Key=at.key)
    else:
        world.place.call("s3", "put_object", Bucket=at.bucket, Key=at.key, Body=content)
    written = world.written()
    ended, told = state(world.apply(step))
    assert (ended, "old package" in told) == (State.BLOCKED, True), told
    assert world.written() == written


def test_a_green_stack_alone_proves_nothing(fixed: Undone) -> None:
    step = fixed.step(UndoStackUpdate)
    assert isinstance(step, UndoStackUpdate)
    assert step.former
    ended, told = state(fixed.world.apply(replace(step, former=replace(step.former, handler="another"))))
    assert (ended, "its handler is main and not another" in told) == (State.FAILED, True), told


def test_a_template_that_is_too_large_is_lent_and_taken_away_again(fixed: Undone) -> None:
    world, step = fixed.world, fixed.step(UndoStackUpdate)
    assert isinstance(step, UndoStackUpdate)
    body = padded(step.update.template.body)
    digest = hashlib.sha256(body.encode()).hexdigest()
    lent = LentTemplate(world.account, fixed.artifacts, f"templates/{digest}.yaml", BytesBody(body.encode(), digest))
    url = f"https://s3.{world.region}.amazonaws.com/{lent.bucket}/{lent.key}"
    large = replace(step, lent=lent, update=replace(step.update, template=TemplateSource(body, url)))
    world.done(large)
    assert world.function(fixed.function)["Runtime"] == "go1.x"
    assert world.content(lent.bucket, lent.key) is None
    assert [call.operation for call in large.calls()] == [
        "PutObject", "CreateChangeSet", "ExecuteChangeSet", "DeleteObject",
    ]  # fmt: skip


def test_what_was_lent_is_taken_away_when_the_gate_closes_too(fixed: Undone) -> None:
    world, step = fixed.world, fixed.step(UndoStackUpdate)
    assert isinstance(step, UndoStackUpdate)
    lent = LentTemplate(
        world.account, fixed.artifacts, "templates/x.yaml", BytesBody(b"x", hashlib.sha256(b"x").hexdigest())
    )
    with world.proxy.faults({"cloudformation:CreateChangeSet": [DENIED]}):
        assert state(world.apply(replace(step, lent=lent)))[0] is State.BLOCKED
    assert world.content(lent.bucket, lent.key) is None


def test_a_change_set_that_was_refused_leaves_the_stack_as_it_was(fixed: Undone) -> None:
    with fixed.world.proxy.faults({"cloudformation:CreateChangeSet": [DENIED]}):
        assert state(fixed.apply(UndoStackUpdate))[0] is State.BLOCKED
    assert fixed.world.function(fixed.function)["Runtime"] == "provided.al2"


def foreign_rule(fixed: Undone) -> dict[str, object]:
    arn = fixed.world.foreign_function("indexer", fixed.bucket)
    return {"LambdaFunctionArn": arn, "Events": ["s3:ObjectRemoved:*"], "Id": "theirs"}


def test_a_rule_that_somebody_added_meanwhile_is_kept(fixed: Undone) -> None:
    world = fixed.world
    ours = world.document(fixed.bucket)["LambdaFunctionConfigurations"]
    assert isinstance(ours, list)
    world.put_document(fixed.bucket, {"LambdaFunctionConfigurations": [*ours, foreign_rule(fixed)]})
    written = world.written()
    ended, told = state(fixed.apply(UndoTrigger))
    assert (ended, "was changed since the run" in told) == (State.BLOCKED, True), told
    assert world.written() == written
    assert world.statements(fixed.function)


def test_somebody_who_writes_after_us_is_named_and_keeps_what_they_wrote(fixed: Undone) -> None:
    world = fixed.world
    theirs = {"LambdaFunctionConfigurations": [foreign_rule(fixed)]}
    reads = [First(lambda: None), First(lambda: world.put_document(fixed.bucket, theirs))]
    with world.proxy.faults({"s3:GetBucketNotificationConfiguration": reads}):
        ended, told = state(fixed.apply(UndoTrigger))
    assert (ended, "others changed it" in told) == (State.FAILED, True), told
    assert world.document(fixed.bucket) == theirs


@pytest.mark.parametrize("lost", [QUIET, refusal("ServiceException", status=500)], ids=["s3", "lambda"])
def test_a_permission_that_was_taken_back_without_an_answer_is_seen_to_be_gone(fixed: Undone, lost: object) -> None:
    with fixed.world.proxy.faults({"lambda:RemovePermission": [Lost(lost)]}):  # type: ignore[arg-type]
        assert state(fixed.apply(UndoTrigger))[0] is State.DONE
    sids = [statement["Sid"] for statement in fixed.world.statements(fixed.function)]
    assert not [sid for sid in sids if str(sid).startswith("taegis-forwarders-")]


def test_an_upload_that_somebody_replaced_stays(fixed: Undone) -> None:
    world = fixed.world
    world.done(fixed.step(UndoTrigger), fixed.step(UndoStackUpdate))
    world.place.call("s3", "put_object", Bucket=fixed.artifacts, Key=PACKAGE, Body=b"theirs")
    ended, told = state(fixed.apply(UndoUploads))
    assert (ended, "is not what the run uploaded" in told) == (State.BLOCKED, True), told
    assert world.content(fixed.artifacts, PACKAGE) == b"theirs"


def test_uploads_stay_while_a_stack_names_their_bucket(fixed: Undone) -> None:
    ended, told = state(fixed.apply(UndoUploads))
    assert (ended, f"stacks still refer to bucket {fixed.artifacts}: {NAME}" in told) == (State.BLOCKED, True), told
    assert fixed.world.content(fixed.artifacts, PACKAGE)


def test_a_bucket_with_anything_in_it_stays(fixed: Undone) -> None:
    world = fixed.world
    world.place.call("s3", "put_object", Bucket=fixed.artifacts, Key="theirs.txt", Body=b"theirs")
    ended, told = state(fixed.apply(UndoBucket))
    assert (ended, "is not empty" in told) == (State.BLOCKED, True), told
    assert world.content(fixed.artifacts, "theirs.txt") == b"theirs"


def test_a_bucket_that_fills_up_at_the_last_moment_stays(fixed: Undone) -> None:
    world = fixed.world
    world.done(fixed.step(UndoTrigger), fixed.step(UndoStackUpdate), fixed.step(UndoUploads))

    def fill() -> None:
        world.place.call("s3", "put_object", Bucket=fixed.artifacts, Key="theirs.txt", Body=legacy_package().content)

    with world.proxy.faults({"s3:DeleteBucket": [First(fill)]}):
        ended, told = state(fixed.apply(UndoBucket))
    assert (ended, "is left" in told) == (State.BLOCKED, True), told
    assert world.content(fixed.artifacts, "theirs.txt")
