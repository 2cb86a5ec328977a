"""Sends a test event to a forwarder: on request, since XDR receives the object that it names once more."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from fixtures.answers import Answer, items, moment, number, optional_text, text, use_up
from fixtures.aws import CallFailed
from fixtures.errors import InputError
from fixtures.fact import Cause
from fixtures.ledger.logged_object import LoggedObject
from fixtures.log_lines import is_upload
from remediation.call import Call
from remediation.s3_event import Address, event_of
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer

_MARK: Final = "taegis-forwarders-test-event"


@dataclass(frozen=True)
class SendTestEvent(Step):
    """The vendor's step 9: call the function with an event that names one existing object, and read what it logs.

    `payload` is the event of the user's file; None to name an object of `bucket` that one of `filters` (prefix and
    suffix) lets through.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("lambda:InvokeFunction", "s3:ListBucket")
    FIX: ClassVar[str] = "test-event"

    function: str
    partition: str
    bucket: str
    filters: tuple[tuple[str, str], ...]
    payload: str | None

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"send a test event to {self.function}"

    def calls(self) -> tuple[Call, ...]:
        """The invocation; which object it names is known when it runs."""
        return (self._invoke(self.payload or "<an event that names one existing object>"),)

    def notes(self) -> tuple[str, ...]:
        """That XDR gets an object twice."""
        if self.payload:
            return ("the event is the content of the given file",)
        return ("XDR will receive the object that the event names a second time",)

    def run(self, writer: Writer) -> str:
        """Call and look at the answer and the log's tail."""
        payload = self.payload or self._event(writer)
        answer = self._called(writer, payload)
        use_up(answer)
        tail = _decoded(optional_text(answer, "LogResult") or "")
        error = optional_text(answer, "FunctionError")
        if error:
            raise StepFailed(f"the test event made {self.function} fail ({error}): {_last_line(tail)}")
        uploaded = any(map(is_upload, tail.splitlines()))
        writer.verified(self.name, function=self.function, uploaded=uploaded)
        if not uploaded:
            raise StepFailed(f"{self.function} took the test event and logged no upload: {_last_line(tail)}")
        return f"{self.function} uploaded what the test event named"

    def _called(self, writer: Writer, payload: str) -> Answer:
        """Call it; botocore does not repeat that call, and one that was throttled has done nothing."""
        failure: CallFailed | None = None
        for _ in writer.wait(writer.limits.permission, first=1.0, longest=5.0):
            try:
                return writer.write(self.name, self._invoke(payload))
            except CallFailed as failed:
                if failed.cause is not Cause.THROTTLED:
                    raise
                failure = failed
        if writer.stop.is_set():
            raise Interrupted(f"{self.function} was not sent a test event")
        raise StepBlocked(f"{self.function} cannot be sent a test event: {failure}", "run again")

    def _event(self, writer: Writer) -> str:
        for prefix, suffix in self.filters:
            # one page is enough to find an example, and bounds what a bucket with millions of objects costs
            page = writer.read("s3", "ListObjectsV2", Bucket=self.bucket, Prefix=prefix)
            for entry in items(page, "Contents"):
                key, size = text(entry, "Key"), number(entry, "Size")
                if key.endswith(suffix) and size > 0:
                    arrived = moment(entry, "LastModified") or datetime.now(UTC)
                    etag = (optional_text(entry, "ETag") or "").strip('"')
                    found = LoggedObject(self.bucket, key, size, arrived, etag)
                    address = Address(self.bucket, self.target.account, self.target.region, self.partition)
                    return event_of(found, address, _MARK)
        raise StepBlocked(f"bucket {self.bucket} has no object that a test event could name", "give an event as a file")

    def _invoke(self, payload: str) -> Call:
        return Call(
            "lambda",
            "Invoke",
            {"FunctionName": self.function, "InvocationType": "RequestResponse", "LogType": "Tail", "Payload": payload},
            "call the function once",
        )


def _decoded(tail: str) -> str:
    try:
        return base64.b64decode(tail).decode("utf-8", "replace")
    except ValueError:
        return ""


def read_payload(path: Path | None) -> str | None:
    """The user's own event; None where there is none.

    Raises:
        InputError: the file cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--send-test-event={path}", str(error), "name a readable file") from None


def _last_line(tail: str) -> str:
    lines = [line for line in tail.splitlines() if line and not line.startswith(("START", "END", "REPORT"))]
    return lines[-1][:200] if lines else "it logged nothing"
