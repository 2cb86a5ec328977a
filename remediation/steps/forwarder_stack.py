"""Updates a forwarder's stack to the release's template and package, and proves it on the function itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fixtures.calendar import is_migrated
from remediation import gated_update
from remediation.call import Call
from remediation.gated_update import StackUpdate
from remediation.stack_waits import wait_for_function
from remediation.step import Step, StepFailed
from remediation.writer import Writer


@dataclass(frozen=True)
class UpdateForwarderStack(Step):
    """The vendor's step 3, through a change set that is judged before it is executed.

    Attributes:
        update: the change set.
        function: name of the function.
        code_sha256: what its code must be afterwards.
        awaits: names that the template imports from the shared stack, where an earlier step of the plan makes that.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (*gated_update.ACTIONS, "lambda:GetFunction")
    FIX: ClassVar[str] = "forwarder-stack"
    SECONDS: ClassVar[float] = 60.0

    update: StackUpdate
    function: str
    code_sha256: str
    awaits: tuple[str, ...] = field(default=(), compare=False)

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"update the stack of {self.subject} to the release's template and package"

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

    def unknown(self) -> tuple[str, ...]:
        """What the shared stack will export."""
        return tuple(f"{name}, which it imports: the shared stack is made first" for name in self.awaits)

    def change_set(self) -> tuple[str, ...]:
        """What CloudFormation said of the update."""
        return self.update.told

    def changes(self) -> tuple[str, ...]:
        """The properties that change, before and after."""
        return self.update.changes()

    def run(self, writer: Writer) -> str:
        """Update, wait, and read the function: a green stack alone proves nothing."""
        changed = self.update.run(writer, self.name)
        function = wait_for_function(writer, self.function)
        facts = {
            "runtime": function.runtime,
            "handler": function.handler,
            "code_sha256": function.code_sha256,
            "state": function.state,
            "last_update": function.last_update,
        }
        writer.verified(self.name, changed=changed, function=function.name, **facts)
        wrong = []
        if function.last_update != "Successful":
            wrong.append(f"its last update is {function.last_update} {function.last_update_reason}".strip())
        if function.state == "Failed":
            wrong.append(f"its state is Failed {function.state_reason}".strip())
        if not is_migrated(function.runtime):
            wrong.append(f"its runtime is {function.runtime}")
        if function.code_sha256 != self.code_sha256:
            wrong.append(f"its code is {function.code_sha256 or '(empty)'} and not {self.code_sha256}")
        if wrong:
            done = "CloudFormation says UPDATE_COMPLETE" if changed else "CloudFormation has nothing to change"
            raise StepFailed(f"{done}, but of function {function.name} {'; '.join(wrong)}")
        return f"{function.name} runs {function.runtime} with the release's package"

    def relies_on(self) -> Mapping[str, object]:
        """The calls, the stack that they are for, and the package."""
        return {**super().relies_on(), **self.update.seen.relies_on(), "code": self.code_sha256}
