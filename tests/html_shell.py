"""A whole page around our part, from pytest-html's own template, without running thousands of tests for it."""

import json
from importlib.resources import files
from pathlib import Path

import jinja2

from checks.result import Result
from fixtures.estate import Estate
from reports.commands import Commands
from reports.history.changes import History
from reports.html_page import summary_block
from reports.summary import Run, summarise
from tests.some_options import parsed

RESOURCES = Path(str(files("pytest_html") / "resources"))
OUTCOMES = ("failed", "passed", "skipped", "xfailed", "xpassed", "error", "rerun")
DATA = {"environment": {"Mode": "audit"}, "tests": {}, "initialSort": "result", "renderCollapsed": ["passed"]}


def whole_page(results: tuple[Result, ...], estate: Estate, history: History | None = None) -> str:
    """The page of an audit of these results."""
    options = parsed("--regions=all", "--accounts=fleet.toml", "--role=ForwarderAudit", "--release=downloads")
    run = Run(
        results, estate, commands=Commands(options), history=history, results_file="forwarder-runs/run-1/results.jsonl",
        releases=("1f0c2a9be4d7",), id="run-1",
    )  # fmt: skip
    return in_shell(summary_block(summarise(run), results_link=run.results_file))


def in_shell(block: str) -> str:
    """Our part in pytest-html's page."""
    loader = jinja2.FileSystemLoader(RESOURCES)
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("index.jinja2")
    return template.render(
        title="Taegis forwarders: audit",
        styles=RESOURCES.joinpath("style.css").read_text(encoding="utf-8"),
        running_state="finished",
        self_contained=True,
        outcomes={word: {"label": word, "value": 0} for word in OUTCOMES},
        test_data=json.dumps(DATA),
        table_head=["<th>Result</th>"],
        additional_summary={"prefix": [block], "summary": [], "postfix": []},
    )
