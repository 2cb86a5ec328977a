"""The results of a run as JSON lines, for machines: `forwarder-runs/<run id>/results.jsonl` (docs/results.md)."""

import json
from collections.abc import Iterable, Iterator, Mapping

from checks.result import Result

SCHEMA = 1
FILE = "results.jsonl"


def result_fields(result: Result, run: str) -> Mapping[str, str | int | float]:
    """One result by the keys of docs/results.md, in their order, every key always there."""
    return {
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
        "owner": result.owner,
        "ticket": result.ticket,
        "expires": result.expires,
        "nodeid": result.nodeid,
        "seconds": round(result.seconds, 6),
    }


def result_line(result: Result, run: str) -> str:
    """One result as one line of JSON."""
    return json.dumps(result_fields(result, run), ensure_ascii=False)


def result_lines(results: Iterable[Result], run: str) -> Iterator[str]:
    """All results, one line each."""
    return (f"{result_line(result, run)}\n" for result in results)
