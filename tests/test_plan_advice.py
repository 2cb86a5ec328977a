import json
from datetime import date

from remediation.preflight import advice, long_name
from tests.estates import a_forwarder, a_function, a_legacy_forwarder, an_estate
from tests.planning import plan_of


def test_a_missing_destination_for_failures_is_said() -> None:
    assert any("no dead-letter queue" in text for text in advice(a_legacy_forwarder(), date(2026, 11, 24)))
    queue = "arn:aws:sqs:us-east-1:111122223333:dead"
    kept = a_forwarder(function=a_function(dead_letter_arn=queue))
    assert not any("no dead-letter queue" in text for text in advice(kept, date(2026, 11, 24)))


def test_until_when_the_way_back_is_open_is_said() -> None:
    (told,) = [text for text in advice(a_legacy_forwarder(), date(2026, 11, 24)) if "going back" in text]
    assert "go1.x is possible until 2027-03-03, 99 days" in told


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
