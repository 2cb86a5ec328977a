"""An engine without an estate, for the tests of the strict layer, and what such a test needs around it."""

import contextlib
import http.client
import io
import itertools
import json
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.seed_client import Place, SeedClients
from fixtures.sandbox.seed_estate import switch_rules

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "eu-west-1"
_NUMBERS = itertools.count()


def fresh(stem: str) -> str:
    """A name that no other test has used."""
    return f"{stem}-{next(_NUMBERS)}"


def package(name: str = "bootstrap", content: str = "#!/bin/sh\n") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


class RawAnswer(NamedTuple):
    status: int
    bucket_region: str | None
    body: bytes


class Engine:
    def __init__(self, process: EngineProcess) -> None:
        self.process = process
        self.endpoint = process.endpoint
        self.clients = SeedClients(process.endpoint)

    def at(self, account: str = ACCOUNT, region: str = REGION) -> Place:
        return self.clients.at(account, region)

    @contextlib.contextmanager
    def rule(self, name: str, how: object, afterwards: object) -> Iterator[None]:
        switch_rules(self.endpoint, {name: how})
        try:
            yield
        finally:
            switch_rules(self.endpoint, {name: afterwards})

    def requests(self) -> list[Mapping[str, object]]:
        return requests_of(self.endpoint)

    def raw(self, method: str, path: str, service: str, account: str, region: str) -> RawAnswer:
        """A request that no client library follows up or repeats."""
        scope = f"Credential={account}/20260101/{region}/{service}/aws4_request"
        signature = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.process.port, timeout=10)) as connection:
            connection.request(method, path, headers={"Authorization": signature})
            answer = connection.getresponse()
            return RawAnswer(answer.status, answer.getheader("x-amz-bucket-region"), answer.read())

    def function(self, place: Place, runtime: str = "provided.al2", code: bytes | None = None) -> str:
        name = fresh("fn")
        place.call("lambda", "create_function", FunctionName=name, Runtime=runtime, Handler="bootstrap",
                   Role=f"arn:aws:iam::{place.account}:role/any", Code={"ZipFile": code or package()})  # fmt: skip
        return name

    def allow(self, place: Place, function: str, bucket: str, **more: str) -> None:
        place.call("lambda", "add_permission", FunctionName=function, StatementId=fresh("s3"),
                   Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                   SourceArn=f"arn:aws:s3:::{bucket}", **more)  # fmt: skip

    def bucket(self, place: Place) -> str:
        name = fresh(f"bucket-{place.region}")
        place.make_bucket(name)
        return name


def requests_of(endpoint: str) -> list[Mapping[str, object]]:
    """The request log of a sandbox or engine."""
    with urllib.request.urlopen(f"{endpoint}/_sandbox/requests", timeout=5) as answer:  # noqa: S310  our own
        return cast("list[Mapping[str, object]]", json.loads(answer.read()))


def eventually(question: Callable[[], object], seconds: float = 15) -> object:
    """Ask until the answer is true; the last answer otherwise."""
    until = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < until:
        time.sleep(0.02)
    return answer
