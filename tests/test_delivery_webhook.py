"""Posting to webhooks: what is sent, what is tried again, what is never followed and never told."""

import logging
import threading
from collections.abc import Iterator

import pytest

from fixtures.notify_target import Shape, Webhook, parse_target
from fixtures.secret import Secret
from reports.delivery.message import Message
from reports.delivery.webhook import ATTEMPTS, post
from tests.webhook_server import BROKEN_OFF, PATH, Reply, WebhookServer, webhook_server

MESSAGE = Message(
    run="20261124T041530Z-9f3c",
    subject="s",
    text="**2 findings.**\n\n## Since yesterday\n\n- new: [a \\*b\\* on c](https://r/x#a)\n- \\<!channel> & co\n",
    document={"schema": 1, "verdict": "2 findings remain.", "text": "t"},
    attributes={},
)


@pytest.fixture(scope="module")
def running() -> Iterator[WebhookServer]:
    with webhook_server() as server:
        yield server


@pytest.fixture
def server(running: WebhookServer) -> WebhookServer:
    running.seen.clear()
    running.say(Reply())
    return running


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def hook(server: WebhookServer, shape: Shape = Shape.JSON) -> Webhook:
    found = parse_target(f"{shape}:{server.address}")
    assert isinstance(found, Webhook)
    return found


def test_json_gets_the_whole_document(server: WebhookServer) -> None:
    assert not post(hook(server), MESSAGE)
    ((path, headers, _),) = server.seen
    assert path == PATH
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert server.documents == [MESSAGE.document]


def test_slack_gets_one_text_in_its_own_marks_that_calls_nobody(server: WebhookServer) -> None:
    assert not post(hook(server, Shape.SLACK), MESSAGE)
    (document,) = server.documents
    assert document == {
        "text": "*2 findings.*\n\n*Since yesterday*\n\n- new: <https://r/x#a|a *b* on c>\n- &lt;!channel&gt; &amp; co\n"
    }


AGAIN = {
    "throttled": Reply(429),
    "server-error": Reply(500),
    "bad-gateway": Reply(502),
    "broken-off": BROKEN_OFF,
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_may_work_a_moment_later_is_sent_again(name: str, server: WebhookServer) -> None:
    server.say(AGAIN[name], AGAIN[name], Reply())
    pauses = Pauses()
    assert not post(hook(server), MESSAGE, pauses)
    assert len(server.seen) == 3
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2


def test_it_is_given_up_after_some_attempts_and_said(server: WebhookServer) -> None:
    server.say(Reply(500, ""))
    assert post(hook(server), MESSAGE, Pauses()) == f"answered 500 ({ATTEMPTS} attempts)"
    assert len(server.seen) == ATTEMPTS


def test_the_server_says_how_long_to_wait_but_not_for_ever(server: WebhookServer) -> None:
    server.say(
        Reply(429, headers={"Retry-After": "7"}),
        Reply(429, headers={"Retry-After": "86400"}),
        Reply(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Reply(),
    )
    pauses = Pauses()
    assert not post(hook(server), MESSAGE, pauses)
    assert pauses[:2] == [7.0, 30.0]
    assert pauses[2] <= 4


REFUSED = {
    "a-reason": (Reply(400, "invalid_payload"), "answered 400: invalid_payload"),
    "gone": (Reply(404, "no_service"), "answered 404: no_service"),
    "a-page": (Reply(403, "<html>forbidden</html>"), "answered 403"),
    "its-own-address": (Reply(404, PATH.rpartition("/")[2]), "answered 404"),
    "a-portal": (Reply(200, "<html>log in", {"Content-Type": "text/html"}), "a page answered, not a webhook"),
    "nonsense": (Reply(400, "\u00ff\u0000"), "answered 400"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_said_once_and_without_the_address(name: str, server: WebhookServer) -> None:
    reply, told = REFUSED[name]
    server.say(reply)
    assert post(hook(server), MESSAGE, Pauses()) == told
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, server: WebhookServer) -> None:
    with webhook_server() as elsewhere:
        server.say(Reply(status, headers={"Location": elsewhere.address}))
        assert post(hook(server), MESSAGE) == f"answered {status}, a redirect, which is not followed"
        assert elsewhere.seen == []
    assert len(server.seen) == 1


def test_nobody_waits_for_a_server_that_does_not_answer(server: WebhookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.delivery.webhook.TIMEOUT", 0.05)
    done = threading.Event()
    server.say(Reply(before=lambda: done.wait(10)))
    try:
        told = post(hook(server), MESSAGE, Pauses())
    finally:
        done.set()
    assert told == f"no answer within 0 seconds ({ATTEMPTS} attempts)"


def test_a_host_that_is_not_there_is_said() -> None:
    nobody = Webhook(Secret("http://127.0.0.1:9/services/canary"), "127.0.0.1", Shape.JSON)
    told = post(nobody, MESSAGE, Pauses())
    assert told == f"not reached: Connection refused ({ATTEMPTS} attempts)"


def test_a_certificate_that_does_not_hold_is_no_matter_of_time(server: WebhookServer) -> None:
    port = server.address.split(":")[2].partition("/")[0]
    plain = Webhook(Secret(f"https://127.0.0.1:{port}/services/canary"), "127.0.0.1", Shape.JSON)
    told = post(plain, MESSAGE, Pauses())
    assert told.startswith("not reached: ")
    assert "canary" not in told


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server.address.rpartition("/services")[0]
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    far = Webhook(Secret("http://hooks.example.com/services/x"), "hooks.example.com", Shape.JSON)
    assert not post(far, MESSAGE)
    assert [path for path, _, _ in server.seen] == ["http://hooks.example.com/services/x"]
    assert not post(hook(server), MESSAGE)
    assert server.seen[-1][0] == PATH


def test_no_log_and_no_error_holds_the_address(server: WebhookServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for reply in (Reply(), Reply(500, PATH), BROKEN_OFF, Reply(302, headers={"Location": PATH}), Reply(404, PATH)):
        server.say(reply)
        told.append(post(hook(server), MESSAGE, Pauses()))
    secret = PATH.rpartition("/")[2]
    assert secret not in caplog.text + "".join(told) + repr(hook(server)) + str(hook(server))
