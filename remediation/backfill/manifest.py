"""The objects of one forwarder that a run sends, fixed before the first call: one JSON line each, in a file.

What arrives later is S3's own to announce. Lines are numbered from 1: the journal speaks of lines, so that it stays
short, and a run that is resumed reads on from its line without asking S3 again. The journal holds the file's digest.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fixtures.answers import Malformed, as_answer, moment, number, optional_text, text
from fixtures.errors import InputError
from fixtures.ledger.entry import Delivery
from fixtures.ledger.logged_object import LoggedObject

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Line:
    """One object to send.

    Attributes:
        number: from 1.
        object: what arrived.
        certain: whether it is known not to have been delivered; else it may reach XDR twice.
    """

    number: int
    object: LoggedObject
    certain: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole file of objects.

    Attributes:
        path: where it is.
        bucket: whose objects they are.
        sha256: its digest, hex.
        lines: how many objects.
        uncertain: how many of them may have been delivered already.
        size: their bytes, together.
        first: when the earliest of them arrived, in UTC; None where there are none.
        last: when the latest did.
    """

    path: Path
    bucket: str
    sha256: str
    lines: int
    uncertain: int
    size: int
    first: datetime | None = None
    last: datetime | None = None

    def read(self, after: int = 0) -> Iterator[Line]:
        """The objects behind line `after`, in order.

        Raises:
            InputError: the file is gone, or holds what is not a line of ours.
        """
        try:
            with self.path.open(encoding="utf-8") as stream:
                for position, line in enumerate(stream, start=1):
                    if position > after:
                        yield _parsed(position, line, self.bucket)
        except (OSError, ValueError, Malformed) as error:
            raise InputError(f"{self.path}", str(error), "put it back, or begin anew") from None

    def refuse_another(self) -> None:
        """Refuse a file that is not the one that the journal speaks of: its lines would be other objects.

        Raises:
            InputError: it cannot be read, or has changed.
        """
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(
                f"{self.path}", error.strerror or str(error), "it is part of the run: put it back"
            ) from None
        if digest.hexdigest() != self.sha256:
            raise InputError(f"{self.path}", "it has changed since the run began", "put it back, or begin anew")


def write_manifest(path: Path, bucket: str, entries: Iterable[tuple[LoggedObject, Delivery]]) -> Manifest:
    """Write the objects as they come, aside and renamed at the end; memory does not grow with them.

    Raises:
        InputError: it cannot be written.
    """
    digest = hashlib.sha256()
    lines = uncertain = size = 0
    first: datetime | None = None
    last: datetime | None = None
    aside = path.with_name(f".{path.name}{_PART}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            for found, delivery in entries:
                line = _written(found, delivery)
                digest.update(line)
                stream.write(line)
                lines += 1
                uncertain += delivery is not Delivery.NOT_DELIVERED
                size += found.size
                first = min(first or found.modified, found.modified)
                last = max(last or found.modified, found.modified)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except OSError as error:
        raise InputError(f"{path}", error.strerror or str(error), "make room, or start where you may write") from error
    return Manifest(path, bucket, digest.hexdigest(), lines, uncertain, size, first, last)


def _written(found: LoggedObject, delivery: Delivery) -> bytes:
    content: dict[str, object] = {
        "key": found.key,
        "size": found.size,
        "modified": found.modified.astimezone(UTC).isoformat(),
        "etag": found.etag,
    }
    if found.version_id is not None:
        content["version"] = found.version_id
    if found.storage_class:
        content["class"] = found.storage_class
    if delivery is not Delivery.NOT_DELIVERED:
        content["maybe"] = True
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _parsed(position: int, line: str, bucket: str) -> Line:
    content = as_answer(json.loads(line), f"line {position}")
    modified = moment(content, "modified")
    if modified is None:
        raise Malformed(f"line {position} does not say when the object arrived")
    found = LoggedObject(
        bucket=bucket,
        key=text(content, "key"),
        size=number(content, "size"),
        modified=modified,
        etag=optional_text(content, "etag") or "",
        version_id=optional_text(content, "version"),
        storage_class=optional_text(content, "class") or "",
    )
    return Line(position, found, content.get("maybe") is not True)
