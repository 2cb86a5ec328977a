"""A migration step: what it will do as data, the permissions it needs, and how it is done and proved."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fixtures.errors import SuiteError
from fixtures.estate import Target
from remediation.call import Call, shown
from remediation.writer import Writer


class StepBlocked(SuiteError):
    """The step refused before it changed anything; `to_do` says what a person must do."""

    def __init__(self, reason: str, to_do: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.to_do = to_do


class StepFailed(SuiteError):
    """Something was changed, and the result is not what was intended or could not be proved."""


class Interrupted(SuiteError):
    """The run is being stopped."""


@dataclass(frozen=True)
class Step(ABC):
    """One migration action on one target.

    Attributes:
        target: where.
        subject: what it is done to: a forwarder's name, a bucket's name, or empty for the target itself.
        forwarders: names of the forwarders that depend on it.
    """

    ACTIONS: ClassVar[tuple[str, ...]]
    FIX: ClassVar[str]
    # whether the target's forwarders need it before their own steps
    shared: ClassVar[bool] = False
    # how long it usually takes on AWS, in seconds: an estimate for whoever plans a change window
    SECONDS: ClassVar[float] = 5.0
    # whether it only prepares another step: its forwarders are as they were when it is done
    prepares: ClassVar[bool] = False

    target: Target
    subject: str
    forwarders: tuple[str, ...]

    @property
    @abstractmethod
    def title(self) -> str:
        """What it does, in one line."""

    @abstractmethod
    def calls(self) -> tuple[Call, ...]:
        """The writes that are known before anything ran, in order; `run` makes these very objects."""

    @property
    def makes_bucket(self) -> bool:
        """Whether it makes the bucket that the target's lock stands in."""
        return False

    @property
    def clears(self) -> Mapping[str, frozenset[str]]:
        """Whose findings it is to clear, by subject (empty for the target itself), and by the names of which fixes."""
        fixes = frozenset({type(self).FIX})
        return {"": fixes} if self.shared else dict.fromkeys(self.forwarders, fixes)

    def without(self, names: Collection[str]) -> "Step | None":
        """The step for everybody but these of the subjects whose findings it clears; None where nothing is left to do.

        What it is done to is one of them: nobody's part of a bucket's step goes on without the bucket.
        """
        if not names:
            return self
        left = tuple(name for name in self.forwarders if name not in names)
        return self.only(left) if left and self.subject not in names else None

    def only(self, names: Collection[str]) -> "Step":
        """The step for these of its forwarders. A subclass that does something for each leaves the others' out."""
        return replace(self, forwarders=tuple(name for name in self.forwarders if name in names))

    @property
    def accepts(self) -> str:
        """The shape that has to be accepted by a person before this step may run; empty for most."""
        return ""

    def notes(self) -> tuple[str, ...]:
        """What a reader of the plan should know."""
        return ()

    def unknown(self) -> tuple[str, ...]:
        """What cannot be known before an earlier step of the plan ran. No part of what the step relies on."""
        return ()

    def change_set(self) -> tuple[str, ...]:
        """What a change set that was made for the plan, and deleted again, said; nothing without one."""
        return ()

    def changes(self) -> tuple[str, ...]:
        """What is there now and what will be instead, line by line, where that can be shown."""
        return ()

    @abstractmethod
    def run(self, writer: Writer) -> str:
        """Do it, read it back, and say in one line what was proved.

        Raises:
            StepBlocked: it cannot be done. Whether something was changed by then, the writer's trail knows.
            StepFailed: something is not as intended.
            Interrupted: the run is being stopped.
            CallFailed: AWS refused.
        """

    @property
    def name(self) -> str:
        """`forwarder-stack 111122223333/us-east-1/cloudtrail-prod`."""
        return f"{type(self).FIX} {self.target}{'/' + self.subject if self.subject else ''}"

    def fingerprint(self, run: str) -> str:
        """What the step will do and the facts it relies on, as 16 hex digits; the same in every run.

        `run` is the id of the run it was planned in, which stands in names and tokens and is left out.
        """
        text = json.dumps(shown(self.relies_on()), sort_keys=True).replace(run, "RUN")
        return hashlib.sha256(f"{self.name} {text}".encode()).hexdigest()[:16]

    def relies_on(self) -> Mapping[str, object]:
        """Everything that the step was computed from: its own calls, and what a subclass adds."""
        return {"calls": [call.shown() for call in self.calls()], "notes": self.notes()}
