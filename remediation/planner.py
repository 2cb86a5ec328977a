"""Builds the plan: from findings that name a fix, the estate and the desired state, to ordered steps. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from checks.outcome import Status
from checks.result import Result
from checks.wiring import partition_of
from fixtures.desired import Desires
from fixtures.estate import Estate, Target
from fixtures.fact import Absent, value
from fixtures.release import Release
from remediation import rotation
from remediation.context import Context, Intent, Wants
from remediation.gated_update import too_large_inline
from remediation.plan import Advice, Blocked, Plan, TargetPlan
from remediation.plan_forwarder import plan_forwarder
from remediation.plan_shared import plan_artifact, plan_shared
from remediation.plan_trigger import filters_of, plan_buckets
from remediation.preflight import Obstacle, advice, blocked_by, unidentified
from remediation.step import Step
from remediation.steps.event import SendTestEvent
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.shared_stack import CreateSharedStack

_OF_BUCKETS: Final = frozenset({"stale-rules", "duplicates"})  # fixes of a bucket's findings


def make_plan(results: Iterable[Result], estate: Estate, desires: Desires, intent: Intent, made: datetime) -> Plan:
    """The plan that would clear the findings, and rotate credentials where that was asked for.

    Targets with nothing to do are left out.
    """
    wants: dict[Target, Wants] = {}
    found = tuple(results)
    for result in found:
        if result.status is Status.FAILED and result.fix and result.account:
            target = Target(result.account, result.region)
            wants.setdefault(target, Wants()).by_fix.setdefault(result.fix, set()).add(result.name)
    if intent.rotate:
        for target in rotation.due(estate, desires):
            wants.setdefault(target, Wants()).rotation = True
    for result in found:
        if result.status is Status.WAIVED and result.fix:
            for target in _concerned(result, estate) & wants.keys():
                wants[target].waived.setdefault((result.fix, result.name), []).append(result)
    targets = tuple(
        _plan_target(Context(estate.seen(target), wants[target], estate, desires.of(target.account), intent))
        for target in sorted(wants)
    )
    return _within_limit(Plan(intent.run, made, targets), intent.limit)


def _concerned(result: Result, estate: Estate) -> set[Target]:
    """The targets that a result speaks of: a bucket's is told in one of those that use it."""
    users = {forwarder.target for forwarder in estate.of_bucket(result.name)} if result.fix in _OF_BUCKETS else set()
    return {Target(result.account, result.region), *users}


def _plan_target(context: Context) -> TargetPlan:
    release = context.desired.release
    if release is None or not context.desired.tenant.owns(context.target.account):
        return _without_release(context)
    wants = context.wants
    to_update = wants.of("forwarder-stack")
    shared_wanted = bool(to_update or wants.of("shared-stack") or wants.rotation)
    by_url = shared_wanted and too_large_inline(release.shared_template.body)
    artifact = plan_artifact(context, release, needed=bool(to_update or wants.of("artifact") or by_url))
    shared = plan_shared(context, release, artifact, needed=shared_wanted)
    kept = [why for fix, step in (("artifact", artifact.step), ("shared-stack", shared.step)) if step
            for why in wants.against(fix, "")]  # fmt: skip
    base = [*artifact.obstacles, *shared.obstacles, *kept, *_needed_by_nobody(context)]
    # one stops the other, and the forwarders too: none of them is left without its reason
    foundation = (("artifact", artifact), ("shared-stack", shared))
    blocked = [_blocked(context, "", {fix}, base) for fix, part in foundation if base and (part.step or part.obstacles)]
    blocked += [_blocked(context, "", {"shared-stack"}, shared.left)] if shared.left else []
    steps: list[Step] = [step for step in (artifact.step, shared.step) if step and not base]
    refused: set[str] = set()
    for name in to_update:
        own, against = plan_forwarder(context, name, release, artifact)
        problems = (*wants.against("forwarder-stack", name), *against)
        if base or problems:
            refused.add(name)
            blocked.append(_blocked(context, name, {"forwarder-stack", "trigger"}, [*problems, *base]))
        else:
            steps.extend(_awaiting(own, release) if isinstance(shared.step, CreateSharedStack) else own)
    merges, more = plan_buckets(context, frozenset(refused))
    steps.extend(merges)
    steps.extend(_test_events(context, {name for step in steps for name in step.forwarders}))
    bucket = _lock_bucket(context, artifact.bucket, steps)
    return TargetPlan(context.target, tuple(steps), (*blocked, *more), bucket, tuple(_advice(context, release, steps)))


def _needed_by_nobody(context: Context) -> tuple[Obstacle, ...]:
    """Why nothing is made for a target's forwarders: of none of them is it known that it is one."""
    unsure = [unidentified(forwarder) for forwarder in context.seen.forwarders]
    return tuple(dict.fromkeys(filter(None, unsure))) if all(unsure) else ()


def _awaiting(steps: Iterable[Step], release: Release) -> Iterator[Step]:
    """The steps, which say what they import from a shared stack that is still to be made."""
    made = {*release.shared_template.exports}
    for step in steps:
        awaited = tuple(name for name in release.lambda_template.imports if name in made)
        yield replace(step, awaits=awaited) if isinstance(step, UpdateForwarderStack) else step


def _advice(context: Context, release: Release, steps: Iterable[Step]) -> Iterator[Advice]:
    """Notes on the forwarders whose stacks are updated."""
    names = {name for step in steps if isinstance(step, UpdateForwarderStack) for name in step.forwarders}
    for forwarder in context.seen.forwarders:
        if forwarder.name in names:
            for text in advice(forwarder, release, context.intent.today):
                yield Advice(context.target, forwarder.name, text)


def _lock_bucket(context: Context, bucket: str, steps: Iterable[Step]) -> str:
    """Where the target's lock stands; nowhere while the bucket is missing and is not made.

    What is left to do there is merging triggers, which looks for other writers by itself.
    """
    artifact = value(context.seen.artifact)
    missing = artifact is not None and isinstance(artifact.region, Absent)
    return "" if missing and not any(step.makes_bucket for step in steps) else bucket


def _without_release(context: Context) -> TargetPlan:
    """Triggers can be mended without a release, where nothing else is wrong with the forwarder; nothing else can."""
    reason = Obstacle(
        "there is no release for this account", "give --release=DIR, or map the account to a tenant in the settings"
    )
    refused = {"artifact": (), "shared-stack": (), "forwarder-stack": ("trigger",)}
    blocked = [
        _blocked(context, name, {fix, *others}, [reason])
        for fix, others in refused.items()
        for name in context.wants.of(fix) or ([""] if fix == "shared-stack" and context.wants.rotation else ())
    ]
    merges, more = plan_buckets(context, frozenset(context.wants.of("forwarder-stack")))
    events = _test_events(context, {name for step in merges for name in step.forwarders})
    return TargetPlan(context.target, (*merges, *events), (*blocked, *more))


def _test_events(context: Context, names: Iterable[str]) -> Iterator[Step]:
    if not context.intent.test_event:
        return
    payload = context.intent.payload
    for forwarder in context.seen.forwarders:
        function = value(forwarder.listed)
        if forwarder.name in names and function and (payload or forwarder.bucket_name):
            yield SendTestEvent(
                target=context.target,
                subject=forwarder.name,
                forwarders=(forwarder.name,),
                function=function.name,
                partition=partition_of(function.arn),
                bucket=forwarder.bucket_name or "",
                filters=filters_of(forwarder, context.estate),
                payload=payload,
            )


def _blocked(context: Context, subject: str, fixes: Iterable[str], obstacles: Iterable[Obstacle]) -> Blocked:
    return blocked_by(context.target, subject, fixes, obstacles)


def _within_limit(plan: Plan, limit: int) -> Plan:
    """The plan, or nothing of it: a limit refuses as a whole, with both numbers."""
    count = len(plan.forwarders)
    if count <= limit:
        return plan
    reason = Obstacle(
        f"the plan would touch {count} forwarders, and --fix-limit is {limit}",
        f"narrow it with --forwarders, --regions or --accounts, or say --fix-limit={count}",
    )
    targets = tuple(
        TargetPlan(
            target.target,
            (),
            (
                *target.blocked,
                *(
                    blocked_by(target.target, subject, fixes, [reason])
                    for subject, fixes in _subjects(target.steps).items()
                ),
            ),
        )
        for target in plan.targets
    )
    return Plan(plan.run, plan.made, targets)


def _subjects(steps: Iterable[Step]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in steps:
        for subject, fixes in step.clears.items():
            found.setdefault(subject, set()).update(fixes)
    return found
