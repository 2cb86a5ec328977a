"""Never a moment without a trigger: documents are watched during a whole fix, and objects are written without pause."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.sandbox import Placed, Sandbox, SandboxSpec, Sent, Trigger, placed_cases, start_sandbox
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.fleet import fleet_rows
from fixtures.sandbox.log_source import LogSource
from tests.fake_aws import FakeAws, _Raw, name_of
from tests.independent_reader import Reader
from tests.sandbox_engine import eventually
from tests.suite_runs import Ran, Suite, at, delivered, ended

ACCOUNTS, REGIONS = ("111122223333",), ("us-east-1", "eu-west-1")
FLEET = fleet_rows(ACCOUNTS, REGIONS[:1], 4)
STALE = "decommissioned-indexer"
PUT = "s3:PutBucketNotificationConfiguration"
Document = Mapping[str, object]


@dataclass
class Watch(FakeAws):
    """Stands before the engine and reads the document of a bucket right before and right after each write of it."""

    engine: str
    readers: dict[str, Reader]
    writes: list[tuple[str, Document, Document]] = field(default_factory=list)
    alone: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        super().__init__(self.engine)

    def answer(self, call: AwsCall, raw: _Raw) -> Answer:
        if name_of(call) != PUT:
            return super().answer(call, raw)
        bucket = call.path.strip("/").partition("/")[0]
        reader = next(reader for region, reader in self.readers.items() if bucket.endswith(region))
        with self.alone:
            before = reader.document(bucket) or {}
            answer = super().answer(call, raw)
            self.writes.append((bucket, before, reader.document(bucket) or {}))
        return answer


@dataclass(frozen=True)
class Watched:
    ran: Ran
    first: dict[str, Document]
    seen: list[dict[str, Document]]
    writes: list[tuple[str, Document, Document]]


def parts_of(document: Document) -> set[str]:
    """Every rule of a document as comparable text; EventBridge is one."""
    return {
        f"{part} {json.dumps(entry, sort_keys=True)}"
        for part, entries in document.items()
        for entry in (entries if isinstance(entries, list) else [entries])
    }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS, traffic=8), folder / "sandbox") as sandbox:
        readers = {region: Reader(sandbox.endpoint, ACCOUNTS[0], region) for region in REGIONS}

        def documents() -> dict[str, Document]:
            return {name: found for reader in readers.values() for name, found in reader.documents().items()}

        watch = Watch(sandbox.endpoint, readers)
        suite = Suite({**sandbox.environment, "AWS_ENDPOINT_URL": watch.endpoint}, folder / "cache")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={sandbox.fix_role_name}", "--fix"]
        first, seen = documents(), []
        running = suite.start(folder / "fix", *options, "--yes", "--allow=create-bucket,remove-stale-rules")
        while running.poll() is None:
            seen.append(documents())
        seen.append(documents())
        yield Watched(ended(running, folder / "fix"), first, seen, watch.writes)
        watch.stop()


def test_every_rule_that_was_there_is_there_whenever_one_looks(watched: Watched) -> None:
    watched.ran.assert_no_crash()
    assert watched.ran.of("FIXED")
    assert len(watched.seen) > 20, "it was looked at all the time"
    for documents in watched.seen:
        for bucket, document in watched.first.items():
            lost = parts_of(document) - parts_of(documents.get(bucket, {}))
            assert [rule for rule in lost if STALE not in rule] == [], bucket


def test_no_write_of_a_document_takes_a_rule_away_even_for_a_moment(watched: Watched) -> None:
    assert len({bucket for bucket, _, _ in watched.writes}) >= 2, "there were documents to write"
    for bucket, before, after in watched.writes:
        lost = parts_of(before) - parts_of(after)
        assert [rule for rule in lost if STALE not in rule] == [], bucket


def test_a_forwarder_that_had_a_trigger_has_one_whenever_one_looks(watched: Watched) -> None:
    called = {row.case.function_name: row.bucket for row in placed_cases(ACCOUNTS, REGIONS)
              if row.bucket and row.case.trigger is Trigger.RULE}  # fmt: skip
    assert len(called) > 5
    for documents in watched.seen:
        for function, bucket in called.items():
            assert f":{function}" in json.dumps(documents[bucket]), function


def test_the_missing_trigger_came_in_one_write(watched: Watched) -> None:
    silent = [(before, after) for bucket, before, after in watched.writes if bucket.startswith("alb-silent-")]
    assert len(silent) == 1
    ((before, after),) = silent
    assert len(parts_of(after) - parts_of(before)) == 1


@dataclass(frozen=True)
class Flood:
    """Objects without pause: through the migration from go1.x, then through one to a newer release."""

    migrated: Ran
    newer: Ran
    legacy: tuple[Sent, ...]
    later: tuple[Sent, ...]
    starts_seeded: Counter[str]
    starts: Counter[str]
    deliveries: Counter[str]


def starts_of(reader: Reader) -> Counter[str]:
    """How often each function was called, by its own log."""
    return Counter({
        row.case.name: len(set(re.findall(r"START RequestId: (\S+)", "\n".join(str(line) for line in
                                                                              reader.log_lines(row.case.function_name)))))
        for row in FLEET
    })  # fmt: skip


def flooded(sandbox: Sandbox, suite: Suite, folder: Path, *options: str) -> tuple[Ran, tuple[Sent, ...]]:
    """A fix, with objects for each forwarder before it begins, while it runs, and after it has ended."""
    source = LogSource(sandbox.endpoint, FLEET)
    source.start(16)
    try:
        assert eventually(lambda: len(source.sent()) > 3 * len(FLEET))
        ran = ended(suite.start(folder, *options), folder)
        enough = len(source.sent()) + 3 * len(FLEET)
        assert eventually(lambda: len(source.sent()) > enough)
    finally:
        source.stop()
    return ran, source.sent()


@pytest.fixture(scope="module")
def flood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flood]:
    folder = tmp_path_factory.mktemp("flood")
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS[:1], size=len(FLEET)), folder / "sandbox") as sandbox:
        suite = Suite(sandbox.environment, folder / "cache")
        reader = Reader(sandbox.endpoint, ACCOUNTS[0], REGIONS[0])
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={sandbox.fix_role_name}", "--fix",
                   "--yes", "--rings=1,100%", "--allow=create-bucket"]  # fmt: skip
        seeded = starts_of(reader)
        migrated, legacy = flooded(sandbox, suite, folder / "fix", *options)
        eventually(lambda: all(_called_enough(starts_of(reader) - seeded, legacy)))
        starts = starts_of(reader) - seeded
        newer, later = flooded(sandbox, suite, folder / "newer", *options, f"--release={sandbox.newer_release_dir}")
        eventually(lambda: all(delivered(sandbox)[one.delivered_below] for one in later))
        yield Flood(migrated, newer, legacy, later, seeded, starts, delivered(sandbox))


def _called_enough(starts: Counter[str], sent: tuple[Sent, ...]) -> Iterator[bool]:
    counted = Counter(one.forwarder for one in sent)
    yield from (starts[name] >= number for name, number in counted.items())


def name_of_row(row: Placed) -> str:
    return row.case.name


@pytest.mark.parametrize("row", FLEET, ids=name_of_row)
def test_every_object_calls_the_function_before_during_and_after_it_leaves_go1x(flood: Flood, row: Placed) -> None:
    assert flood.migrated.code == 0, flood.migrated.said
    sent = sum(one.forwarder == row.case.name for one in flood.legacy)
    assert sent > 6
    assert flood.starts_seeded[row.case.name] == 1
    # at least once: a call that the update cuts off is made again
    assert sent <= flood.starts[row.case.name] <= sent + 3


@pytest.mark.parametrize("row", FLEET, ids=name_of_row)
def test_no_object_is_lost_between_an_older_release_and_a_newer_one(flood: Flood, row: Placed) -> None:
    assert flood.newer.code == 0, flood.newer.said
    mine = [one for one in flood.later if one.forwarder == row.case.name]
    assert ("code-current", f"{row.account}/{row.region}/{row.case.name}") in flood.newer.of("FIXED")
    assert len(mine) > 6
    assert [one.key for one in mine if not flood.deliveries[one.delivered_below]] == []
