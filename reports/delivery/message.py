"""What a run has to say to people, once: as a text, and as numbers for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from checks.outcome import Status
from reports.delivery.news import moved, open_findings
from reports.exports.markdown import markdown
from reports.history.changes import Change, ChangedFinding
from reports.html_markup import anchor
from reports.summary import Summary

Json: TypeAlias = "str | int | Sequence[Json] | Mapping[str, Json] | None"

SCHEMA: Final = 1
MOST_CHANGES: Final = 50  # in the document for machines; all of them are in the exports
_SUBJECT = 100  # characters (SNS API reference, Publish)
_LISTED = (Change.NEW, Change.FIXED, Change.GONE, Change.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Message:
    """A message, not yet addressed.

    Attributes:
        run: the run's id.
        subject: one line of ASCII, at most 100 characters.
        text: the Markdown summary, as a job or a pull request has it.
        document: the same for machines (docs/notification.md).
        attributes: a few numbers, for filters.
    """

    run: str
    subject: str
    text: str
    document: Mapping[str, Json]
    attributes: Mapping[str, str | int]


def message_of(summary: Summary, report_url: str) -> Message:
    """The message of a run; `report_url` is where its HTML report will be, empty for nowhere."""
    run = summary.run
    counts = run.history.changes.counts if run.history else {}
    text = markdown(summary, report_url=report_url)
    return Message(
        run=run.id,
        subject=_subject(summary),
        text=text,
        document=_document(summary, report_url, text),
        attributes={
            "code": summary.verdict.code,
            "open": summary.counts.get(Status.FAILED, 0) + summary.counts.get(Status.BLOCKED, 0),
            "new": counts.get(Change.NEW, 0),
            "mode": run.mode,
        },
    )


def _subject(summary: Summary) -> str:
    what = moved(summary.run.history) or open_findings(summary)
    told = f"Taegis forwarders: {what} (exit {summary.verdict.code}). {summary.verdict.sentence}"
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in told)
    return plain if len(plain) <= _SUBJECT else f"{plain[: _SUBJECT - 3]}..."


def _document(summary: Summary, report_url: str, text: str) -> Mapping[str, Json]:
    run, seen = summary.run, summary.coverage
    changes = run.history.changes if run.history else None
    listed = [found for change in _LISTED for found in changes.of(change)] if changes else []
    return {
        "schema": SCHEMA,
        "run": run.id,
        "mode": run.mode,
        "code": summary.verdict.code,
        "verdict": summary.verdict.sentence,
        "text": text,
        "report": report_url,
        "targets": {"asked": seen.asked, "reached": seen.reached, "partly": seen.partly} if seen else None,
        "forwarders": seen.forwarders if seen else None,
        "results": {str(status): number for status, number in summary.counts.items()},
        "changes": {str(change): number for change, number in changes.counts.items()} if changes else None,
        "changed": [_finding(found, report_url) for found in listed[:MOST_CHANGES]],
        "not_listed": max(0, len(listed) - MOST_CHANGES),
    }


def _finding(found: ChangedFinding, report_url: str) -> Mapping[str, Json]:
    return {
        "change": str(found.change),
        "check": found.check,
        "subject": found.subject,
        "severity": str(found.severity),
        "status": str(found.status) if found.status else "",
        "told": found.told,
        "fingerprint": found.fingerprint,
        "link": f"{report_url}#{anchor(found.check, found.subject)}" if report_url else "",
    }
