"""Creates or updates the shared stack of a region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fixtures.answers import optional_text
from fixtures.aws import CallFailed
from fixtures.estate import MASK
from fixtures.fact import Absent, Unreadable
from fixtures.readers.stacks import read_stack
from remediation import gated_update
from remediation.call import Call
from remediation.gated_update import StackUpdate, TemplateSource, token_for
from remediation.rotation import writes_secret
from remediation.stack_waits import wait_for_stack, why_stack_failed
from remediation.step import Step, StepBlocked, StepFailed
from remediation.writer import Writer


@dataclass(frozen=True)
class CreateSharedStack(Step):
    """Create the stack that forwarders import the secret from.

    `content` is what the template holds, for the plan: no change set is made for a stack that is not there.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "cloudformation:CreateStack",
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeStackEvents",
    )
    FIX: ClassVar[str] = "shared-stack"
    SECONDS: ClassVar[float] = 40.0
    shared: ClassVar[bool] = True

    template: TemplateSource
    parameters: tuple[Mapping[str, object], ...]
    capabilities: tuple[str, ...]
    token: str
    content: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"create shared stack {self.subject}"

    def notes(self) -> tuple[str, ...]:
        """What it makes."""
        return tuple(f"predicted: {line}" for line in self.content)

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
                    "ClientRequestToken": token_for(self.token, self.subject),
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
        try:
            answer = writer.write(self.name, call)
        except CallFailed as failure:
            if failure.code != "AlreadyExistsException":
                raise
            raise StepBlocked(
                f"there is a stack called {self.subject} that is not the shared stack, or was made a moment ago",
                "run again; if it is still refused, name another shared_stack_name in the settings",
            ) from None
        stack = optional_text(answer, "StackId") or self.subject
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
    SECONDS: ClassVar[float] = 40.0
    shared: ClassVar[bool] = True

    update: StackUpdate

    @property
    def title(self) -> str:
        """What it does, in one line."""
        secret = " and write the release's credentials over its secret" if self.writes_secret else ""
        return f"update shared stack {self.subject}{secret}"

    @property
    def writes_secret(self) -> bool:
        """Whether it writes the secret anew."""
        return writes_secret(self.update.parameters)

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

    def change_set(self) -> tuple[str, ...]:
        """What CloudFormation said of the update."""
        return self.update.told

    def changes(self) -> tuple[str, ...]:
        """The properties that change, before and after."""
        return self.update.changes()

    def run(self, writer: Writer) -> str:
        """Update it and read it back."""
        changed = self.update.run(writer, self.name)
        status = wait_for_stack(writer, self.subject)
        others = self._others(writer)
        if others and changed:
            raise StepFailed(f"shared stack {self.subject} is {status}, but {'; '.join(others)}")
        if others:
            raise StepBlocked(
                f"CloudFormation sees nothing to change in {self.subject}, but {'; '.join(others)}",
                "update that stack by hand",
            )
        writer.verified(self.name, stack=self.subject, status=status, changed=changed)
        return f"shared stack {self.subject} is {status}" + ("" if changed else " and had nothing to change")

    def _others(self, writer: Writer) -> list[str]:
        """The values that are not what was asked for; what is masked cannot be compared."""
        stack = read_stack(writer.aws, writer.region, self.subject)
        if isinstance(stack, Absent | Unreadable):
            raise StepFailed(f"shared stack {self.subject} cannot be read any more: {stack}")
        given = {str(one["ParameterKey"]): one.get("ParameterValue") for one in self.update.parameters}
        return [
            f"its {name} is {stack.parameters.get(name) or '(empty)'} and not {wanted}"
            for name, wanted in given.items()
            if isinstance(wanted, str)
            and MASK not in {wanted, stack.parameters.get(name)}
            and stack.parameters.get(name) != wanted
        ]

    def relies_on(self) -> Mapping[str, object]:
        """The calls, and the stack that they are for."""
        return {**super().relies_on(), **self.update.seen.relies_on()}
