"""The notification merge for real: permission first, one write, others' parts as they were."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from fixtures.estate import Rule
from fixtures.readers.buckets import parse_notification
from fixtures.sandbox.aws_call import Answer
from remediation.engine import State
from remediation.steps.trigger import Wiring
from tests.bucket_scene import (
    ADD,
    CONFLICT,
    CREATED,
    ERROR_500,
    FORBIDDEN,
    GET,
    INVALID,
    POLICY,
    PUT,
    Scene,
    ended,
)
from tests.bucket_scene import scene as scene  # noqa: PLC0414  a fixture
from tests.bucket_scene import world as world  # noqa: PLC0414  a fixture
from tests.fake_aws import BROKEN_OFF, DENIED, garbage, refusal
from tests.step_world import PASS, Fault, Lost


def test_permission_first_then_one_write_and_everything_of_others_stays(scene: Scene) -> None:
    before = scene.world.document(scene.bucket)
    scene.world.done(scene.step())
    after = scene.world.document(scene.bucket)
    entries = after.pop("LambdaFunctionConfigurations")
    assert isinstance(entries, list)
    assert [entries[0]] == before.pop("LambdaFunctionConfigurations")
    assert after == before
    assert scene.rules() == scene.both
    (statement,) = scene.world.statements(scene.function)
    assert statement["Condition"] == {
        "ArnLike": {"AWS:SourceArn": f"arn:aws:s3:::{scene.bucket}"},
        "StringEquals": {"AWS:SourceAccount": scene.world.account},
    }
    assert scene.world.benches[0].writes() == [ADD, PUT]
    assert scene.world.written() == scene.world.journalled()


def test_the_pre_image_is_journalled_before_the_write(scene: Scene) -> None:
    scene.world.done(scene.step())
    (intent,) = [e for e in scene.world.benches[0].entries if e.kind == "intent" and "PutBucket" in str(e.content)]
    assert parse_notification(json.loads(str(intent.content["before"]))).rules[0].prefix == "reports/"


def test_a_second_time_no_document_is_written(scene: Scene) -> None:
    scene.world.done(scene.step())
    before = scene.world.document(scene.bucket)
    (told,) = scene.world.done(scene.step())
    assert "calls" in told
    assert scene.world.document(scene.bucket) == before
    assert scene.world.journalled()[PUT] == 1


def test_rules_go_and_come_in_the_same_write(scene: Scene) -> None:
    gone = Rule("function", scene.world.foreign_function("old-indexer", scene.bucket), (CREATED,), "AWSLogs/")
    scene.put(scene.foreign(), scene.foreign("AWSLogs/", gone.arn))
    scene.world.place.call("lambda", "delete_function", FunctionName="old-indexer")
    scene.world.done(scene.step(remove=[gone]))
    assert scene.rules() == scene.both
    assert scene.world.journalled()[PUT] == 1


PASSING: list[object] = [
    pytest.param({PUT: [INVALID]}, id="the-permission-is-not-known-to-s3-yet"),
    pytest.param({PUT: [INVALID, INVALID, INVALID]}, id="for-a-while"),
    pytest.param({PUT: [CONFLICT]}, id="somebody-else-is-writing"),
    pytest.param({PUT: [refusal("SlowDown", status=503)]}, id="put-throttled"),
    pytest.param({PUT: [ERROR_500]}, id="put-500"),
    pytest.param({PUT: [Lost(ERROR_500)]}, id="written-and-500"),
    pytest.param({PUT: [Lost(Answer(200, BROKEN_OFF, b"<x"))]}, id="written-and-the-answer-broke-off"),
    pytest.param({ADD: [refusal("TooManyRequestsException", "Rate exceeded", 429)]}, id="add-throttled"),
    pytest.param({ADD: [Lost(refusal("ServiceException", status=500))]}, id="added-and-500"),
    pytest.param({ADD: [Lost(refusal("ServiceException", status=500))] * 6}, id="added-and-500-for-good"),
    pytest.param({ADD: [Lost(garbage())]}, id="added-and-the-answer-is-no-json"),
    pytest.param({ADD: [refusal("ResourceConflictException", "An update is in progress", 409)]}, id="update-goes-on"),
    pytest.param({GET: [PASS, refusal("SlowDown", status=503)]}, id="get-throttled"),
    pytest.param({GET: [PASS, FORBIDDEN]}, id="once-unreadable-after-the-write"),
    pytest.param({GET: [PASS, garbage()]}, id="once-no-document-after-the-write"),
    pytest.param({POLICY: [refusal("TooManyRequestsException", "Rate exceeded", 429)]}, id="policy-throttled"),
]  # fmt: skip


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_waited_out_and_what_was_done_is_seen(scene: Scene, faults: Mapping[str, list[Fault]]) -> None:
    with scene.world.proxy.faults(faults):
        scene.world.done(scene.step())
    assert scene.rules() == scene.both
    assert len(scene.world.statements(scene.function)) == 1


REFUSED: list[object] = [
    pytest.param({GET: [FORBIDDEN]}, "cannot be read", id="may-not-read-the-document"),
    pytest.param({GET: [garbage()]}, "cannot be read", id="no-document"),
    pytest.param({ADD: [DENIED]}, "denied", id="may-not-add-the-permission"),
    pytest.param({ADD: [refusal("PolicyLengthExceededException", "20480")]}, "20480", id="the-policy-is-full"),
]


@pytest.mark.parametrize(("faults", "why"), REFUSED)
def test_a_refusal_before_the_first_write_touches_nothing(
    scene: Scene, faults: Mapping[str, list[Fault]], why: str
) -> None:
    before = scene.world.document(scene.bucket)
    with scene.world.proxy.faults(faults):
        assert why in ended(scene.world.apply(scene.step()), State.BLOCKED)
    assert scene.world.document(scene.bucket) == before
    assert PUT not in scene.world.journalled()


FAILED: list[object] = [
    pytest.param({PUT: [FORBIDDEN]}, "denied", id="may-not-write-the-document"),
    pytest.param({PUT: [refusal("InvalidArgument", "Configurations overlap.")]}, "overlap", id="s3-sees-an-overlap"),
    pytest.param({PUT: [CONFLICT], GET: [PASS, FORBIDDEN]}, "cannot be read", id="unreadable-before-the-next-try"),
]


@pytest.mark.parametrize(("faults", "why"), FAILED)
def test_a_refusal_after_the_permission_was_given_is_a_failure(
    scene: Scene, faults: Mapping[str, list[Fault]], why: str
) -> None:
    with scene.world.proxy.faults(faults):
        told = ended(scene.world.apply(scene.step()), State.FAILED)
    assert why in told
    assert scene.rules() == [("report-indexer", "reports/")]


def test_a_stale_foreign_rule_is_named_when_s3_keeps_refusing(scene: Scene) -> None:
    scene.world.place.call("lambda", "delete_function", FunctionName="report-indexer")
    told = ended(scene.world.apply(scene.step()), State.FAILED)
    assert "S3 keeps refusing the document" in told
    assert (
        f"rule mark-reports/ (s3:ObjectCreated:* for reports/* to {scene.theirs}) names a function that is gone" in told
    )
    assert scene.arn not in told, "what is right is not named"


def test_a_foreign_rule_whose_function_does_not_let_s3_in_is_named_too(scene: Scene) -> None:
    scene.world.place.call("lambda", "remove_permission", FunctionName="report-indexer", StatementId="s3")
    told = ended(scene.world.apply(scene.step()), State.FAILED)
    assert f"for reports/* to {scene.theirs}) names a function that does not let S3 in" in told


def test_a_conflicting_rule_is_seen_before_the_permission_is_given(scene: Scene) -> None:
    scene.put(scene.foreign("AWSLogs/eu/"))
    assert "overlaps with" in ended(scene.world.apply(scene.step()), State.BLOCKED)
    assert not scene.world.journalled()


def test_a_statement_of_the_same_name_that_does_not_let_s3_in_is_for_a_person(scene: Scene) -> None:
    step = scene.step()
    scene.world.place.call("lambda", "add_permission", FunctionName=scene.function, StatementId=step.grants[0].sid,
                           Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")  # fmt: skip
    assert "does not let S3 in" in ended(scene.world.apply(step), State.BLOCKED)
    assert len(scene.world.statements(scene.function)) == 1


def test_a_permission_that_is_missing_alone_leaves_the_document_unread_and_unwritten(scene: Scene) -> None:
    step = scene.step()
    alone = replace(step, wirings=(Wiring("x", (), step.grants[0]),))
    before = scene.world.document(scene.bucket)
    scene.world.proxy.forget()
    scene.world.done(alone)
    assert not {PUT, GET} & set(scene.world.proxy.counted())
    assert scene.world.document(scene.bucket) == before


def test_a_permission_that_is_not_seen_afterwards_is_not_proved(scene: Scene) -> None:
    empty = refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    step = scene.step()
    alone = replace(step, wirings=(Wiring("x", (), step.grants[0]),))
    with scene.world.proxy.faults({POLICY: [empty]}):
        scene.world.done(alone)
    scene.world.place.call("lambda", "remove_permission", FunctionName=scene.function, StatementId=step.grants[0].sid)
    # AddPermission says yes and does nothing
    yes = Answer(201, ((b"content-type", b"application/json"),), b'{"Statement": "{}"}')
    with scene.world.proxy.faults({ADD: [yes]}):
        assert "that is not seen" in ended(scene.world.apply(alone), State.FAILED)
