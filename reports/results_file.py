"""The results of a run as JSON lines, for machines: `forwarder-runs/<run id>/results.jsonl` (docs/results.md)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

from checks.result import Result
from reports.origin import Origin

SCHEMA = 1
FILE = "results.jsonl"


def result_fields(result: Result, origin: Origin) -> Mapping[str, str | int | float]:
    """One result by the keys of docs/results.md, in their order, every key always there."""
    known = origin.change(result)
    return {
        "schema": SCHEMA,
        "run": origin.run,
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
        "change": str(known.change) if known else "",
        "since": f"{known.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if known else "",
        "fingerprint": known.fingerprint if known else "",
        "nodeid": result.nodeid,
        "seconds": round(result.seconds, 6),
    }


def result_lines(results: Iterable[Result], origin: Origin) -> Iterator[str]:
    """All results, one line of JSON each."""
    return (f"{json.dumps(result_fields(result, origin), ensure_ascii=False)}\n" for result in results)
