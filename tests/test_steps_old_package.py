"""The old package is secured for real: what runs now stands where the old template points, over nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.sandbox.seed_client import Place
from fixtures.sandbox.seed_foundation import LEGACY_KEY, legacy_bucket
from fixtures.sandbox.synthetic_release import legacy_package
from remediation.engine import Outcome, State
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.old_package import SecureOldPackage
from tests.fake_aws import DENIED, garbage, jsonish, refusal
from tests.step_world import Fault, First, Lost, World
from tests.step_world import world as world  # noqa: PLC0414  a fixture

PUT, HEAD, FUNCTION = "s3:PutObject", "s3:HeadObject", "lambda:GetFunction"
CONTENT = legacy_package().content
ERROR_500 = refusal("InternalError", status=500)


@pytest.fixture
def step(world: World) -> SecureOldPackage:
    """The function runs a package that is not in its bucket any more."""
    bucket = legacy_bucket(world.account, world.region)
    world.place.make_bucket(bucket)
    world.place.call("lambda", "create_function", FunctionName=world.function_name, Runtime="go1.x", Handler="main",
                     Role=f"arn:aws:iam::{world.account}:role/any", Code={"ZipFile": CONTENT})  # fmt: skip
    return SecureOldPackage(
        world.target,
        world.name,
        (world.name,),
        function=world.function_name,
        bucket=bucket,
        key=LEGACY_KEY,
        code_sha256=legacy_package().code_sha256,
    )


def ended(outcome: Outcome, state: State) -> str:
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def test_what_runs_now_is_put_where_the_old_template_points(world: World, step: SecureOldPackage) -> None:
    world.done(step)
    assert world.content(step.bucket, step.key) == CONTENT
    assert world.written() == world.journalled()


def test_the_plan_secures_it_and_then_a_rollback_would_find_it(world: World) -> None:
    world.legacy()
    world.ready()
    bucket = legacy_bucket(world.account, world.region)
    world.place.call("s3", "delete_object", Bucket=bucket, Key=LEGACY_KEY)
    plan = world.plan({"forwarder-stack": [world.name]})
    assert [type(step) for step in plan.steps] == [SecureOldPackage, UpdateForwarderStack]
    world.done(*plan.steps)
    found = world.content(bucket, LEGACY_KEY)
    assert found is not None
    assert hashlib.sha256(found).hexdigest() == legacy_package().hex_digest


def test_a_second_time_it_is_there_already(world: World, step: SecureOldPackage) -> None:
    world.done(step)
    world.done(step)
    assert world.journalled()[PUT] == 2  # the second is refused by its condition, and changes nothing
    assert world.content(step.bucket, step.key) == CONTENT


def test_another_package_at_the_key_is_never_written_over(world: World, step: SecureOldPackage) -> None:
    world.place.call("s3", "put_object", Bucket=step.bucket, Key=step.key, Body=b"theirs")
    assert "cannot be secured" in ended(world.apply(step), State.BLOCKED)
    assert world.content(step.bucket, step.key) == b"theirs"


PASSING: list[object] = [
    pytest.param({PUT: [refusal("SlowDown", status=503)]}, id="upload-throttled"),
    pytest.param({PUT: [Lost(ERROR_500)]}, id="uploaded-and-500"),
    pytest.param({PUT: [Lost(ERROR_500)] * 6}, id="uploaded-and-500-for-good"),
    pytest.param({FUNCTION: [refusal("TooManyRequestsException", "Rate exceeded", 429)]}, id="function-throttled"),
]


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_waited_out_and_what_was_done_is_seen(
    world: World, step: SecureOldPackage, faults: Mapping[str, list[Fault]]
) -> None:
    with world.proxy.faults(faults):
        world.done(step)
    assert world.content(step.bucket, step.key) == CONTENT


NOWHERE = jsonish({"Configuration": {}, "Code": {"Location": "http://127.0.0.1:9/code?X-Amz-Signature=CANARY"}})
REFUSED: list[object] = [
    pytest.param({FUNCTION: [DENIED]}, "denied", id="may-not-read-the-function"),
    pytest.param({FUNCTION: [garbage()]}, "Code is missing", id="no-answer"),
    pytest.param({FUNCTION: [jsonish({"Configuration": {}})]}, "Code is missing", id="no-code-in-the-answer"),
    pytest.param({FUNCTION: [NOWHERE]}, "the live package cannot be fetched", id="the-address-does-not-answer"),
    pytest.param({PUT: [DENIED]}, "denied", id="may-not-upload"),
]


@pytest.mark.parametrize(("faults", "why"), REFUSED)
def test_without_a_way_back_nothing_goes_forward(
    world: World, step: SecureOldPackage, faults: Mapping[str, list[Fault]], why: str
) -> None:
    with world.proxy.faults(faults):
        told = ended(world.apply(step), State.BLOCKED)
    assert why in told
    assert "CANARY" not in told
    assert world.content(step.bucket, step.key) is None


def test_an_upload_that_cannot_be_read_back_is_a_failure(world: World, step: SecureOldPackage) -> None:
    with world.proxy.faults({HEAD: [refusal("Forbidden", status=403)]}):
        assert "cannot be secured" in ended(world.apply(step), State.FAILED)


def test_a_function_that_has_another_package_by_now_is_not_secured_as_the_old_one(
    world: World, step: SecureOldPackage
) -> None:
    other = replace(step, code_sha256="b3RoZXIgY29kZSBvdGhlciBjb2RlIG90aGVyIGNvZGU=")
    assert "has changed since it was looked at" in ended(world.apply(other), State.BLOCKED)
    assert world.content(step.bucket, step.key) is None


def test_a_bucket_that_is_somebody_elses_by_now_is_never_written(world: World, step: SecureOldPackage) -> None:
    world.place.call("s3", "delete_bucket", Bucket=step.bucket)
    assert "cannot be secured" in ended(world.apply(step), State.BLOCKED)
    stranger: Place = world.engine.at("999900001111", world.region)
    stranger.make_bucket(step.bucket)
    public = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", '
    policy = f'{public}"Resource": ["arn:aws:s3:::{step.bucket}", "arn:aws:s3:::{step.bucket}/*"]}}]}}'
    stranger.call("s3", "put_bucket_policy", Bucket=step.bucket, Policy=policy)
    assert "cannot be secured" in ended(world.apply(step), State.BLOCKED)
    assert "Contents" not in stranger.call("s3", "list_objects_v2", Bucket=step.bucket)


def test_whoever_puts_the_same_package_there_first_is_welcome(world: World, step: SecureOldPackage) -> None:
    theirs = First(lambda: world.place.call("s3", "put_object", Bucket=step.bucket, Key=step.key, Body=CONTENT))
    with world.proxy.faults({PUT: [theirs]}):
        world.done(step)


def test_the_package_is_not_in_the_journal_and_its_signed_address_neither(
    world: World, step: SecureOldPackage, tmp_path: Path
) -> None:
    world.done(step)
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("journal-*.jsonl"))
    assert "SYNTHETIC stand-in" not in text
    assert "Signature" not in text
    assert legacy_package().hex_digest in text
