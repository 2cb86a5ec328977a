import json
from datetime import date
from pathlib import Path

import pytest

from fixtures.estate import Forwarder, Invocation
from fixtures.sandbox.synthetic_release import lambda_template
from remediation.preflight import advice, long_name
from tests.estates import a_forwarder, a_function, a_legacy_forwarder, a_release, an_estate
from tests.planning import a_release_with, plan_of

TODAY = date(2026, 11, 24)


def said(forwarder: Forwarder, today: date = TODAY) -> list[str]:
    return list(advice(forwarder, a_release(), today))


def test_a_missing_destination_for_failures_is_said() -> None:
    assert any("no dead-letter queue" in text for text in said(a_legacy_forwarder()))
    queue = "arn:aws:sqs:us-east-1:111122223333:dead"
    for kept in (a_forwarder(function=a_function(dead_letter_arn=queue)), a_forwarder(invocation=Invocation(2, queue))):
        assert not any("no dead-letter queue" in text for text in said(kept))


def test_until_when_the_way_back_is_open_is_said() -> None:
    (told,) = [text for text in said(a_legacy_forwarder()) if "going back" in text]
    assert "go1.x is possible until 2027-03-03, 99 days" in told


@pytest.mark.parametrize("today", [date(2027, 3, 3), date(2027, 6, 1)])
def test_where_the_way_back_is_shut_that_is_said_and_what_it_means_for_a_rollback(today: date) -> None:
    (told,) = [text for text in said(a_legacy_forwarder(), today) if "way back" in text]
    assert "there is no way back to go1.x since 2027-03-03" in told
    assert "UPDATE_ROLLBACK_FAILED" in told


def test_iam_resources_with_names_are_acknowledged_and_said(tmp_path: Path) -> None:
    role = "AWS::IAM::Role\n    Properties:"
    named = lambda_template().replace(role, f"{role}\n      RoleName: x", 1)
    release = a_release_with(tmp_path, named)
    assert release.lambda_template.capabilities == ("CAPABILITY_NAMED_IAM",)
    assert any("NAMED_IAM" in text for text in advice(a_legacy_forwarder(), release, TODAY))
    assert not any("IAM" in text for text in said(a_legacy_forwarder()))


def test_a_name_of_65_characters_is_an_obstacle() -> None:
    assert long_name("x" * 64) is None
    assert long_name(object()) is None
    found = long_name("x" * 65)
    assert found is not None
    assert "65 characters; Lambda takes 64" in found.reason


def test_the_plan_holds_advice_values_and_duration() -> None:
    forwarder = a_legacy_forwarder()
    plan = plan_of(an_estate(forwarder), {"forwarder-stack": [forwarder.name]})
    saved = json.loads(plan.json())
    (target,) = saved["targets"]
    assert [entry["subject"] for entry in target["advice"]] == [forwarder.name] * len(target["advice"])
    assert target["advice"]
    changes = [line for step in target["steps"] for line in step["changes"]]
    assert any("Runtime: go1.x -> provided.al2" in line for line in changes)
    assert saved["expected_seconds"] >= 60
