"""What tests of the write path start from: a writer with its own journal, short waits, and what it journalled."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fixtures.aws import Aws
from fixtures.patience import Wait
from fixtures.sandbox.synthetic_release import CANARIES
from remediation.journal import Entry, Journal, read_journal
from remediation.writer import BucketLocks, Limits, Writer

QUICK = Limits(stack=20.0, begin=0.2, change_set=10.0, function=10.0, notification=1.0, permission=1.0, proof=5.0)


@dataclass(frozen=True, slots=True)
class HastyWriter(Writer):
    """Waits as a writer does, with pauses of milliseconds."""

    def wait(self, seconds: float, *, first: float = 0.3, longest: float = 10.0) -> Wait:
        return Wait(seconds, first / 100, min(longest / 100, 0.05), self.stop)


@dataclass
class Bench:
    """A writer, and what it said and journalled."""

    writer: Writer
    path: Path
    said: list[str] = field(default_factory=list)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The journal, its chain held."""
        return read_journal(self.path)

    def kinds(self) -> list[str]:
        """`intent s3:PutObject`, `result s3:PutObject`, `failure ... (denied)`, `verified`, in order."""
        return list(_kinds(self.entries))

    def writes(self) -> list[str]:
        """The operations that were intended, in order."""
        return [kind.removeprefix("intent ") for kind in self.kinds() if kind.startswith("intent ")]

    def close(self) -> None:
        self.writer.journal.close()


def a_bench(aws: Aws, folder: Path, region: str, *, limits: Limits = QUICK, stop: threading.Event | None = None,
            on_aws: bool = False) -> Bench:  # fmt: skip
    """A bench with a new journal in `folder`."""
    number = sum(1 for _ in folder.glob("journal-*.jsonl"))
    path = folder / f"journal-{number}.jsonl"
    said: list[str] = []
    writer = HastyWriter(
        aws, region, Journal(path), stop or threading.Event(), BucketLocks(), limits, on_aws, said.append
    )
    return Bench(writer, path, said)


def hold_journal(bench: Bench) -> None:
    """Every write was intended before, ended after, in order, and no secret stands in the file."""
    closed: dict[object, str] = {}
    intents: dict[int, Mapping[str, object]] = {}
    for entry in bench.entries:
        if entry.kind == "intent":
            intents[entry.number] = entry.content
        elif entry.kind in {"result", "failure"}:
            number = entry.content["intent"]
            assert number in intents, f"line {entry.number} ends what was not begun"
            assert number not in closed, f"line {entry.number} ends {number} again"
            closed[number] = entry.kind
    assert set(closed) == set(intents), "an intent has no end"
    text = bench.path.read_text(encoding="utf-8")
    assert not [canary for canary in CANARIES if canary in text], "a secret stands in the journal"


def _kinds(entries: tuple[Entry, ...]) -> Iterator[str]:
    names: dict[object, str] = {}
    for entry in entries:
        content = entry.content
        if entry.kind == "intent":
            call = json.loads(json.dumps(content["call"]))
            names[entry.number] = f"{call['service']}:{call['operation']}"
            yield f"intent {names[entry.number]}"
        elif entry.kind == "result":
            yield f"result {names[content['intent']]}"
        elif entry.kind == "failure":
            yield f"failure {names[content['intent']]} ({content['cause']})"
        else:
            yield entry.kind
