"""The shared stack for real: made once with the tenant's secret, updated without touching it, never in clear."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.synthetic_release import CANARIES, credentials, shared_template
from fixtures.secret import Secret
from remediation.engine import Outcome, State
from remediation.gated_update import TemplateSource
from remediation.step import Step
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack
from tests.estates import a_stack, some_desires
from tests.fake_aws import DENIED, garbage, refusal, xml
from tests.planning import a_release_with
from tests.step_world import Fault, First, Lost, World, release
from tests.step_world import world as world  # noqa: PLC0414  a fixture

CREATE, STACKS = "cloudformation:CreateStack", "cloudformation:DescribeStacks"
EXECUTE, DESCRIBE = "cloudformation:ExecuteChangeSet", "cloudformation:DescribeChangeSet"
NAME = "taegis-shared-resources"
FAILING = """
  Broken:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      Role: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/any"
      Code: {S3Bucket: no-such-bucket, S3Key: no-such-key}
"""
ERROR_500 = refusal("InternalFailure", status=500)


def creation(world: World) -> CreateSharedStack:
    """The step as the plan has it (tests/test_planner_shared.py)."""
    given = (
        {"ParameterKey": "SecretValue", "ParameterValue": Secret(credentials())},
        {"ParameterKey": "TaegisRegion", "ParameterValue": "ctpx"},
    )
    return CreateSharedStack(
        world.target, NAME, (), template=TemplateSource(shared_template(), None), parameters=given, capabilities=(),
        token="taegis-forwarders-run",
    )  # fmt: skip


def planned(world: World, **intent: object) -> Step:
    (step,) = world.plan({"shared-stack": [""]}, **intent).steps
    return step


def ended(outcome: Outcome, state: State) -> str:
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def secret_of(world: World) -> tuple[str, str]:
    """ARN and value of the secret that forwarders import."""
    exports = world.place.call("cloudformation", "list_exports")["Exports"]
    assert isinstance(exports, list)
    arn = next(str(export["Value"]) for export in exports if export["Name"] == "TaegisSharedSecretArn")
    return arn, str(world.place.call("secretsmanager", "get_secret_value", SecretId=arn)["SecretString"])


def test_it_is_made_with_the_tenants_secret_and_exports_it(world: World) -> None:
    world.done(creation(world))
    assert world.stack(NAME)["StackStatus"] == "CREATE_COMPLETE"
    assert secret_of(world)[1] == credentials()
    assert world.written() == world.journalled()
    assert not [canary for canary in CANARIES if canary in world.benches[0].path.read_text(encoding="utf-8")]


def test_once_it_is_there_nothing_is_planned(world: World) -> None:
    world.legacy()
    step = planned(world)
    assert isinstance(step, CreateSharedStack)
    world.done(step)
    assert not world.plan({"shared-stack": [""]}).steps


def test_an_update_keeps_the_secret_and_takes_the_new_template(world: World, tmp_path: Path) -> None:
    world.legacy()
    world.done(creation(world))
    body = shared_template().replace("SYNTHETIC credentials with", "SYNTHETIC newer credentials with")
    world.desires = some_desires(release=a_release_with(tmp_path, shared_template=body))
    arn = secret_of(world)[0]
    step = planned(world)
    assert isinstance(step, UpdateSharedStack)
    world.done(step)
    assert secret_of(world) == (arn, credentials())
    found = world.place.call("secretsmanager", "describe_secret", SecretId=arn)
    assert "SYNTHETIC newer" in str(found["Description"])
    assert not world.change_sets(NAME)
    assert not world.plan({"shared-stack": [""]}).steps


def test_one_that_somebody_changed_since_the_plan_is_not_updated(world: World) -> None:
    """What was planned against one TaegisRegion would overwrite the other, which nobody looked at."""
    world.legacy()
    world.done(creation(world))
    world.desires = some_desires(release=release(), taegis_region="delta")
    step = planned(world)
    world.place.call("cloudformation", "update_stack", StackName=NAME, UsePreviousTemplate=True, Parameters=[
        {"ParameterKey": "SecretValue", "UsePreviousValue": True},
        {"ParameterKey": "TaegisRegion", "ParameterValue": "echo"}])  # fmt: skip
    world.place.await_stack(NAME, "UPDATE_COMPLETE")
    told = ended(world.apply(step), State.BLOCKED)
    assert "the stack has moved since it was looked at: it was CREATE_COMPLETE and is UPDATE_COMPLETE" in told
    assert "it has other values for TaegisRegion" in told
    parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in world.stack(NAME)["Parameters"]}  # type: ignore[attr-defined]
    assert parameters["TaegisRegion"] == "echo"
    assert not world.change_sets(NAME)


def test_an_approved_update_of_it_is_another_one_once_it_has_moved(world: World) -> None:
    world.legacy()
    world.done(creation(world))
    world.desires = some_desires(release=release(), taegis_region="delta")
    step = planned(world, run="run")
    assert planned(world, run="run").fingerprint("run") == step.fingerprint("run")
    world.place.call("cloudformation", "update_stack", StackName=NAME, UsePreviousTemplate=True, Parameters=[
        {"ParameterKey": "SecretValue", "ParameterValue": "another"},
        {"ParameterKey": "TaegisRegion", "UsePreviousValue": True}])  # fmt: skip
    world.place.await_stack(NAME, "UPDATE_COMPLETE")
    assert planned(world, run="run").fingerprint("run") != step.fingerprint("run")


def test_an_update_of_outputs_alone_is_executed_although_its_change_set_lists_nothing(world: World) -> None:
    """AWS makes one that can be executed and is empty; the engine does not, so that its answers are AWS's here."""
    world.legacy()
    world.done(creation(world))
    world.desires = some_desires(release=release(), taegis_region="delta")
    step = planned(world)

    def executed(_call: object) -> Answer:
        world.place.call("cloudformation", "update_stack", StackName=NAME, UsePreviousTemplate=True, Parameters=[
            {"ParameterKey": "SecretValue", "UsePreviousValue": True},
            {"ParameterKey": "TaegisRegion", "ParameterValue": "delta"}])  # fmt: skip
        return xml("<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>")

    empty = ("<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status>"
             "<ExecutionStatus>AVAILABLE</ExecutionStatus><Changes/></DescribeChangeSetResult>"
             "</DescribeChangeSetResponse>")  # fmt: skip
    with world.proxy.faults({DESCRIBE: [xml(empty)], EXECUTE: [executed]}):
        world.done(step)
    assert {"ParameterKey": "TaegisRegion", "ParameterValue": "delta"} in world.stack(NAME)["Parameters"]  # type: ignore[operator]


def test_where_cloudformation_sees_nothing_to_change_the_value_that_stays_is_told(world: World) -> None:
    world.legacy()
    world.done(creation(world))
    world.desires = some_desires(release=release(), taegis_region="delta")
    told = ended(world.apply(planned(world)), State.BLOCKED)
    assert f"CloudFormation sees nothing to change in {NAME}, but its TaegisRegion is ctpx and not delta" in told
    assert not world.change_sets(NAME)


def test_a_green_stack_with_other_values_is_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.legacy()
    world.done(creation(world))
    world.desires = some_desires(release=release(), taegis_region="delta")
    step = planned(world, rotate=True)
    ctpx = a_stack(NAME, parameters={"SecretValue": "****", "TaegisRegion": "ctpx"})
    monkeypatch.setattr("remediation.steps.shared_stack.read_stack", lambda *_: ctpx)
    # the same secret is no change for the engine: another one is written
    secret = {"ParameterKey": "SecretValue", "ParameterValue": Secret("another")}
    assert isinstance(step, UpdateSharedStack)
    step = replace(step, update=replace(step.update, parameters=(secret, step.update.parameters[1])))
    told = ended(world.apply(step), State.FAILED)
    assert f"shared stack {NAME} is UPDATE_COMPLETE, but its TaegisRegion is ctpx and not delta" in told


def test_the_secret_is_replaced_only_when_it_is_to_be_rotated(world: World) -> None:
    world.legacy()
    world.done(replace(creation(world), parameters=(
        {"ParameterKey": "SecretValue", "ParameterValue": Secret("OLD-SECRET-OF-THE-TENANT")},
        {"ParameterKey": "TaegisRegion", "ParameterValue": "ctpx"})))  # fmt: skip
    arn = secret_of(world)[0]
    assert not world.plan({"shared-stack": [""]}).steps
    step = planned(world, rotate=True)
    assert [note for note in step.notes() if "TaegisCredentials" in note]
    world.done(step)
    assert secret_of(world) == (arn, credentials())
    text = json.dumps([call.shown() for call in step.calls()])
    assert not [canary for canary in CANARIES if canary in text]


PASSING: list[object] = [
    pytest.param({CREATE: [refusal("Throttling", "Rate exceeded")]}, id="create-throttled"),
    pytest.param({CREATE: [ERROR_500]}, id="create-500"),
    pytest.param({STACKS: [refusal("Throttling", "Rate exceeded")] * 7}, id="describe-throttled"),
    pytest.param({STACKS: [garbage(), *[ERROR_500] * 6]}, id="unreadable-for-a-while"),
]


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_waited_out(world: World, faults: Mapping[str, list[Fault]]) -> None:
    with world.proxy.faults(faults):
        world.done(creation(world))
    assert secret_of(world)[1] == credentials()


REFUSED: list[object] = [
    pytest.param({CREATE: [DENIED]}, "denied", id="may-not"),
    pytest.param({CREATE: [refusal("ValidationError", "Template format error")]}, "format error", id="aws-refuses"),
    pytest.param({CREATE: [refusal("InsufficientCapabilitiesException", "Requires capabilities")]}, "capabilities",
                 id="capabilities"),
    pytest.param({CREATE: [refusal("AlreadyExistsException", "exists")]}, "name another shared_stack_name",
                 id="a-stack-of-that-name"),
]  # fmt: skip


@pytest.mark.parametrize(("faults", "why"), REFUSED)
def test_a_refused_creation_changes_nothing(world: World, faults: Mapping[str, list[Fault]], why: str) -> None:
    with world.proxy.faults(faults):
        assert why in ended(world.apply(creation(world)), State.BLOCKED)


LOST: list[object] = [
    pytest.param({CREATE: [Lost(garbage())]}, "malformed", id="made-and-the-answer-is-no-xml"),
    pytest.param({CREATE: [ERROR_500] * 6}, "InternalFailure", id="500-for-good"),
    pytest.param({STACKS: [DENIED]}, "cannot be read any more", id="denied-while-it-goes-on"),
]


@pytest.mark.parametrize(("faults", "why"), LOST)
def test_what_may_have_been_done_is_a_failure(world: World, faults: Mapping[str, list[Fault]], why: str) -> None:
    with world.proxy.faults(faults):
        assert why in ended(world.apply(creation(world)), State.FAILED)


def test_a_stack_of_that_name_that_is_somebody_elses_is_left_alone(world: World) -> None:
    body = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    world.place.make_stack(NAME, body, {})
    assert "there is a stack called" in ended(world.apply(creation(world)), State.BLOCKED)
    assert world.place.call("cloudformation", "get_template", StackName=NAME)["TemplateBody"] == json.loads(body)


def test_a_creation_that_fails_is_taken_away_and_says_why(world: World) -> None:
    fails = shared_template().replace("\nOutputs:", FAILING + "\nOutputs:", 1)
    step = creation(world)
    outcome = world.apply(replace(step, template=TemplateSource(fails, None), capabilities=("CAPABILITY_IAM",)))
    told = ended(outcome, State.FAILED)
    assert "ended as " in told
    assert "Broken: " in told
    assert not [canary for canary in CANARIES if canary in told]


def test_a_run_that_is_stopped_while_the_stack_is_made_says_that_it_goes_on(world: World) -> None:
    stop = threading.Event()
    bench = world.bench(stop)
    busy = ("<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName><StackId>i</StackId>"
            "<StackStatus>CREATE_IN_PROGRESS</StackStatus></member></Stacks></DescribeStacksResult>"
            "</DescribeStacksResponse>")  # fmt: skip
    with world.proxy.faults({CREATE: [First(stop.set)], STACKS: [xml(busy)]}):
        told = ended(world.apply(creation(world), bench=bench), State.FAILED)
    assert "CREATE_IN_PROGRESS; the operation goes on in AWS" in told
