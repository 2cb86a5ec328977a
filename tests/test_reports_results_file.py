import json
from pathlib import Path

from checks.outcome import Status
from reports.results_file import SCHEMA, result_line, result_lines
from tests.fake_run import case

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
RESULT = case("stack", Status.NO_EVIDENCE, "111122223333/us-east-1/trail", reason="zwei\nZeilen, ä")


def test_every_key_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [key for key in json.loads(result_line(RESULT, "run")) if f"`{key}`" not in page] == []
    assert f"Schema {SCHEMA}." in page
    assert [status for status in Status if f"`{status}`" not in page] == []


def test_a_result_is_one_line_whatever_it_says() -> None:
    (line,) = result_lines([RESULT], "run")
    assert line.count("\n") == 1

    assert json.loads(line)["reason"] == "zwei\nZeilen, ä"
