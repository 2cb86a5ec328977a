"""The synthetic bootstrap really runs: it delivers what it is called for, and fails so that it can be seen."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.seed_client import Place
from fixtures.sandbox.synthetic_release import (
    CANARY_CREDENTIAL,
    XDR_ACCOUNT,
    XDR_BUCKET,
    XDR_REGION,
    credentials,
    current_package,
)
from tests.sandbox_engine import Engine, eventually, fresh


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    process = EngineProcess(Path(tmp_path_factory.mktemp("sandbox")), None)
    engine = Engine(process)
    engine.at(XDR_ACCOUNT, XDR_REGION).make_bucket(XDR_BUCKET)
    yield engine
    process.stop()


def forwarder(place: Place, secret: str | None = None, version: str = "", *, tagging: str = "false") -> str:
    """A function made from the release's package; without `secret` it is given a good one."""
    name = fresh("forwarder")
    if secret is None:
        secret = str(place.call("secretsmanager", "create_secret", Name=fresh("s"), SecretString=credentials())["ARN"])
    place.call(
        "lambda", "create_function", FunctionName=name, Runtime="provided.al2", Handler="bootstrap", Timeout=20,
        Role=f"arn:aws:iam::{place.account}:role/any", Code={"ZipFile": current_package(version).content},
        Environment={"Variables": {
            "TAEGIS_REGION": "ctpx", "TAEGIS_SECRET_ARN": secret, "ENABLE_OBJECT_TAGGING": tagging,
        }},
    )  # fmt: skip
    eventually(lambda: place.call("lambda", "get_function_configuration", FunctionName=name)["State"] == "Active")
    return name


def call(place: Place, function: str, event: Mapping[str, object]) -> tuple[object, str, dict]:
    """What invoking gives: the kind of error if any, the log's tail, and the answer."""
    answer = place.call("lambda", "invoke", FunctionName=function, Payload=json.dumps(event), LogType="Tail")
    tail = base64.b64decode(str(answer.get("LogResult", ""))).decode()
    return answer.get("FunctionError"), tail, json.loads(answer["Payload"].read())  # type: ignore[attr-defined]


def object_event(bucket: str, key: str) -> dict:
    return {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}


def deliveries(engine: Engine, source: str) -> list[str]:
    xdr = engine.at(XDR_ACCOUNT, XDR_REGION)
    answer = xdr.call("s3", "list_objects_v2", Bucket=XDR_BUCKET, Prefix=f"deliveries/{source}/")
    return [one["Key"] for one in answer.get("Contents", [])]  # type: ignore[attr-defined]


def test_an_object_is_delivered_once_with_the_vendors_line_and_an_encoded_key_is_understood(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="a b/ü+1.json", Body=b"x")
    error, tail, answer = call(place, forwarder(place), object_event(bucket, "a+b/%C3%BC%2B1.json"))
    assert (error, answer) == (None, {"forwarded": 1})
    (line,) = [json.loads(one) for one in tail.splitlines() if one.startswith("{")]
    assert list(line) == ["level", "time", "message"]
    assert (line["level"], line["message"]) == ("debug", "Uploading data to s3")
    assert len(deliveries(engine, f"{bucket}/a b/ü+1.json")) == 1


@pytest.mark.parametrize(("tagging", "tags"), [
    ("true", [{"Key": "TaegisProcessed", "Value": "true"}]), ("false", []),
])  # fmt: skip
def test_a_delivered_object_is_tagged_where_tagging_is_on(engine: Engine, tagging: str, tags: list) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="a b/ü.json", Body=b"x")
    assert call(place, forwarder(place, tagging=tagging), object_event(bucket, "a+b/%C3%BC.json"))[2] == {
        "forwarded": 1
    }
    assert place.call("s3", "get_object_tagging", Bucket=bucket, Key="a b/ü.json")["TagSet"] == tags


def test_a_malformed_object_makes_its_call_fail(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="bad.json", Body=b"SYNTHETIC malformed: cut off")
    error, tail, answer = call(place, forwarder(place), object_event(bucket, "bad.json"))
    assert (error, answer["errorMessage"]) == ("Unhandled", "the object cannot be parsed")
    assert "Uploading" not in tail
    assert deliveries(engine, f"{bucket}/bad.json") == []


def test_an_event_wrapped_by_a_topic_is_unwrapped(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="k", Body=b"x")
    wrapped = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(object_event(bucket, "k"))}}]}
    assert call(place, forwarder(place), wrapped)[2] == {"forwarded": 1}
    assert len(deliveries(engine, f"{bucket}/k")) == 1


@pytest.mark.parametrize("wrap", [False, True])
def test_the_test_event_of_s3_is_ignored(engine: Engine, wrap: bool) -> None:
    event: dict = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}
    if wrap:
        event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(event)}}]}
    place = engine.at()
    assert call(place, forwarder(place), event)[::2] == (None, {"forwarded": 0})


def test_log_lines_of_a_subscription_are_delivered(engine: Engine) -> None:
    place = engine.at()
    lines = {"logGroup": "/app/x", "logEvents": [{"message": "m"}]}
    data = base64.b64encode(gzip.compress(json.dumps(lines).encode())).decode()
    assert call(place, forwarder(place), {"awslogs": {"data": data}})[2] == {"forwarded": 1}
    assert len(deliveries(engine, "app/x")) == 1


def test_a_newer_version_names_itself_in_the_line(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="k", Body=b"x")
    _, tail, _ = call(place, forwarder(place, version="9.9"), object_event(bucket, "k"))
    assert '"message":"Uploading data to s3","version":"9.9"}' in tail


@pytest.mark.parametrize("secret", ["", "no-such-secret"])
def test_a_missing_secret_is_an_error_line_and_an_unhandled_error(engine: Engine, secret: str) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    place.call("s3", "put_object", Bucket=bucket, Key="k", Body=b"x")
    error, tail, answer = call(place, forwarder(place, secret), object_event(bucket, "k"))
    assert error == "Unhandled"
    assert answer["errorType"] == "Failure"
    assert '"level":"error"' in tail
    assert "Uploading data to s3" not in tail
    assert deliveries(engine, f"{bucket}/k") == []


def test_a_secret_with_something_else_in_it_fails_without_showing_it(engine: Engine) -> None:
    place = engine.at()
    arn = str(place.call("secretsmanager", "create_secret", Name=fresh("s"), SecretString=CANARY_CREDENTIAL)["ARN"])
    error, tail, answer = call(place, forwarder(place, arn), object_event("b", "k"))
    assert error == "Unhandled"
    assert CANARY_CREDENTIAL not in tail + str(answer)
