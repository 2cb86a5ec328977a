"""An HTTP server on 127.0.0.1 that plays a webhook: it answers what a test tells it, and keeps what it was sent."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/services/T0000/B0000/xoxcanarysecret"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain"})
    before: Callable[[], object] = lambda: None  # what happens before it answers: waiting, say


BROKEN_OFF = Reply(status=0)  # the connection ends without an answer


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


class WebhookServer:
    """The server; each reply is given once, the last one for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def say(self, *replies: Reply) -> None:
        self.replies = list(replies)

    @property
    def documents(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, _, body in self.seen]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.seen.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                reply.before()
                if reply == BROKEN_OFF:
                    self.close_connection = True
                    return
                content = reply.body.encode()
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
                """Say nothing."""

        return Handler


@contextmanager
def webhook_server() -> Iterator[WebhookServer]:
    server = WebhookServer()
    try:
        yield server
    finally:
        server.stop()
