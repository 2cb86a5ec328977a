"""Merges forwarders' rules into a bucket's notification document: permission first, then one write."""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from checks.wiring import S3, bucket_arn, describe, lets_in, partition_of
from fixtures.aws import CallFailed
from fixtures.estate import Notification, Rule, Statement
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.readers.buckets import read_notification
from fixtures.readers.functions import read_policy
from remediation.call import Call
from remediation.notification_merge import Merge, foreign_differences
from remediation.refused_rules import refused_rules
from remediation.step import Interrupted, Step, StepBlocked, StepFailed
from remediation.writer import Writer

# S3's text while a permission is not known to it yet, and while a foreign rule names a function that is gone.
_NOT_VALIDATED = "Unable to validate the following destination configurations"
_CONFLICT = "OperationAborted"
_EXISTS = "ResourceConflictException"
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


@dataclass(frozen=True, slots=True)
class Wiring:
    """What one forwarder lacks: rules in the bucket's document, and the permission; either may be there already."""

    forwarder: str
    rules: tuple[Rule, ...]
    grant: Grant | None


@dataclass(frozen=True)
class MergeNotification(Step):
    """The vendor's steps 6 and 7 without their gap: the rules change in one write, nobody else's is touched.

    Attributes:
        wirings: what is missing, by forwarder.
        remove: rules to take out.
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
    SECONDS: ClassVar[float] = 15.0

    wirings: tuple[Wiring, ...]
    remove: tuple[Rule, ...]
    seen: Notification
    owner: str

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The permissions that are missing."""
        return tuple(wiring.grant for wiring in self.wirings if wiring.grant)

    @property
    def merge(self) -> Merge:
        """The rules to add and to take out."""
        return Merge(tuple(rule for wiring in self.wirings for rule in wiring.rules), self.remove)

    @property
    def title(self) -> str:
        """What it does, in one line."""
        merge = self.merge
        parts = [
            f"let S3 call {', '.join(grant.function for grant in self.grants)}" if self.grants else "",
            f"add {_count(merge.add)}" if merge.add else "",
            f"take out {_count(merge.remove)}" if merge.remove else "",
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
            *(f"take out: {describe(rule)}" for rule in self.remove),
            "the document is read again right before it is written, and merged from that",
        )

    def changes(self) -> tuple[str, ...]:
        """The notification document before and after, as a diff."""
        before, after = (
            json.dumps(document, indent=1, sort_keys=True).splitlines()
            for document in (json.loads(self.seen.document), self.merge.document(self.seen))
        )
        return tuple(difflib.unified_diff(before, after, "the document now", "the document then", lineterm="", n=2))

    def relies_on(self) -> Mapping[str, object]:
        """The calls, and the whole document that was looked at."""
        return {**super().relies_on(), "document": self.seen.document}

    @property
    def clears(self) -> Mapping[str, frozenset[str]]:
        """Besides those of its forwarders, the findings of the bucket itself."""
        named_alike = super().clears.get(self.subject, frozenset())  # a stack may be called as its bucket
        return {**super().clears, self.subject: named_alike | {"stale-rules", "duplicates"}}

    def only(self, names: Collection[str]) -> "MergeNotification":
        """The step for these of its forwarders; what is taken out stays."""
        kept = tuple(wiring for wiring in self.wirings if wiring.forwarder in names)
        return replace(self, forwarders=tuple(name for name in self.forwarders if name in names), wirings=kept)

    def run(self, writer: Writer) -> str:
        """Look whether S3 would take the document, grant, merge, write, read again until it stands."""
        merge = self.merge
        with writer.locks.of(self.subject):
            before = self._read(writer) if merge.add or merge.remove else None
            if before is not None:
                self._refuse_conflicts(before)
            for grant in self.grants:
                self._grant(writer, grant)
            differences = self._merge(writer, before) if before is not None else ()
        for grant in self.grants:
            self._prove(writer, grant)
        writer.verified(
            self.name,
            bucket=self.subject,
            rules=[describe(rule) for rule in merge.add],
            removed=[describe(rule) for rule in merge.remove],
            granted=[grant.function for grant in self.grants],
        )
        told = f"; others changed the document meanwhile: {'; '.join(differences)}" if differences else ""
        return f"bucket {self.subject} calls {', '.join(rule.arn for rule in merge.add) or 'as before'}{told}"

    def _grant(self, writer: Writer, grant: Grant) -> None:
        failure: CallFailed | None = None
        for _ in writer.wait(writer.limits.permission, first=1.0, longest=5.0):
            try:
                writer.write(self.name, grant.call())
            except CallFailed as failed:
                if failed.refused and failed.code != _EXISTS:
                    raise
                failure = failed
            else:
                return
            # made by an earlier run, or by this call although nobody said so; or somebody's for something else
            policy = read_policy(writer.aws, writer.region, grant.function)
            if isinstance(policy, Absent | Unreadable):
                break
            if grant.given_by(policy):
                return
            if any(statement.sid == grant.sid for statement in policy):
                raise StepBlocked(
                    f"{grant.function} has a statement {grant.sid} that does not let S3 in", "remove that statement"
                ) from failure
            # Lambda says the same while another operation on the function goes on
        raise StepBlocked(f"{grant.function} takes no permission: {failure}", "mend that, then run again")

    def _prove(self, writer: Writer, grant: Grant) -> None:
        policy: object = None
        for _ in writer.wait(writer.limits.permission, first=0.2, longest=5.0):
            policy = read_policy(writer.aws, writer.region, grant.function)
            if isinstance(policy, tuple) and grant.given_by(policy):
                return
        told = policy if isinstance(policy, Absent | Unreadable) else "the statement is not in its policy"
        raise StepFailed(f"S3 was let in to call {grant.function}, and that is not seen: {told}")

    def _merge(self, writer: Writer, before: Notification) -> tuple[str, ...]:
        """Write until our rules stand; what others changed meanwhile, for people."""
        merge = self.merge
        former = {frozenset(self.seen.rules)}
        for _ in range(_ROUNDS):
            before = self._written(writer, before)
            if merge.done_in(before):
                return ()
            former.add(frozenset(before.rules))
            for _ in writer.wait(writer.limits.notification, first=0.2):
                # reads may be stale for minutes: a document of before our write may be an old one
                after = read_notification(writer.aws, writer.region, self.subject, self.owner)
                if isinstance(after, Absent | Unreadable):
                    continue
                if merge.done_in(after):
                    return foreign_differences(before, after, merge)
                if frozenset(after.rules) not in former:
                    break  # somebody else wrote after us
            if writer.stop.is_set():
                raise Interrupted(f"bucket {self.subject} was written, and not yet seen to be as it should")
            before = self._read(writer)
        raise StepFailed(f"bucket {self.subject} was written {_ROUNDS} times and does not keep our rules")

    def _written(self, writer: Writer, before: Notification) -> Notification:
        """Write, and return the document that the write was merged from; the one that is there if it is right.

        Before it is tried again the document is read again: a conflict means that somebody else is writing.
        """
        failure: CallFailed | None = None
        for _ in writer.wait(writer.limits.permission, first=1.0, longest=5.0):
            if failure is not None:
                before = self._read(writer)
                self._refuse_conflicts(before)
            if self.merge.done_in(before):
                return before
            try:
                writer.write(self.name, self._put(self.merge.document(before)), before=before.document)
            except CallFailed as failed:
                if not _may_pass(failed):
                    raise
                failure = failed
            else:
                return before
        if writer.stop.is_set():
            raise Interrupted(f"bucket {self.subject} was not written")
        others = refused_rules(writer, before, self.subject, self.owner) if _NOT_VALIDATED in str(failure) else ""
        raise StepBlocked(
            f"S3 keeps refusing the document of {self.subject}: {failure}{others}", "mend that, then run again"
        )

    def _refuse_conflicts(self, document: Notification) -> None:
        conflicts = self.merge.conflicts(document)
        if conflicts:
            raise StepBlocked(f"S3 would refuse it: {'; '.join(conflicts)}", "decide which of the two rules is right")

    def _read(self, writer: Writer) -> Notification:
        found = read_notification(writer.aws, writer.region, self.subject, self.owner)
        if isinstance(found, Absent | Unreadable):
            raise StepBlocked(f"the notification document cannot be read: {found}", "mend that, then run again")
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


def _may_pass(failure: CallFailed) -> bool:
    """Whether the same write may be taken a moment later, or may have been taken although nobody said so."""
    passing = _NOT_VALIDATED in failure.reason or failure.code == _CONFLICT or failure.cause is Cause.THROTTLED
    return passing or not failure.refused


def _count(rules: Sequence[Rule]) -> str:
    return "1 rule" if len(rules) == 1 else f"{len(rules)} rules"


def grant_for(function_arn: str, bucket: str, owner: str) -> Grant:
    """The statement that lets S3 call a function for a bucket; the SID is the same in every run."""
    name = function_arn.split(":")[6]
    return Grant(
        function=name,
        sid=f"taegis-forwarders-{bucket.replace('.', '-')}"[:100],
        source_arn=bucket_arn(partition_of(function_arn), bucket),
        source_account=owner,
    )
