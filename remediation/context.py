"""What a plan is computed from: one target's facts, what should be true there, and how the run wants to fix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from checks.result import Result
from fixtures.code_location import pseudo_of
from fixtures.desired import Desired
from fixtures.estate import Estate, Seen, Stack, Target
from fixtures.intrinsics import Pseudo
from remediation.prediction import PredictedChange
from remediation.preflight import Obstacle, change_set_name
from remediation.shape import predicted_shape


@dataclass(frozen=True, slots=True)
class Intent:
    """How a run wants to fix.

    Attributes:
        run: the run's id; change sets are named after it.
        allow: consents.
        rotate: write the release's credentials over the secret that is there.
        test_event: send one to each touched forwarder; `payload` is the user's own event.
        limit: most forwarders that may be touched.
        approved_shapes: shapes that a person accepted by approving a plan.
        showing: the plan is only shown: what a person would have to accept stands in it as a step that says so.
        url_suffix: DNS suffix of a region.
        partition: partition of a region.
        today: for the runtime calendar.
    """

    run: str
    allow: frozenset[str]
    rotate: bool
    test_event: bool
    payload: str | None
    limit: int
    approved_shapes: frozenset[str]
    showing: bool
    url_suffix: Callable[[str], str]
    partition: Callable[[str], str]
    today: date


@dataclass
class Wants:
    """What is to be fixed in one target: subjects by fix; and what is waived there, by fix and subject.

    `rotation`: the shared stack's secret is to be written anew, whatever the findings say.
    """

    by_fix: dict[str, set[str]] = field(default_factory=dict)
    waived: dict[tuple[str, str], list[Result]] = field(default_factory=dict)
    rotation: bool = False

    def of(self, fix: str) -> tuple[str, ...]:
        """The subjects with a finding that this fix clears, sorted."""
        return tuple(sorted(self.by_fix.get(fix, ())))

    def against(self, fix: str, subject: str) -> list[Obstacle]:
        """Why this fix may not be made for that subject: it would mend what somebody decided to leave."""
        return [
            Obstacle(
                f"{result.check} is waived until {result.expires} ({result.ticket}), and the same step would mend it",
                "take that waiver out, or waive this too",
            )
            for result in self.waived.get((fix, subject), ())
        ]


@dataclass(frozen=True, slots=True)
class Context:
    """One target and everything that its plan depends on."""

    seen: Seen
    wants: Wants
    estate: Estate
    desired: Desired
    intent: Intent

    @property
    def target(self) -> Target:
        """Where."""
        return self.seen.target

    @property
    def url_suffix(self) -> str:
        """DNS suffix of the target's region."""
        return self.intent.url_suffix(self.target.region)

    def accepted(self, prediction: Sequence[PredictedChange]) -> frozenset[str]:
        """Shapes that a person accepted, in the settings or by approving a plan."""
        shown = {predicted_shape(prediction).id} if self.intent.showing else set()
        return self.intent.approved_shapes | {*self.desired.settings.accept_shapes, *shown}

    @property
    def change_set(self) -> str:
        """Name of the change sets of this run: says whose they are."""
        return change_set_name(self.intent.run)

    def pseudo(self, stack: Stack) -> Pseudo:
        """The pseudo parameters of a stack of the target."""
        partition = self.intent.partition(self.target.region)
        return pseudo_of(self.target, stack, partition=partition, url_suffix=self.url_suffix)
