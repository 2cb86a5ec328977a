"""The results of a run as JSON lines, for machines: `forwarder-runs/<run id>/results.jsonl` (docs/results.md)."""

import json
from collections.abc import Iterable

from checks.result import Result

SCHEMA = 1
FILE = "results.jsonl"


def result_line(result: Result, run: str) -> str:
    """One result as one line of JSON, keys in the order of docs/results.md, every key always there."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "run": run,
            "check": result.check,
            "title": result.title,
            "severity": str(result.severity),
            "step": result.step,
            "status": str(result.status),
            "subject": result.subject,
            "account": result.account,
            "region": result.region,
            "forwarder": result.forwarder,
            "expected": result.expected,
            "found": result.found,
            "reason": result.reason,
            "remedy": result.remedy,
            "advice": result.advice,
            "fix": result.fix,
            "nodeid": result.nodeid,
            "seconds": round(result.seconds, 6),
        },
        ensure_ascii=False,
    )


def results_text(results: Iterable[Result], run: str) -> str:
    """All results, one line each."""
    return "".join(f"{result_line(result, run)}\n" for result in results)
