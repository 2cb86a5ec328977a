"""An HTTP server on 127.0.0.1 that plays AWS: it answers what a test tells it, or passes on to an engine behind it.

Calls are named as botocore names them (`cloudwatch:GetMetricData`), whatever the service signs as.
"""

import http.client
import json
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from fixtures.sandbox.aws_call import Answer, AwsCall, cbor_error, json_error, parse_call, query_error, s3_error

_MODEL_OF = {"monitoring": "cloudwatch"}  # signing name -> name of botocore's model
_QUERY = {"cloudformation", "sts", "sns", "ec2", "iam"}
_XML = ((b"content-type", b"text/xml"),)
_JSON = ((b"content-type", b"application/json"),)
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive", "date", "server"}

Script: TypeAlias = "Callable[[AwsCall], Answer | None] | Answer"  # None: as if nothing had been said


def name_of(call: AwsCall) -> str:
    """`cloudwatch:GetMetricData`."""
    return f"{_MODEL_OF.get(call.service, call.service)}:{call.operation}"


def xml(body: str, status: int = 200) -> Answer:
    return Answer(status, _XML).with_text(body)


def jsonish(content: object, status: int = 200) -> Answer:
    return Answer(status, _JSON).with_text(json.dumps(content))


def garbage(status: int = 200) -> Answer:
    """What a proxy or a half-written engine says: neither XML nor JSON nor CBOR."""
    return Answer(status, ((b"content-type", b"text/html"),)).with_text("<html><body><h1>It works!</h1>")


def refusal(code: str, message: str = "", status: int = 400) -> Callable[[AwsCall], Answer]:
    """An error in the words of whichever protocol the call speaks."""

    def answer(call: AwsCall) -> Answer:
        text = message or f"{code} says the fake"
        if call.service == "s3":
            return s3_error(code, text, status)
        if call.service == "ec2":
            body = f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors></Response>"
            return xml(body, status)
        if call.service in _QUERY:
            return query_error(code, text, status)
        if call.headers.get("smithy-protocol") == "rpc-v2-cbor":  # CloudWatch, by the version of botocore
            return replace(cbor_error(code, text), status=status)
        return json_error(code, text, status)

    return answer


BROKEN_OFF = ((b"x-fake", b"broken off"),)  # an answer with these headers ends a byte too early
DENIED = refusal("AccessDeniedException", "not authorized to perform this action", 403)


class FakeAws:
    """The server. `endpoint` is its address, `seen` every call so far, in order of arrival."""

    def __init__(self, engine: str | None = None) -> None:
        self._engine = urllib.parse.urlsplit(engine) if engine else None
        self._scripts: dict[str, list[Script]] = {}
        self._lock = threading.Lock()
        self.seen: list[AwsCall] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def say(self, call: str, *answers: Script) -> None:
        """Answer this call so: each answer once, the last one for ever."""
        with self._lock:
            self._scripts[call] = list(answers)

    def forget(self) -> None:
        """Forget every answer and every call."""
        with self._lock:
            self._scripts.clear()
            self.seen.clear()

    @contextmanager
    def saying(self, call: str, *answers: Script) -> Iterator[None]:
        """The same as `say`, for a while; it fails if the call never came."""
        self.forget()
        self.say(call, *answers)
        try:
            yield
        finally:
            came = call in self.counted()
            self._scripts.clear()
        assert came, f"{call} never came; there were {sorted(self.counted())}"

    def counted(self) -> Counter[str]:
        """How often each call came."""
        with self._lock:
            return Counter(name_of(call) for call in self.seen)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, call: AwsCall, raw: "_Raw") -> Answer:
        with self._lock:
            self.seen.append(call)
            scripts = self._scripts.get(name_of(call), [])
            script = scripts.pop(0) if len(scripts) > 1 else (scripts[0] if scripts else None)
        told = script(call) if callable(script) else script
        if told is not None:
            return told
        if self._engine is not None:
            return raw.passed_on(str(self._engine.hostname), int(self._engine.port or 80))
        return refusal("NotImplemented", f"the fake does not know {name_of(call)}", 501)(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body leave together

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                url = urllib.parse.urlsplit(self.path)
                pairs = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in self.headers.items()]
                call = parse_call(self.command, urllib.parse.unquote(url.path), url.query, pairs, body)
                answer = fake.answer(call, _Raw(self.command, self.path, dict(self.headers.items()), body))
                self.send_response(answer.status)
                for name, text in answer.headers:
                    if name.decode().lower() not in _HOP_BY_HOP:
                        self.send_header(name.decode("latin-1"), text.decode("latin-1"))
                broken_off = answer.headers == BROKEN_OFF
                self.close_connection = self.close_connection or broken_off
                self.send_header("Content-Length", str(len(answer.body) + broken_off))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            def handle_expect_100(self) -> bool:
                """Say it at once: a client waits a second for it before it sends its body all the same."""
                going_on = super().handle_expect_100()
                self.wfile.flush()
                return going_on

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = handle_any  # noqa: N815  the base's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
                """Say nothing."""

        return Handler


class _Raw:
    """A request as it came, to be sent on."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self._request = method, path, body, {name: text for name, text in headers.items() if name != "Connection"}

    def passed_on(self, host: str, port: int) -> Answer:
        method, path, body, headers = self._request
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            pairs = tuple((name.encode("latin-1"), text.encode("latin-1")) for name, text in answer.getheaders())
            return Answer(answer.status, pairs, answer.read())
        finally:
            connection.close()
