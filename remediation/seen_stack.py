"""A stack as it was looked at when its update was planned: what the update replaces, and whether it has moved since."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fixtures.estate import MASK, Stack
from fixtures.fact import Absent, Unreadable
from fixtures.readers.stacks import read_stack
from remediation.step import StepBlocked
from remediation.writer import Writer


@dataclass(frozen=True, slots=True)
class SeenStack:
    """What a plan relies on of a stack.

    Attributes:
        name: of the stack.
        status: its status.
        changed: when it was last changed, ISO 8601, empty where unknown.
        template: digest of its template.
        parameters: its values; `****` for NoEcho ones.
    """

    name: str
    status: str
    changed: str
    template: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, stack: Stack, template: str) -> "SeenStack":
        """The stack with the digest of its template."""
        return cls(stack.name, stack.status, _time(stack), template, dict(stack.parameters))

    @property
    def before(self) -> Mapping[str, object]:
        """What an update replaces, for the journal: what a rollback needs."""
        return {"template": self.template, "parameters": self.parameters}

    def relies_on(self) -> Mapping[str, object]:
        """What of it stands in a step's fingerprint."""
        return {"before": self.before, "status": self.status, "changed": self.changed}

    def unmoved(self, writer: Writer) -> Stack:
        """The stack as it is now, which is as it was.

        Raises:
            StepBlocked: it has moved, or cannot be read.
        """
        stack = read_stack(writer.aws, writer.region, self.name)
        if isinstance(stack, Absent | Unreadable):
            raise StepBlocked(f"stack {self.name} cannot be read any more: {stack}", "mend that, then run again")
        moves = list(self._moves(stack))
        if moves:
            raise StepBlocked(f"the stack has moved since it was looked at: {'; '.join(moves)}", "run again")
        return stack

    def _moves(self, now: Stack) -> Iterator[str]:
        if now.status != self.status:
            yield f"it was {self.status} and is {now.status}"
        if _time(now) != self.changed:
            yield f"it was changed at {_time(now) or 'no known time'}"
        # a value that is masked now and was not is one of a template that has changed
        others = {
            name
            for name in self.parameters.keys() | now.parameters.keys()
            if self.parameters.get(name) != MASK and self.parameters.get(name) != now.parameters.get(name)
        }
        if others:
            yield f"it has other values for {', '.join(sorted(others))}"


def _time(stack: Stack) -> str:
    return stack.changed.isoformat() if stack.changed else ""
