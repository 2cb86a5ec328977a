"""Updating a stack through a change set that is described, judged against the prediction, and only then executed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fixtures.answers import Answer, optional_text, text
from fixtures.aws import CallFailed
from remediation.call import Call
from remediation.gate import GateVerdict, judge, read_change_set
from remediation.prediction import PredictedChange
from remediation.preflight import acceptable_losses
from remediation.shape import predicted_shape
from remediation.stack_waits import wait_for_stack, why_stack_failed
from remediation.step import Interrupted, StepBlocked, StepFailed
from remediation.writer import Writer

ACTIONS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
)
_INLINE_LIMIT = 51_200  # bytes of TemplateBody; above it a template goes by URL (CloudFormation quotas)


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """How a template is handed to CloudFormation: its text, or the URL of an object that holds it."""

    body: str
    url: str | None

    def parameters(self) -> Mapping[str, str]:
        """The call's parameters."""
        return {"TemplateURL": self.url} if self.url else {"TemplateBody": self.body}


def too_large_inline(body: str) -> bool:
    """Whether a template must go by URL."""
    return len(body.encode()) > _INLINE_LIMIT


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """One stack's update as data.

    Attributes:
        stack: stack name.
        change_set: name of the change set that will be made.
        template: the template, text or URL.
        parameters: CloudFormation's parameter list.
        capabilities: from the template.
        prediction: what may change; anything beyond closes the gate.
        accepted_shapes: shapes that a person accepted, of predictions or of real change sets.
    """

    stack: str
    change_set: str
    template: TemplateSource
    parameters: tuple[Mapping[str, object], ...]
    capabilities: tuple[str, ...]
    prediction: tuple[PredictedChange, ...]
    accepted_shapes: frozenset[str]

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
                "ClientToken": self.change_set,
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
                "ClientRequestToken": self.change_set,
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

    def run(self, writer: Writer, step: str, before: Mapping[str, object]) -> bool:
        """Do it; True if something was executed, False if CloudFormation had nothing to change.

        Raises:
            StepBlocked: the gate is closed; the change set is deleted again, the stack is as it was.
            StepFailed: the update failed or was rolled back.
        """
        created = writer.write(step, self._create())
        change_set = optional_text(created, "Id") or self.change_set
        try:
            pages = self._described(writer, change_set)
            verdict = self._judge(pages, on_aws=writer.on_aws)
        except BaseException:
            self._take_back(writer, step, change_set)
            raise
        if not verdict.open:
            self._take_back(writer, step, change_set)
            if verdict.empty:
                return False
            raise StepBlocked("; ".join(verdict.reasons), "see the reasons; nothing was changed")
        if writer.stop.is_set():
            self._take_back(writer, step, change_set)
            raise Interrupted(f"stack {self.stack} was not touched")
        writer.say(f"updating stack {self.stack}")
        writer.write(step, self._execute(change_set), before=before)
        status = wait_for_stack(writer, self.stack)
        if status != "UPDATE_COMPLETE":
            reason = why_stack_failed(writer, self.stack)
            raise StepFailed(f"stack {self.stack} ended as {status}: {reason or 'no reason given'}")
        return True

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

    def _judge(self, pages: Sequence[Answer], *, on_aws: bool) -> GateVerdict:
        view = read_change_set(pages)
        accepted = self.accepted_shapes
        if predicted_shape(self.prediction).id in accepted:
            # whoever accepted the prediction accepted what lies within it; the gate holds the rest
            verdict = judge(view, self.prediction, accepted_shapes=accepted, on_aws=on_aws)
            accepted |= {verdict.shape.id}
        return judge(view, self.prediction, accepted_shapes=accepted, on_aws=on_aws)

    def _take_back(self, writer: Writer, step: str, change_set: str) -> None:
        try:
            writer.write(step, self._delete(change_set))
        except CallFailed as failure:
            writer.say(f"the change set {change_set} could not be deleted: {failure}")


def change_set_name(run: str) -> str:
    """A name that says whose it is: letters, digits and hyphens, starting with a letter."""
    return f"taegis-forwarders-{run}-{time.time_ns() % 10**9:09d}"
