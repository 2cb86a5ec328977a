"""The verb `backfill`: what it refuses before it calls anything, and what it tells where there is nothing to do."""

from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.prices import prices_with
from remediation.backfill.book import Fate, Standing
from remediation.backfill.record import BackfillRecord, read_record, write_record
from remediation.backfill.request import parse_request
from remediation.backfill.story import Planned, end_lines, plan_lines
from reports.command import main
from tests.estates import NOW

REFUSED = {
    ("--since=1h",): "ERROR: backfill: nothing to look at; add --regions=us-east-1",
    ("--regions=us-east-1",): "--since: missing",
    ("--regions=us-east-1", "--since=2999-01-01"): "in the future",
    ("--regions=us-east-1", "--since=1h", "--resume=R"): "the run says what is sent",
    ("--resume=nowhere",): "no such backfill",
    ("--regions=us-east-1", "--since=1h", "--fix"): "it is for audits and fixes",
    ("--regions=nowhere-at-all", "--since=1h"): "not a region name",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_bad_input_is_one_line_and_exit_code_4(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["backfill", *words]) == 4
    said = capsys.readouterr()
    assert REFUSED[words] in said.err
    assert len([line for line in said.err.splitlines() if line]) == 1
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_a_run_is_resumed_as_it_was_asked_for(tmp_path: Path) -> None:
    request, words = parse_request(["--regions=us-east-1", "--since=7d", "--error-budget=3", "--rate=5"], NOW)
    write_record(tmp_path, BackfillRecord.of(request, words))
    record = read_record(tmp_path)
    resumed, more = parse_request(["--resume=R", "--proof-timeout=30m"], NOW)
    taken = record.applied_to(resumed)
    assert [*record.arguments, *more] == ["--regions=us-east-1", "--proof-timeout=30m"]
    assert (str(taken.budget), taken.rate, taken.dead_letters) == ("3", 5.0, False)
    assert (tmp_path / "backfill.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", '{"format": "taegis-forwarders run"}'])
def test_what_is_no_record_of_a_backfill_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "backfill.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="is no record"):
        read_record(tmp_path)


def told(*planned: Planned) -> str:
    return "\n".join(plan_lines(planned, (), prices_with({})))


def test_a_run_without_forwarders_says_so() -> None:
    assert "no forwarder was found" in told()


def test_a_listing_that_ended_early_is_told() -> None:
    assert "NOT LISTED to the end" in told(Planned("1/r/f", None, 3, 0, None, unlisted="AccessDenied"))


def test_what_became_of_each_event_is_told_with_reasons_once() -> None:
    standing = Standing("1/r/f", 6, predicted=2)
    for line, fate in enumerate((Fate.PROVED, Fate.PROVED, Fate.QUIET, Fate.UNSEEN), start=1):
        standing.set(line, fate)
    for line in (5, 6):
        standing.set(line, Fate.FAILED, "cannot forward: no")
    assert list(end_lines([standing], {"1/r/f": "Lambda throttles"})) == [
        ("1/r/f: 2 proved to be delivered, 1 ended well without an upload line (no evidence), "
         "1 taken by Lambda, and no more was seen (no evidence), 2 failed in every attempt"),
        "  up to 2 of them may have reached XDR twice: the run was killed in between",
        "  STOPPED: Lambda throttles",
        "  2 not delivered: cannot forward: no",
    ]  # fmt: skip
