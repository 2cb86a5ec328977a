"""Asynchronous calls in the sandbox are those of Lambda: one request id for all attempts, dead letters as they came."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from fixtures.sandbox.corrections_calls import DEAD_LETTERS, REQUEST_IDS
from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.seed_client import Place
from tests.sandbox_engine import Engine, eventually, fresh, package

_FAILS = """#!/usr/bin/env python3
import os, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    request = urllib.request.urlopen(base + "next").headers["Lambda-Runtime-Aws-Request-Id"]
    body = b'{"errorMessage": "no", "errorType": "No"}'
    urllib.request.urlopen(urllib.request.Request(base + request + "/error", body, method="POST"))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    process = EngineProcess(Path(tmp_path_factory.mktemp("sandbox")), None)
    yield Engine(process)
    process.stop()


def failing_function(place: Place, **more: object) -> str:
    name = fresh("failing")
    place.call(
        "lambda", "create_function", FunctionName=name, Runtime="provided.al2", Handler="bootstrap", Timeout=20,
        Role=f"arn:aws:iam::{place.account}:role/any", Code={"ZipFile": package(content=_FAILS)}, **more,
    )  # fmt: skip
    eventually(lambda: place.call("lambda", "get_function_configuration", FunctionName=name)["State"] == "Active")
    return name


def dead_at_once(place: Place, function: str) -> str:
    """The same function, whose calls are not repeated."""
    place.call("lambda", "put_function_event_invoke_config", FunctionName=function, MaximumRetryAttempts=0)
    return function


def begin(place: Place, function: str) -> str:
    """Call asynchronously; the request id of the answer."""
    answer = place.call("lambda", "invoke", FunctionName=function, InvocationType="Event", Payload=b'{"Records": []}')
    return cast("Mapping[str, str]", answer["ResponseMetadata"])["RequestId"]


def reports(place: Place, function: str) -> list[str]:
    """The request ids of the function's REPORT lines."""
    try:
        found = place.call("logs", "filter_log_events", logGroupName=f"/aws/lambda/{function}")
    except Exception:  # noqa: BLE001  not written yet
        return []
    lines = [str(entry["message"]) for entry in cast("list[Mapping[str, object]]", found["events"])]
    return [line.split()[2] for line in lines if line.startswith("REPORT ")]


def test_every_attempt_has_the_request_id_of_the_answer(engine: Engine) -> None:
    place = engine.at()
    function = failing_function(place)
    asked = begin(place, function)
    assert eventually(lambda: len(reports(place, function)) == 3)
    assert set(reports(place, function)) == {asked}


def test_switched_off_they_differ(engine: Engine) -> None:
    place = engine.at()
    function = failing_function(place)
    with engine.rule(REQUEST_IDS, how=False, afterwards=True):
        asked = begin(place, function)
        assert eventually(lambda: reports(place, function))
    assert asked not in reports(place, function)


def letters(place: Place, queue: str) -> list[Mapping[str, object]]:
    answer = place.call("sqs", "receive_message", QueueUrl=queue, MessageAttributeNames=["All"])
    return cast("list[Mapping[str, object]]", answer.get("Messages", []))


def queue_of(place: Place) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    name = fresh("letters")
    return str(place.call("sqs", "create_queue", QueueName=name)["QueueUrl"]), place.arn("sqs", name)


def test_a_dead_letter_is_the_event_with_what_went_wrong(engine: Engine) -> None:
    place = engine.at()
    url, arn = queue_of(place)
    asked = begin(place, dead_at_once(place, failing_function(place, DeadLetterConfig={"TargetArn": arn})))
    found: list[Mapping[str, object]] = []
    assert eventually(lambda: found.extend(letters(place, url)) or found)
    said = cast("Mapping[str, Mapping[str, str]]", found[0]["MessageAttributes"])
    assert json.loads(str(found[0]["Body"])) == {"Records": []}
    assert said["RequestID"]["StringValue"] == asked
    assert said["ErrorMessage"]["StringValue"] == "no"


def test_switched_off_it_is_a_record(engine: Engine) -> None:
    place = engine.at()
    url, arn = queue_of(place)
    found: list[Mapping[str, object]] = []
    with engine.rule(DEAD_LETTERS, how=False, afterwards=True):
        begin(place, dead_at_once(place, failing_function(place, DeadLetterConfig={"TargetArn": arn})))
        assert eventually(lambda: found.extend(letters(place, url)) or found)
    assert "requestPayload" in json.loads(str(found[0]["Body"]))
