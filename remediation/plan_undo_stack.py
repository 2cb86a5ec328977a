"""Plans putting one stack's former template and parameters back. Pure.

The gate and its prediction are those of the way there, with old and new exchanged. What the run itself did may be
taken back, since the user asked for that; what would lose something that cannot be made again is refused all the same.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from checks.stack_states import HEALTHY, way_out
from fixtures.answers import items, optional_text, text
from fixtures.calendar import Phase, load_calendar
from fixtures.code_location import CodeLocation, code_location, parsed
from fixtures.estate import MASK, Forwarder, Function, SharedStack, Stack
from fixtures.fact import Absent, Fact, Unreadable, value
from fixtures.release import deployed_function
from fixtures.template import Template
from remediation.call import BytesBody
from remediation.gated_update import StackUpdate, TemplateSource, too_large_inline
from remediation.plan_shared import template_key
from remediation.predicted_outputs import changed_outputs
from remediation.prediction import predict
from remediation.preflight import Obstacle, change_set_name, losses, waiting
from remediation.roll_back_record import StackChange
from remediation.seen_stack import SeenStack
from remediation.shape import predicted_shape
from remediation.steps.undo_stack import FormerFunction, LentTemplate, UndoStackUpdate
from remediation.undo_context import Undoing

_BY_URL = re.compile(r"/templates/([0-9a-f]{64})\.yaml$")
_GRANT = "grant the permission, run again"


@dataclass(frozen=True, slots=True)
class Standing:
    """One stack as it is now; `forwarder` is None for a shared stack."""

    stack: Stack
    template: Fact[str]
    forwarder: Forwarder | None


@dataclass(frozen=True, slots=True)
class StackPlan:
    """A step, or what stands against it; neither where the stack is as it was before the run."""

    step: UndoStackUpdate | None
    obstacles: tuple[Obstacle, ...]


def standing(change: StackChange, undoing: Undoing) -> Standing | None:
    """The stack as this run saw it; None if it did not."""
    seen = undoing.seen(change.target)
    if seen is None:
        return None
    found: tuple[Forwarder | SharedStack, ...] = (value(seen.shared) or ()) if change.shared else seen.forwarders
    for one in found:
        if one.stack.name == change.stack:
            return Standing(one.stack, one.template, one if isinstance(one, Forwarder) else None)
    return None


def old_package_at(change: StackChange, undoing: Undoing) -> CodeLocation | None:
    """Where the old template and the old values say that the package is."""
    now, old = standing(change, undoing), undoing.old_template(change.template, change.stack)
    if now is None or old is None or change.shared:
        return None
    former = replace(now.stack, parameters=change.parameters)
    return code_location(old, former, undoing.pseudo(change.target, now.stack))


def plan_stack(change: StackChange, undoing: Undoing) -> StackPlan:
    """The update back, or what stands against it."""
    now = standing(change, undoing)
    if now is None:
        return _refused(
            "its stack is not among those that were looked at",
            "it is gone, or not asked for: leave --accounts, --regions and --forwarders out, run again",
        )
    digest = value(now.template)
    current = parsed(undoing.estate.templates[digest], change.stack) if digest else None
    old = undoing.old_template(change.template, change.stack)
    if current is None or old is None:
        missing = f"({now.template})" if current is None else f"(run {undoing.past.run} did not keep it)"
        which = "template" if current is None else "former template"
        return _refused(f"its {which} could not be read {missing}", _GRANT)
    if _as_before(change, now, current, old, undoing):
        return StackPlan(None, ())
    moved = tuple(_moved(change, now, current, undoing))
    return StackPlan(None, moved) if moved else _back(change, now, current, old, undoing)


def _back(change: StackChange, now: Standing, current: Template, old: Template, undoing: Undoing) -> StackPlan:
    """The update from what the run left to what was before."""
    values = _values(change, now.stack, current, old, undoing)
    former = _former(change, undoing) if now.forwarder else None
    sides = (current, now.stack.parameters, old, values.values, undoing.pseudo(change.target, now.stack))
    prediction = predict(*sides)
    accepted = frozenset({predicted_shape(prediction).id})
    found = [*_unfit(now, old, undoing), *values.problems, *([former] if isinstance(former, Obstacle) else [])]
    found += [
        Obstacle(loss.reason.replace("the update would", "undoing it would"), "undo this stack by hand")
        for loss in losses(prediction, accepted)
    ]
    lent = _lent(change, old, undoing) if too_large_inline(old.body) else None
    if isinstance(lent, Obstacle):
        found.append(lent)
    if found or isinstance(former, Obstacle) or isinstance(lent, Obstacle):
        return StackPlan(None, tuple(found))
    update = StackUpdate(
        seen=SeenStack.of(now.stack, current.digest),
        change_set=change_set_name(undoing.run),
        template=TemplateSource(old.body, _address(change, lent, undoing) if lent else None),
        parameters=values.given,
        capabilities=old.capabilities,
        prediction=prediction,
        accepted_shapes=accepted,
        outputs=changed_outputs(*sides),
    )
    step = UndoStackUpdate(
        change.target,
        change.stack,
        (change.stack,) if now.forwarder else (),
        update=update,
        former=former,
        lent=lent,
    )
    return StackPlan(step, ())


def _lent(change: StackChange, old: Template, undoing: Undoing) -> LentTemplate | Obstacle:
    """Where a large template can stand: in the bucket that the run used, under its digest."""
    bucket = undoing.past.done.locks.get(change.target, "")
    region = undoing.looked.bucket(change.target, bucket)
    if region != change.target.region:
        return Obstacle(
            f"its former template is too large to be given inline, and bucket {bucket or 'of the run'} is not there",
            "undo this stack by hand",
        )
    return LentTemplate(change.target.account, bucket, template_key(old), BytesBody(old.body.encode(), old.digest))


def _address(change: StackChange, lent: LentTemplate, undoing: Undoing) -> str:
    region = change.target.region
    return f"https://s3.{region}.{undoing.url_suffix(region)}/{lent.bucket}/{lent.key}"


def _refused(reason: str, to_do: str) -> StackPlan:
    return StackPlan(None, (Obstacle(reason, to_do),))


def _as_before(change: StackChange, now: Standing, current: Template, old: Template, undoing: Undoing) -> bool:
    """Whether template and values are those of before the run; a new secret alone does not show in them."""
    shown = current.digest == change.template and dict(now.stack.parameters) == dict(change.parameters)
    return shown and not (_new_secrets(change, old) and not _updated_since(change, now, undoing))


def _new_secrets(change: StackChange, old: Template) -> frozenset[str]:
    """NoEcho parameters of the old template for which the run gave a value."""
    given = {
        text(entry, "ParameterKey")
        for entry in items(change.asked.parameters, "Parameters")
        if not entry.get("UsePreviousValue")
    }
    return frozenset(given & old.no_echo_parameters)


def _moved(change: StackChange, now: Standing, current: Template, undoing: Undoing) -> Iterator[Obstacle]:
    """Whether the stack is not any more what the run left."""
    look = f"somebody changed it since run {undoing.past.run}: look at it, then undo it by hand"
    if current.digest != _asked_template(change):
        yield Obstacle("its stack has another template than the run gave it", look)
        return
    asked = _asked_values(change, current)
    names = sorted(
        name
        for name, found in now.stack.parameters.items()
        if MASK not in {found, asked.get(name)} and asked.get(name) != found
    )
    if names:
        yield Obstacle(f"its stack has other values than the run gave it for {', '.join(names)}", look)
    elif _updated_since(change, now, undoing) and now.stack.status != "UPDATE_ROLLBACK_COMPLETE":
        yield Obstacle(f"its stack was updated since the run, at {now.stack.changed:%Y-%m-%d %H:%M} UTC", look)


def _updated_since(change: StackChange, now: Standing, undoing: Undoing) -> bool:
    """Whether the stack's last update is a later one than the run's, as far as the run saw its own."""
    after = undoing.past.after
    if after is None or all(seen.target != change.target for seen in after.targets):
        return False
    seen = after.seen(change.target)
    found: tuple[Forwarder | SharedStack, ...] = (value(seen.shared) or ()) if change.shared else seen.forwarders
    for one in found:
        if one.stack.name == change.stack and value(one.template) == _asked_template(change):
            return one.stack.changed != now.stack.changed
    return False


def _asked_template(change: StackChange) -> str:
    body = optional_text(change.asked.parameters, "TemplateBody")
    if body is not None:
        return hashlib.sha256(body.encode()).hexdigest()
    match = _BY_URL.search(change.asked.text("TemplateURL"))
    return match[1] if match else ""


def _asked_values(change: StackChange, current: Template) -> Mapping[str, str]:
    """What the run asked each parameter to be."""
    asked = {name: parameter.default or "" for name, parameter in current.parameters.items()}
    for entry in items(change.asked.parameters, "Parameters"):
        name = text(entry, "ParameterKey")
        kept = bool(entry.get("UsePreviousValue"))
        asked[name] = change.parameters.get(name, "") if kept else optional_text(entry, "ParameterValue") or ""
    return asked


@dataclass(frozen=True, slots=True)
class _Values:
    given: tuple[Mapping[str, object], ...]
    values: Mapping[str, str]
    problems: tuple[Obstacle, ...]


def _values(change: StackChange, stack: Stack, current: Template, old: Template, undoing: Undoing) -> _Values:
    """The old values; a NoEcho one is kept where it was never changed, and has to be given where it is gone."""
    by_hand = undoing.given.of(change.target, change.stack)
    fresh = _new_secrets(change, old)
    given: list[Mapping[str, object]] = []
    values: dict[str, str] = {}
    problems: list[Obstacle] = []
    for name, parameter in old.parameters.items():
        former = change.parameters.get(name)
        if former is not None and former != MASK:
            values[name] = former
            given.append({"ParameterKey": name, "ParameterValue": former})
        elif name in by_hand:
            values[name] = f"{MASK} (given)"
            given.append({"ParameterKey": name, "ParameterValue": by_hand[name]})
        elif former == MASK and name in current.parameters and name in stack.parameters and name not in fresh:
            values[name] = MASK
            given.append({"ParameterKey": name, "UsePreviousValue": True})
        elif former is None and parameter.default is not None:
            values[name] = parameter.default
        else:
            problems.append(
                Obstacle(
                    f"the value that {name} had is not known: CloudFormation does not show it again (NoEcho)",
                    "give it with --rollback-parameters=FILE",
                )
            )
    return _Values(tuple(given), values, tuple(problems))


def _unfit(now: Standing, old: Template, undoing: Undoing) -> Iterator[Obstacle]:
    """What the present says against an update, whatever it would change."""
    if now.stack.status not in HEALTHY:
        yield Obstacle(f"its stack is {now.stack.status}", way_out(now.stack.status))
    if now.forwarder is None:
        return
    for name, fact in (("change sets", now.forwarder.change_sets), ("invocation", now.forwarder.invocation)):
        if isinstance(fact, Unreadable):
            yield Obstacle(f"its {name} could not be read ({fact})", _GRANT)
    yield from waiting(now.stack.name, value(now.forwarder.change_sets) or ())
    invocation = value(now.forwarder.invocation)
    if invocation and invocation.retries == 0:
        yield Obstacle(
            "its asynchronous retries are switched off: an event between the two calls of the update would be lost",
            "set its maximum retry attempts to 2 (Lambda, asynchronous invocation), then run again",
        )
    function = deployed_function(old)
    calendar = load_calendar()
    dates = calendar.lookup(function.runtime) if function else None
    if function and dates and dates.phase(undoing.today) is Phase.UPDATE_BLOCKED:
        yield Obstacle(
            f"AWS has blocked updates to {function.runtime} since {dates.update_blocked} ({calendar})",
            "there is no way back any more: mend what is wrong with the new one",
        )


def _former(change: StackChange, undoing: Undoing) -> FormerFunction | Obstacle:
    """The function as it was before the run, with its package where the old template points."""
    before = undoing.past.before.forwarder(change.target, change.stack)
    function: Fact[Function] = before.function if before else Absent(f"{change.stack} in the run's first look")
    if isinstance(function, Absent | Unreadable):
        return Obstacle(f"how its function was before the run is not known ({function})", "undo this stack by hand")
    at = old_package_at(change, undoing)
    if at is None:
        return Obstacle("its former template does not say where its package is", "undo this stack by hand")
    package = undoing.looked.package((change.target, at))
    if isinstance(package, Absent | Unreadable):
        return Obstacle(f"the old package cannot be read: {package}", "put it back there, then run again")
    if package.sha256 != function.code_sha256:
        return Obstacle(
            f"s3://{at.bucket}/{at.key} does not hold the package that ran before the run",
            "put that package back there, then run again",
        )
    return FormerFunction(function.name, function.runtime, function.handler, function.code_sha256, package)
