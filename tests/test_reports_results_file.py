"""results.jsonl: one line for each result, as the page and the published schema say."""

import json
from pathlib import Path

import jsonschema
import pytest

from checks.outcome import Severity, Status
from reports.history.changes import Change
from reports.origin import Origin, origin_of
from reports.results_file import SCHEMA, result_fields, result_lines
from reports.summary import Run
from tests.fake_run import TAKEN, case
from tests.many_results import history_of, many

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
PUBLISHED = json.loads((ROOT / "reports" / "results.schema.json").read_text(encoding="utf-8"))
RESULT = case("stack", Status.NO_EVIDENCE, "111122223333/us-east-1/trail", reason="zwei\nZeilen, ä")
ORIGIN = Origin("20261124T041530Z-9f3c", TAKEN, "0.1.0")


def test_every_key_is_documented() -> None:
    assert [key for key in result_fields(RESULT, ORIGIN) if f"`{key}`" not in PAGE] == []
    assert f"Schema {SCHEMA}, " in PAGE
    assert [status for status in Status if f"`{status}`" not in PAGE] == []


def test_the_published_schema_knows_every_key_and_word() -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    keys = list(result_fields(RESULT, ORIGIN))
    assert PUBLISHED["required"] == keys == list(PUBLISHED["properties"])
    assert PUBLISHED["properties"]["status"]["enum"] == [str(status) for status in Status]
    assert PUBLISHED["properties"]["severity"]["enum"] == [str(severity) for severity in Severity]
    assert PUBLISHED["properties"]["change"]["enum"] == ["", *map(str, Change)]
    assert PUBLISHED["properties"]["schema"] == {"const": SCHEMA}


@pytest.mark.parametrize("with_history", [True, False], ids=["with history", "without"])
def test_every_line_is_one_by_the_published_schema(with_history: bool) -> None:
    results, estate = many(300, 0.5)
    waiver = {"owner": "jane@example.com", "ticket": "SEC-1", "expires": "2027-04-01T00:00:00Z", "reason": "goes"}
    results = (*results, RESULT, case("runtime-custom", Status.WAIVED, "111122223333/us-east-1/trail", **waiver))
    origin = origin_of(Run(results, estate, history=history_of(results) if with_history else None, id="r"), "0.1.0")
    judge = jsonschema.Draft202012Validator(PUBLISHED)
    lines = [json.loads(line) for line in result_lines(results, origin)]
    assert [
        error.message for line in lines for error in judge.iter_errors(line) if "fingerprint" not in error.path
    ] == []
    assert any(line["change"] for line in lines) is with_history


def test_the_schema_refuses_what_is_none_of_ours() -> None:
    judge = jsonschema.Draft202012Validator(PUBLISHED)
    line = dict(result_fields(RESULT, ORIGIN))
    assert list(judge.iter_errors(line)) == []
    for wrong in ({"status": "OK"}, {"schema": 2}, {"status": "WAIVED"}, {"owner": "jane"}, {"fingerprint": "xyz"}):
        assert list(judge.iter_errors(line | wrong)) != []
    del line["change"]
    assert list(judge.iter_errors(line)) != []


def test_a_result_is_one_line_whatever_it_says() -> None:
    (line,) = result_lines([RESULT], ORIGIN)
    assert line.count("\n") == 1
    assert json.loads(line)["reason"] == "zwei\nZeilen, ä"


def test_a_history_says_what_became_of_a_result() -> None:
    results, estate = many(300, 0.5)
    origin = origin_of(Run(results, estate, history=history_of(results), id="r"), "0.1.0")
    lines = [json.loads(line) for line in result_lines(results, origin)]
    changes = {(one.check, one.subject): one for one in history_of(results).changes.findings}
    told = {(line["check"], line["subject"]): line["change"] for line in lines if line["change"]}
    assert told == {key: str(one.change) for key, one in changes.items() if key in told}
    assert len(told) > 10
