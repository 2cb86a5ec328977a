"""What ends one forwarder's sending ends it with a word, and never the others'."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.errors import InputError
from fixtures.fact import NOT_READ, value
from remediation.backfill.book import Book, Fate, Standing
from remediation.backfill.lane import Item
from remediation.backfill.listing import ToSend
from remediation.backfill.pace import Concurrency, Function, Pace, parse_budget
from remediation.backfill.part import Part
from remediation.backfill.sending import Sending
from remediation.backfill.story import Planned
from remediation.lock import TargetLocks
from remediation.s3_event import event_of
from tests.backfill_world import ADDRESS, REGION, FakeLambda, objects
from tests.estates import a_forwarder, an_estate
from tests.fake_aws import FakeAws
from tests.writing import Bench, a_bench

NAMES = ("one", "other")


@dataclass
class Plain:
    """A load of ten events; `breaks` is raised behind so many of them."""

    part: Part
    breaks: Exception | None = None
    number: int = 10
    lines: int = 10
    again: list[str] = field(default_factory=list)

    @property
    def told(self) -> Planned:
        return Planned(self.part.subject, None, 10, 0, None)

    def begin(self) -> Mapping[str, object]:
        return {}

    def events(self, standing: Standing, run: str) -> Iterator[ToSend]:
        for line, found in enumerate(objects(10), start=1):
            if line > standing.cursor:
                yield ToSend(line, event_of(found, ADDRESS, run))
            if self.breaks and line == 4:
                raise self.breaks

    def taken(self, item: Item) -> None:
        pass

    def aside(self, standing: Standing) -> Iterator[tuple[str, str]]:
        del standing
        yield from ()

    def left_over(self) -> str:
        return ""

    def look_again(self, book: Book) -> None:
        self.again.append(book.standing.subject)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "take", lambda _: 0.0)
    monkeypatch.setattr("remediation.backfill.lane._LOOK_EVERY", 0.0)


@pytest.fixture
def bench(fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    found = a_bench(fake_account, tmp_path, REGION)
    yield found
    found.close()


def sent(bench: Bench, breaks: Mapping[str, Exception]) -> tuple[Sending, Mapping[str, Standing], list[str]]:
    """Two forwarders' events, sent side by side."""
    forwarders = [a_forwarder(name) for name in NAMES]
    function = value(forwarders[0].function)
    assert function is not None
    called = Function("f", Concurrency(1000, reserved=True), 0.05)
    parts = [Part(bench.writer, one, function, called, ADDRESS, 0, None, ()) for one in forwarders]
    loads = [Plain(part, breaks.get(part.forwarder.name)) for part in parts]
    standings = {part.subject: Standing(part.subject, 10) for part in parts}
    said: list[str] = []
    estate = an_estate(*forwarders, artifact=NOT_READ)
    journal, stop = bench.writer.journal, threading.Event()
    sending = Sending("r", journal, estate, TargetLocks("r"), parse_budget("1%"), stop, said.append)
    sending.send(loads, standings)
    return sending, standings, said


def test_both_are_sent_side_by_side(fake: FakeAws, bench: Bench) -> None:
    FakeLambda(fake)
    sending, standings, _ = sent(bench, {})
    assert sending.stopped == {}
    assert [standing.count(Fate.PROVED) for standing in standings.values()] == [10, 10]


def test_a_list_that_is_gone_stops_its_forwarder_and_not_the_other(fake: FakeAws, bench: Bench) -> None:
    FakeLambda(fake)
    gone = InputError("list", "no such file", "put it back")
    sending, standings, said = sent(bench, {"one": gone})
    (stopped,) = sending.stopped
    assert stopped.endswith("/one")
    assert any("STOPPED: list: no such file; put it back" in line for line in said)
    assert [standing.count(Fate.PROVED) for subject, standing in standings.items() if subject != stopped] == [10]


def test_without_a_journal_nothing_is_sent_any_more(
    fake: FakeAws, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = FakeLambda(fake)
    monkeypatch.setattr(bench.writer.journal, "_broken", True)
    sending, _, _ = sent(bench, {})
    assert len(sending.stopped) == 2
    assert all("nothing further may be changed" in why for why in sending.stopped.values())
    assert played.received.total() == 0
