"""The judge of `make demo` accepts the expected outcome and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.registry import load_catalogue
from fixtures.sandbox import DEFAULT_ACCOUNTS, DEFAULT_REGIONS, Outcome, Wrong, expected_defects
from fixtures.sandbox.demo import CHECK_OF, main, subject_of

Lines = list[dict[str, str]]
ENDS = {Outcome.FIXED: "FIXED", Outcome.BLOCKED: "BLOCKED", Outcome.UNTOUCHED: "FAILED"}
WITHOUT_FIX = {Wrong.NO_STACK, Wrong.STACK_STATE, Wrong.SOURCE_ACCOUNT}


def line(check: str, subject: str, status: str, **others: str) -> dict[str, str]:
    texts = dict.fromkeys(("found", "reason", "remedy", "fix"), "")
    return {
        "check": check,
        "subject": subject,
        "status": status,
        **texts,
        **others,
    }


def as_seeded() -> Lines:
    """What a run reports when everything ends as the table says."""
    lines = [line("runtime-supported", f"{DEFAULT_ACCOUNTS[0]}/{DEFAULT_REGIONS[0]}/cloudtrail-prod", "PASSED")]
    for defect in expected_defects(DEFAULT_ACCOUNTS, DEFAULT_REGIONS):
        status, fix = ENDS[defect.outcome], "" if defect.wrong in WITHOUT_FIX else "forwarder-stack"
        if defect.outcome is not Outcome.FIXED and not fix:
            status = "FAILED"
        told = {"reason": "because"} if status == "BLOCKED" else {"remedy": "do this"}
        lines.append(line(CHECK_OF[defect.wrong], subject_of(defect), status, fix=fix, **told))
    return lines


def judged(lines: Lines, folder: Path, *options: str) -> int:
    results = folder / "results.jsonl"
    results.write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    return main([str(results), *options])


def first(lines: Lines, **wanted: str) -> dict[str, str]:
    return next(one for one in lines if wanted.items() <= one.items())


def test_the_expected_outcome_is_accepted_and_the_report_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(as_seeded(), tmp_path, "--report=page.html") == 0
    told = capsys.readouterr().out
    assert "As expected." in told
    assert str(Path("page.html").resolve()) in told


def _left(lines: Lines) -> None:
    first(lines, status="FIXED")["status"] = "FAILED"


def _missing(lines: Lines) -> None:
    lines.remove(first(lines, status="FIXED"))


def _unexplained(lines: Lines) -> None:
    first(lines, status="BLOCKED")["reason"] = ""


def _written(lines: Lines) -> None:
    first(lines, status="BLOCKED")["status"] = "FIXED"


def _refused_silently(lines: Lines) -> None:
    first(lines, status="BLOCKED")["status"] = "FAILED"


def _unseen(lines: Lines) -> None:
    first(lines, status="PASSED")["status"] = "UNKNOWN"


def _newly_wrong(lines: Lines) -> None:
    first(lines, status="PASSED")["status"] = "FAILED"


def _one_account(lines: Lines) -> None:
    lines[:] = [one for one in lines if one["subject"].startswith(DEFAULT_ACCOUNTS[0])]


def _nothing(lines: Lines) -> None:
    lines.clear()


@pytest.mark.parametrize(
    "spoil",
    [_left, _missing, _unexplained, _written, _refused_silently, _unseen, _newly_wrong, _one_account, _nothing],
    ids=lambda spoil: spoil.__name__.strip("_"),
)
def test_any_other_outcome_is_refused(spoil: Callable[[Lines], None], tmp_path: Path) -> None:
    lines = as_seeded()
    spoil(lines)

    assert judged(lines, tmp_path) == 1


def test_what_a_region_order_spreads_otherwise_is_judged_in_that_order(tmp_path: Path) -> None:
    assert judged(as_seeded(), tmp_path, f"--regions={','.join(reversed(DEFAULT_REGIONS))}") == 1


@pytest.mark.parametrize("content", ["not json", '{"check": "x"}', "[1]"])
def test_a_file_that_holds_no_results_is_told_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.txt").write_text(content, encoding="utf-8")

    assert main([str(tmp_path / "other.txt")]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_every_kind_of_defect_is_judged_by_a_check_that_exists() -> None:
    assert set(CHECK_OF) == set(Wrong)
    assert set(CHECK_OF.values()) <= set(load_catalogue())
