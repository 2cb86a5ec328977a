"""What undoing a run is planned from: what it did, what there was before, what it left, and what there is now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from fixtures.code_location import parsed, pseudo_of
from fixtures.estate import Estate, Seen, Stack, Target
from fixtures.intrinsics import Pseudo
from fixtures.template import Template
from remediation.journal import Entry
from remediation.preflight import Obstacle
from remediation.roll_back_look import Looked
from remediation.roll_back_parameters import GivenValues
from remediation.roll_back_record import Done

UNDO = frozenset({"undo"})  # what a refusal of an undo step refuses: no finding's fix


@dataclass(frozen=True, slots=True)
class Past:
    """The earlier run: `before` is what it saw first, `after` what it saw last, where it came that far.

    `journals` are its own and those of rollbacks of it that were begun before, by run.
    """

    run: str
    journals: Mapping[str, tuple[Entry, ...]]
    done: Done
    before: Estate
    after: Estate | None


@dataclass(frozen=True, slots=True)
class Undoing:
    """The earlier run, and the present.

    Attributes:
        run: id of this run; change sets are named after it.
        given: values that cannot be read back.
        partition: partition of a region.
        url_suffix: DNS suffix of a region.
        today: for the runtime calendar.
    """

    past: Past
    estate: Estate
    looked: Looked
    given: GivenValues
    run: str
    partition: Callable[[str], str]
    url_suffix: Callable[[str], str]
    today: date

    def seen(self, target: Target) -> Seen | None:
        """What is there now; None where this run did not look."""
        return next((seen for seen in self.estate.targets if seen.target == target), None)

    def old_template(self, digest: str, stack: str) -> Template | None:
        """A template that was there before the run."""
        body = self.past.before.templates.get(digest)
        return parsed(body, stack) if body is not None else None

    def pseudo(self, target: Target, stack: Stack) -> Pseudo:
        """The pseudo parameters of a stack."""
        return pseudo_of(
            target, stack, partition=self.partition(target.region), url_suffix=self.url_suffix(target.region)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Writes of the earlier run that cannot be undone: how many, whose, why, and what a person can do."""

    target: Target
    subject: str
    count: int
    obstacles: tuple[Obstacle, ...]

    @property
    def waits(self) -> bool:
        """Whether a person can do something about it; else it is left for good."""
        return any(obstacle.to_do for obstacle in self.obstacles)
