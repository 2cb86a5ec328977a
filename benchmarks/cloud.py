"""An emulated AWS on 127.0.0.1 for measuring: answers from a synthetic estate, late, counted, and throttled.

    python -m benchmarks.cloud ACCOUNTS REGIONS FORWARDERS [REQUESTS]

No engine could be measured against: they answer a few hundred requests a second, and it is they who would be
measured. This one keeps nothing and answers from functions of a forwarder's number, some ten thousand requests a
second, so that a contender's own cost is what shows. It knows the operations that the contenders use and no others:
an operation that it does not know is answered with 501 and told.

Each answer leaves `latency` after its request came. Connections cost nothing extra, which favours whoever opens many.
"""

import argparse
import asyncio
import json
import time
from collections import Counter

from benchmarks import answers_accounts, answers_buckets, answers_functions, answers_stacks, answers_telemetry
from benchmarks.estate import HOME, Estate, Traffic
from benchmarks.reply import Reply, of_json, refused
from benchmarks.request import Request
from benchmarks.throttle import Throttle

_CONTROL = "/_bench/"


class Cloud:
    """The estate, and what was asked of it since the last start."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.latency = 0.0
        self.start({})

    def start(self, wanted: dict[str, str]) -> None:
        """Forget what was counted; take latency in seconds and the share of AWS's rates, 0 for no limit."""
        self.latency = float(wanted.get("latency", self.latency))
        self.throttle = Throttle(float(wanted.get("share", 0)))
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.in_flight = self.peak = self.connections = 0
        self.first = self.last = 0.0
        self.cpu = time.process_time()

    def counted(self) -> dict[str, object]:
        """What was asked, as the control answers it."""
        return {
            "calls": self.calls, "throttled": self.throttled, "unknown": self.unknown, "peak": self.peak,
            "connections": self.connections, "first": self.first, "last": self.last,
            "cpu": time.process_time() - self.cpu,
        }  # fmt: skip

    def answer(self, request: Request) -> Reply:
        """Count a request and answer it."""
        name = f"{request.service}:{request.operation}"
        self.calls[name] += 1
        self.last = time.time()
        self.first = self.first or self.last
        late = self.throttle.refusal(request.account, request.region, request.service, request.operation)
        if late:
            self.throttled[name] += 1
            return late
        found = self._answer(request)
        if found is None:
            self.unknown[name] += 1
            return refused(request.service, "NotImplemented", f"the benchmark's cloud does not know {name}", 501)
        return found

    def _answer(self, request: Request) -> Reply | None:  # noqa: PLR0911  a service each
        service = request.service
        if service in {"sts", "iam", "account", "ec2", "tagging"}:
            return answers_accounts.answer(request, self.estate)
        if service == "s3":
            return answers_buckets.answer(request, self.estate)
        target = self.estate.target(request.account, request.region)
        if target is None:
            code = "AccessDenied" if request.account == HOME else "ResourceNotFoundException"
            return refused(service, code, f"nothing in {request.account}/{request.region}", 403)
        match service:
            case "cloudformation":
                return answers_stacks.answer(request, target)
            case "lambda":
                return answers_functions.answer(request, target)
            case "logs" | "monitoring":
                return answers_telemetry.answer(request, target, self.estate.traffic)
            case "secretsmanager":
                return answers_accounts.secret(request, target)
        return None


class Connection(asyncio.Protocol):
    """One connection of a client: requests one after another, each answered before the next is read."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        cloud.connections += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        body = self._buffer[end + 4 :]
        if len(body) < length:
            if "expect" in headers and not body:
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._buffer = body[length:]
        method, url, _ = first.split(" ", 2)
        self._handle(Request(method, url, headers, body[:length]))

    def _handle(self, request: Request) -> None:
        if request.url.startswith(_CONTROL):
            if request.method == "POST":
                self._cloud.start(dict(request.query))
            self._write(of_json(self._cloud.counted()).raw)
            return
        cloud = self._cloud
        cloud.in_flight += 1
        cloud.peak = max(cloud.peak, cloud.in_flight)
        loop = asyncio.get_running_loop()
        due = loop.time() + cloud.latency
        loop.call_at(due, self._finish, cloud.answer(request).raw)

    def _finish(self, raw: bytes) -> None:
        self._cloud.in_flight -= 1
        self._write(raw)

    def _write(self, raw: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(raw)


async def serve(estate: Estate) -> None:
    """Serve for ever; the port is told on stdout."""
    cloud = Cloud(estate)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(cloud), "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("accounts", "regions", "forwarders"):
        parser.add_argument(name, type=int)
    parser.add_argument("requests", type=int, nargs="?", default=1)
    given = parser.parse_args()
    asyncio.run(serve(Estate(given.accounts, given.regions, given.forwarders, Traffic(given.requests, given.requests))))


if __name__ == "__main__":
    main()
