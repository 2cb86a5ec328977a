"""Puts a stack's former template and parameters back, and proves it on the function itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fixtures.answers import items, moment, text
from fixtures.estate import StoredObject
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_package
from remediation import gated_update
from remediation.call import Call
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


@dataclass(frozen=True)
class UndoStackUpdate(Step):
    """Update a stack back, through a change set that is judged before it is executed.

    Attributes:
        update: the change set: the old template, the old values.
        former: the function as it was; None for a shared stack, which has none.
        status: the stack's status when it was looked at.
        changed: when it was last changed then, ISO 8601, empty where unknown.
        before: what this update replaces.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        *gated_update.ACTIONS,
        "lambda:GetFunction",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
    )
    FIX: ClassVar[str] = "undo-stack"

    update: StackUpdate
    former: FormerFunction | None
    status: str
    changed: str
    before: Mapping[str, object]

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"put the former template and parameters of stack {self.subject} back"

    def calls(self) -> tuple[Call, ...]:
        """Change set and execution."""
        return self.update.calls()

    def notes(self) -> tuple[str, ...]:
        """The predicted changes. What the run itself did may be taken back: that was asked for."""
        return tuple(f"predicted: {change}" for change in self.update.prediction)

    def without(self, names: Collection[str]) -> "Step | None":
        """Nothing, as soon as one of those that it is for stays as it is: it may rely on what would be undone."""
        return None if set(names) & set(self.forwarders) else self

    def run(self, writer: Writer) -> str:
        """Look again, update, wait, and read the function: a green stack alone proves nothing."""
        self._refuse_if_moved(writer)
        if self.former:
            _refuse_without_package(writer, self.former.package)
        changed = self.update.run(writer, self.name, self.before)
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

    def _refuse_if_moved(self, writer: Writer) -> None:
        answer = writer.read("cloudformation", "DescribeStacks", StackName=self.subject)
        stack = items(answer, "Stacks", required=True)[0]
        status = text(stack, "StackStatus")
        when = moment(stack, "LastUpdatedTime") or moment(stack, "CreationTime")
        if (status, when.isoformat() if when else "") != (self.status, self.changed):
            raise StepBlocked(
                f"the stack has moved since it was looked at ({self.status} then, {status} now)", "run again"
            )


def _refuse_without_package(writer: Writer, wanted: StoredObject) -> None:
    found = read_package(writer.aws, writer.region, wanted.bucket, wanted.key)
    if isinstance(found, Absent | Unreadable):
        raise StepBlocked(f"the old package cannot be read: {found}", "put it back there, then run again")
    if found.sha256 != wanted.sha256:
        raise StepBlocked(
            f"s3://{wanted.bucket}/{wanted.key} does not hold the old package any more", "put it back, then run again"
        )
