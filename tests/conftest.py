"""What several test files start from: no way to the real AWS, moto in this process, and one running sandbox."""

import os
from collections.abc import Iterator

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with
from moto import mock_aws

from fixtures.aws import Aws, Clients
from fixtures.estate import Estate
from fixtures.sandbox import DEFAULT_ACCOUNTS, DEFAULT_REGIONS, Sandbox, SandboxSpec, start_sandbox
from tests.fake_aws import FakeAws
from tests.looking import EVERYTHING, Looker

MOTO_ACCOUNT = "123456789012"
_NOWHERE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # nobody listens on the discard port: a stray call fails at once
}


def point_at(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Give this process these AWS variables and no others."""
    for name in tuple(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)


@pytest.fixture(autouse=True)
def _away_from_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the real AWS, or says something on a job's page, whoever runs it."""
    point_at(monkeypatch, _NOWHERE)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)  # the page of the job that runs these tests


@pytest.fixture(scope="session")
def _moto_clients() -> Clients:
    return Clients()


@pytest.fixture
def moto_aws(_moto_clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Access to an empty account of moto, in this process: `moto_aws.call("us-east-1", "s3", "CreateBucket", ...)`."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")  # moto knows AWS's own addresses only
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield Aws(_moto_clients, Credentials("testing", "testing"), MOTO_ACCOUNT)


@pytest.fixture(scope="session")
def _fake_server() -> Iterator[FakeAws]:
    server = FakeAws()
    yield server
    server.stop()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed call is repeated at once, without a pause."""
    monkeypatch.setattr("fixtures.governor.Governor.pause", lambda *_: None)


@pytest.fixture
def fake(
    _fake_server: FakeAws,
    no_pauses: None,  # noqa: ARG001  wanted for what it does
    monkeypatch: pytest.MonkeyPatch,
) -> FakeAws:
    """A server that plays AWS and answers what the test tells it; this process's AWS variables point at it."""
    point_at(monkeypatch, {**_NOWHERE, "AWS_ENDPOINT_URL": _fake_server.endpoint})
    _fake_server.forget()
    return _fake_server


@pytest.fixture(scope="session")
def _fake_clients(_fake_server: FakeAws) -> Clients:
    return Clients()


@pytest.fixture
def fake_account(
    fake: FakeAws,  # noqa: ARG001  wanted for what it does
    _fake_clients: Clients,
) -> Aws:
    """Access to an account of that server. Its clients are shared: what a test says of retries needs `Clients()`."""
    return Aws(_fake_clients, Credentials("AKIDFAKE", "secret"), "111122223333")


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A seeded sandbox of two accounts and two regions, for tests that only read."""
    spec = SandboxSpec(DEFAULT_ACCOUNTS, DEFAULT_REGIONS)
    with start_sandbox(spec, tmp_path_factory.mktemp("shared-sandbox")) as running:
        yield running


@pytest.fixture
def at_sandbox(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The same, with this process's AWS variables pointing at it."""
    point_at(monkeypatch, dict(shared_sandbox.environment))
    return shared_sandbox


@pytest.fixture(scope="session")
def _looker(shared_sandbox: Sandbox) -> Iterator[Looker]:
    server = FakeAws(shared_sandbox.endpoint)
    yield Looker(server, shared_sandbox)
    server.stop()


@pytest.fixture
def looker(_looker: Looker, no_pauses: None) -> Iterator[Looker]:  # noqa: ARG001  wanted for what it does
    """An observer of the shared sandbox, through a server that can be told to answer otherwise."""
    with _looker.pointed_at():
        _looker.proxy.forget()
        yield _looker


@pytest.fixture(scope="session")
def sandbox_estate(_looker: Looker) -> Estate:
    """Everything that can be observed in the shared sandbox, with what a plan needs."""
    with _looker.pointed_at():
        _looker.proxy.forget()
        return _looker.look(EVERYTHING, *(_looker.entrance(*place) for place in _looker.places))
