"""Creates or updates the shared stack of a region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fixtures.answers import items, text
from remediation import gated_update
from remediation.call import Call
from remediation.gated_update import StackUpdate, TemplateSource
from remediation.stack_waits import wait_for_stack, why_stack_failed
from remediation.step import Step, StepFailed
from remediation.writer import Writer


@dataclass(frozen=True)
class CreateSharedStack(Step):
    """Create the stack that forwarders import the secret from."""

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "cloudformation:CreateStack",
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeStackEvents",
    )
    FIX: ClassVar[str] = "shared-stack"
    shared: ClassVar[bool] = True

    template: TemplateSource
    parameters: tuple[Mapping[str, object], ...]
    capabilities: tuple[str, ...]
    token: str

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"create shared stack {self.subject}"

    def calls(self) -> tuple[Call, ...]:
        """The creation."""
        return (
            Call(
                "cloudformation",
                "CreateStack",
                {
                    "StackName": self.subject,
                    "Parameters": [dict(parameter) for parameter in self.parameters],
                    "Capabilities": list(self.capabilities),
                    "ClientRequestToken": self.token,
                    # a stack that was never made whole can only be deleted: take it away, so that the next run can try
                    "OnFailure": "DELETE",
                    **self.template.parameters(),
                },
                "create the shared stack",
            ),
        )

    def run(self, writer: Writer) -> str:
        """Create it, wait, and read it back."""
        (call,) = self.calls()
        answer = writer.write(self.name, call)
        stack = text(answer, "StackId")
        status = wait_for_stack(writer, stack)
        if status != "CREATE_COMPLETE":
            reason = why_stack_failed(writer, stack)
            raise StepFailed(f"shared stack {self.subject} ended as {status}: {reason or 'no reason given'}")
        writer.verified(self.name, stack=self.subject, status=status)
        return f"shared stack {self.subject} is {status}"


@dataclass(frozen=True)
class UpdateSharedStack(Step):
    """Update the shared stack through a gated change set; the secret is kept unless it is to be rotated."""

    ACTIONS: ClassVar[tuple[str, ...]] = gated_update.ACTIONS
    FIX: ClassVar[str] = "shared-stack"
    shared: ClassVar[bool] = True

    update: StackUpdate
    before: Mapping[str, object]

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"update shared stack {self.subject}"

    def calls(self) -> tuple[Call, ...]:
        """Change set and execution."""
        return self.update.calls()

    @property
    def accepts(self) -> str:
        """The update's shape, where it removes or replaces something that may be."""
        return self.update.shape if self.update.losses else ""

    def notes(self) -> tuple[str, ...]:
        """The predicted changes."""
        return self.update.notes()

    def run(self, writer: Writer) -> str:
        """Update it and read it back."""
        changed = self.update.run(writer, self.name, self.before)
        answer = writer.read("cloudformation", "DescribeStacks", StackName=self.subject)
        status = text(items(answer, "Stacks", required=True)[0], "StackStatus")
        writer.verified(self.name, stack=self.subject, status=status, changed=changed)
        return f"shared stack {self.subject} is {status}" + ("" if changed else " and had nothing to change")

    def relies_on(self) -> Mapping[str, object]:
        """The calls, and what the update replaces."""
        return {**super().relies_on(), "before": self.before}
