"""What became of each bucket's notification document that was written: before and after, as a diff."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.verdict import count
from fixtures.estate import Estate
from fixtures.fact import value
from remediation.journal import Entry
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, text_file

FOLDER = "notifications"
_PUT = "PutBucketNotificationConfiguration"


@dataclass(frozen=True, slots=True)
class _Write:
    """One write of a document: the line of the journal, what it replaced, and what was sent."""

    line: int
    bucket: str
    before: object
    sent: object


def notifications(material: Material) -> Iterator[Piece]:
    """One diff for each bucket, with both documents whole in it."""
    writes: dict[str, list[_Write]] = {}
    for entry in material.entries("intent"):
        if write := _write_of(entry):
            writes.setdefault(write.bucket, []).append(write)
    if not writes:
        yield Lacking("notification documents", "none was written")
    for bucket, ones in sorted(writes.items()):
        lines = _diff(bucket, ones, _seen(material.after, bucket))
        yield text_file(f"{FOLDER}/{bucket}.diff", lines, f"the notification document of {bucket}, before and after")


def _write_of(entry: Entry) -> _Write | None:
    call = entry.content.get("call")
    if not isinstance(call, Mapping) or call.get("operation") != _PUT:
        return None
    parameters = call.get("parameters")
    sent = parameters if isinstance(parameters, Mapping) else {}
    before = entry.content.get("before")
    return _Write(entry.number, str(sent.get("Bucket")), before, sent.get("NotificationConfiguration"))


def _seen(after: Estate | None, bucket: str) -> object:
    facts = after.buckets.get(bucket) if after else None
    notification = value(facts.notification) if facts else None
    return notification.document if notification else None


def _diff(bucket: str, writes: Sequence[_Write], seen: object) -> Iterator[str]:
    first, last = writes[0], writes[-1]
    before, now = _document(first.before), _document(last.sent if seen is None else seen)
    then = f"as sent last (journal, line {last.line}), and not seen again" if seen is None else "as seen after the run"
    yield f"# {bucket}: written {count(len(writes), 'time')}; an empty document calls nobody"
    yield f"--- before: as read before the first write (journal, line {first.line})"
    yield f"+++ after: {then}"
    if before == now:
        yield "# it is the same again"
        yield from (f" {line}" for line in now)
        return
    # with all lines, so that both documents stand here whole
    yield from list(difflib.unified_diff(before, now, lineterm="", n=len(before) + len(now)))[2:]


def _document(found: object) -> list[str]:
    try:
        known = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return [str(found)]
    return json.dumps(known or {}, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
