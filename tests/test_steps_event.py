"""The test event for real: one call, one object, and a verdict from what the function logged."""

import base64
import json
import urllib.parse
from collections.abc import Iterator, Mapping

import pytest

from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.seed_foundation import seed_xdr
from fixtures.sandbox.synthetic_release import XDR_ACCOUNT, XDR_BUCKET, XDR_REGION
from remediation.engine import Outcome, State
from remediation.steps.event import SendTestEvent
from tests.fake_aws import DENIED, garbage, refusal
from tests.step_world import Fault, Lost, World
from tests.step_world import ready as ready  # noqa: PLC0414  a fixture
from tests.step_world import world as world  # noqa: PLC0414  a fixture

INVOKE, LIST = "lambda:Invoke", "s3:ListObjectsV2"
KEY = "AWSLogs/111122223333/a b+c.json.gz"


def step_for(world: World, *filters: tuple[str, str], payload: str | None = None) -> SendTestEvent:
    bucket = f"{world.name}-{world.account}"
    return SendTestEvent(world.target, world.name, (world.name,), function=world.function_name, partition="aws",
                         bucket=bucket, filters=filters or (("", ""),), payload=payload)  # fmt: skip


def put(world: World, *keys: str, body: bytes = b"SYNTHETIC") -> None:
    for key in keys:
        world.place.call("s3", "put_object", Bucket=f"{world.name}-{world.account}", Key=key, Body=body)


def ended(outcome: Outcome, state: State) -> str:
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def delivered(world: World) -> list[str]:
    """Keys of what arrived at XDR from the world's bucket."""
    answer = world.engine.at(XDR_ACCOUNT, XDR_REGION).call("s3", "list_objects_v2", Bucket=XDR_BUCKET)
    keys = [str(entry["Key"]) for entry in answer.get("Contents", ())]  # type: ignore[attr-defined]
    return [key for key in keys if f"{world.name}-{world.account}" in key]


def named(world: World) -> Mapping[str, object]:
    """The S3 part of the event that was sent."""
    (call,) = [call for call in world.proxy.seen if call.operation == "Invoke"]
    record = json.loads(call.body)["Records"][0]
    part: dict[str, dict[str, object]] = record["s3"]
    assert part["object"].pop("eTag")
    assert part["object"].pop("sequencer")
    assert part["bucket"].pop("ownerIdentity") == {"principalId": world.account}
    return part


@pytest.fixture
def migrated(ready: World) -> Iterator[World]:
    seed_xdr(ready.engine.at(XDR_ACCOUNT, XDR_REGION))
    ready.done(*ready.plan({"forwarder-stack": [ready.name]}).steps)
    ready.proxy.forget()
    return ready  # type: ignore[return-value]


def test_a_migrated_forwarder_uploads_what_the_event_names_once(migrated: World) -> None:
    put(migrated, KEY)
    (told,) = migrated.done(step_for(migrated))
    assert told == f"{migrated.function_name} uploaded what the test event named"
    assert len(delivered(migrated)) == 1
    assert named(migrated)["object"] == {"key": urllib.parse.quote_plus(KEY, safe="/"), "size": 9}
    assert migrated.benches[-1].kinds() == [f"intent {INVOKE}", f"result {INVOKE}", "verified"]


def test_without_a_shared_secret_the_function_fails_and_the_step_says_how(migrated: World) -> None:
    put(migrated, KEY)
    shared = migrated.place.call("cloudformation", "list_exports")["Exports"]
    arn = next(e["Value"] for e in shared if e["Name"] == "TaegisSharedSecretArn")  # type: ignore[attr-defined]
    kept = migrated.place.call("secretsmanager", "get_secret_value", SecretId=arn)["SecretString"]
    migrated.place.call("secretsmanager", "put_secret_value", SecretId=arn, SecretString="{}")
    try:
        told = ended(migrated.apply(step_for(migrated)), State.FAILED)
    finally:
        migrated.place.call("secretsmanager", "put_secret_value", SecretId=arn, SecretString=kept)
    assert f"the test event made {migrated.function_name} fail" in told
    assert "CANARY" not in told


def test_a_function_that_logs_no_upload_has_proved_nothing(ready: World) -> None:
    put(ready, KEY)
    told = ended(ready.apply(step_for(ready)), State.FAILED)  # go1.x: the engine's no-op
    assert "took the test event and logged no upload: it logged nothing" in told


EXAMPLES = [
    pytest.param([("AWSLogs/", "")], "AWSLogs/1.json.gz", id="by-prefix"),
    pytest.param([("", ".log")], "other/3.log", id="by-suffix"),
    pytest.param([("nothing/", ""), ("other/", ".log")], "other/3.log", id="by-the-second-rule"),
]


@pytest.mark.parametrize(("filters", "key"), EXAMPLES)
def test_the_event_names_an_object_that_the_forwarder_would_get(
    ready: World, filters: list[tuple[str, str]], key: str
) -> None:
    put(ready, "AWSLogs/1.json.gz", "other/2.txt", "other/3.log", "zoo/4.txt")
    put(ready, "AWSLogs/", "other/0.log", body=b"")  # what the console makes of a folder, and an empty object
    ready.apply(step_for(ready, *filters))
    assert named(ready)["object"] == {"key": key, "size": 9}
    assert named(ready)["bucket"] == {"name": f"{ready.name}-{ready.account}",
                                      "arn": f"arn:aws:s3:::{ready.name}-{ready.account}"}  # fmt: skip


@pytest.mark.parametrize("keys", [(), ("other/1.txt",)], ids=["an-empty-bucket", "nothing-that-matches"])
def test_without_an_object_to_name_nothing_is_called(ready: World, keys: tuple[str, ...]) -> None:
    put(ready, *keys)
    assert "has no object that a test event could name" in ended(
        ready.apply(step_for(ready, ("AWSLogs/", ""))), State.BLOCKED
    )
    assert INVOKE not in ready.journalled()


def test_an_event_of_the_users_own_is_sent_as_it_is(ready: World) -> None:
    ready.apply(step_for(ready, payload='{"mine": true}'))
    (call,) = [call for call in ready.proxy.seen if call.operation == "Invoke"]
    assert call.body == b'{"mine": true}'
    assert LIST not in ready.proxy.counted()


def tail(text: str) -> Answer:
    encoded = base64.b64encode(text.encode())
    return Answer(200, ((b"x-amz-log-result", encoded), (b"content-type", b"application/json")), b"null")


ENDS: list[object] = [
    pytest.param({INVOKE: [refusal("ServiceException", status=500)]}, State.FAILED, id="500"),
    pytest.param({INVOKE: [Lost(refusal("ServiceException", status=500))]}, State.FAILED, id="called-and-500"),
    pytest.param({INVOKE: [DENIED]}, State.BLOCKED, id="denied"),
    pytest.param({INVOKE: [garbage()]}, State.FAILED, id="an-answer-without-a-log"),
    pytest.param({INVOKE: [Answer(200, ((b"x-amz-log-result", b"!"),), b"{}")]}, State.FAILED, id="a-log-that-is-none"),
    pytest.param({LIST: [DENIED]}, State.BLOCKED, id="may-not-list"),
    pytest.param({LIST: [garbage()] * 6}, State.BLOCKED, id="a-listing-that-is-none"),
]


@pytest.mark.parametrize(("faults", "state"), ENDS)
def test_a_function_is_never_called_a_second_time_of_itself(
    ready: World, faults: Mapping[str, list[Fault]], state: State
) -> None:
    put(ready, KEY)
    with ready.proxy.faults(faults):
        ended(ready.apply(step_for(ready)), state)
    assert ready.proxy.counted()[INVOKE] <= 1


def test_a_call_that_was_throttled_has_done_nothing_and_is_made_again(ready: World) -> None:
    put(ready, KEY)
    with ready.proxy.faults({INVOKE: [refusal("TooManyRequestsException", "Rate", 429)]}):
        ready.apply(step_for(ready))
    assert ready.proxy.counted()[INVOKE] == 2


def test_the_upload_line_is_read_from_the_end_of_the_log(ready: World) -> None:
    line = '{"level":"debug","time":"2023-11-15T19:27:19Z","message":"Uploading data to s3"}'
    put(ready, KEY)
    with ready.proxy.faults({INVOKE: [tail(f"START\n{line}\nEND\nREPORT")]}):
        ready.done(step_for(ready))
    with ready.proxy.faults({INVOKE: [tail("START\nno credentials\nEND RequestId: 1\nREPORT RequestId: 1")]}):
        told = ended(ready.apply(step_for(ready)), State.FAILED)
    assert "logged no upload: no credentials" in told
