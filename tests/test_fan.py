"""Reads wait in no thread for their turn, and threads that wait in the middle of a read let others work."""

import threading
from concurrent.futures import CancelledError

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.answer import Pending, settled
from fixtures.answers import items, text
from fixtures.aws import Aws, CallFailed, Clients
from fixtures.fact import NOT_READ, Cause
from fixtures.fan import Fan
from fixtures.governor import OF_THREAD, Governor
from fixtures.rates import Rates
from fixtures.reading import begins_with
from fixtures.sandbox.aws_call import Answer, AwsCall
from tests.fake_aws import FakeAws, jsonish, refusal
from tests.test_governor import Clock, Server

REGION = "us-east-1"
SEARCH = "logs:FilterLogEvents"
SECONDS = 10.0  # a test that fails waits no longer


@begins_with(SEARCH)
def read(aws: Aws, _region: str, began: list[str]) -> str:
    aws.clients.governor.enter(aws.clients.governor.key(aws.account, REGION, SEARCH))
    began.append(aws.account)
    return aws.account


@begins_with("s3:GetEncryptionConfiguration")
def read_fast(aws: Aws, _region: str, began: list[str]) -> str:
    began.append(f"{aws.account}, fast")
    return aws.account


def account(clients: Clients, name: str) -> Aws:
    return Aws(clients, Credentials(name, "secret"), name)


class Gate:
    """Holds a pool's thread while a test asks."""

    def __init__(self) -> None:
        self._begun, self._opened = threading.Event(), threading.Event()

    def held(self, fan: Fan) -> Pending[bool]:
        """Hold a thread; it is held when this returns."""
        answer = fan.ask(self._wait)
        assert self._begun.wait(SECONDS)
        return answer

    def set(self) -> None:
        """Let it go on."""
        self._opened.set()

    def _wait(self) -> bool:
        self._begun.set()
        return self._opened.wait(SECONDS)


def test_targets_take_turns_and_none_is_finished_first(fake: FakeAws) -> None:  # noqa: ARG001  nothing is asked of it
    began: list[str] = []
    clients = Clients(Governor(Rates({SEARCH: 1000})))
    gate = Gate()
    with Fan(threads=1) as fan:
        first = gate.held(fan)
        answers = [fan.ask(read, account(clients, name), REGION, began) for name in ("one", "other") for _ in range(20)]
        gate.set()
        assert first.result()
        assert [answer.result() for answer in answers] == ["one"] * 20 + ["other"] * 20
    assert began[:20].count("one") == began[:20].count("other") == 10


def test_what_takes_longest_at_its_rate_begins_first(fake: FakeAws) -> None:  # noqa: ARG001  as above
    began: list[str] = []
    clock = Clock()
    clients = Clients(Governor(Rates({SEARCH: 5}), clock=clock, sleep=clock.sleep))
    gate = Gate()
    with Fan(threads=1) as fan:
        first = gate.held(fan)
        fast = [fan.ask(read_fast, account(clients, "one"), REGION, began) for _ in range(10)]
        slow = [fan.ask(read, account(clients, name), REGION, began) for name in ("one", "two") for _ in range(2)]
        gate.set()
        assert first.result()
        for answer in (*fast, *slow):
            answer.result()
    assert sorted(began[:4]) == ["one", "one", "two", "two"]


def test_a_read_that_may_not_go_yet_keeps_no_thread_from_others() -> None:
    clock = Clock()
    clients = Clients(Governor(Rates({SEARCH: 0.1}), clock=clock, sleep=clock.sleep))
    began: list[str] = []
    with Fan(threads=1) as fan:
        slow = [fan.ask(read, account(clients, "one"), REGION, began) for _ in range(2)]
        assert slow[0].result() == "one"
        assert fan.ask(read, account(clients, "other"), REGION, began).result() == "other"
        assert began == ["one", "other"]  # and the second of `one` waits for its time
        clock.sleep(20)
        fan.ask(str)  # somebody asks, and so looks at the clock
        assert slow[1].result() == "one"


def test_a_thread_that_waits_in_the_middle_of_a_read_lets_another_work() -> None:
    gate = threading.Event()

    def wait() -> bool:
        with OF_THREAD.rest():
            return gate.wait(SECONDS)

    with Fan(threads=1) as fan:
        waiting = [fan.ask(wait) for _ in range(3)]
        assert fan.ask(lambda: "done").result() == "done"
        gate.set()
        assert all(answer.result() for answer in waiting)


def test_while_much_is_asked_for_few_threads_work_and_all_of_them_afterwards() -> None:
    meeting = threading.Barrier(8, timeout=SECONDS)  # which eight threads reach only together
    with Fan(threads=8) as fan:
        with fan.asking():
            asked = [fan.ask(meeting.wait) for _ in range(8)]
            assert len(fan._threads) == 2
        assert sorted(answer.result() for answer in asked) == list(range(8))


def test_what_goes_on_from_an_answer_holds_no_thread() -> None:
    with Fan(threads=1) as fan:
        gate = threading.Event()
        first = fan.ask(gate.wait, SECONDS)
        second = fan.then(first, lambda answer: fan.ask(lambda: not answer))
        third = fan.then(second, lambda answer: settled(not answer))
        gate.set()
        assert third.result() is True


def test_an_error_comes_out_where_the_answer_is_asked_for() -> None:
    with Fan() as fan:
        failing = fan.ask(int, "x")
        after = fan.then(failing, settled)
        for answer in (failing, after):
            with pytest.raises(ValueError, match="invalid literal"):
                answer.result()


def test_a_read_that_is_not_wanted_is_not_begun() -> None:
    began: list[str] = []
    with Fan() as fan:
        assert fan.ask_if(bool(began), pytest.fail, "it was begun").result() == NOT_READ


def test_an_interrupt_drops_what_has_not_begun_and_waits_for_what_has() -> None:
    begun, gate, ended = threading.Event(), threading.Event(), []

    def in_flight() -> None:
        begun.set()
        gate.wait(SECONDS)
        ended.append("in flight")

    with pytest.raises(KeyboardInterrupt), Fan(threads=1) as fan:  # noqa: PT012  it comes while reads are going on
        fan.ask(in_flight)
        later = fan.ask(ended.append, "later")
        begun.wait(SECONDS)
        threading.Timer(0.05, gate.set).start()
        raise KeyboardInterrupt
    assert ended == ["in flight"]
    with pytest.raises(CancelledError):
        later.result()


class TestAtAServerThatThrottles:
    def test_each_call_is_sent_once_and_none_is_throttled_when_the_rates_are_right(self, fake: FakeAws) -> None:
        clock = Clock()
        server = Server(clock, 5)
        fake.say(SEARCH, lambda _: jsonish({"events": []}) if server.takes() else refusal("ThrottlingException")(_))
        clients = Clients(Governor(Rates(), clock=clock, sleep=clock.sleep))
        aws = account(clients, "one")
        for _ in range(30):
            clients.governor.pause(0)
            governed = clients.governor.key("one", REGION, SEARCH)
            assert governed is not None
            clock.sleep(max(0.0, clients.governor.due(governed) - clock.now))
            aws.call(REGION, "logs", "FilterLogEvents", logGroupName="g")
        assert fake.counted() == {SEARCH: 30}
        assert clients.governor.throttled == {}

    def test_a_throttled_call_is_sent_again_and_answered(self, fake: FakeAws) -> None:
        fake.say(SEARCH, refusal("ThrottlingException"), refusal("ThrottlingException"), jsonish({"events": []}))
        clients = Clients(Governor(Rates()))
        aws = account(clients, "one")
        assert items(aws.call(REGION, "logs", "FilterLogEvents", logGroupName="g"), "events") == ()
        assert fake.counted() == {SEARCH: 3}
        assert clients.governor.throttled == {SEARCH: 2}
        assert clients.calls == {SEARCH: 3}

    def test_a_call_that_is_throttled_for_ever_is_told_as_throttled(self, fake: FakeAws) -> None:
        fake.say(SEARCH, refusal("ThrottlingException"))
        with pytest.raises(CallFailed) as caught:
            account(Clients(), "one").call(REGION, "logs", "FilterLogEvents", logGroupName="g")
        assert (caught.value.cause, caught.value.refused) == (Cause.THROTTLED, True)
        assert fake.counted() == {SEARCH: 6}

    def test_a_page_that_is_throttled_is_asked_for_again_and_no_page_is_lost_or_doubled(self, fake: FakeAws) -> None:
        seen: set[str] = set()

        def page(call: AwsCall) -> Answer:
            marker = call.query.get("Marker", "0")
            if marker not in seen:
                seen.add(marker)
                return refusal("TooManyRequestsException", status=429)(call)
            more = {"NextMarker": str(int(marker) + 1)} if marker != "3" else {}
            return jsonish({"Functions": [{"FunctionName": marker}], **more})

        fake.say("lambda:ListFunctions", page)
        pages = account(Clients(), "one").pages(REGION, "lambda", "ListFunctions")
        names = [text(entry, "FunctionName") for page in pages for entry in items(page, "Functions")]
        assert names == ["0", "1", "2", "3"]

    def test_a_listing_that_names_the_same_next_page_for_ever_ends_as_malformed(self, fake: FakeAws) -> None:
        fake.say("lambda:ListFunctions", jsonish({"Functions": [], "NextMarker": "again"}))
        with pytest.raises(CallFailed, match="would never end"):
            list(account(Clients(), "one").pages(REGION, "lambda", "ListFunctions"))
