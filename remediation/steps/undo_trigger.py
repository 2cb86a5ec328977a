"""Puts a bucket's former notification document back, then takes permissions back that nobody needs any more."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from checks.wiring import describe
from fixtures.aws import CallFailed
from fixtures.estate import Notification, Statement
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_notification
from fixtures.readers.functions import read_policy
from remediation.call import Call
from remediation.notification_merge import Merge, foreign_differences
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer

_GONE = "ResourceNotFoundException"
_NOTHING_OURS = Merge((), ())


@dataclass(frozen=True, slots=True)
class GivenPermission:
    """A statement that the run added to a function's resource policy."""

    function: str
    sid: str
    action: str
    principal: str
    source_arn: str
    source_account: str

    def is_it(self, statement: Statement) -> bool:
        """Whether a statement is still the one that was added."""
        return (
            statement.allow
            and not statement.conditions
            and statement.principals == (self.principal,)
            and statement.actions == (self.action,)
            and statement.source_arns == (self.source_arn,)
            and statement.source_accounts == ((self.source_account,) if self.source_account else ())
        )

    def call(self) -> Call:
        """The call that takes it back."""
        return Call(
            "lambda",
            "RemovePermission",
            {"FunctionName": self.function, "StatementId": self.sid},
            f"take back that S3 may call {self.function} for {self.source_arn}",
        )


@dataclass(frozen=True)
class UndoTrigger(Step):
    """Put the document back that was there before the run, if it is still the one that the run wrote.

    Attributes:
        former: the document to put back; None where it is right already, or the run wrote none.
        written: the documents that the run may have left, the last one last.
        grants: permissions to take back, once the document is as it was.
        owner: account that owns the bucket.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "s3:GetBucketNotification",
        "s3:PutBucketNotification",
        "lambda:GetPolicy",
        "lambda:RemovePermission",
    )
    FIX: ClassVar[str] = "undo-trigger"

    former: Notification | None
    written: tuple[Notification, ...]
    grants: tuple[GivenPermission, ...]
    owner: str

    @property
    def title(self) -> str:
        """What it does, in one line."""
        parts = ["put its former document back"] if self.former else []
        parts += [f"let S3 not call {grant.function} any more" for grant in self.grants]
        return f"bucket {self.subject}: {', '.join(parts)}"

    def calls(self) -> tuple[Call, ...]:
        """The document as it was, then the permissions."""
        put = (self._put(self.former),) if self.former else ()
        return (*put, *(grant.call() for grant in self.grants))

    def notes(self) -> tuple[str, ...]:
        """What changes in the document."""
        if self.former is None:
            return ()
        return tuple(differences(self.written[-1], self.former))

    def without(self, names: Collection[str]) -> "Step | None":
        """A document is put back as a whole or not at all."""
        return None if set(names) & set(self.forwarders) else self

    def run(self, writer: Writer) -> str:
        """Look again, write the document once, read it back; then the permissions."""
        if self.former:
            with writer.locks.of(self.subject):
                self._put_back(writer, self.former)
        for grant in self.grants:
            _take_back(writer, self.name, grant)
        writer.verified(
            self.name,
            bucket=self.subject,
            rules=[describe(rule) for rule in self.former.rules] if self.former else None,
            taken_back=[grant.function for grant in self.grants],
        )
        parts = ["has its former document"] if self.former else []
        parts += [f"may not call {grant.function} any more" for grant in self.grants]
        return f"bucket {self.subject} {', '.join(parts)}"

    def _put_back(self, writer: Writer, former: Notification) -> None:
        found = self._read(writer)
        if same(found, former):
            return
        if not any(same(found, written) for written in self.written):
            changes = "; ".join(differences(self.written[-1], found))
            raise StepBlocked(f"the document was changed since the run: {changes}", "put it right by hand")
        writer.write(self.name, self._put(former), before=found.document)
        for _ in writer.wait(writer.limits.notification, first=0.2):
            # reads may be stale for minutes: what was there before the write may be an old document
            after = read_notification(writer.aws, writer.region, self.subject, self.owner)
            if isinstance(after, Absent | Unreadable) or same(after, found):
                continue
            if same(after, former):
                return
            changes = "; ".join(differences(former, after))
            raise StepFailed(f"the document of {self.subject} was put back, and others changed it: {changes}")
        if writer.stop.is_set():
            raise Interrupted(f"bucket {self.subject} was written, and not yet seen to be as it was")
        raise StepFailed(f"the former document of {self.subject} was written, and is not seen")

    def _read(self, writer: Writer) -> Notification:
        found = read_notification(writer.aws, writer.region, self.subject, self.owner)
        if isinstance(found, Absent | Unreadable):
            raise StepBlocked(f"the notification document cannot be read: {found}", "mend that, then run again")
        return found

    def _put(self, former: Notification) -> Call:
        return Call(
            "s3",
            "PutBucketNotificationConfiguration",
            {
                "Bucket": self.subject,
                "ExpectedBucketOwner": self.owner,
                "NotificationConfiguration": json.loads(former.document),
            },
            "put the document back that was there before the run, once",
        )


def same(one: Notification, other: Notification) -> bool:
    """Whether two documents have the same rules, whatever their ids and order."""
    return set(one.rules) == set(other.rules) and one.eventbridge == other.eventbridge


def differences(before: Notification, after: Notification) -> tuple[str, ...]:
    """What is gone and what is new in `after`, for people."""
    return foreign_differences(before, after, _NOTHING_OURS)


def _take_back(writer: Writer, step: str, grant: GivenPermission) -> None:
    for _ in writer.wait(writer.limits.permission, first=0.2, longest=5.0):
        policy = read_policy(writer.aws, writer.region, grant.function)
        if isinstance(policy, Unreadable):
            raise StepBlocked(f"the policy of {grant.function} cannot be read: {policy}", "grant it, then run again")
        found = [] if isinstance(policy, Absent) else [one for one in policy if one.sid == grant.sid]
        if not found:
            return
        if not grant.is_it(found[0]):
            raise StepBlocked(f"statement {grant.sid} of {grant.function} was changed since the run", "look at it")
        try:
            writer.write(step, grant.call())
        except CallFailed as failure:
            if failure.refused and failure.code != _GONE:
                raise
    raise StepFailed(f"statement {grant.sid} of {grant.function} was removed, and is still seen")
