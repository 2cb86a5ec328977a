"""Merges forwarders' rules into a bucket's notification document: permission first, then one write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from checks.wiring import S3, bucket_arn, describe, lets_in, partition_of
from fixtures.aws import CallFailed
from fixtures.estate import Notification, Statement
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_notification
from fixtures.readers.functions import read_policy
from remediation.call import Call
from remediation.notification_merge import Merge, foreign_differences
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer

# S3's text while a permission is not known to it yet, and while a foreign rule names a function that is gone.
_NOT_VALIDATED = "Unable to validate the following destination configurations"
_CONFLICT = "OperationAborted"
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """A statement that lets S3 call a function in a bucket's name."""

    function: str
    sid: str
    source_arn: str
    source_account: str

    def call(self) -> Call:
        """The call that adds it."""
        return Call(
            "lambda",
            "AddPermission",
            {
                "FunctionName": self.function,
                "StatementId": self.sid,
                "Action": "lambda:InvokeFunction",
                "Principal": S3,
                "SourceArn": self.source_arn,
                "SourceAccount": self.source_account,
            },
            f"let S3 call {self.function} for {self.source_arn}",
        )

    def given_by(self, policy: tuple[Statement, ...]) -> bool:
        """Whether the policy lets S3 in already."""
        return any(lets_in(statement, S3, self.source_arn, self.source_account) for statement in policy)


@dataclass(frozen=True)
class MergeNotification(Step):
    """The vendor's steps 6 and 7 without their gap: the rules change in one write, nobody else's is touched.

    Attributes:
        grants: permissions that are missing.
        merge: rules to add and to take out.
        seen: the document as it was looked at, for the plan.
        owner: account that owns the bucket.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "lambda:AddPermission",
        "lambda:GetPolicy",
        "s3:GetBucketNotification",
        "s3:PutBucketNotification",
    )
    FIX: ClassVar[str] = "trigger"

    grants: tuple[Grant, ...]
    merge: Merge
    seen: Notification
    owner: str

    @property
    def title(self) -> str:
        """What it does, in one line."""
        parts = [
            f"let S3 call {', '.join(grant.function for grant in self.grants)}" if self.grants else "",
            f"add {len(self.merge.add)} rules" if self.merge.add else "",
            f"take out {len(self.merge.remove)} rules" if self.merge.remove else "",
        ]
        return f"bucket {self.subject}: " + ", ".join(filter(None, parts))

    def calls(self) -> tuple[Call, ...]:
        """The permissions, then the document as it would be written over what was seen."""
        put = () if self.merge.done_in(self.seen) else (self._put(self.merge.document(self.seen)),)
        return (*(grant.call() for grant in self.grants), *put)

    def notes(self) -> tuple[str, ...]:
        """What changes in the document, and that it is read again before it is written."""
        return (
            *(f"add: {describe(rule)}" for rule in self.merge.add),
            *(f"take out: {describe(rule)}" for rule in self.merge.remove),
            "the document is read again right before it is written, and merged from that",
        )

    def run(self, writer: Writer) -> str:
        """Grant, merge, write, read again until it stands."""
        for grant in self.grants:
            self._grant(writer, grant)
        with writer.locks.of(self.subject):
            differences = self._merge(writer)
        writer.verified(self.name, bucket=self.subject, rules=[describe(rule) for rule in self.merge.add])
        told = f"; others changed the document meanwhile: {'; '.join(differences)}" if differences else ""
        return f"bucket {self.subject} calls {', '.join(rule.arn for rule in self.merge.add) or 'as before'}{told}"

    def relies_on(self) -> Mapping[str, object]:
        """The calls, and the whole document that was looked at."""
        return {**super().relies_on(), "document": self.seen.document}

    def _grant(self, writer: Writer, grant: Grant) -> None:
        try:
            writer.write(self.name, grant.call())
        except CallFailed as failure:
            if failure.code != "ResourceConflictException":
                raise
            # a statement of that name is there: made by an earlier run, or by somebody for something else
            policy = read_policy(writer.aws, writer.region, grant.function)
            if isinstance(policy, Absent | Unreadable) or not grant.given_by(policy):
                raise StepBlocked(
                    f"{grant.function} has a statement {grant.sid} that does not let S3 in",
                    "remove that statement",
                ) from failure

    def _merge(self, writer: Writer) -> tuple[str, ...]:
        before = self._read(writer)
        for _ in range(_ROUNDS):
            if self.merge.done_in(before):
                return ()
            conflicts = self.merge.conflicts(before)
            if conflicts:
                raise StepBlocked("; ".join(conflicts), "decide which of the two rules is right")
            self._write(writer, before)
            for _ in writer.wait(writer.limits.notification, first=0.2):
                # reads may be stale for minutes; a document that lacks ours may still be the old one
                after = self._read(writer)
                if self.merge.done_in(after):
                    return foreign_differences(before.rules, after.rules, self.merge)
                if after.rules != before.rules:
                    break  # neither what was there nor what we wrote: somebody else wrote after us
            if writer.stop.is_set():
                raise Interrupted(f"bucket {self.subject} was written, and not yet seen to be as it should")
            before = self._read(writer)
        raise StepFailed(f"bucket {self.subject} was written {_ROUNDS} times and does not keep our rules")

    def _write(self, writer: Writer, before: Notification) -> None:
        failure: CallFailed | None = None
        for _ in writer.wait(writer.limits.permission, first=1.0, longest=5.0):
            try:
                writer.write(self.name, self._put(self.merge.document(before)), before=before.document)
            except CallFailed as refused:
                if _NOT_VALIDATED not in refused.reason and refused.code != _CONFLICT:
                    raise
                failure = refused
            else:
                return
        functions = [rule.arn for rule in before.rules if rule.kind == "function"]
        others = f"; the document also names {', '.join(functions)}: one of them may be gone" if functions else ""
        raise StepFailed(f"S3 keeps refusing the document of {self.subject}: {failure}{others}")

    def _read(self, writer: Writer) -> Notification:
        found = read_notification(writer.aws, writer.region, self.subject, self.owner)
        if isinstance(found, Absent | Unreadable):
            raise StepBlocked(f"the notification document cannot be read: {found}")
        return found

    def _put(self, document: Mapping[str, object]) -> Call:
        return Call(
            "s3",
            "PutBucketNotificationConfiguration",
            {
                "Bucket": self.subject,
                "ExpectedBucketOwner": self.owner,
                "NotificationConfiguration": document,
            },
            "write the merged document, once",
        )


def grant_for(function_arn: str, bucket: str, owner: str) -> Grant:
    """The statement that lets S3 call a function for a bucket; the SID is the same in every run."""
    name = function_arn.split(":")[6]
    return Grant(
        function=name,
        sid=f"taegis-forwarders-{bucket.replace('.', '-')}"[:100],
        source_arn=bucket_arn(partition_of(function_arn), bucket),
        source_account=owner,
    )
