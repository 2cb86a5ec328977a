"""Rules for every step: its calls are ones that AWS knows, and nothing is changed but through the writer's journal."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import botocore.session  # noqa: TID251  its models are what the calls are held against
import pytest
from botocore import xform_name  # noqa: TID251  same
from botocore.model import OperationModel, ServiceModel  # noqa: TID251  same
from botocore.validate import ParamValidator  # noqa: TID251  same

from checks.registry import FIXES
from fixtures.sandbox.operations import writes
from remediation.call import Call, FileBody, revealed
from remediation.plan import Plan
from remediation.policy import every_step
from remediation.step import Step
from remediation.steps.artifact import PutArtifacts
from remediation.steps.event import SendTestEvent
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.old_package import SecureOldPackage
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack
from remediation.steps.trigger import MergeNotification
from tests.estates import a_forwarder, a_seen, a_shared_stack, an_estate
from tests.planning import plan_of
from tests.test_planner import CONSENTS, EVERYTHING, an_old_estate

ROOT = Path(__file__).parents[1] / "remediation"
FIXING = sorted((step for step in every_step() if not step.FIX.startswith("undo-")), key=lambda step: step.__name__)
SOURCES = sorted(ROOT.rglob("*.py"))


def plans() -> Iterator[Plan]:
    """Plans that hold every kind of step that fixes something."""
    yield plan_of(an_old_estate(), EVERYTHING, allow=CONSENTS, test_event=True)
    seen = a_seen(a_forwarder(), shared=(a_shared_stack(),))
    yield plan_of(an_estate(targets=[seen]), {"shared-stack": [""]}, rotate=True)


STEPS = tuple(step for plan in plans() for step in plan.steps)
CALLS = {f"{type(step).__name__}-{number}-{call.operation}": (step, call)
         for step in STEPS for number, call in enumerate(step.calls())}  # fmt: skip


@cache
def model(service: str) -> ServiceModel:
    session = botocore.session.get_session()
    return ServiceModel(session.get_component("data_loader").load_service_model(service, "service-2"))


def operation(call: Call) -> OperationModel:
    return model(call.service).operation_model(call.operation)


def test_the_tables_hold_every_kind_of_step_that_fixes_something() -> None:
    assert {type(step) for step in STEPS} == set(FIXING)
    assert {
        PutArtifacts, CreateSharedStack, UpdateSharedStack, SecureOldPackage, UpdateForwarderStack, MergeNotification,
        SendTestEvent,
    } == set(FIXING)  # fmt: skip


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_is_one_that_aws_knows_with_parameters_that_it_takes(name: str) -> None:
    _, call = CALLS[name]
    shape = operation(call).input_shape
    assert shape is not None
    unknown = set(call.parameters) - set(shape.members)
    assert not unknown
    given = {name: b"" if isinstance(found, FileBody) else revealed(found) for name, found in call.parameters.items()}
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), report.generate_report()
    assert xform_name(call.operation)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_of_a_step_is_declared_says_why_and_changes_something(name: str) -> None:
    step, call = CALLS[name]
    assert call.action in type(step).ACTIONS
    assert call.why
    assert writes(call.operation) or call.operation == "Invoke"


@pytest.mark.parametrize("step", FIXING, ids=lambda step: step.__name__)
def test_a_step_clears_a_fix_that_a_check_can_name(step: type[Step]) -> None:
    assert step.FIX in FIXES


def test_every_fix_that_a_check_can_name_has_a_step() -> None:
    assert {step.FIX for step in FIXING} | {"stale-rules", "duplicates"} == set(FIXES)


@pytest.mark.parametrize("step", every_step(), ids=lambda step: step.__name__)
def test_a_step_says_what_it_does(step: type[Step]) -> None:
    for thing in (step, step.title, step.calls, step.run):
        text = (inspect.getdoc(thing) or "").strip()
        assert text.partition("\n")[0].endswith((".", "?"))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{type(step).__name__}-{step.subject}")
def test_a_step_is_the_same_whenever_it_is_asked(step: Step) -> None:
    assert [call.shown() for call in step.calls()] == [call.shown() for call in step.calls()]
    assert step.title
    assert "\n" not in step.title
    assert step.fingerprint("run") == step.fingerprint("run")
    assert set(step.clears) >= ({""} if step.shared else set(step.forwarders))


# every write goes through the journal


def calls_in(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def words(call: ast.Call) -> list[str]:
    return [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


def offenders(wrong: Mapping[str, list[str]]) -> list[str]:
    return sorted(f"{path}: {text}" for path, texts in wrong.items() for text in texts)


def test_nothing_is_read_with_a_call_that_changes_something() -> None:
    wrong = {}
    for path in SOURCES:
        found = [
            word
            for call in calls_in(path)
            if named(call) in {"read", "call", "pages", "content"}
            for word in words(call)
            if word[:1].isupper() and writes(word)
        ]
        wrong[path.name] = found
    assert offenders(wrong) == []


def test_nobody_but_the_writer_and_the_readers_asks_aws() -> None:
    """`aws.call` stands in the writer; `fixtures.readers` only read; nobody makes a client of his own."""
    allowed = {"writer.py": {"call", "pages"}, "consent.py": {"call"}, "permission_check.py": {"call", "pages"},
               "resource_policy.py": {"call"}}  # fmt: skip
    asking = {"call", "pages", "content", "invoke", "create_client", "client", "resource"}
    wrong = {
        path.name: [
            ast.unparse(call.func)
            for call in calls_in(path)
            if isinstance(call.func, ast.Attribute)
            and call.func.attr in asking - allowed.get(path.name, set())
            and ("aws" in ast.unparse(call.func) or "clients" in ast.unparse(call.func) or "boto" in ast.unparse(call))
        ]
        for path in SOURCES
    }
    assert offenders(wrong) == []


def test_only_a_batch_that_the_journal_names_is_sent_without_an_intent_for_each_call() -> None:
    wrong = {path.name: [call for call in calls_in(path) if named(call) == "one_of"] for path in SOURCES}
    assert [name for name, found in wrong.items() if found] == ["lane.py"]


def test_remediation_never_imports_boto3_or_a_client_of_botocore() -> None:
    wrong = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        wrong[path.name] = [name for name in names if name.split(".")[0] in {"boto3", "botocore"}]
    assert offenders(wrong) == []


def test_a_write_of_a_step_is_journalled_under_its_name() -> None:
    """The first argument of `writer.write` is the step's name, the second a call."""
    wrong = {}
    for path in SOURCES:
        found = [call for call in calls_in(path) if isinstance(call.func, ast.Attribute) and call.func.attr == "write"
                 and ast.unparse(call.func.value).endswith("writer")]  # fmt: skip
        wrong[path.name] = [
            ast.unparse(call) for call in found
            if len(call.args) < 2 or not ("name" in ast.unparse(call.args[0]) or "step" in ast.unparse(call.args[0])
                                          or "lock" in ast.unparse(call.args[0]))
        ]  # fmt: skip
    assert offenders(wrong) == []
