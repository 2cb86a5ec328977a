"""A Lambda that takes events and a log that tells how their calls ended, played by the fake AWS; and lanes into it."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote_plus

from fixtures.aws import Aws
from fixtures.ledger.entry import Delivery
from fixtures.ledger.logged_object import LoggedObject
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.backfill.book import Book, Standing
from remediation.backfill.lane import Lane
from remediation.backfill.listing import ToSend
from remediation.backfill.manifest import Manifest, write_manifest
from remediation.backfill.metric_watch import MetricWatch
from remediation.backfill.pace import Concurrency, ErrorBudget, Function, parse_budget
from remediation.backfill.watch import LogWatch
from remediation.s3_event import Address, event_of
from tests.fake_aws import FakeAws, Script, jsonish
from tests.writing import Bench, a_bench

REGION = "us-east-1"
BUCKET = "logs-111122223333"
SUBJECT = f"111122223333/{REGION}/cloudtrail-prod"
ARRIVED = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
ADDRESS = Address(BUCKET, "111122223333", REGION, "aws")
UPLOAD = '{"level":"debug","time":"2026-11-24T00:00:00Z","message":"Uploading data to s3"}'
ERROR = '{"level":"error","time":"2026-11-24T00:00:00Z","message":"cannot forward","error":"no"}'


def an_object(key: str, *, size: int = 10, hours: int = 0, **more: object) -> LoggedObject:
    return LoggedObject(BUCKET, key, size, ARRIVED + timedelta(hours=hours), etag=f"etag-{key}", **more)  # type: ignore[arg-type]


def objects(number: int) -> list[LoggedObject]:
    return [an_object(f"AWSLogs/{position:05d}.json.gz") for position in range(1, number + 1)]


def a_manifest(path: Path, found: Iterable[LoggedObject], delivery: Delivery = Delivery.NOT_DELIVERED) -> Manifest:
    return write_manifest(path, BUCKET, ((one, delivery) for one in found))


@dataclass
class FakeLambda:
    """Takes every call unless told otherwise; `received` counts keys, as XDR would.

    `poison` are keys on which the function fails; `silent` leaves the log empty; `quiet` logs no upload line.
    """

    fake: FakeAws
    poison: frozenset[str] = frozenset()
    silent: bool = False
    quiet: bool = False
    retries: int = 0
    received: Counter[str] = field(default_factory=Counter)
    lines: list[dict[str, object]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.fake.say("lambda:Invoke", self.take)
        self.fake.say("logs:FilterLogEvents", self.tell)

    def take(self, call: AwsCall) -> Answer:
        record = json.loads(call.body)["Records"][0]
        key = unquote_plus(record["s3"]["object"]["key"])
        request = f"request-{next(self._numbers)}"
        with self._lock:
            for _ in range(self.retries + 1 if key in self.poison else 1):
                self._log(request, fails=key in self.poison)
            if key not in self.poison:
                self.received[key] += 1
        return Answer(202, ((b"x-amzn-requestid", request.encode()),))

    def tell(self, _: AwsCall) -> Answer:
        with self._lock:
            return jsonish({"events": [] if self.silent else list(self.lines)})

    def _log(self, request: str, *, fails: bool) -> None:
        middle = [ERROR] if fails else [] if self.quiet else [UPLOAD]
        now = int(datetime.now(UTC).timestamp() * 1000)
        stream = f"stream-{len(self.lines)}"
        report = f"REPORT RequestId: {request}\tDuration: 50.00 ms\tBilled Duration: 50 ms"
        for position, message in enumerate((f"START RequestId: {request} Version: 1", *middle, report)):
            self.lines.append({"logStreamName": stream, "timestamp": now, "message": message,
                               "eventId": f"{stream}-{position}"})  # fmt: skip


def before(script: Script, times: int, then: Callable[[AwsCall], Answer]) -> tuple[Script, ...]:
    """The script so many times, then the other for ever."""
    return (*[script] * times, then)


@dataclass
class LaneWorld:
    """A lane with its journal and its list, and what it sends into."""

    bench: Bench
    manifest: Manifest
    standing: Standing
    lane: Lane

    def run(self) -> Lane:
        """Send all, as a run does."""
        for _ in range(2):
            self.lane.send(self.events())
            self.lane.finish()
        return self.lane

    def events(self) -> Iterable[ToSend]:
        again, cursor = set(self.standing.again), self.standing.cursor
        for line in self.manifest.read():
            if line.number > cursor or line.number in again:
                yield ToSend(line.number, event_of(line.object, ADDRESS, "20261124T000000Z-0000"))


def a_lane(
    aws: Aws, folder: Path, number: int, *, standing: Standing | None = None, budget: ErrorBudget | None = None,
    patience: float = 5.0,
) -> LaneWorld:  # fmt: skip
    manifest = a_manifest(folder / "objects.jsonl", objects(number))
    bench = a_bench(aws, folder, REGION)
    known = standing or Standing(SUBJECT, number)
    bench.writer.journal.write("begin", run="r", forwarders=[{"subject": SUBJECT, "lines": number}])
    where = {"account": "111122223333", "region": REGION}
    watch = LogWatch(bench.writer, "/aws/lambda/f", datetime.now(UTC) - timedelta(seconds=5), retries=0)
    function = Function("f", Concurrency(1000, reserved=True), 0.05)
    metrics = MetricWatch(bench.writer, "f", datetime.now(UTC), retries=0)
    lane = Lane(bench.writer, function, Book(bench.writer.journal, known, where), watch, metrics,
                budget or parse_budget("1%"), patience)  # fmt: skip
    return LaneWorld(bench, manifest, known, lane)
