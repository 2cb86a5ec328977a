"""The verb `ledger`: what it refuses, what it says, what it writes."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.errors import InputError
from fixtures.ledger.entry import Delivery, Entry, EvidenceKind
from fixtures.ledger.logged_object import KeyFilter, LoggedObject
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Ledger
from remediation.ledger import Sources
from remediation.ledger_run import Read, foretold, read_ledgers, row_of, rows_in
from reports.ledger_command import parse_request
from reports.ledger_file import COLUMNS, object_parts
from reports.ledger_text import ledger_lines, told_size, totals, verdict_line
from tests.estates import NOW, a_forwarder, an_estate
from tests.fake_aws import DENIED, FakeAws, jsonish
from tests.ledger_scene import BUCKET, LIST, METRICS, SPAN, Scene, listing

DELIVERED, NOT_DELIVERED, NO_EVIDENCE = Delivery.DELIVERED, Delivery.NOT_DELIVERED, Delivery.NO_EVIDENCE


def an_entry(key: str, delivery: Delivery = DELIVERED, reason: str = "why", *, likely: bool = False) -> Entry:
    logged = LoggedObject(BUCKET, key, 2_000, NOW - timedelta(hours=2), "e1", storage_class="STANDARD")
    return Entry(logged, delivery, EvidenceKind.TAG, reason, likely)


def a_read(*entries: Entry, unlisted: str = "", notes: Iterable[str] = (), read: bool = True) -> Read:
    forwarder = a_forwarder()
    ledger = Ledger(str(forwarder), BUCKET, (KeyFilter("AWSLogs/", ".gz"),), SPAN, iter(entries), notes=list(notes))
    ledger.unlisted = unlisted
    if read:
        for _ in ledger:
            pass
    return Read(forwarder, ledger)


@pytest.mark.parametrize(("words", "said"), [
    (["--since=2999-01-01"], "--since=2999-01-01: in the future"),
    ([], "--since: missing"),
    (["--since=1d", "--until=2d"], "--until=2d: not after --since=1d"),
    (["--since=1d", "--objects=objects.xlsx"], "--objects=objects.xlsx: its suffix says no format"),
    (["--since=1d", "--objects=/no/such/folder/x.csv"], "--objects=/no/such/folder/x.csv: there is no folder"),
    (["--since=1d", "--inventory=manifest.json"], "--inventory=manifest.json: not the address of a manifest"),
    (["--since=1d", "--fix"], "taegis-forwarders ledger: --fix: it is for audits and fixes"),
    (["--since=1d", "--replay=estate.json"], "taegis-forwarders ledger: --replay: it is for audits and fixes"),
    (["--since"], "taegis-forwarders ledger: argument --since: expected one argument"),
], ids=" ".join)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request(words, NOW)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_what_is_an_audits_is_left_to_it(tmp_path: Path) -> None:
    words = ["--regions=us-east-1", "--since=2d", "--role=Audit", "--every-key", f"--objects={tmp_path}/o.jsonl"]
    request, rest = parse_request(words, NOW)
    assert rest == ["--regions=us-east-1", "--role=Audit"]
    assert (request.span, request.every_key, request.objects) == (
        Span(NOW - timedelta(days=2), NOW), True, tmp_path / "o.jsonl",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_since_an_outage_looks_as_far_back_as_one_can() -> None:
    request, _ = parse_request(["--since=outage"], NOW)
    assert (request.outage, request.span) == (True, Span(NOW - timedelta(days=14), NOW))


def test_a_ledger_is_told_with_its_reasons_those_of_most_objects_first() -> None:
    entries = [
        an_entry("a"), an_entry("b", NOT_DELIVERED, "silence"), an_entry("c", NO_EVIDENCE, "young", likely=True),
        an_entry("d", NO_EVIDENCE, "young"),
    ]  # fmt: skip
    lines = list(ledger_lines(a_read(*entries, notes=["one", "one"])))
    assert lines == [
        "111122223333/us-east-1/cloudtrail-prod",
        "  objects   1 delivered (2.0 KB), 1 not delivered (2.0 KB), 2 without evidence (4.0 KB)",
        f"  of        s3://{BUCKET}, AWSLogs/*.gz",
        "  no evidence            2: young",
        "  not delivered          1: silence",
        "  likely delivered, not proved: 1 (enough calls around them, none failed)",
        f"  open ones arrived {Span(NOW - timedelta(hours=2), NOW - timedelta(hours=2))}",
        "  note      one",
    ]


def test_a_ledger_that_is_not_all_says_at_least_and_why() -> None:
    lines = list(ledger_lines(a_read(an_entry("a"), unlisted="denied")))
    assert lines[1] == "  objects   at least, not counted to the end: 1 delivered (2.0 KB)"
    assert "  the listing ended early: denied" in lines


def test_where_there_is_none_it_is_said_why() -> None:
    (line,) = ledger_lines(Read(a_forwarder(), None, "it names no bucket", has_bucket=False))
    assert line == "111122223333/us-east-1/cloudtrail-prod: no ledger: it names no bucket"


@pytest.mark.parametrize(("reads", "said"), [
    ([a_read(an_entry("a"))], "All 1 object of 1 forwarder are proved to be delivered."),
    ([a_read()], "No object arrived at 1 forwarder."),
    ([a_read(an_entry("a", NOT_DELIVERED), an_entry("b", NO_EVIDENCE))], "1 object of 1 forwarder were not delivered."),
    ([a_read(an_entry("a", NO_EVIDENCE))], "There is no evidence of the delivery of 1 object of 1 forwarder."),
    ([a_read(an_entry("a"), unlisted="denied")],
     "Nothing was found that was not delivered, but not everything could be seen."),
    ([a_read(an_entry("a")), Read(a_forwarder(), None, "no bucket", has_bucket=False)],
     "All 1 object of 1 forwarder are proved to be delivered."),
    ([a_read(an_entry("a")), Read(a_forwarder(), None, "not entered")],
     "Nothing was found that was not delivered, but not everything could be seen."),
], ids=["all", "none", "lost", "no-evidence", "unlisted", "no-bucket", "not-entered"])  # fmt: skip
def test_the_last_line_is_the_verdict(reads: list[Read], said: str) -> None:
    assert verdict_line(reads) == said


def test_ledgers_are_added_up() -> None:
    counts = totals([a_read(an_entry("a")), a_read(an_entry("b", NO_EVIDENCE, likely=True)), Read(a_forwarder(), None)])
    assert (counts.total, counts.open, counts.likely) == (2, 1, 1)


@pytest.mark.parametrize(("size", "told"), [
    (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 KB"), (123_456, "123 KB"), (5_600_000_000, "5.6 GB"),
])  # fmt: skip
def test_sizes_are_told_in_few_digits(size: int, told: str) -> None:
    assert told_size(size) == told


def test_a_file_of_objects_is_the_same_in_both_forms_and_harmless_in_a_spreadsheet() -> None:
    read = a_read(read=False)
    assert read.ledger is not None
    rows = [
        row_of(read.ledger, an_entry("=cmd|' /C calc'!A0.json")),
        row_of(read.ledger, an_entry('b,\n"c"', NO_EVIDENCE)),
    ]
    lines = [json.loads(line) for line in "".join(object_parts(Path("o.jsonl"), rows)).splitlines()]
    table = list(csv.DictReader(io.StringIO("".join(object_parts(Path("o.csv"), rows)), newline="")))
    assert list(table[0]) == list(COLUMNS) == list(lines[0])
    assert [line["key"] for line in lines] == ["=cmd|' /C calc'!A0.json", 'b,\n"c"']
    assert [line["key"] for line in table] == ["'=cmd|' /C calc'!A0.json", 'b,\n"c"']
    assert table[1]["verdict"] == lines[1]["verdict"] == "NO EVIDENCE"


def sources_of(fake: FakeAws, aws: Aws, *forwarders: object) -> Sources:
    Scene(fake, aws)
    known = an_estate(*forwarders)  # type: ignore[arg-type]
    return Sources(known, {aws.account: aws}, NOW)


def test_ledgers_are_read_side_by_side_and_told_in_order(fake: FakeAws, fake_account: Aws) -> None:
    forwarders = [a_forwarder(f"f{number}") for number in range(20)]
    sources = sources_of(fake, fake_account, *forwarders)
    fake.say(LIST, lambda call: listing([f"{call.path.strip('/')}.gz"]))
    reads = read_ledgers(sources, forwarders, lambda _: SPAN, lambda *_: True)
    assert [read.forwarder.name for read in reads] == [one.name for one in forwarders]
    assert [row["key"] for row in rows_in(reads)] == [f"{one.name}-logs.gz" for one in forwarders]
    assert all(read.is_whole for read in reads)


def test_what_it_takes_is_said_as_far_as_it_is_known(fake: FakeAws, fake_account: Aws) -> None:
    forwarders = [a_forwarder("one"), a_forwarder("two"), a_forwarder("three", bucket_name=None)]
    sources = sources_of(fake, fake_account, *forwarders)
    result = {
        "Id": "objects",
        "Label": "x",
        "StatusCode": "Complete",
        "Timestamps": [NOW.timestamp()],
        "Values": [4_200_000.0],
    }
    fake.say(METRICS, jsonish({"MetricDataResults": [result]}), DENIED)
    found = foretold(sources, forwarders, datetime.now(UTC))
    assert (found.pages, found.unknown) == (4_201, 1)
