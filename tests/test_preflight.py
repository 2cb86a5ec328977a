"""What stands against touching a forwarder: every fact that is not seen, and everything that would be lost."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from checks.stack_states import HEALTHY
from fixtures.estate import Invocation
from fixtures.fact import NOT_READ, Absent
from fixtures.sandbox.synthetic_release import lambda_template, shared_template
from fixtures.stack_facts import PendingChangeSet
from remediation.prediction import PredictedChange
from remediation.preflight import (
    Obstacle,
    acceptable_losses,
    advice,
    blocked_by,
    change_set_name,
    losses,
    obstacles,
)
from remediation.shape import predicted_shape
from tests.estates import (
    HERE,
    NOW,
    a_forwarder,
    a_function,
    a_legacy_forwarder,
    a_release,
    a_shared_stack,
    a_stack,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import a_release_with, target_plan, told

TODAY = NOW.date()
STATES = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
    "CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "REVIEW_IN_PROGRESS",
    "DELETE_IN_PROGRESS", "DELETE_FAILED", "IMPORT_IN_PROGRESS", "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED", "SOMETHING_NEW",
)  # fmt: skip
NEEDED = ("template", "resources", "listed", "function", "change_sets", "invocation")


def against(today: date = TODAY, /, **changes: object) -> list[str]:
    return [f"{found.reason}; {found.to_do}" for found in obstacles(a_forwarder(**changes), a_release(), today)]


@pytest.mark.parametrize("forwarder", [a_forwarder(), a_legacy_forwarder()], ids=["migrated", "legacy"])
def test_nothing_stands_against_a_healthy_forwarder(forwarder: object) -> None:
    assert list(obstacles(forwarder, a_release(), TODAY)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("status", STATES)
def test_each_stack_state_lets_through_or_says_its_way_out(status: str) -> None:
    found = against(stack=a_stack(status=status))
    if status in HEALTHY:
        assert not found
    else:
        (line,) = found
        assert line.startswith(f"its stack is {status}; ")
        assert len(line) > len(f"its stack is {status}; ")


@pytest.mark.parametrize("fact", NEEDED)
def test_a_fact_that_was_not_seen_blocks_and_says_which(fact: str) -> None:
    (line,) = against(**{fact: denied("x:Y")})
    assert fact.replace("_", " ") in line
    assert "x:Y denied" in line
    (unread,) = against(**{fact: NOT_READ})
    assert "not read" in unread


@pytest.mark.parametrize("fact", ["template", "listed", "function"])
def test_a_thing_that_is_gone_blocks(fact: str) -> None:
    (line,) = against(**{fact: Absent("function x")})
    assert line.startswith("function x does not exist; find out who removed it")


def test_a_change_set_of_somebody_blocks_since_executing_one_deletes_all() -> None:
    waiting = (PendingChangeSet("theirs", "arn:1", "AVAILABLE"), PendingChangeSet("more", "arn:2", "UNAVAILABLE"))
    (line,) = against(change_sets=waiting)
    assert "(theirs, more)" in line
    assert line.endswith("execute or delete it, then run again")


@pytest.mark.parametrize("attempt", ["", "-2", "-r1", "-r2-3"])
def test_a_change_set_that_a_run_of_this_suite_left_names_the_run_to_go_on_with(attempt: str) -> None:
    run = "20261123T041530Z-9f3c"
    (line,) = against(change_sets=(PendingChangeSet(change_set_name(run + attempt), "arn:1", "AVAILABLE"),))
    assert f"run {run} of this suite left a change set on cloudtrail-prod" in line
    assert f"--resume={run})" in line
    assert "somebody's" not in line


def test_what_only_looks_like_a_change_set_of_this_suite_is_somebodys() -> None:
    (line,) = against(change_sets=(PendingChangeSet("taegis-forwarders-mine", "arn:1", "AVAILABLE"),))
    assert "somebody's change set waits on cloudtrail-prod (taegis-forwarders-mine)" in line


def test_a_change_set_that_could_not_be_made_is_said_and_stops_nothing() -> None:
    forwarder = a_forwarder(change_sets=(PendingChangeSet("theirs", "arn:1", "FAILED"),))
    assert list(obstacles(forwarder, a_release(), TODAY)) == []
    assert "change set theirs on its stack could not be made; it goes when" in " ".join(
        advice(forwarder, a_release(), TODAY)
    )


@pytest.mark.parametrize(("retries", "blocks"), [(None, False), (2, False), (1, False), (0, True)])
def test_a_forwarder_without_retries_would_lose_events_between_two_calls(retries: int | None, blocks: bool) -> None:
    assert bool(against(invocation=Invocation(retries, None))) is blocks


def test_a_function_that_somebody_updates_now_is_waited_for_by_a_person() -> None:
    (line,) = against(function=a_function(last_update="InProgress"))
    assert line == "its function is being updated by somebody; wait until that has ended, then run again"


def test_a_template_with_macros_cannot_be_predicted_and_is_not_deployed(tmp_path: Path) -> None:
    macro = "Transform: AWS::Serverless-2016-10-31\n"
    release = a_release_with(tmp_path, macro + lambda_template(), macro + shared_template())
    (found,) = obstacles(a_legacy_forwarder(), release, TODAY)
    assert "the release's template holds macros" in found.reason
    shared = an_estate(a_forwarder(), shared=(a_shared_stack(),))
    (line,) = told(target_plan(shared, {"shared-stack": [""]}, some_desires(release=release)))
    assert "the release's shared template holds macros" in line


@pytest.mark.parametrize(
    ("today", "blocks"), [(date(2026, 11, 24), False), (date(2027, 3, 2), False), (date(2027, 3, 3), True)]
)
def test_a_template_with_a_runtime_that_aws_blocks_is_not_deployed(today: date, blocks: bool) -> None:
    found = against(today)
    assert bool(found) is blocks
    assert all("AWS blocks updates to provided.al2" in line for line in found)


def test_everything_that_stands_against_it_is_said_at_once() -> None:
    found = against(stack=a_stack(status="UPDATE_FAILED"), template=denied("a:B"), invocation=Invocation(0, None))
    assert len(found) == 3


def change(kind: str, action: str = "Modify", replacement: str = "False") -> PredictedChange:
    return PredictedChange("Thing", kind, action, replacement, ("Name",))  # type: ignore[arg-type]


LOST = [
    pytest.param(change("AWS::Lambda::Function"), "", id="a-function-that-changes"),
    pytest.param(change("AWS::Lambda::Function", replacement="Conditional"), "", id="a-function-perhaps-the-gate-sees"),
    pytest.param(change("AWS::Lambda::Function", replacement="True"), "lose", id="a-function-replaced"),
    pytest.param(change("AWS::Lambda::Function", "Remove"), "lose", id="a-function-removed"),
    pytest.param(change("AWS::S3::Bucket", "Remove"), "lose", id="a-bucket-removed"),
    pytest.param(change("AWS::SNS::Topic", replacement="True"), "lose", id="a-topic-replaced"),
    pytest.param(change("AWS::Logs::LogGroup", "Remove"), "lose", id="a-log-group-removed"),
    pytest.param(change("AWS::KMS::Key", "Remove"), "lose", id="a-key-removed"),
    pytest.param(change("AWS::Lambda::Permission", replacement="True"), "", id="a-permission-made-anew"),
    pytest.param(change("AWS::Lambda::Permission", "Remove"), "", id="a-permission-removed"),
    pytest.param(change("AWS::IAM::Role", "Remove"), "accept", id="a-role-removed"),
    pytest.param(change("AWS::SecretsManager::Secret", "Remove"), "accept", id="a-secret-removed"),
    pytest.param(change("AWS::IAM::Role", replacement="True"), "accept", id="a-role-replaced"),
    pytest.param(change("Custom::Thing", "Remove"), "not known", id="a-type-unknown-to-us"),
    pytest.param(change("AWS::IAM::Role", "Add"), "", id="a-role-added"),
]


@pytest.mark.parametrize(("lost", "answer"), LOST)
def test_what_an_update_would_lose_is_stopped_or_accepted_by_its_shape(lost: PredictedChange, answer: str) -> None:
    found = [f"{obstacle.reason}; {obstacle.to_do}" for obstacle in losses([lost], frozenset())]
    assert bool(found) is bool(answer)
    assert all(answer.replace("accept", "approve a plan") in line for line in found)
    accepted = frozenset({predicted_shape([lost]).id})
    assert bool(list(losses([lost], accepted))) is (answer in {"lose", "not known"})
    assert bool(acceptable_losses([lost])) is (answer == "accept")


REMEDIES = [
    pytest.param(PredictedChange("F", "AWS::Lambda::Function", "Modify", "True", ("FunctionName",)), "IntegrationType",
                 id="a-function-of-another-name"),
    pytest.param(PredictedChange("F", "AWS::Lambda::Function", "Modify", "True", ("PackageType",)), "(of PackageType)",
                 id="a-function-for-another-reason"),
    pytest.param(PredictedChange("F", "AWS::Lambda::Function", "Remove"), "no such resource", id="a-function-removed"),
    pytest.param(PredictedChange("T", "AWS::SNS::Topic", "Modify", "True", ("TopicName",)), "(of TopicName)",
                 id="a-topic-of-another-name"),
    pytest.param(PredictedChange("T", "AWS::SNS::Topic", "Remove"), "no such resource", id="a-topic-removed"),
]  # fmt: skip


@pytest.mark.parametrize(("lost", "remedy"), REMEDIES)
def test_the_remedy_is_that_of_what_would_be_lost(lost: PredictedChange, remedy: str) -> None:
    (found,) = losses([lost], frozenset())
    assert remedy in found.to_do
    assert ("IntegrationType" in found.to_do) is (remedy == "IntegrationType")


def test_another_shape_is_not_accepted_along_with_one() -> None:
    role, secret = change("AWS::IAM::Role", "Remove"), change("AWS::SecretsManager::Secret", "Remove")
    accepted = frozenset({predicted_shape([role]).id})
    (found,) = losses([role, secret], accepted)
    assert predicted_shape([role, secret]).id in found.to_do


def test_each_reason_is_told_once() -> None:
    twice = [Obstacle("a", "do a"), Obstacle("a", "do a"), Obstacle("b", "do a"), Obstacle("c", "")]
    blocked = blocked_by(HERE, "x", {"trigger"}, twice)
    assert blocked.reasons == ("a", "b", "c")
    assert blocked.to_do == ("do a",)
    assert blocked.name == f"{HERE}/x"
    assert replace(blocked, subject="").name == str(HERE)
