"""One run per target: a lock object in the artifact bucket, with owner and expiry. For two laptops, not two threads."""

import getpass
import json
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fixtures.answers import Malformed, as_answer, moment, optional_text, text
from fixtures.aws import CallFailed
from fixtures.estate import Target
from remediation.call import Call
from remediation.step import StepBlocked
from remediation.writer import Writer

KEY: Final = "taegis-forwarders.lock"
ACTIONS: Final = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket")
LIFE: Final = timedelta(hours=2)
_TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_GONE: Final = frozenset({"NoSuchKey", "404", "NotFound"})


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, until when, and the object's ETag."""

    run: str
    owner: str
    expires: datetime
    etag: str

    def __str__(self) -> str:
        """`run X of user@host, until ...`."""
        return f"run {self.run} of {self.owner}, until {self.expires:%Y-%m-%d %H:%M} UTC"


class TargetLocks:
    """The locks of one run; safe from many threads, each of which works on a target of its own."""

    def __init__(self, run: str, also: Iterable[str] = ()) -> None:
        """Take locks in the name of `run`; those of `also`, runs that have ended, are taken over."""
        self._run = run
        self._mine = {run, *also}
        self._owner = f"{getpass.getuser()}@{socket.gethostname()}"
        self._held: dict[Target, tuple[str, Holder]] = {}
        self._left: dict[Target, str] = {}
        self._guard = threading.Lock()

    def take(self, writer: Writer, target: Target, bucket: str) -> None:
        """Take the target's lock, or renew it when half of its life is over.

        Raises:
            StepBlocked: another run holds it, or it cannot be written.
        """
        with self._guard:
            mine = self._held.get(target)
        now = datetime.now(UTC)
        if mine and mine[1].expires - now > LIFE / 2:
            return
        try:
            holder = self._written(writer, bucket, now, mine[1].etag if mine else None)
        except CallFailed as failure:
            if failure.code not in _TAKEN:
                raise StepBlocked(
                    f"the lock of {target} cannot be written: {failure}", "mend that, run again"
                ) from None
            holder = self._taken_over(writer, target, bucket, now)
        with self._guard:
            self._held[target] = (bucket, holder)

    def release(self, writers: Iterable[tuple[Target, Writer]]) -> tuple[str, ...]:
        """Give every lock back that is still ours; says which could not be."""
        problems = []
        for target, writer in writers:
            held, left = self._held.pop(target, None), self._left.pop(target, None)
            bucket = held[0] if held else left
            if bucket is None:
                continue
            try:
                found = self._read(writer, bucket)
                if found is not None and found.run in self._mine:
                    call = Call("s3", "DeleteObject", {"Bucket": bucket, "Key": KEY}, "give the lock back")
                    writer.write(f"lock {target}", call)
            except (CallFailed, Malformed) as failure:
                problems.append(f"the lock of {target} is left (it ends by itself in {LIFE}): {failure}")
        return tuple(problems)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Targets whose lock is held, or was left behind."""
        return tuple(sorted({*self._held, *self._left}))

    def remember(self, target: Target, bucket: str) -> None:
        """Give this lock back at the end too, if it is still ours: the run was stopped while it held it."""
        self._left[target] = bucket

    def _taken_over(self, writer: Writer, target: Target, bucket: str, now: datetime) -> Holder:
        """Our lock in place of one that has expired; whoever is faster gets it (conditional write)."""
        try:
            found = self._read(writer, bucket)
        except (CallFailed, Malformed) as failure:
            raise StepBlocked(
                f"the lock of {target} cannot be read: {failure}", f"look at s3://{bucket}/{KEY}"
            ) from None
        if found is not None and found.run not in self._mine and found.expires > now:
            raise StepBlocked(
                f"another run works on {target}: {found}",
                f"wait for it; if it is dead, resume it, or delete s3://{bucket}/{KEY}",
            )
        try:
            return self._written(writer, bucket, now, found.etag if found else None)
        except CallFailed as failure:
            raise StepBlocked(f"the lock of {target} could not be taken over: {failure}", "run again") from None

    def _written(self, writer: Writer, bucket: str, now: datetime, replaces: str | None) -> Holder:
        expires = now + LIFE
        content = {"run": self._run, "owner": self._owner, "expires": expires.isoformat()}
        condition = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        call = Call(
            "s3",
            "PutObject",
            {
                "Bucket": bucket,
                "Key": KEY,
                "Body": json.dumps(content),
                "ExpectedBucketOwner": writer.account,
                **condition,
            },
            "take the target's lock, so that two runs do not meet",
        )
        answer = writer.write(f"lock {writer.account}/{writer.region}", call)
        return Holder(self._run, self._owner, expires, text(answer, "ETag"))

    def _read(self, writer: Writer, bucket: str) -> Holder | None:
        try:
            answer = writer.read("s3", "GetObject", Bucket=bucket, Key=KEY, ExpectedBucketOwner=writer.account)
        except CallFailed as failure:
            if failure.code in _GONE:
                return None
            raise
        read = getattr(answer.get("Body"), "read", None)
        if not callable(read):
            raise Malformed("Body is missing")
        try:
            content = as_answer(json.loads(read()), "lock")
        except ValueError as error:
            raise Malformed(f"the lock is not JSON: {error}") from error
        expires = moment(content, "expires")
        if expires is None:
            raise Malformed("the lock does not say when it ends")
        return Holder(
            text(content, "run"), optional_text(content, "owner") or "somebody", expires, text(answer, "ETag")
        )
