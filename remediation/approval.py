"""An approved plan: what a person looked at, and nothing else, is applied."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.errors import InputError
from remediation.plan import VERSION, Blocked, Plan
from remediation.preflight import Obstacle, blocked_by
from remediation.step import Step


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str
    fingerprint: str
    accepts: str = ""


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True)
    steps: tuple[_Step, ...]


class ApprovedPlan(BaseModel):
    """What of a saved plan counts: its steps' names, what they rely on, and the shapes it accepts."""

    model_config = ConfigDict(frozen=True)
    format: Literal["taegis-forwarders plan"]
    version: int
    run: str
    targets: tuple[_Target, ...]

    @property
    def steps(self) -> Mapping[str, str]:
        """Fingerprints by step name."""
        return {step.name: step.fingerprint for target in self.targets for step in target.steps}

    @property
    def shapes(self) -> frozenset[str]:
        """The shapes that were accepted by approving it."""
        return frozenset(step.accepts for target in self.targets for step in target.steps if step.accepts)


def read_approved(path: Path) -> ApprovedPlan:
    """Read a plan that `--plan` saved.

    Raises:
        InputError: it cannot be read, is no plan, or is of another version.
    """
    try:
        plan = ApprovedPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--approved={path}", str(error), "name the plan.json of a --plan run") from error
    except ValidationError:
        raise InputError(f"--approved={path}", "it is not a plan", "name the plan.json of a --plan run") from None
    if plan.version != VERSION:
        raise InputError(
            f"--approved={path}", f"it is of version {plan.version}, this suite writes {VERSION}", "plan again"
        )
    return plan


def held_to(plan: Plan, approved: ApprovedPlan) -> tuple[Plan, tuple[Blocked, ...]]:
    """The part of a fresh plan that was approved, and what is refused: moved facts, and steps not in it.

    A forwarder with one refused step is not touched at all, and nothing goes on in a target whose shared steps are
    refused.
    """
    refused: list[tuple[Step, str]] = []
    for step in plan.steps:
        wanted = approved.steps.get(step.name)
        if wanted is None:
            refused.append((step, "it is not in the approved plan"))
        elif wanted != step.fingerprint(plan.run):
            refused.append((step, "what it relies on has changed since the plan was approved"))
    shut = {step.target for step, _ in refused if step.shared}
    names = {(step.target, name) for step, _ in refused for name in step.forwarders}
    gone = {step.name for step, _ in refused}

    def goes_on(step: Step) -> bool:
        behind = any((step.target, name) in names for name in step.forwarders)
        return step.name not in gone and step.target not in shut and not behind

    return plan.only(goes_on), tuple(_refusals(refused, approved))


def _refusals(refused: Iterable[tuple[Step, str]], approved: ApprovedPlan) -> Iterable[Blocked]:
    for step, why in refused:
        obstacle = Obstacle(f"{step.title}: {why} ({approved.run})", "plan again (--plan), look at it, approve that")
        fixes = {type(step).FIX} if step.shared else {type(step).FIX, "forwarder-stack", "trigger"}
        for subject in step.forwarders or (step.subject if not step.shared else "",):
            yield blocked_by(step.target, subject, fixes, [obstacle])
