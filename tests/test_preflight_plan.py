"""Every item of the pre-flight, in a whole plan: BLOCK leaves the forwarder untouched and says what to do, ADVICE does
not stop it. Permissions are the gate's (tests/test_permission_gate.py).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from fixtures.estate import Estate, Forwarder, Invocation, Rule, StoredObject
from fixtures.sandbox.synthetic_release import lambda_template
from fixtures.settings import parse_settings
from fixtures.stack_facts import PendingChangeSet
from remediation.plan import TargetPlan
from tests.estates import (
    CREATED,
    HERE,
    a_bucket,
    a_function,
    a_legacy_forwarder,
    a_rule,
    a_stack,
    an_arn,
    an_artifact_bucket,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import target_plan

NAME = "cloudtrail-prod"
LOGS = f"{NAME}-logs"
EVERYTHING = {"forwarder-stack": [NAME], "trigger": [NAME]}
BLOCKED_SINCE = date(2027, 3, 3)


def alone(forwarder: Forwarder, **changes: object) -> Estate:
    return an_estate(forwarder, **changes)  # type: ignore[arg-type]


def stack_is(**changes: object) -> Callable[[], Estate]:
    """A legacy forwarder whose stack differs so."""
    legacy = a_legacy_forwarder()
    return lambda: alone(replace(legacy, stack=replace(legacy.stack, **changes)))  # type: ignore[arg-type]


def forwarder_is(**changes: object) -> Callable[[], Estate]:
    """A legacy forwarder that differs so."""
    return lambda: alone(a_legacy_forwarder(**changes))


def long_named() -> Estate:
    name = "a" * 40
    return alone(a_legacy_forwarder(NAME, stack=a_stack(name, parameters=a_legacy_forwarder().stack.parameters)))


def overlapping() -> Estate:
    queue = Rule("queue", an_arn("sqs", "all"), (CREATED,))
    return alone(a_legacy_forwarder(policy=()), buckets=[a_bucket(LOGS, queue)])


OTHER = StoredObject("legacy", "k.zip", 1, "b3RoZXI=")
BLOCKS = [
    pytest.param(stack_is(status="UPDATE_ROLLBACK_FAILED"), "its stack is UPDATE_ROLLBACK_FAILED",
                 "ContinueUpdateRollback", id="stack-state"),
    pytest.param(stack_is(status="UPDATE_IN_PROGRESS"), "its stack is UPDATE_IN_PROGRESS", "wait", id="under-way"),
    pytest.param(forwarder_is(code_source=denied("s3:GetObject")), "the old package cannot be read", "s3:GetObject",
                 id="old-zip-not-readable"),
    pytest.param(forwarder_is(code_source=OTHER), "does not hold the package that runs now", "put the package",
                 id="old-zip-is-another"),
    pytest.param(forwarder_is(change_sets=(PendingChangeSet("theirs", "i", "AVAILABLE"),)), "somebody's change set",
                 "execute or delete it", id="foreign-change-set"),
    pytest.param(lambda: alone(a_legacy_forwarder(), artifact=an_artifact_bucket(region="eu-west-1")),
                 "is in eu-west-1", "name one of this region", id="artifact-buckets-region"),
    pytest.param(forwarder_is(invocation=Invocation(0, None)), "asynchronous retries are switched off",
                 "maximum retry attempts to 2", id="asynchronous-retries-off"),
    pytest.param(forwarder_is(function=a_function(runtime="go1.x", last_update="InProgress")),
                 "its function is being updated", "wait until", id="function-under-way"),
]  # fmt: skip


def refusal(plan: TargetPlan) -> tuple[str, str]:
    assert not [step for step in plan.steps if NAME in step.forwarders], "half a migration is worse than none"
    (found,) = [blocked for blocked in plan.blocked if blocked.subject == NAME]
    return "; ".join(found.reasons), "; ".join(found.to_do)


@pytest.mark.parametrize(("estate", "reason", "to_do"), BLOCKS)
def test_what_blocks_leaves_the_forwarder_untouched_and_says_what_to_do(
    estate: Callable[[], Estate], reason: str, to_do: str
) -> None:
    told, remedy = refusal(target_plan(estate(), EVERYTHING))
    assert reason in told
    assert to_do in remedy


def test_a_value_that_the_template_does_not_allow_blocks() -> None:
    settings = parse_settings({"forwarders": [{"name": "*", "integration_type": "nothing-known"}]}, "t")
    told, remedy = refusal(target_plan(alone(a_legacy_forwarder()), EVERYTHING, some_desires(settings)))
    assert "IntegrationType: 'nothing-known' is not one of the allowed values" in told
    assert "set another value" in remedy


def test_a_function_name_that_lambda_would_not_take_blocks() -> None:
    told, remedy = refusal(target_plan(long_named(), EVERYTHING))
    assert "70 characters; Lambda takes 64" in told
    assert "too long for the template" in remedy


def test_an_overlap_that_s3_would_reject_blocks_the_trigger() -> None:
    told, remedy = refusal(target_plan(overlapping(), {"trigger": [NAME]}))
    assert "S3 would refuse it" in told
    assert "overlaps with" in told
    assert "decide which is right" in remedy


def test_a_runtime_that_aws_has_blocked_blocks() -> None:
    told, remedy = refusal(target_plan(alone(a_legacy_forwarder()), EVERYTHING, today=BLOCKED_SINCE))
    assert "AWS blocks updates to provided.al2" in told
    assert "ask the vendor" in remedy


ADVICE = [
    pytest.param("no dead-letter queue and no destination", id="dead-letter-destination"),
    pytest.param("going back to go1.x is possible until 2027-03-03", id="way-back"),
]


@pytest.mark.parametrize("text", ADVICE)
def test_advice_is_said_and_stops_nothing(text: str) -> None:
    estate = an_estate(a_legacy_forwarder(), buckets=[a_bucket(LOGS, a_rule())])
    plan = target_plan(estate, {"forwarder-stack": [NAME]})
    assert [step.subject for step in plan.steps] == [NAME]
    assert not plan.blocked
    assert [found.subject for found in plan.advice if text in found.text] == [NAME]


def test_the_capability_that_the_template_wants_is_acknowledged() -> None:
    assert "AWS::IAM::Role" in lambda_template()
    (step,) = target_plan(alone(a_legacy_forwarder()), {"forwarder-stack": [NAME]}).steps
    assert step.calls()[0].parameters["Capabilities"] == ["CAPABILITY_IAM"]
    assert step.target == HERE
