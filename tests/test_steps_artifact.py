"""The package's bucket: made closed, filled once, never written over, and never somebody else's."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.synthetic_release import lambda_template
from remediation.call import FileBody
from remediation.engine import Outcome, State
from remediation.steps.artifact import PutArtifacts
from tests.estates import some_desires
from tests.fake_aws import BROKEN_OFF, DENIED, garbage, refusal
from tests.planning import a_release_with, padded
from tests.step_world import PASS, First, Lost, World, release
from tests.step_world import world as world  # noqa: PLC0414  a fixture

KEY = "taegis-lambda-amd64.zip"
BODY = (release().directory / KEY).read_bytes()
ERROR_500 = refusal("InternalError", status=500)
BROKEN = Answer(200, BROKEN_OFF, b"<x>")


def step_of(world: World) -> PutArtifacts:
    """The step as the plan has it where the bucket is missing (tests/test_planner_shared.py)."""
    package = FileBody(release().directory / KEY, release().package.sha256_hex)
    bucket = world.desires.of(world.account).tenant.artifact_bucket(world.account, world.region)
    assert bucket
    return PutArtifacts(world.target, bucket, (), create=True, files={KEY: package})


def planned(world: World) -> PutArtifacts:
    """The step as it is planned from what is really there."""
    world.legacy()
    (step,) = world.plan({"artifact": [""]}).steps
    assert isinstance(step, PutArtifacts)
    return step


def ended(outcome: Outcome, state: State) -> str:
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def held(world: World, bucket: str) -> bytes | None:
    return world.content(bucket, KEY)


def test_the_bucket_is_made_closed_to_the_public_and_holds_the_package(world: World) -> None:
    step = planned(world)
    assert step == step_of(world)
    world.done(step)
    assert held(world, step.subject) == BODY
    block = world.place.call("s3", "get_public_access_block", Bucket=step.subject)["PublicAccessBlockConfiguration"]
    assert set(dict(block).values()) == {True}  # type: ignore[call-overload]
    where = world.place.call("s3", "get_bucket_location", Bucket=step.subject)["LocationConstraint"]
    assert where == world.region
    assert world.written() == world.journalled()
    assert not world.plan({"artifact": [""]}).steps


def test_a_second_time_nothing_is_uploaded(world: World) -> None:
    step = step_of(world)
    world.done(step)
    before = world.written()
    world.done(replace(step, create=False))
    assert world.written() == before


def test_large_templates_are_uploaded_beside_the_package(world: World, tmp_path: Path) -> None:
    large = a_release_with(tmp_path, padded(lambda_template()))
    world.desires = some_desires(release=large)
    step = planned(world)
    world.done(step)
    stored = world.content(step.subject, f"templates/{large.lambda_template.digest}.yaml")
    assert stored == large.lambda_template.body.encode()


PASSING = [
    pytest.param({"s3:PutObject": [refusal("SlowDown", status=503)]}, id="upload-throttled"),
    pytest.param({"s3:PutObject": [ERROR_500]}, id="upload-500"),
    pytest.param({"s3:PutObject": [Lost(ERROR_500)]}, id="uploaded-and-500"),
    pytest.param({"s3:PutObject": [Lost(ERROR_500)] * 6}, id="uploaded-and-500-until-botocore-gives-up"),
    pytest.param({"s3:PutObject": [Lost(BROKEN)]}, id="uploaded-and-the-answer-broke-off"),
    pytest.param({"s3:CreateBucket": [Lost(ERROR_500)]}, id="made-and-500"),
    pytest.param({"s3:CreateBucket": [Lost(refusal("BucketAlreadyOwnedByYou", status=409))]}, id="ours-already"),
    pytest.param({"s3:PutPublicAccessBlock": [refusal("SlowDown", status=503)]}, id="block-throttled"),
]


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_waited_out_and_what_was_done_is_seen(world: World, faults: dict[str, list[Lost]]) -> None:
    step = step_of(world)
    with world.proxy.faults(faults):
        world.done(step)
    assert held(world, step.subject) == BODY


REFUSED = [
    pytest.param({"s3:CreateBucket": [DENIED]}, "denied", id="may-not-make-it"),
    pytest.param({"s3:CreateBucket": [refusal("BucketAlreadyExists", status=409)]}, "belongs to somebody else",
                 id="somebody-was-faster"),
    pytest.param({"s3:CreateBucket": [refusal("InvalidBucketName")]}, "InvalidBucketName", id="no-name-for-a-bucket"),
]  # fmt: skip


@pytest.mark.parametrize(("faults", "why"), REFUSED)
def test_a_bucket_that_cannot_be_made_is_refused_before_anything_was_written(
    world: World, faults: dict[str, list[Lost]], why: str
) -> None:
    step = step_of(world)
    with world.proxy.faults(faults):
        assert why in ended(world.apply(step), State.BLOCKED)
    assert held(world, step.subject) is None


FAILED = [
    pytest.param({"s3:PutPublicAccessBlock": [DENIED]}, id="may-not-close-it"),
    pytest.param({"s3:PutObject": [DENIED]}, id="may-not-upload"),
    pytest.param({"s3:HeadObject": [refusal("Forbidden", status=403)]}, id="may-not-look"),
    pytest.param({"s3:PutObject": [garbage(200)], "s3:HeadObject": [PASS, refusal("Forbidden", status=403)]},
                 id="may-not-look-again"),
]  # fmt: skip


@pytest.mark.parametrize("faults", FAILED)
def test_a_refusal_after_the_bucket_was_made_is_no_refusal_before_the_first_write(
    world: World, faults: dict[str, list[Lost]]
) -> None:
    step = step_of(world)
    with world.proxy.faults(faults):
        ended(world.apply(step), State.FAILED)


def test_without_a_bucket_to_make_a_refused_upload_is_refused_before_anything(world: World) -> None:
    step = replace(step_of(world), create=False)
    world.place.make_bucket(step.subject)
    with world.proxy.faults({"s3:PutObject": [DENIED]}):
        assert "denied" in ended(world.apply(step), State.BLOCKED)


def test_somebody_elses_object_at_the_key_is_never_written_over(world: World) -> None:
    step = replace(step_of(world), create=False)
    world.place.make_bucket(step.subject)
    theirs = {"Bucket": step.subject, "Key": KEY, "Body": b"theirs"}
    world.place.call("s3", "put_object", **theirs)
    assert "holds another object" in ended(world.apply(step), State.BLOCKED)
    assert held(world, step.subject) == b"theirs"


@pytest.mark.parametrize("body", [b"theirs", BODY], ids=["another", "the-same"])
def test_whoever_uploads_between_our_look_and_our_write_wins(world: World, body: bytes) -> None:
    step = replace(step_of(world), create=False)
    world.place.make_bucket(step.subject)
    theirs = First(lambda: world.place.call("s3", "put_object", Bucket=step.subject, Key=KEY, Body=body))
    with world.proxy.faults({"s3:PutObject": [theirs]}):
        outcome = world.apply(step)
    assert outcome.steps[0].state is (State.DONE if body == BODY else State.BLOCKED)
    assert held(world, step.subject) == body


def test_a_bucket_of_another_account_is_never_written(world: World) -> None:
    step = step_of(world)
    stranger = world.engine.at("999900001111", world.region)
    stranger.make_bucket(step.subject)
    told = ended(world.apply(step), State.BLOCKED)
    assert "belongs to somebody else" in told
    ended(world.apply(replace(step, create=False)), State.BLOCKED)
    assert "Contents" not in stranger.call("s3", "list_objects_v2", Bucket=step.subject)
    world.legacy()
    plan = world.plan({"artifact": [""]})
    assert not plan.steps
    assert "could not be read" in plan.blocked[0].reasons[0]


def test_a_package_that_has_changed_since_it_was_read_is_not_sent(world: World, tmp_path: Path) -> None:
    package = FileBody(a_release_with(tmp_path).directory / KEY, release().package.sha256_hex)
    step = replace(step_of(world), create=False, files={KEY: package})
    world.place.make_bucket(step.subject)
    (tmp_path / "release" / KEY).write_bytes(b"other")
    assert "has changed since it was read" in ended(world.apply(step), State.BLOCKED)
    assert held(world, step.subject) is None
