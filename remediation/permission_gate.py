"""What a plan loses where the fixer has no right: the target or forwarder is BLOCKED, the others go on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from fixtures.aws import Clients
from fixtures.entrances import home_region
from fixtures.estate import Estate, Target
from fixtures.fact import value
from fixtures.fan import Fan
from fixtures.look import LOOK
from fixtures.options import Options
from fixtures.state import OPTIONS
from remediation.access import Access
from remediation.permission_check import Refused, Simulated, Simulation
from remediation.permission_needs import Right, Where, lock_rights, rights_of
from remediation.plan import Plan, TargetPlan
from remediation.preflight import Obstacle, blocked_by
from remediation.step import Step
from remediation.steps.event import SendTestEvent

_REPLAY: Final = "a replay asks AWS nothing"
_AUDITOR: Final = "no --fix-role says who would write"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What is known of each account's fixer, over the rounds of a run: nothing is asked twice."""

    access: Access
    known: dict[str, Simulated] = field(default_factory=dict)

    def held_to(self, plan: Plan, estate: Estate) -> tuple[Plan, tuple[str, ...]]:
        """The plan without what the fixers may not do, and notes on what could not be told."""
        needed = _needed(plan, _Places(estate, self.access.clients))
        self._ask(needed)
        targets = (_narrowed(target, needed, self.known.get(target.target.account)) for target in plan.targets)
        return Plan(plan.run, plan.made, tuple(targets)), tuple(self._not_told(needed))

    def foretold(self, plan: Plan, estate: Estate) -> tuple[str, ...]:
        """Notes for a plan that is only shown: what would be refused, and what could not be told."""
        needed = _needed(plan, _Places(estate, self.access.clients))
        self._ask(needed)
        told = (line for account in sorted(needed.accounts) for line in self._would_be_refused(account, needed))
        return (*told, *self._not_told(needed))

    def _ask(self, needed: "_Needed") -> None:
        """Ask of every account at once what is not known yet; `KeyboardInterrupt` ends it after the calls in flight."""
        options = self.access.config.stash[OPTIONS]
        with Fan() as fan:
            asked = {}
            for account, rights in sorted(needed.accounts.items()):
                known = self.known.setdefault(account, Simulated())
                open_ones = rights - known.told.keys()
                why_not = self._why_not(account, options)
                if why_not:
                    known.problem = why_not
                elif open_ones and not known.problem:
                    simulation = Simulation(self.access.account(account), home_region(options), self.access.stop)
                    asked[account] = fan.ask(simulation.of, open_ones)
            for account, answer in asked.items():
                found, known = answer.result(), self.known[account]
                known.name, known.problem = found.name, found.problem
                known.told.update(found.told)

    def _why_not(self, account: str, options: Options) -> str:
        if LOOK not in self.access.config.stash:
            return _REPLAY
        own = next((found for found in options.fleet if found.id == account), None)
        fix_role = options.fix_role or (own.fix_role if own else None)
        audit_role = options.role or (own.role if own else None)
        # an audit's role is never entered without its session policy
        return _AUDITOR if not options.fix and not fix_role and audit_role else ""

    def _would_be_refused(self, account: str, needed: "_Needed") -> Iterator[str]:
        known = self.known[account]
        refused = {right: found for right in needed.accounts[account] if (found := known.told.get(right))}
        for obstacle in _obstacles(known.name, refused, most=1):
            yield f"{account}: --fix would be refused: {obstacle.reason}; {obstacle.to_do}"

    def _not_told(self, needed: "_Needed") -> Iterator[str]:
        problems: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for account in sorted(needed.accounts):
            if self.known[account].problem:
                key = self.known[account].problem, needed.actions(account)
                problems.setdefault(key, []).append(account)
        for (reason, actions), accounts in problems.items():
            yield (
                f"{', '.join(accounts)}: permissions could not be simulated ({reason}); the steps need: "
                f"{', '.join(actions)}"
            )


@dataclass(frozen=True, slots=True)
class _Places:
    """Turns a target into what names become ARNs with."""

    estate: Estate
    clients: Clients

    def at(self, target: Target) -> Where:
        """With the ids of the stacks that were seen."""
        seen = self.estate.seen(target)
        stacks = [*(one.stack for one in seen.forwarders), *(one.stack for one in value(seen.shared) or ())]
        return Where(target, self.clients.partition(target.region), {stack.name: stack.id for stack in stacks})


@dataclass(frozen=True, slots=True)
class _Needed:
    """What a plan needs: by account for IAM, and by part of the plan for what follows from a refusal."""

    accounts: Mapping[str, frozenset[Right]]
    names: Mapping[str, frozenset[str]]
    places: Mapping[Target, Where]

    def actions(self, account: str) -> tuple[str, ...]:
        """Every action that the account's steps declare, sorted."""
        return tuple(sorted(self.names[account]))


def _needed(plan: Plan, places: _Places) -> _Needed:
    accounts: dict[str, set[Right]] = {}
    names: dict[str, set[str]] = {}
    where = {target.target: places.at(target.target) for target in plan.targets if target.steps}
    for target in plan.targets:
        for step in target.steps:
            accounts.setdefault(target.target.account, set()).update(rights_of(step, where[target.target]))
            names.setdefault(target.target.account, set()).update(type(step).ACTIONS)
        if target.steps:
            accounts[target.target.account] |= _lock_of(target, where[target.target])
    return _Needed(
        {account: frozenset(rights) for account, rights in accounts.items()},
        {account: frozenset(found) for account, found in names.items()},
        where,
    )


def _lock_of(plan: TargetPlan, where: Where) -> frozenset[Right]:
    return lock_rights(plan.bucket, where) if plan.bucket else frozenset()


@dataclass(frozen=True, slots=True)
class _Against:
    """What speaks against rights in one target."""

    known: Simulated
    where: Where

    def rights(self, rights: Iterable[Right]) -> list[Obstacle]:
        """Whichever of these the fixer has not."""
        return list(_obstacles(self.known.name, {right: no for right in rights if (no := self.known.told.get(right))}))

    def step(self, step: Step) -> list[Obstacle]:
        """What the step may not do."""
        return self.rights(rights_of(step, self.where))


def _narrowed(plan: TargetPlan, needed: _Needed, known: Simulated | None) -> TargetPlan:
    """The target's plan without what may not be done.

    What all forwarders need (lock, bucket, shared stack) stops the target. A forwarder of which one step may not be
    taken is not touched at all: half a migration is worse than none. A test event is only left out.
    """
    where = needed.places.get(plan.target)
    if known is None or where is None or not any(known.told.values()):
        return plan
    against = _Against(known, where)
    common = against.rights(_lock_of(plan, where))
    common += [obstacle for step in plan.steps if step.shared for obstacle in against.step(step)]
    own: dict[str, list[Obstacle]] = {}
    for step in plan.steps:
        for name in () if step.shared or _stands_alone(step) else step.forwarders:
            if obstacles := against.step(step.only((name,))):
                own.setdefault(name, []).extend(obstacles)
    kept: list[Step] = []
    lost: dict[str, tuple[set[str], list[Obstacle]]] = {}
    for step in plan.steps:
        alone = against.step(step) if _stands_alone(step) else []
        behind = sorted(own.keys() & set(step.forwarders))
        left = None if common or alone else step.without(behind) if behind and not step.shared else step
        if left is not None:
            kept.append(left)
        for subject, fixes in step.clears.items():
            if left is None or (left is not step and subject in behind):
                found = lost.setdefault(subject, (set(), []))
                found[0].update(fixes)
                others = own.get(subject) or [obstacle for name in behind for obstacle in own[name]]
                found[1].extend([*common, *alone, *others])
    refusals = (blocked_by(plan.target, subject, *found) for subject, found in lost.items())
    return replace(plan, steps=tuple(kept), blocked=(*plan.blocked, *refusals))


def _stands_alone(step: Step) -> bool:
    """Whether nothing else depends on the step: it is for no forwarder, or only tries one out."""
    return isinstance(step, SendTestEvent) or not (step.shared or step.forwarders)


def _obstacles(name: str, refused: Mapping[Right, Refused], most: int = 0) -> Iterator[Obstacle]:
    """One obstacle for each resource and reason; with `most`, one for each reason that names so many resources."""
    alike: dict[tuple[Refused, str], list[Right]] = {}
    for right, found in sorted(refused.items(), key=lambda pair: (pair[0].resource, pair[0].action)):
        alike.setdefault((found, right.action if most else right.resource), []).append(right)
    for (found, _), rights in alike.items():
        actions = ", ".join(dict.fromkeys(right.action for right in rights))
        resources = list(dict.fromkeys(right.resource for right in rights))
        more = f" and {len(resources) - most} more" if most and len(resources) > most else ""
        by = f" ({found.by})" if found.by else ""
        yield Obstacle(f"{name} may not {actions} on {resources[0]}{more}{by}", found.to_do)
