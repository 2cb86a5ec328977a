"""An approved plan: what a person looked at, and nothing else, is applied."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.errors import InputError
from remediation.plan import VERSION, Blocked, Plan, TargetPlan
from remediation.preflight import Obstacle, blocked_by
from remediation.step import Step

_NAMED: Final = 5  # steps that are named; the rest is counted
_MIGRATION: Final = frozenset({"forwarder-stack", "trigger"})  # the fixes of a forwarder


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

    A forwarder or bucket with one refused step is not touched at all, and nothing goes on in a target whose shared
    steps are refused. What is for several goes on for the others.
    """
    targets: list[TargetPlan] = []
    blocked: list[Blocked] = []
    for target in plan.targets:
        kept, refused = _held(target, plan.run, approved)
        targets.append(replace(target, steps=kept))
        blocked += refused
    return replace(plan, targets=tuple(targets)), tuple(blocked)


def left_out(plan: Plan, approved: ApprovedPlan) -> str:
    """A note on the approved steps that a fresh plan does not hold: whoever approved them expects them; else empty."""
    missing = sorted(approved.steps.keys() - {step.name for step in plan.steps})
    if not missing:
        return ""
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return (
        f"of the approved plan ({approved.run}) these steps are not planned now, since nothing asks for them any more, "
        f"they were not asked for this time, or something stands against them: {', '.join(missing[:_NAMED])}{more}"
    )


def _held(target: TargetPlan, run: str, approved: ApprovedPlan) -> tuple[tuple[Step, ...], Iterable[Blocked]]:
    """The target's steps that go on, and who is left as they are, each with every reason."""
    against = {step.name: why for step in target.steps if (why := _why_not(step, run, approved))}
    reasons: dict[str, list[Obstacle]] = {}
    shut: list[Obstacle] = []
    for step in (found for found in target.steps if found.name in against):
        obstacle = Obstacle(
            f"{step.title}: {against[step.name]} ({approved.run})", "plan again (--plan), look at it, approve that"
        )
        for subject in step.clears:
            reasons.setdefault(subject, []).append(obstacle)
        shut += [obstacle] if step.shared else []
    kept: list[Step] = []
    lost: dict[str, tuple[set[str], list[Obstacle]]] = {}
    for step in target.steps:
        behind = sorted(reasons.keys() & step.clears.keys())
        left = None if shut or step.name in against else step.without(behind)
        if left is not None:
            kept.append(left)
        for subject, fixes in step.clears.items():
            if left is None or subject not in left.clears:
                found = lost.setdefault(subject, (set(), []))
                # half a migration is none: what else would have been mended is refused too
                found[0].update(fixes, _MIGRATION if subject in step.forwarders else ())
                found[1].extend(reasons.get(subject) or shut or [one for name in behind for one in reasons[name]])
    return tuple(kept), [blocked_by(target.target, subject, *found) for subject, found in lost.items()]


def _why_not(step: Step, run: str, approved: ApprovedPlan) -> str:
    """What speaks against a step by itself; empty if it is the approved one."""
    wanted = approved.steps.get(step.name)
    if wanted is None:
        return "it is not in the approved plan"
    return "" if wanted == step.fingerprint(run) else "what it relies on has changed since the plan was approved"
