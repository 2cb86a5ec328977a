"""A second process makes calls as this one would: the same answers, the same errors, and nothing lost when it ends."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.answers import text
from fixtures.aws import Aws, CallFailed, Clients
from fixtures.caller import Caller, Request, may_be_made_beside
from fixtures.errors import SuiteError
from fixtures.fact import Cause
from fixtures.sandbox.aws_call import Answer, AwsCall
from tests.fake_aws import BROKEN_OFF, DENIED, FakeAws, garbage, jsonish, refusal, xml
from tests.looking import EVERYTHING, Looker, facts

REGION = "us-east-1"
SECONDS = 20.0  # a test that fails waits no longer
ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'


@pytest.fixture
def beside(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:  # noqa: ARG001  calls go there
    """Clients with a second process that is ready."""
    monkeypatch.setattr("fixtures.clients.cores", lambda: 2)
    clients = Clients()
    with clients.beside():
        assert caller_of(clients).ready.wait(SECONDS)
        yield clients


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> "Counter[str]":
    """The calls that were given to a second process."""
    counted: Counter[str] = Counter()
    call = Caller.call

    def counting(self: Caller, *args: object) -> object:
        counted[f"{args[2]}:{args[3]}"] += 1
        return call(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Caller, "call", counting)
    return counted


def caller_of(clients: Clients) -> Caller:
    caller = clients._caller
    assert caller is not None
    return caller


def account(clients: Clients, name: str = "one") -> Aws:
    return Aws(clients, Credentials(f"AKID{name}", "secret", f"token of {name}"), name)


def test_answers_are_those_of_each_call_and_in_the_name_of_its_account(
    fake: FakeAws, beside: Clients, made: "Counter[str]"
) -> None:
    fake.say(
        "lambda:GetPolicy", lambda call: jsonish({"Policy": f"of {call.path} for {call.headers['authorization']}"})
    )

    def ask(number: int) -> str:
        name = f"a{number % 3}"
        return text(account(beside, name).call(REGION, "lambda", "GetPolicy", FunctionName=f"f{number}"), "Policy")

    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(ask, range(300)))
    for number, answer in enumerate(answers):
        assert f"/functions/f{number}/policy" in answer
        assert f"Credential=AKIDa{number % 3}/" in answer
    assert made["lambda:GetPolicy"] >= 40, "a part of them was made beside"
    assert fake.counted()["lambda:GetPolicy"] == beside.calls["lambda:GetPolicy"] == 300


WAYS = {
    "denied": DENIED,
    "throttled": refusal("ThrottlingException", "Rate exceeded", 429),
    "server error": refusal("ServiceUnavailable", "come back later", 503),
    "missing": refusal("ResourceNotFoundException", "no such function", 404),
    "garbage": garbage(),
    "broken off": Answer(200, (*jsonish({}).headers, *BROKEN_OFF)).with_text('{"Policy": "half'),
    "not an object": jsonish(["a list"]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_error_is_the_same_whoever_made_the_call(
    way: Answer, fake: FakeAws, beside: Clients, made: "Counter[str]"
) -> None:
    fake.say("lambda:GetPolicy", way)

    def failure(clients: Clients) -> tuple[object, ...]:
        with pytest.raises(SuiteError) as caught:
            text(account(clients).call(REGION, "lambda", "GetPolicy", FunctionName="f"), "Policy")
        return type(caught.value), str(caught.value), vars(caught.value)

    alone = failure(Clients())
    times = fake.counted()["lambda:GetPolicy"]
    assert failure(beside) == alone
    assert made["lambda:GetPolicy"] == times, "and it is repeated as often"


def test_a_call_that_botocore_refuses_and_an_answer_without_its_document_are_errors_too(
    fake: FakeAws, beside: Clients, made: "Counter[str]"
) -> None:
    with pytest.raises(CallFailed) as unsent:
        account(beside).call(REGION, "lambda", "GetPolicy", FunctionName=7)
    assert unsent.value.refused
    fake.say("s3:GetBucketNotificationConfiguration", xml(""))
    with pytest.raises(CallFailed) as empty:
        account(beside).call(REGION, "s3", "GetBucketNotificationConfiguration", Bucket="b")
    assert empty.value.cause is Cause.MALFORMED
    assert set(made) == {"lambda:GetPolicy", "s3:GetBucketNotificationConfiguration"}


def test_what_it_was_asked_when_it_is_killed_is_asked_again_and_nothing_hangs(fake: FakeAws, beside: Clients) -> None:
    caller, came = caller_of(beside), threading.Event()
    gone = threading.Event()

    def hold(call: AwsCall) -> Answer:
        came.set()
        gone.wait(SECONDS)
        return jsonish({"Policy": call.path})

    fake.say("lambda:GetPolicy", hold)
    with ThreadPoolExecutor(10) as pool:
        asked = [
            pool.submit(account(beside).call, REGION, "lambda", "GetPolicy", FunctionName=f"f{number}")
            for number in range(10)
        ]
        assert came.wait(SECONDS)
        os.kill(caller.pid, signal.SIGKILL)
        gone.set()
        assert [f"/f{number}/" in text(one.result(SECONDS), "Policy") for number, one in enumerate(asked)] == [
            True
        ] * 10
    assert not caller.has_room()
    assert text(account(beside).call(REGION, "lambda", "GetPolicy", FunctionName="later"), "Policy")


def test_what_writes_or_streams_or_is_sent_once_stays_here(
    fake: FakeAws, beside: Clients, made: "Counter[str]"
) -> None:
    fake.say("s3:GetObject", Answer(200, ()).with_text("content"))
    fake.say("s3:PutBucketNotificationConfiguration", xml(""))
    fake.say("s3:GetBucketNotificationConfiguration", xml(DOCUMENT))
    aws = account(beside)
    assert b"".join(aws.content(REGION, "s3", "GetObject", Bucket="b", Key="k")) == b"content"
    aws.call(REGION, "s3", "PutBucketNotificationConfiguration", Bucket="b", NotificationConfiguration={})
    aws.call(REGION, "s3", "GetBucketNotificationConfiguration", Bucket="b")
    assert made == Counter({"s3:GetBucketNotificationConfiguration": 1})


@pytest.mark.parametrize(
    ("service", "operation"),
    [("lambda", "Invoke"), ("sts", "AssumeRole"), ("cloudformation", "UpdateStack"), ("s3", "GetObject"),
     ("cloudformation", "DetectStackDrift"), ("s3", "DeleteObject")],
)  # fmt: skip
def test_only_reads_whose_answer_comes_whole_may_be_made_beside(service: str, operation: str) -> None:
    assert not may_be_made_beside(service, operation)


def test_with_one_core_there_is_no_second_process(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.clients.cores", lambda: 1)
    monkeypatch.setattr("fixtures.clients.Caller", lambda: pytest.fail("it was started"))
    fake.say("lambda:GetPolicy", jsonish({"Policy": "p"}))
    clients = Clients()
    with clients.beside():
        assert text(account(clients).call(REGION, "lambda", "GetPolicy", FunctionName="f"), "Policy") == "p"


def test_where_no_process_can_be_started_this_one_makes_all_calls(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Caller:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("fixtures.clients.cores", lambda: 2)
    monkeypatch.setattr("fixtures.clients.Caller", refuse)
    fake.say("lambda:GetPolicy", jsonish({"Policy": "p"}))
    clients = Clients()
    with clients.beside():
        assert text(account(clients).call(REGION, "lambda", "GetPolicy", FunctionName="f"), "Policy") == "p"


def test_no_credentials_stand_in_its_command_or_in_what_is_printed_of_a_request(beside: Clients) -> None:
    frozen = Credentials("AKIDone", "secret", "token").get_frozen_credentials()
    assert repr(Request(7, frozen, REGION, "lambda", "GetPolicy", {"FunctionName": "f"})) == (
        "Request(7, us-east-1, lambda:GetPolicy)"
    )
    assert [part for part in caller_of(beside)._process.args if "AKID" in str(part)] == []  # type: ignore[union-attr]


def test_a_request_that_cannot_be_written_down_is_made_here(fake: FakeAws, beside: Clients) -> None:
    fake.say("lambda:GetPolicy", jsonish({"Policy": "p"}))

    class Name(str):
        __slots__ = ()

    local = Name("f")  # of a class that no other process can find
    assert text(account(beside).call(REGION, "lambda", "GetPolicy", FunctionName=local), "Policy") == "p"
    assert caller_of(beside).has_room()


RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from fixtures.caller import Caller
caller = Caller()
assert caller.ready.wait(20)
print(caller.pid, flush=True)
sys.stdin.read()
"""


def test_a_run_that_is_killed_leaves_no_second_process_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        ended = _end_of(pid)
        run.kill()
        assert ended(), "the second process outlived the run"


def _end_of(pid: int) -> Callable[[], bool]:
    if not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfd_open")
    handle = os.pidfd_open(pid)

    def ended() -> bool:
        try:
            return bool(select.select([handle], [], [], SECONDS)[0])
        finally:
            os.close(handle)

    return ended


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is there before anything goes on."""
    start = Caller.__init__

    def wait(self: Caller) -> None:
        start(self)
        assert self.ready.wait(SECONDS)

    monkeypatch.setattr("fixtures.clients.cores", lambda: 2)
    monkeypatch.setattr(Caller, "__init__", wait)


@pytest.mark.usefixtures("ready")
def test_a_look_sees_the_same_with_a_second_process(looker: Looker, made: "Counter[str]") -> None:
    before, calls = facts(looker.look(EVERYTHING)), looker.proxy.counted()
    with looker.clients.beside():
        assert facts(looker.look(EVERYTHING)) == before
    assert looker.proxy.counted() == calls
    assert sum(made.values()) > sum(calls.values()) / 2


@pytest.mark.usefixtures("ready")
def test_a_look_that_has_many_calls_ahead_starts_one_and_ends_it(
    looker: Looker, made: "Counter[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    looker.look(EVERYTHING)
    assert not made
    monkeypatch.setattr("fixtures.observe.MANY", -1)
    looker.look(EVERYTHING)
    assert made
    assert looker.clients._caller is None
