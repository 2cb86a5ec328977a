"""Updating a stack through a change set that is described, judged against the prediction, and only then executed."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fixtures.answers import Answer, optional_text, text
from fixtures.aws import CallFailed
from fixtures.estate import Stack
from fixtures.fact import Unreadable
from fixtures.readers.stacks import read_change_sets
from remediation.call import Call
from remediation.change_set import told_changes
from remediation.change_set_record import change_set_facts
from remediation.gate import GateVerdict, judge, read_change_set
from remediation.prediction import PredictedChange
from remediation.preflight import acceptable_losses, waiting
from remediation.seen_stack import SeenStack
from remediation.shape import predicted_shape
from remediation.stack_waits import has_moved, wait_for_stack, why_stack_failed
from remediation.step import Interrupted, StepBlocked, StepFailed
from remediation.writer import Writer

ACTIONS = (
    "cloudformation:ListChangeSets",
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
)
_TAKE_BACK_SECONDS = 60.0
_INLINE_LIMIT = 51_200  # bytes of TemplateBody; above it a template goes by URL (CloudFormation quotas)


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """How a template is handed to CloudFormation: its text, or the URL of an object that holds it."""

    body: str
    url: str | None

    def parameters(self) -> Mapping[str, str]:
        """The call's parameters."""
        return {"TemplateURL": self.url} if self.url else {"TemplateBody": self.body}


def token_for(change_set: str, stack: str) -> str:
    """The token of one operation on one stack: the same when it is sent again, another one for every other stack.

    At most 128 letters, digits and hyphens (CloudFormation API reference, ClientRequestToken).
    """
    return f"{change_set[:111]}-{hashlib.sha256(stack.encode()).hexdigest()[:16]}"


def too_large_inline(body: str) -> bool:
    """Whether a template must go by URL."""
    return len(body.encode()) > _INLINE_LIMIT


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """One stack's update as data.

    Attributes:
        seen: the stack as it was looked at.
        change_set: name of the change set that will be made.
        template: the template, text or URL.
        parameters: CloudFormation's parameter list.
        capabilities: from the template.
        prediction: what may change; anything beyond closes the gate.
        accepted_shapes: shapes that a person accepted, of predictions or of real change sets.
        outputs: the outputs that change, each with its value now and then.
        told: what a change set that was made for a plan, and deleted again, said; for people only.
    """

    seen: SeenStack
    change_set: str
    template: TemplateSource
    parameters: tuple[Mapping[str, object], ...]
    capabilities: tuple[str, ...]
    prediction: tuple[PredictedChange, ...]
    accepted_shapes: frozenset[str]
    outputs: tuple[str, ...] = ()
    told: tuple[str, ...] = field(default=(), compare=False)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.seen.name

    @property
    def shape(self) -> str:
        """What kind of update this is predicted to be."""
        return predicted_shape(self.prediction).id

    @property
    def losses(self) -> tuple[str, ...]:
        """What it removes or replaces, and a person has to accept."""
        return acceptable_losses(self.prediction)

    def notes(self) -> tuple[str, ...]:
        """The predicted changes, and what has to be accepted."""
        told = tuple(f"predicted: {change}" for change in self.prediction)
        accept = (
            f"whoever approves this plan accepts shape {self.shape}: it removes or replaces {'; '.join(self.losses)}"
        )
        return (*told, accept) if self.losses else told

    def changes(self) -> tuple[str, ...]:
        """Each property that changes, with its value now and then; a value that only AWS knows is told by its name."""
        resources = (
            f"{change.logical_id}.{told}"
            for change in self.prediction
            if change.action == "Modify"
            for told in change.values
        )
        return (*resources, *(f"output {told}" for told in self.outputs))

    def calls(self) -> tuple[Call, ...]:
        """Create, execute; or delete where the gate closes."""
        return (self._create(), self._execute(self.change_set))

    def _create(self) -> Call:
        return Call(
            "cloudformation",
            "CreateChangeSet",
            {
                "StackName": self.stack,
                "ChangeSetName": self.change_set,
                "ChangeSetType": "UPDATE",
                "ClientToken": token_for(self.change_set, self.stack),
                "Capabilities": list(self.capabilities),
                "Parameters": [dict(parameter) for parameter in self.parameters],
                **self.template.parameters(),
            },
            "describe the update; changes nothing yet",
        )

    def _execute(self, change_set: str) -> Call:
        return Call(
            "cloudformation",
            "ExecuteChangeSet",
            {
                "StackName": self.stack,
                "ChangeSetName": change_set,
                "ClientRequestToken": token_for(self.change_set, self.stack),
                # documented as "Default: True": say it, so that a failed update is rolled back
                "DisableRollback": False,
            },
            "update the stack, with rollback on failure",
        )

    def _delete(self, change_set: str) -> Call:
        return Call(
            "cloudformation",
            "DeleteChangeSet",
            {"StackName": self.stack, "ChangeSetName": change_set},
            "take back a change set that is not executed",
        )

    def run(self, writer: Writer, step: str) -> bool:
        """Do it; True if something was executed, False if CloudFormation had nothing to change.

        Raises:
            StepBlocked: the stack has moved since it was looked at, the gate is closed, or somebody else's change set
                waits: executing one deletes all others.
            Interrupted: the run is being stopped.
            StepFailed: the update failed or was rolled back.
        """
        former = self.seen.unmoved(writer)
        self._refuse_others(writer)
        change_set = self._created(writer, step)
        try:
            wanted = self._passed_gate(writer, step, change_set)
        except StepBlocked as refusal:
            left = self._take_back(writer, step, change_set)
            raise StepBlocked(refusal.reason + left, refusal.to_do) from None
        except BaseException:
            self._take_back(writer, step, change_set)
            raise
        if not wanted:
            self._take_back(writer, step, change_set)
            return False
        writer.say(f"updating stack {self.stack}")
        self._executed(writer, step, change_set, former)
        status = wait_for_stack(writer, self.stack, former)
        if status != "UPDATE_COMPLETE":
            reason = why_stack_failed(writer, self.stack)
            raise StepFailed(f"stack {self.stack} ended as {status}: {reason or 'no reason given'}")
        return True

    def preview(self, writer: Writer, step: str) -> tuple[str, ...]:
        """Have the change set made, read it, delete it again: one line for each change, then what the gate would say.

        Raises:
            StepBlocked: somebody else's change set waits, or this one was not ready in time.
            Interrupted: the run is being stopped; it is deleted all the same.
            CallFailed: it could not be made or read.
        """
        self._refuse_others(writer)
        change_set = self._created(writer, step)
        try:
            pages = self._described(writer, change_set)
            verdict = self._judge(pages, on_aws=writer.on_aws)
            self._keep(writer, step, pages, verdict)
        finally:
            left = self._take_back(writer, step, change_set)
        shown = {change.logical_id: change.open_properties for change in self.prediction}
        told = [f"change set: {line}" for line in told_changes(pages, shown)]
        if verdict.empty:
            told.append("change set: empty, template and parameters are as asked for")
        if verdict.open:
            told.append("change set: within the prediction, the gate would let it pass")
        told += [f"change set: the gate would close: {reason}" for reason in verdict.reasons]
        return (
            *told,
            f"change set: not deleted{left}" if left else "change set: made for this plan, and deleted again",
        )

    def _passed_gate(self, writer: Writer, step: str, change_set: str) -> bool:
        """Whether there is something to execute, and it may be.

        Raises:
            StepBlocked: the gate is closed.
            Interrupted: the run is being stopped.
        """
        pages = self._described(writer, change_set)
        verdict = self._judge(pages, on_aws=writer.on_aws)
        self._keep(writer, step, pages, verdict)
        if verdict.empty:
            return False
        if not verdict.open:
            raise StepBlocked("; ".join(verdict.reasons), "see the reasons; nothing was changed")
        if writer.stop.is_set():
            raise Interrupted(f"stack {self.stack} was not touched")
        return True

    def _refuse_others(self, writer: Writer) -> None:
        found = read_change_sets(writer.aws, writer.region, self.stack)
        if isinstance(found, Unreadable):
            raise StepBlocked(f"whether other change sets wait on {self.stack} cannot be read: {found}", "grant it")
        others = list(waiting(self.stack, (change_set for change_set in found if change_set.name != self.change_set)))
        if others:
            raise StepBlocked("; ".join(other.reason for other in others), "; ".join(other.to_do for other in others))

    def _created(self, writer: Writer, step: str) -> str:
        """Create the change set and return its id or name."""
        try:
            created = writer.write(step, self._create(), lasting=False)
        except CallFailed as failure:
            if failure.code == "AlreadyExistsException":
                return self.change_set  # of this run by its name: an earlier answer was lost
            if not failure.refused:
                self._take_back(writer, step, self.change_set)  # it may be there although nobody said so
            raise
        return optional_text(created, "Id") or self.change_set

    def _executed(self, writer: Writer, step: str, change_set: str, former: Stack) -> None:
        """Execute; a change set that is not executed is taken back.

        Raises:
            CallFailed: it was refused.
            StepFailed: whether it is being executed cannot be told, or it was not.
        """
        try:
            writer.write(step, self._execute(change_set), before=self.seen.before)
        except CallFailed as failure:
            if failure.refused:
                self._take_back(writer, step, change_set)
                raise
            if not has_moved(writer, self.stack, former):
                left = self._take_back(writer, step, change_set)
                raise StepFailed(f"stack {self.stack} is not seen to be changed: {failure}{left}") from failure
            writer.say(f"stack {self.stack} is being updated, although that was not answered: {failure}")

    def _described(self, writer: Writer, change_set: str) -> Sequence[Answer]:
        for _ in writer.wait(writer.limits.change_set):
            pages = [self._describe(writer, change_set, None)]
            status = text(pages[0], "Status")
            if status.endswith(("_PENDING", "_IN_PROGRESS")):
                continue
            while token := optional_text(pages[-1], "NextToken"):
                pages.append(self._describe(writer, change_set, token))
            return pages
        if writer.stop.is_set():
            raise Interrupted(f"stack {self.stack} was not touched")
        raise StepBlocked(f"the change set of {self.stack} was not ready in time", "run again")

    def _describe(self, writer: Writer, change_set: str, token: str | None) -> Answer:
        more = {"NextToken": token} if token else {}
        return writer.read(
            "cloudformation",
            "DescribeChangeSet",
            StackName=self.stack,
            ChangeSetName=change_set,
            IncludePropertyValues=True,
            **more,
        )

    def _keep(self, writer: Writer, step: str, pages: Sequence[Answer], verdict: GateVerdict) -> None:
        facts = change_set_facts(pages, self.prediction, verdict)
        writer.described(step, stack=self.stack, on_aws=writer.on_aws, **facts)

    def _judge(self, pages: Sequence[Answer], *, on_aws: bool) -> GateVerdict:
        view = read_change_set(pages)
        accepted = self.accepted_shapes
        if predicted_shape(self.prediction).id in accepted:
            # whoever accepted the prediction accepted what lies within it; the gate holds the rest
            verdict = judge(view, self.prediction, accepted_shapes=accepted, on_aws=on_aws, outputs=self.outputs)
            accepted |= {verdict.shape.id}
        return judge(view, self.prediction, accepted_shapes=accepted, on_aws=on_aws, outputs=self.outputs)

    def _take_back(self, writer: Writer, step: str, change_set: str) -> str:
        """Delete a change set that is not executed; where that fails, a clause that says so, for people.

        One that is still being created cannot be deleted: CloudFormation is given a moment, also by a run that stops.
        """
        failure: CallFailed | None = None
        for _ in replace(writer, stop=threading.Event()).wait(_TAKE_BACK_SECONDS):
            try:
                writer.write(step, self._delete(change_set), lasting=False)
            except CallFailed as failed:
                failure = failed
                if failed.code != "InvalidChangeSetStatus":
                    break
            else:
                return ""
        told = f"; its change set {self.change_set} is left and must be deleted by hand: {failure}"
        writer.say(f"stack {self.stack}{told}")
        return told
