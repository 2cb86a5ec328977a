"""What is looked at before the first write to a forwarder. Pure: it reads the estate and the release.

Each result is BLOCK (this forwarder is not touched, with what a person must do) or ADVICE (said, not stopping).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from checks.stack_states import HEALTHY, way_out
from fixtures.calendar import Phase, load_calendar
from fixtures.estate import Forwarder, Target
from fixtures.fact import Absent, Cause, Unreadable, value
from fixtures.release import Release
from fixtures.stack_facts import PendingChangeSet
from remediation.plan import Blocked
from remediation.prediction import PredictedChange
from remediation.replacement_rules import CREATE_ONLY, NEVER_LOST
from remediation.shape import predicted_shape

_HARMLESS = frozenset({"AWS::Lambda::Permission"})
_OURS = re.compile(r"taegis-forwarders-(?P<run>\d{8}T\d{6}Z-[0-9a-f]{4})(?:-r\d+)?(?:-\d+)?")
_LONGEST_NAME = 64  # characters of a function's name (Lambda API reference, CreateFunction)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason against touching a forwarder, and what a person must do about it."""

    reason: str
    to_do: str


def obstacles(forwarder: Forwarder, release: Release, today: date) -> Iterator[Obstacle]:
    """Everything that the forwarder's own facts say against updating its stack."""
    status = forwarder.stack.status
    if status not in HEALTHY:
        yield Obstacle(f"its stack is {status}", way_out(status))
    for name in ("template", "resources", "listed", "function", "change_sets", "invocation"):
        fact = getattr(forwarder, name)
        if isinstance(fact, Unreadable):
            to_do = how_to_read(fact, "grant the permission, run again")
            yield Obstacle(f"its {name.replace('_', ' ')} could not be read ({fact})", to_do)
        elif isinstance(fact, Absent):
            yield Obstacle(str(fact), "find out who removed it; a go1.x function cannot be made again")
    yield from waiting(forwarder.stack.name, value(forwarder.change_sets) or ())
    invocation = value(forwarder.invocation)
    if invocation and invocation.retries == 0:
        yield Obstacle(
            "its asynchronous retries are switched off: code and runtime change in two calls, seconds apart, and an "
            "event between them would be lost",
            "set its maximum retry attempts to 2 (Lambda, asynchronous invocation), then run again",
        )
    function = value(forwarder.function)
    if function and function.last_update == "InProgress":
        yield Obstacle("its function is being updated by somebody", "wait until that has ended, then run again")
    if "CAPABILITY_AUTO_EXPAND" in release.lambda_template.capabilities:
        yield Obstacle(
            "the release's template holds macros, so that what its update changes cannot be told before it is made",
            "update this stack by hand, or ask the vendor for a template without macros",
        )
    runtime = release.function.runtime if release.function else None
    if load_calendar().phase(runtime, today) is Phase.UPDATE_BLOCKED:
        yield Obstacle(
            f"AWS blocks updates to {runtime}, which the release's template names ({load_calendar()})",
            "ask the vendor for a template with a newer runtime",
        )


def change_set_name(run: str) -> str:
    """How the change sets of a run are called: whoever finds one knows whose it is."""
    return f"taegis-forwarders-{run}"


def waiting(stack: str, change_sets: Iterable[PendingChangeSet]) -> Iterator[Obstacle]:
    """Change sets that wait on a stack: executing one deletes all others (CloudFormation API, ExecuteChangeSet).

    One that could not be made waits for nobody (see `advice`). One of this suite names the run that left it.
    """
    ours: dict[str, str] = {}
    others: list[str] = []
    for found in change_sets:
        if found.failed:
            continue
        match = _OURS.fullmatch(found.name)
        if match:
            ours[found.name] = match["run"]
        else:
            others.append(found.name)
    if others:
        yield Obstacle(
            f"somebody's change set waits on {stack} ({', '.join(others)}); executing one deletes all others",
            "execute or delete it, then run again",
        )
    for name, run in ours.items():
        yield Obstacle(
            f"run {run} of this suite left a change set on {stack} ({name}), or is at work there",
            f"wait for it, or go on with it where its folder is (--resume={run}); where that cannot be, delete the "
            "change set",
        )


def advice(forwarder: Forwarder, release: Release, today: date) -> Iterator[str]:
    """What whoever approves the plan should know, and what does not stop it."""
    if "CAPABILITY_NAMED_IAM" in release.lambda_template.capabilities:
        yield "the release's template makes IAM resources with names of their own, which is acknowledged (NAMED_IAM)"
    for found in value(forwarder.change_sets) or ():
        if found.failed:
            yield f"change set {found.name} on its stack could not be made; it goes when the update is executed"
    function, invocation = value(forwarder.function), value(forwarder.invocation)
    if function is None:
        return
    if function.dead_letter_arn is None and invocation and invocation.destination is None:
        yield "no dead-letter queue and no destination for failures: events that fail in every attempt are dropped"
    calendar = load_calendar()
    dates = calendar.lookup(function.runtime)
    if dates and dates.update_blocked and calendar.phase(function.runtime, today) is not Phase.SUPPORTED:
        left = (dates.update_blocked - today).days
        if left > 0:
            yield f"going back to {function.runtime} is possible until {dates.update_blocked}, {left} days ({calendar})"
        else:
            yield (
                f"there is no way back to {function.runtime} since {dates.update_blocked} ({calendar}): if the update "
                "fails, CloudFormation cannot roll it back either (UPDATE_ROLLBACK_FAILED)"
            )


def long_name(name: object) -> Obstacle | None:
    """Why a function of that name cannot be made; None if it can, or where only CloudFormation knows the name."""
    if not isinstance(name, str) or len(name) <= _LONGEST_NAME:
        return None
    return Obstacle(
        f"its function would be called {name}, {len(name)} characters; Lambda takes {_LONGEST_NAME}",
        "its stack's name is too long for the template: ask the vendor",
    )


def how_to_read(fact: Unreadable, otherwise: str) -> str:
    """What a person must do about an unreadable fact; a snapshot that an audit kept lacks what only a plan needs."""
    return "plan from a snapshot that --plan --snapshot=FILE kept" if fact.cause is Cause.NOT_READ else otherwise


def unidentified(forwarder: Forwarder) -> Obstacle | None:
    """Why nothing is written around a stack that may only look like a forwarder's: AWS does not show what it owns.

    Nothing is said of a snapshot in which that was not asked: whoever writes has asked.
    """
    resources = forwarder.resources
    if not isinstance(resources, Unreadable) or resources.cause is Cause.NOT_READ:
        return None
    return Obstacle(
        f"it may only look like a forwarder: its stack's resources could not be read ({resources})",
        "grant the permission, run again",
    )


def losses(prediction: Sequence[PredictedChange], accepted: frozenset[str]) -> Iterator[Obstacle]:
    """What the update would lose: hard stops, and what a person may accept by its shape."""
    for change in _lost(prediction):
        if change.resource_type in NEVER_LOST:
            yield Obstacle(f"the update would lose {change.logical_id}: {change}", _how_to_keep(change))
        elif change.resource_type not in CREATE_ONLY:
            yield Obstacle(f"what the update would do is not known: {change}", "update this stack by hand")
    to_accept = acceptable_losses(prediction)
    shape = predicted_shape(prediction)
    if to_accept and shape.id not in accepted:
        yield Obstacle(
            f"the update removes or replaces: {'; '.join(to_accept)}",
            f"look at it; if that is right, approve a plan of it (--plan, then --fix --approved=PLAN), or add "
            f"{shape.id!r} to accept_shapes in the settings",
        )


def _how_to_keep(change: PredictedChange) -> str:
    if change.resource_type == "AWS::Lambda::Function" and "FunctionName" in change.properties:
        return "choose the IntegrationType that its function is called after, or ask the vendor"
    if change.action == "Remove":
        return "the release's template has no such resource: ask the vendor for one that keeps it"
    named = f" (of {', '.join(change.properties)})" if change.properties else ""
    return f"keep the values that it is made with{named} in the settings, or ask the vendor"


def acceptable_losses(prediction: Sequence[PredictedChange]) -> tuple[str, ...]:
    """What the update removes or replaces and a person may accept: roles, policies, secrets and their like."""
    return tuple(
        str(change)
        for change in _lost(prediction)
        if change.resource_type not in NEVER_LOST and change.resource_type in CREATE_ONLY
    )


def _lost(prediction: Sequence[PredictedChange]) -> Iterator[PredictedChange]:
    for change in prediction:
        lost = change.action == "Remove" or change.replacement == "True"
        if lost and change.resource_type not in _HARMLESS:
            yield change


def blocked_by(target: Target, subject: str, fixes: Iterable[str], obstacles: Iterable[Obstacle]) -> Blocked:
    """What is not touched, and why; each reason once."""
    found = tuple(dict.fromkeys(obstacles))
    return Blocked(
        target=target,
        subject=subject,
        fixes=frozenset(fixes),
        reasons=tuple(obstacle.reason for obstacle in found),
        to_do=tuple(dict.fromkeys(obstacle.to_do for obstacle in found if obstacle.to_do)),
    )
