"""The update of a forwarder's stack for real: through a gate, proved on the function, and nothing is left behind."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.synthetic_release import lambda_template
from remediation.engine import Outcome, State
from remediation.steps.forwarder_stack import UpdateForwarderStack
from tests.estates import some_desires
from tests.fake_aws import BROKEN_OFF, DENIED, Script, garbage, jsonish, refusal
from tests.planning import a_release_with, padded
from tests.step_world import PASS, Fault, First, Lost, World, release
from tests.step_world import ready as ready  # noqa: PLC0414  a fixture
from tests.step_world import world as world  # noqa: PLC0414  a fixture

CREATE, DESCRIBE = "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet"
EXECUTE, DELETE = "cloudformation:ExecuteChangeSet", "cloudformation:DeleteChangeSet"
STACKS, LIST = "cloudformation:DescribeStacks", "cloudformation:ListChangeSets"
FUNCTION = "lambda:GetFunction"
ERROR_500 = refusal("InternalFailure", status=500)


def step_of(world: World) -> UpdateForwarderStack:
    (step,) = world.plan({"forwarder-stack": [world.name]}).steps
    assert isinstance(step, UpdateForwarderStack)
    return step


def ended(outcome: Outcome, state: State) -> str:
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def runs_the_release(world: World) -> bool:
    function = world.function(world.function_name)
    return (function["Runtime"], function["CodeSha256"]) == ("provided.al2", release().package.code_sha256)


def is_untouched(world: World) -> bool:
    function = world.function(world.function_name)
    return function["Runtime"] == "go1.x" and world.stack(world.name)["StackStatus"] == "CREATE_COMPLETE"


def test_a_legacy_forwarder_runs_the_release_afterwards(ready: World) -> None:
    (told,) = ready.done(step_of(ready))
    assert told == f"{ready.function_name} runs provided.al2 with the release's package"
    assert runs_the_release(ready)
    assert ready.stack(ready.name)["StackStatus"] == "UPDATE_COMPLETE"
    assert ready.benches[-1].kinds() == [
        f"intent {CREATE}", f"result {CREATE}", "change-set", f"intent {EXECUTE}", f"result {EXECUTE}", "verified",
    ]  # fmt: skip


def test_a_change_set_is_kept_as_it_was_described_and_judged(ready: World) -> None:
    ready.done(step_of(ready))
    (kept,) = (entry.content["facts"] for entry in ready.benches[-1].entries if entry.kind == "change-set")
    facts = json.loads(json.dumps(kept))
    assert (facts["stack"], facts["gate"], facts["reasons"]) == (ready.name, "open", [])
    (function,) = (change for change in facts["described"] if change["resource_type"] == "AWS::Lambda::Function")
    # the engine's word, which compares expressions, and not ours
    assert (function["action"], function["replacement"]) == ("Modify", "True")
    assert [line for line in facts["predicted"] if line.startswith("Modify TaegisLambdaFunction ")]
    assert [line for line in facts["told"] if line.startswith("Modify TaegisLambdaFunction ")]
    assert not ready.change_sets(ready.name)
    assert ready.written() == ready.journalled()
    parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in ready.stack(ready.name)["Parameters"]}  # type: ignore[attr-defined]
    assert parameters["NotificationBucket"] == f"{ready.name}-{ready.account}"


def test_a_second_time_there_is_nothing_to_change_and_no_change_set_is_left(ready: World) -> None:
    ready.done(step_of(ready))
    again = step_of(ready)
    before = ready.stack(ready.name)["LastUpdatedTime"]
    ready.done(again)
    assert ready.stack(ready.name)["LastUpdatedTime"] == before
    assert ready.benches[-1].writes() == [CREATE, DELETE]
    assert not ready.change_sets(ready.name)


def test_a_large_template_goes_by_url(world: World, tmp_path: Path) -> None:
    large = a_release_with(tmp_path, padded(lambda_template()))
    world.desires = some_desires(release=large)
    world.legacy()
    plan = world.plan({"artifact": [""], "forwarder-stack": [world.name]})
    world.done(*plan.steps)
    assert runs_the_release(world)
    assert len(large.lambda_template.body.encode()) > 51_200


PASSING: list[object] = [
    pytest.param({CREATE: [refusal("Throttling", "Rate exceeded")]}, id="create-throttled"),
    pytest.param({CREATE: [ERROR_500]}, id="create-500"),
    pytest.param(
        {CREATE: [Lost(refusal("AlreadyExistsException", "exists"))]}, id="made-by-an-attempt-whose-answer-was-lost"
    ),
    pytest.param({DESCRIBE: [refusal("Throttling", "Rate exceeded")]}, id="describe-throttled"),
    pytest.param({DESCRIBE: [ERROR_500]}, id="describe-500"),
    pytest.param({EXECUTE: [refusal("Throttling", "Rate exceeded")]}, id="execute-throttled"),
    pytest.param({EXECUTE: [ERROR_500]}, id="execute-500"),
    pytest.param({STACKS: [PASS, *[ERROR_500] * 6, *[garbage()] * 3]}, id="the-stack-cannot-be-read-for-a-while"),
    pytest.param({FUNCTION: [refusal("TooManyRequestsException", "Rate exceeded", 429)] * 7}, id="function-throttled"),
]


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_waited_out(ready: World, faults: Mapping[str, list[Fault]]) -> None:
    step = step_of(ready)
    with ready.proxy.faults(faults):
        ready.done(step)
    assert runs_the_release(ready)
    assert not ready.change_sets(ready.name)


REFUSED: list[object] = [
    pytest.param({STACKS: [DENIED]}, "denied", id="may-not-look-at-the-stack"),
    pytest.param({LIST: [DENIED]}, "denied", id="may-not-list-change-sets"),
    pytest.param({CREATE: [DENIED]}, "denied", id="may-not-create"),
    pytest.param({CREATE: [refusal("ValidationError", "Template error")]}, "Template error", id="aws-refuses-it"),
    pytest.param({CREATE: [Lost(garbage())]}, "malformed", id="created-and-the-answer-is-no-xml"),
    pytest.param({CREATE: [Lost(Answer(200, BROKEN_OFF, b"<x"))] * 6}, "", id="created-and-answers-break-off"),
    pytest.param({DESCRIBE: [DENIED]}, "denied", id="may-not-describe"),
    pytest.param({DESCRIBE: [garbage()]}, "malformed", id="described-as-no-xml"),
    pytest.param({EXECUTE: [DENIED]}, "denied", id="may-not-execute"),
    pytest.param({EXECUTE: [refusal("InvalidChangeSetStatus", "OBSOLETE")]}, "OBSOLETE", id="it-has-become-obsolete"),
]


@pytest.mark.parametrize(("faults", "why"), REFUSED)
def test_a_refusal_leaves_the_stack_as_it_was_and_no_change_set(
    ready: World, faults: Mapping[str, list[Fault]], why: str
) -> None:
    step = step_of(ready)
    with ready.proxy.faults(faults):
        assert why in ended(ready.apply(step), State.BLOCKED)
    assert is_untouched(ready)
    assert not ready.change_sets(ready.name)


def described(world: World, *edits: tuple[str, str]) -> Script:
    """What CloudFormation says of the change set, edited: an unpredicted change, something unsaid."""

    def told(call: object) -> Answer:
        answer = world.place.call("cloudformation", "describe_change_set", StackName=world.name,
                                  ChangeSetName=world.change_sets(world.name)[0])  # fmt: skip
        changes = answer["Changes"]
        assert isinstance(changes, list)
        return changed(changes, dict(edits), call)

    return told


def changed(changes: list[Mapping[str, object]], edits: Mapping[str, str], _call: object) -> Answer:
    members = ""
    for change in changes:
        found = change["ResourceChange"]
        assert isinstance(found, dict)
        fields = {name: str(found[name]) for name in ("Action", "LogicalResourceId", "ResourceType", "Replacement")
                  if name in found}  # fmt: skip
        if fields["ResourceType"] == "AWS::Lambda::Function":
            fields |= edits
        text = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items() if value)
        members += f"<member><Type>Resource</Type><ResourceChange>{text}</ResourceChange></member>"
    body = (
        "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status>"
        f"<ExecutionStatus>AVAILABLE</ExecutionStatus><Changes>{members}</Changes>"
        "</DescribeChangeSetResult></DescribeChangeSetResponse>"
    )
    return Answer(200, ((b"content-type", b"text/xml"),)).with_text(body)


UNPREDICTED = [
    pytest.param(("Replacement", "True"), "would be replaced", id="the-function-is-replaced"),
    pytest.param(("Replacement", "Conditional"), "would be replaced", id="the-function-is-perhaps-replaced"),
    pytest.param(("Replacement", ""), "absent is not False", id="it-is-not-said"),
    pytest.param(("Action", "Remove"), "does not follow from the templates", id="the-function-is-removed"),
    pytest.param(("LogicalResourceId", "Another"), "does not follow from the templates", id="another-resource"),
]


@pytest.mark.parametrize(("edit", "why"), UNPREDICTED)
def test_a_change_that_was_not_predicted_closes_the_gate(ready: World, edit: tuple[str, str], why: str) -> None:
    step = step_of(ready)
    with ready.proxy.faults({DESCRIBE: [described(ready, edit)]}):
        assert why in ended(ready.apply(step), State.BLOCKED)
    assert is_untouched(ready)
    assert not ready.change_sets(ready.name)


def test_a_change_set_that_cannot_be_deleted_is_told_to_the_person(ready: World) -> None:
    step = step_of(ready)
    faults: Mapping[str, list[Fault]] = {DESCRIBE: [described(ready, ("Replacement", "True"))], DELETE: [DENIED]}
    with ready.proxy.faults(faults):
        told = ended(ready.apply(step), State.BLOCKED)
    assert f"its change set {step.update.change_set} is left and must be deleted by hand" in told
    assert ready.change_sets(ready.name) == [step.update.change_set]


def test_one_that_is_still_being_created_is_deleted_a_moment_later(ready: World) -> None:
    step = step_of(ready)
    busy = refusal("InvalidChangeSetStatus", "cannot be deleted in CREATE_IN_PROGRESS")
    faults: Mapping[str, list[Fault]] = {DESCRIBE: [described(ready, ("Replacement", "True"))], DELETE: [busy, busy]}
    with ready.proxy.faults(faults):
        ended(ready.apply(step), State.BLOCKED)
    assert not ready.change_sets(ready.name)


def test_somebody_elses_change_set_is_not_deleted_by_executing_ours(ready: World) -> None:
    step = step_of(ready)
    ready.place.call("cloudformation", "create_change_set", StackName=ready.name, ChangeSetName="theirs",
                     ChangeSetType="UPDATE", TemplateBody=lambda_template(), Capabilities=["CAPABILITY_IAM"],
                     Parameters=list(step.update.parameters))  # fmt: skip
    assert f"somebody's change set waits on {ready.name} (theirs)" in ended(ready.apply(step), State.BLOCKED)
    assert ready.change_sets(ready.name) == ["theirs"]
    assert "somebody's change set waits" in ready.plan({"forwarder-stack": [ready.name]}).blocked[0].reasons[0]


def test_a_stack_that_has_moved_since_the_plan_is_not_touched(ready: World) -> None:
    step = step_of(ready)
    seen = step.update.seen
    moves = {
        "it was UPDATE_COMPLETE and is CREATE_COMPLETE": replace(seen, status="UPDATE_COMPLETE"),
        "it was changed at": replace(seen, changed="2026-01-01T00:00:00+00:00"),
        "it has other values for NotificationBucket": replace(
            seen, parameters={**seen.parameters, "NotificationBucket": "another"}
        ),
        "it has other values for LegacyCodeKey": replace(
            seen, parameters={name: text for name, text in seen.parameters.items() if name != "LegacyCodeKey"}
        ),
    }
    for told, moved in moves.items():
        outcome = ready.apply(replace(step, update=replace(step.update, seen=moved)))
        assert f"the stack has moved since it was looked at: {told}" in ended(outcome, State.BLOCKED)
    assert not ready.change_sets(ready.name)
    gone = replace(step, update=replace(step.update, seen=replace(seen, name="no-such-stack")))
    assert "cannot be read any more" in ended(ready.apply(gone), State.BLOCKED)


EXECUTED: list[object] = [
    pytest.param([Lost(garbage())], id="the-answer-is-no-xml"),
    pytest.param([Lost(ERROR_500), *[ERROR_500] * 5], id="500-for-good"),
    pytest.param([Lost(ERROR_500)], id="500-and-the-repetition-is-refused"),
]


@pytest.mark.parametrize("faults", EXECUTED)
def test_an_execution_that_nobody_confirms_is_seen_on_the_stack_itself(ready: World, faults: list[Fault]) -> None:
    step = step_of(ready)
    with ready.proxy.faults({EXECUTE: faults}):
        assert "runs provided.al2" in ready.done(step)[0]
    assert not ready.change_sets(ready.name)


LOST: list[object] = [
    pytest.param({EXECUTE: [ERROR_500] * 6}, "is not seen to be changed", id="500-for-good"),
    pytest.param({EXECUTE: [garbage()]}, "is not seen to be changed", id="not-executed-and-the-answer-is-no-xml"),
    pytest.param({STACKS: [PASS, DENIED]}, "cannot be read any more", id="denied-while-it-goes-on"),
    pytest.param({FUNCTION: [refusal("ResourceNotFoundException", "Function not found: x", 404)]}, "does not exist",
                 id="the-function-is-gone"),
]  # fmt: skip


@pytest.mark.parametrize(("faults", "why"), LOST)
def test_what_cannot_be_proved_after_the_execution_is_a_failure(
    ready: World, faults: Mapping[str, list[Fault]], why: str
) -> None:
    step = step_of(ready)
    with ready.proxy.faults(faults):
        assert why in ended(ready.apply(step), State.FAILED)
    assert not ready.change_sets(ready.name)


def test_a_green_stack_with_an_old_function_is_a_failure(ready: World) -> None:
    """Some engines say UPDATE_COMPLETE and leave the function as it was; so does a zip that is another one."""
    step = replace(step_of(ready), code_sha256="b3RoZXI=")
    told = ended(ready.apply(step), State.FAILED)
    assert "CloudFormation says UPDATE_COMPLETE, but of function" in told
    assert "its code is" in told
    told = ended(ready.apply(replace(step_of(ready), code_sha256="b3RoZXI=")), State.FAILED)
    assert "CloudFormation has nothing to change, but of function" in told


def test_a_function_that_the_update_left_alone_is_a_failure(ready: World) -> None:
    old = ready.place.call("lambda", "get_function", FunctionName=ready.function_name)
    configuration = dict(old["Configuration"])  # type: ignore[call-overload]
    configuration["LastUpdateStatus"], configuration["State"] = "Failed", "Failed"
    configuration["LastUpdateStatusReason"] = "InvalidZipFileException"
    step = step_of(ready)
    with ready.proxy.faults({FUNCTION: [jsonish({"Configuration": configuration, "Code": {}})]}):
        told = ended(ready.apply(step), State.FAILED)
    for piece in ("its last update is Failed InvalidZipFileException", "its state is Failed", "its runtime is go1.x"):
        assert piece in told


def test_a_stack_that_rolls_back_says_what_failed_first(ready: World) -> None:
    step = step_of(ready)
    bucket = {entry["ParameterKey"]: entry.get("ParameterValue") for entry in step.update.parameters}
    key = {"Bucket": bucket["TaegisLambdaS3BucketName"], "Key": "taegis-lambda-amd64.zip"}
    gone = First(lambda: ready.place.call("s3", "delete_object", **key))
    with ready.proxy.faults({EXECUTE: [gone]}):
        told = ended(ready.apply(step), State.FAILED)
    ready.place.call("s3", "put_object", Body=(release().directory / str(key["Key"])).read_bytes(), **key)
    assert "ended as UPDATE_ROLLBACK_COMPLETE: TaegisLambdaFunction: " in told
    assert ready.function(ready.function_name)["Runtime"] == "go1.x"


def stopping(stop: threading.Event) -> First:
    return First(stop.set)


STOPS: list[object] = [
    pytest.param(CREATE, State.SKIPPED, id="while-the-change-set-is-created"),
    pytest.param(DESCRIBE, State.SKIPPED, id="while-it-is-described"),
    pytest.param(EXECUTE, State.FAILED, id="while-it-is-executed"),
]


@pytest.mark.parametrize(("call", "state"), STOPS)
def test_a_run_that_is_stopped_leaves_no_change_set(ready: World, call: str, state: State) -> None:
    step = step_of(ready)
    stop = threading.Event()
    bench = ready.bench(stop)
    with ready.proxy.faults({call: [stopping(stop)]}):
        outcome = ready.apply(step, bench=bench)
    assert [o.state for o in outcome.steps] in ([state], [State.DONE])
    assert not ready.change_sets(ready.name)
    assert is_untouched(ready) is (state is State.SKIPPED)
