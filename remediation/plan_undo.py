"""Plans how an earlier run is undone: in reverse order of its journal, what was really done and is still as it left it.

Pure: it reads the journal's account, the two looks of the earlier run, and what there is now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from checks.verdict import count
from fixtures.code_location import CodeLocation
from fixtures.estate import Target
from fixtures.fact import Absent, Unreadable, value
from remediation.plan import Plan, TargetPlan
from remediation.plan_undo_stack import old_package_at, plan_stack, standing
from remediation.plan_undo_trigger import plan_trigger
from remediation.preflight import Obstacle, blocked_by
from remediation.roll_back_look import BucketAt, PackageAt
from remediation.roll_back_record import Done, Left, StackChange, Upload
from remediation.step import Step
from remediation.steps.undo_artifact import UndoBucket, UndoUploads
from remediation.undo_context import UNDO, Kept, Undoing


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """The plan, and what of the run cannot be undone; the rest is as it was before already."""

    plan: Plan
    kept: tuple[Kept, ...]


@dataclass
class _Target:
    """One target's plan, growing."""

    target: Target
    # with the journal's line of what each undoes
    steps: list[tuple[int, Step]] = field(default_factory=list)
    last: list[Step] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def undone(self) -> tuple[str, ...]:
        """The forwarders of which something is undone."""
        return tuple(sorted({name for _, step in self.steps for name in step.forwarders}))

    def keep(self, subject: str, count: int, obstacles: Iterable[Obstacle]) -> None:
        """Something cannot be undone."""
        self.kept.append(Kept(self.target, subject, count, tuple(obstacles)))


def packages_of(done: Done, undoing: Undoing) -> Iterator[PackageAt]:
    """The old packages that have to be looked at."""
    for change in done.stacks:
        at = old_package_at(change, undoing)
        if at is not None:
            yield change.target, at


def buckets_of(done: Done) -> Iterator[BucketAt]:
    """The buckets that have to be looked at."""
    yield from done.buckets
    yield from done.locks.items()


def plan_undo(undoing: Undoing, made: datetime) -> UndoPlan:
    """What can be undone, target by target, and what cannot be."""
    done = undoing.past.done
    plans = [_plan_target(_Target(target), done.of(target), undoing) for target in done.targets]
    kept = tuple(one for plan in plans for one in plan.kept)
    return UndoPlan(Plan(undoing.run, made, tuple(_frozen(plan, done, undoing) for plan in plans)), kept)


def _plan_target(plan: _Target, done: Done, undoing: Undoing) -> _Target:
    seen = undoing.seen(plan.target)
    if seen is None or not seen.reached:
        why = "it was not looked at" if seen is None else f"it was not reached ({seen.identity})"
        plan.keep("", done.count, [Obstacle(why, "run again once it can be, without --accounts and --regions")])
        return plan
    _plan_forwarders(plan, done, undoing)
    _plan_shared(plan, done, undoing)
    buckets = [bucket for _, bucket in done.buckets]
    for bucket in dict.fromkeys((*(upload.bucket for upload in done.uploads), *buckets)):
        mine = [upload for upload in done.uploads if upload.bucket == bucket]
        _plan_bucket(plan, bucket, mine, undoing, made=bucket in buckets)
    for left in done.left:
        if not _is_gone(left, undoing):
            plan.keep(left.what, 1, [Obstacle(left.why, "")])
    return plan


def _is_gone(left: Left, undoing: Undoing) -> bool:
    """Whether a person has deleted the shared stack that the run made."""
    seen = undoing.seen(left.target)
    shared = value(seen.shared) if seen else None
    return bool(left.stack) and shared is not None and all(one.stack.name != left.stack for one in shared)


def _plan_forwarders(plan: _Target, done: Done, undoing: Undoing) -> None:
    for change in done.stacks:
        if not change.shared:
            found = plan_stack(change, undoing)
            if found.step:
                plan.steps.append((change.last.number, found.step))
            elif found.obstacles:
                plan.keep(change.stack, 1, found.obstacles)
    for trigger in done.triggers:
        back = plan_trigger(trigger, undoing)
        plan.kept += back.kept
        if back.step:
            plan.steps.append((trigger.last, back.step))
    plan.steps.sort(key=lambda numbered: -numbered[0])


def _plan_shared(plan: _Target, done: Done, undoing: Undoing) -> None:
    stay = [change.stack for change in done.stacks if _stays(plan, change)]
    for change in done.stacks:
        if not change.shared:
            continue
        found = plan_stack(change, undoing)
        obstacles = list(found.obstacles)
        if found.step and stay:
            reason = f"forwarders stay on the new template and may import from it: {', '.join(stay)}"
            obstacles.append(Obstacle(reason, "undo them first"))
        if obstacles:
            plan.keep(change.stack, 1, obstacles)
        elif found.step:
            plan.last.append(_behind(found.step, plan))


def _behind(step: Step, plan: _Target) -> Step:
    """The step, for all forwarders of the target of which something is undone: it comes after them, or not at all."""
    return replace(step, forwarders=plan.undone)


def _stays(plan: _Target, change: StackChange) -> bool:
    """Whether a forwarder's stack keeps what the run gave it."""
    return not change.shared and any(one.subject == change.stack for one in plan.kept)


def _plan_bucket(plan: _Target, bucket: str, uploads: list[Upload], undoing: Undoing, *, made: bool) -> None:
    objects: list[tuple[str, str]] = []
    stays = 0
    users = sorted(_users(bucket, plan, undoing))
    for upload in uploads:
        found = undoing.looked.package((plan.target, CodeLocation(bucket, upload.key)))
        if isinstance(found, Absent):
            continue
        if isinstance(found, Unreadable):
            obstacle = Obstacle(f"{upload.key} could not be read ({found})", "grant it, run again")
        elif found.sha256 != upload.sha256:
            obstacle = Obstacle(f"{upload.key} is not what the run uploaded any more", "look whose it is")
        elif users:
            obstacle = Obstacle(f"{upload.key} is left: needed by {count(len(users), 'stack')}", "undo them first")
        else:
            objects.append((upload.key, upload.sha256))
            continue
        stays += 1
        plan.keep(bucket, 1, [obstacle])
    if objects:
        plan.last.append(UndoUploads(plan.target, bucket, plan.undone, objects=tuple(objects)))
    if not made or isinstance(undoing.looked.bucket(plan.target, bucket), Absent):
        return
    if stays:
        plan.keep(bucket, 1, [Obstacle("the bucket is left: it is not empty", "")])
    else:
        plan.last.append(UndoBucket(plan.target, bucket, plan.undone))


def _users(bucket: str, plan: _Target, undoing: Undoing) -> Iterator[str]:
    """Stacks whose values will name the bucket once everything else is undone."""
    undone = {step.name for _, step in plan.steps}
    former = {
        (change.target, change.stack): change.parameters
        for change in undoing.past.done.stacks
        if (now := standing(change, undoing)) and now.forwarder
    }
    for forwarder in undoing.estate.forwarders:
        values = forwarder.stack.parameters
        if f"undo-stack {forwarder}" in undone:
            values = former[forwarder.target, forwarder.name]
        if any(bucket in text for text in values.values()):
            yield str(forwarder)


def _frozen(plan: _Target, done: Done, undoing: Undoing) -> TargetPlan:
    lock = done.locks.get(plan.target, "")
    there = lock and not isinstance(undoing.looked.bucket(plan.target, lock), Absent | Unreadable)
    steps = (*(step for _, step in plan.steps), *plan.last)
    waiting = [one for one in plan.kept if one.waits]
    blocked = tuple(blocked_by(plan.target, one.subject, UNDO, one.obstacles) for one in waiting)
    return TargetPlan(plan.target, steps, blocked, lock if there else "")
