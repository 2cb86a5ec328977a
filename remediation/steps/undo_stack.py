"""Puts a stack's former template and parameters back, and proves it on the function itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fixtures.aws import CallFailed
from fixtures.estate import StoredObject
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_package
from remediation import gated_update
from remediation.call import BytesBody, Call, s3_checksum
from remediation.gated_update import StackUpdate
from remediation.stack_waits import wait_for_function
from remediation.step import Step, StepBlocked, StepFailed
from remediation.writer import Writer


@dataclass(frozen=True, slots=True)
class FormerFunction:
    """What a forwarder's function was before the run, and where its package stands."""

    name: str
    runtime: str | None
    handler: str
    code_sha256: str
    package: StoredObject


@dataclass(frozen=True, slots=True)
class LentTemplate:
    """A former template that is too large to be given inline: an object that is there as long as it is needed."""

    account: str
    bucket: str
    key: str
    body: BytesBody

    def put(self) -> Call:
        """The call that puts it there, unless something is there."""
        return Call(
            "s3",
            "PutObject",
            {
                "Bucket": self.bucket,
                "Key": self.key,
                "Body": self.body,
                "ChecksumAlgorithm": "SHA256",
                "ChecksumSHA256": s3_checksum(self.body.sha256),
                "IfNoneMatch": "*",
                "ExpectedBucketOwner": self.account,
            },
            "lend CloudFormation the former template, which is too large to be sent inline",
        )

    def delete(self) -> Call:
        """The call that takes it away again."""
        parameters = {"Bucket": self.bucket, "Key": self.key, "ExpectedBucketOwner": self.account}
        return Call("s3", "DeleteObject", parameters, "take the former template away again")


@dataclass(frozen=True)
class UndoStackUpdate(Step):
    """Update a stack back, through a change set that is judged before it is executed.

    Attributes:
        update: the change set: the old template, the old values.
        former: the function as it was; None for a shared stack, which has none.
        lent: the former template, where it is too large to be given inline.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        *gated_update.ACTIONS,
        "lambda:GetFunction",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "s3:PutObject",
        "s3:DeleteObject",
    )
    FIX: ClassVar[str] = "undo-stack"

    update: StackUpdate
    former: FormerFunction | None
    lent: LentTemplate | None = None

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"put the former template and parameters of stack {self.subject} back"

    def calls(self) -> tuple[Call, ...]:
        """Change set and execution, and what is lent for it."""
        if self.lent is None:
            return self.update.calls()
        return (self.lent.put(), *self.update.calls(), self.lent.delete())

    def notes(self) -> tuple[str, ...]:
        """The predicted changes. What the run itself did may be taken back: that was asked for."""
        return tuple(f"predicted: {change}" for change in self.update.prediction)

    def without(self, names: Collection[str]) -> "Step | None":
        """Nothing, as soon as one of those that it is for stays as it is: it may rely on what would be undone."""
        return None if set(names) & set(self.forwarders) else self

    def run(self, writer: Writer) -> str:
        """Look again, update, wait, and read the function: a green stack alone proves nothing."""
        if self.former:
            _refuse_without_package(writer, self.former.package)
        if self.lent:
            self.update.seen.unmoved(writer)  # nothing is lent in vain
            _lend(writer, self.name, self.lent)
        try:
            changed = self.update.run(writer, self.name)
        finally:
            if self.lent:
                _take_away(writer, self.name, self.lent)
        facts = self._proved(writer, self.former) if self.former else {}
        writer.verified(self.name, changed=changed, stack=self.subject, **facts)
        told = f", and {self.former.name} runs {self.former.runtime} with its old package" if self.former else ""
        return f"stack {self.subject} has its former template and parameters{told}"

    def _proved(self, writer: Writer, former: FormerFunction) -> Mapping[str, object]:
        function = wait_for_function(writer, former.name)
        wanted = {"runtime": former.runtime, "handler": former.handler, "code_sha256": former.code_sha256}
        found = {"runtime": function.runtime, "handler": function.handler, "code_sha256": function.code_sha256}
        wrong = [
            f"its {name} is {found[name]} and not {wanted[name]}" for name in wanted if found[name] != wanted[name]
        ]
        if function.last_update != "Successful":
            wrong.append(f"its last update is {function.last_update} {function.last_update_reason}".strip())
        if wrong:
            raise StepFailed(f"the stack is as it was, but of function {function.name} {'; '.join(wrong)}")
        return {"function": function.name, **found}


def _lend(writer: Writer, step: str, lent: LentTemplate) -> None:
    found = read_package(writer.aws, writer.region, lent.bucket, lent.key, lent.account)
    if isinstance(found, Unreadable):
        raise StepBlocked(f"whether {lent.key} is in bucket {lent.bucket} cannot be read: {found}", "grant it")
    if isinstance(found, Absent):
        writer.write(step, lent.put(), lasting=False)


def _take_away(writer: Writer, step: str, lent: LentTemplate) -> None:
    """Delete what was lent; what is left of it does no harm, its digest is its name."""
    try:
        writer.write(step, lent.delete(), lasting=False)
    except CallFailed as failure:
        writer.say(f"{lent.key} in bucket {lent.bucket} could not be deleted: {failure}")


def _refuse_without_package(writer: Writer, wanted: StoredObject) -> None:
    found = read_package(writer.aws, writer.region, wanted.bucket, wanted.key)
    if isinstance(found, Absent | Unreadable):
        raise StepBlocked(f"the old package cannot be read: {found}", "put it back there, then run again")
    if found.sha256 != wanted.sha256:
        raise StepBlocked(
            f"s3://{wanted.bucket}/{wanted.key} does not hold the old package any more", "put it back, then run again"
        )
