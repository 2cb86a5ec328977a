"""Results for spreadsheets: every column, and no cell that is run."""

import csv
import io

import pytest

from checks.outcome import Status
from checks.result import Result
from reports.exports.csv_text import csv_parts
from reports.origin import Origin
from reports.results_file import result_fields
from tests.fake_run import TAKEN, case

ORIGIN = Origin("run-1", TAKEN, "0.1.0")
WHERE = "111122223333/us-east-1/trail"


def read(*results: Result) -> list[dict[str, str]]:
    text = "".join(csv_parts(results, ORIGIN))
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("status", Status)
def test_a_row_holds_every_column_of_a_result(status: Status) -> None:
    result = case("runtime-custom", status, WHERE, expected="provided.al2", found="go1.x", owner="jane@example.com")
    assert read(result) == [{name: str(value) for name, value in result_fields(result, ORIGIN).items()}]


@pytest.mark.parametrize(
    "text", ['a "quoted" one', "a, b; c", "two\nlines", "two\r\nlines", "ä 🗿", "", "'quoted'", "a=b"]
)
def test_a_cell_comes_back_as_it_was(text: str) -> None:
    (row,) = read(case("runtime-custom", Status.FAILED, WHERE, found=text))
    assert row["found"] == text


@pytest.mark.parametrize("first", list("=+-@\t\r\n＝＋－＠"))  # noqa: RUF001 - the wide ones are meant
def test_no_cell_is_a_formula(first: str) -> None:
    (row,) = read(case("runtime-custom", Status.FAILED, WHERE, found=f"{first}HYPERLINK(A1)"))
    assert row["found"] == f"'{first}HYPERLINK(A1)"


def test_without_results_there_is_a_header() -> None:
    text = "".join(csv_parts([], ORIGIN))
    assert text.startswith("schema,run,check,title,")
    assert text.count("\r\n") == 1
