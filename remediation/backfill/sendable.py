"""Which open objects can be delivered: a forwarder reads by key, at once, with its own rights.

What it cannot read is said and not tried: archived objects, and versions that were overwritten or deleted since.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from fixtures.answers import Answer, optional_text
from fixtures.aws import CallFailed
from fixtures.ledger.entry import Delivery, Entry
from fixtures.ledger.logged_object import ARCHIVED, LoggedObject
from remediation.writer import Writer

# S3 tells that an object is gone to those alone who may list the bucket (S3 API reference, HeadObject).
ACTIONS: Final = ("s3:GetObject", "s3:ListBucket")
ASKED_FOR: Final = ARCHIVED | {"INTELLIGENT_TIERING"}  # of which only S3 knows whether they can be read now
_WINDOW: Final = 256  # objects that are asked for together
_THREADS: Final = 8
_GONE: Final = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass
class Sendable:
    """Sorts a stream of open objects into those that are sent, and those that are not, counted by reason.

    Attributes:
        left: how many are not sent, by reason.
        size: their bytes, together.
        asked: how many S3 was asked about one by one.
    """

    writer: Writer
    owner: str
    left: Counter[str] = field(default_factory=Counter)
    size: int = 0
    asked: int = 0

    def sorted(self, entries: Iterable[Entry]) -> Iterator[tuple[LoggedObject, Delivery]]:
        """The objects to send with their verdicts, in the order in which they come."""
        left = iter(entries)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="ask") as pool:
            while window := list(itertools.islice(left, _WINDOW)):
                for entry, reason in zip(window, self._reasons(window, pool.map), strict=True):
                    if reason:
                        self.left[reason] += 1
                        self.size += entry.object.size
                    else:
                        yield entry.object, entry.delivery

    def _reasons(self, window: list[Entry], each: Callable[..., Iterator[str]]) -> list[str]:
        reasons = [_stale(entry.object) for entry in window]
        unknown = [
            position
            for position, entry in enumerate(window)
            if not reasons[position] and entry.object.storage_class in ASKED_FOR
        ]
        self.asked += len(unknown)
        answers = each(self._not_readable, [window[position].object for position in unknown])
        for position, reason in zip(unknown, answers, strict=True):
            reasons[position] = reason
        return reasons

    def _not_readable(self, found: LoggedObject) -> str:
        try:
            answer = self.writer.read(
                "s3", "HeadObject", Bucket=found.bucket, Key=found.key, ExpectedBucketOwner=self.owner
            )
        except CallFailed as failure:
            if failure.code in _GONE:
                return "deleted since"
            return f"in class {found.storage_class}, and whether it can be read now cannot be told: {failure}"
        return why_archived(answer, found.storage_class)


def why_archived(answer: Answer, storage_class: str) -> str:
    """Why an object cannot be read now by what HeadObject says of it; empty where it can.

    S3 API reference, HeadObject: `ArchiveStatus` for Intelligent-Tiering, `Restore` for a copy that was restored.
    """
    tier = optional_text(answer, "ArchiveStatus")
    restored = optional_text(answer, "Restore") or ""
    if 'ongoing-request="true"' in restored:
        return "archived, and being restored: run again when that is done"
    if 'ongoing-request="false"' in restored:
        return ""
    if tier:
        return f"archived by Intelligent-Tiering ({tier}): restore it (RestoreObject), then run again"
    if storage_class in ARCHIVED:
        return f"archived ({storage_class}): restore it (RestoreObject), then run again"
    return ""


def explained(writer: Writer, found: LoggedObject, owner: str, error: str) -> str:
    """Why the function failed on this one object, as far as S3 shows it; else the function's own words."""
    try:
        answer: Mapping[str, object] = writer.read(
            "s3", "HeadObject", Bucket=found.bucket, Key=found.key, ExpectedBucketOwner=owner
        )
    except CallFailed as failure:
        return f"it was deleted since ({error})" if failure.code in _GONE else error
    key = optional_text(answer, "SSEKMSKeyId")
    tag = (optional_text(answer, "ETag") or "").strip('"')
    if tag and found.etag and tag != found.etag:
        return f"it was overwritten since ({error})"
    archived = why_archived(answer, optional_text(answer, "StorageClass") or "")
    if archived:
        return f"{archived} ({error})"
    return f"{error}; it is encrypted with {key}" if key else error


def _stale(found: LoggedObject) -> str:
    if found.latest:
        return ""
    return "overwritten or deleted since: a forwarder reads by key, which gives another version or none"
