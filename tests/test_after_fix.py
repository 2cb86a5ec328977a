"""What a fix left open is told once for each reason, and one command sends exactly that."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.estate import Target
from fixtures.ledger.entry import Delivery
from fixtures.ledger.span import Span
from fixtures.ledger.stream import Counts
from remediation.backfill.after_fix import spans_after
from remediation.backfill.request import parse_request
from remediation.cutover_ledger import CutoverLedger, Outage
from reports.arrivals import open_questions, sending
from reports.commands import Commands
from reports.html_arrivals import arrivals_block
from tests.some_options import some_options

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUN = "20261124T115900Z-9f3c"
HERE, THERE = Target("111122223333", "us-east-1"), Target("444455556666", "eu-west-1")
QUIET = "no call without an error and no upload is seen in the 14 days before"
BY_ALICE = "CloudWatch counts the last call then; then PutBucketNotification by alice"


def counted(number: int, likely: int = 0) -> Counts:
    found = Counts()
    found.objects.update({Delivery.NO_EVIDENCE: number})
    found.likely = likely
    return found


def a_cutover(
    name: str, target: Target = HERE, *, before: int = 0, meanwhile: int = 0, likely: int = 0, source: str = QUIET,
    days: int = 14, why_not: str = "",
) -> CutoverLedger:  # fmt: skip
    begun = NOW - timedelta(minutes=5)
    outage = Outage(begun - timedelta(days=days), source) if before else None
    return CutoverLedger(
        target, name, Span(begun, NOW), counted(meanwhile, likely), outage, counted(before), not why_not, why_not, ()
    )


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(*ledgers: CutoverLedger) -> Path:
    """A run's ledger in its folder, with a row of an object as well."""
    folder = Path("forwarder-runs", RUN)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*(one.facts() for one in ledgers), {"kind": "object", "key": "a"}]
    path = folder / "ledger.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_fleet_that_was_silent_for_one_reason_is_one_line_and_what_was_likely_delivered_is_no_question() -> None:
    ledgers = [
        a_cutover("a", before=6, meanwhile=2), a_cutover("b", THERE, before=4, days=13), a_cutover("c", before=3,
        source=BY_ALICE, days=2), a_cutover("d", meanwhile=5, likely=5), a_cutover("e", meanwhile=1),
    ]  # fmt: skip
    found = open_questions(ledgers)
    assert [question.told for question in found] == [
        (
            f"10 objects of 2 forwarders since 2026-11-10 11:55 UTC or later without evidence of delivery ({QUIET}); "
            "2 that arrived while they were changed, without evidence"
        ),
        f"3 objects of 1 forwarder since 2026-11-22 11:55 UTC without evidence of delivery ({BY_ALICE})",
        "1 object of 1 forwarder that arrived while it was changed, without evidence",
    ]
    assert [question.subjects for question in found] == [
        (f"{HERE}/a", f"{THERE}/b"), (f"{HERE}/c",), (f"{HERE}/e",),
    ]  # fmt: skip


def test_one_command_sends_all_of_it_where_the_fix_worked_and_none_in_a_sandbox_that_is_gone() -> None:
    ledgers = [a_cutover("a", before=6), a_cutover("b", THERE, before=4), a_cutover("d", meanwhile=5, likely=5)]
    commands = Commands(some_options(regions=("us-east-1", "eu-west-1"), role="Audit", fix_role="Fix"))
    assert sending(ledgers, RUN, commands) == (
        "taegis-forwarders backfill --regions=eu-west-1,us-east-1 --role=Audit "
        f"--after-fix={RUN} --fix-role=Fix"
    )  # fmt: skip
    assert sending(ledgers[2:], RUN, commands) == ""
    assert sending(ledgers, RUN, Commands(some_options(regions=("us-east-1",), sandbox=True))) == ""
    page = arrivals_block(tuple(ledgers), RUN, commands)
    assert page.count("without evidence of delivery") == 1
    assert f"<span>--after-fix={RUN}</span>" in page


def test_each_forwarder_is_asked_for_its_own_span_and_no_other_one_is() -> None:
    ledgers = [
        a_cutover("a", before=6, meanwhile=2), a_cutover("b", THERE, before=4, days=2), a_cutover("c"),
        a_cutover("d", why_not="denied"),
    ]  # fmt: skip
    kept(*ledgers)
    begun = NOW - timedelta(minutes=5)
    expected = {
        (HERE, "a"): Span(begun - timedelta(days=14), NOW),
        (THERE, "b"): Span(begun - timedelta(days=2), NOW),
        (HERE, "d"): Span(begun, NOW),
    }
    assert spans_after(RUN) == spans_after(f"forwarder-runs/{RUN}") == expected
    request, rest = parse_request([f"--after-fix={RUN}", "--regions=us-east-1"], NOW)
    assert (request.span, rest) == (Span(begun - timedelta(days=14), NOW), ["--regions=us-east-1"])


def test_what_is_no_ledger_or_leaves_nothing_open_is_refused() -> None:
    with pytest.raises(InputError, match="no fix with a ledger below forwarder-runs"):
        spans_after(RUN)
    path = kept(a_cutover("a"))
    with pytest.raises(InputError, match="nothing open; there is nothing to send"):
        spans_after(RUN)
    for text in ("", "{", "[]\n", '{"kind": "forwarder"}\n', '{"kind": "forwarder", "account": 1}\n'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            spans_after(RUN)


@pytest.mark.parametrize("other", ["--since=7d", "--until=2d", "--resume=X", "--from-dead-letter"])
def test_a_fix_says_since_when_and_nothing_else_does(other: str) -> None:
    kept(a_cutover("a", before=1))
    with pytest.raises(InputError, match="--after-fix"):
        parse_request([f"--after-fix={RUN}", other], NOW)
