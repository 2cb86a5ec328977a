"""What a plan loses where the fixer has no right: the target or forwarder is BLOCKED, the others go on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from fixtures.aws import Clients
from fixtures.entrances import home_region
from fixtures.estate import Estate, Target
from fixtures.fan import Fan
from fixtures.look import LOOK
from fixtures.options import Options
from fixtures.state import OPTIONS
from remediation.access import Access
from remediation.permission_check import Simulated, Simulation
from remediation.permission_needs import Right, Where, lock_rights, rights_of, seen_at, settling_rights
from remediation.permission_stack import by_cloudformation
from remediation.permission_text import doubts, refusals
from remediation.permission_verdict import Refused
from remediation.plan import Plan, TargetPlan
from remediation.preflight import Obstacle, blocked_by
from remediation.step import Step
from remediation.steps.event import SendTestEvent
from remediation.steps.undo_artifact import UndoBucket, UndoUploads

_REPLAY: Final = "a replay asks AWS nothing"
_AUDITOR: Final = "no --fix-role says who would write"
Who = tuple[str, str]  # an account, and the ARN of a stack's own role in it, empty for the fixer


@dataclass(frozen=True, slots=True)
class Permissions:
    """What is known of each account's fixer, over the rounds of a run: nothing is asked twice."""

    access: Access
    known: dict[Who, Simulated] = field(default_factory=dict)

    def held_to(self, plan: Plan, estate: Estate) -> tuple[Plan, tuple[str, ...]]:
        """The plan without what the fixers may not do, and notes on what could not be told."""
        needed = _needed(plan, _Places(estate, self.access.clients))
        self._ask(needed)
        targets = (_narrowed(target, needed, self.known) for target in plan.targets)
        return Plan(plan.run, plan.made, tuple(targets)), tuple(self._notes(needed))

    def against(self, step: Step, estate: Estate) -> tuple[Obstacle, ...]:
        """What speaks against one step, by what was asked for its plan."""
        return tuple(_Against(self.known, _Places(estate, self.access.clients).at(step.target)).step(step))

    def against_settling(
        self, left: Iterable[tuple[Target, str]], estate: Estate
    ) -> Mapping[tuple[Target, str], tuple[Obstacle, ...]]:
        """Why change sets of a stopped run may not be taken back, by target and stack; asked before the first write."""
        places = _Places(estate, self.access.clients)
        needed = _Needed()
        rights = {(target, stack): settling_rights(stack, places.at(target)) for target, stack in left}
        for (target, _), found in rights.items():
            _add(needed.rights, target.account, found)
        self._ask(needed)
        against = {(target, stack): _Against(self.known, places.at(target)).rights(rights[target, stack])
                   for target, stack in rights}  # fmt: skip
        return {at: tuple(found) for at, found in against.items() if found}

    def foretold(self, plan: Plan, estate: Estate) -> tuple[str, ...]:
        """Notes for a plan that is only shown: what would be refused, and what could not be told."""
        needed = _needed(plan, _Places(estate, self.access.clients))
        self._ask(needed)
        told = self._per_cause(
            (who, f"--fix would be refused: {obstacle.reason}; {obstacle.to_do}")
            for who, rights in needed.rights.items()
            for obstacle in refusals(rights, self.known[who])
        )
        return (*told, *self._notes(needed))

    def _ask(self, needed: "_Needed") -> None:
        """Ask of every account at once what is not known yet; `KeyboardInterrupt` ends it after the calls in flight."""
        options = self.access.config.stash[OPTIONS]
        home = home_region(options)
        with Fan() as fan:
            asked = {}
            for who in sorted(needed.all):
                account, role = who
                known = self.known.setdefault(who, Simulated())
                open_ones = needed.all[who] - known.told.keys()
                why_not = self._why_not(account, options)
                if why_not:
                    known.problem = why_not
                elif open_ones and not known.problem:
                    simulation = Simulation(
                        self.access.account(account), home, self.access.stop, role, self.access.clients.on_aws(home)
                    )
                    asked[who] = fan.ask(simulation.of, open_ones)
            for who, answer in asked.items():
                found, known = answer.result(), self.known[who]
                known.name, known.problem = found.name, found.problem
                known.told.update(found.told)

    def _why_not(self, account: str, options: Options) -> str:
        if LOOK not in self.access.config.stash:
            return _REPLAY
        own = next((found for found in options.fleet if found.id == account), None)
        fix_role = options.fix_role or (own.fix_role if own else None)
        audit_role = options.role or (own.role if own else None)
        # an audit's role is never entered without its session policy
        return _AUDITOR if not options.may_write and not fix_role and audit_role else ""

    def _notes(self, needed: "_Needed") -> Iterator[str]:
        """What could not be told, what may be refused, and what is not known of a template, a line for each cause."""
        lines: list[tuple[Who, str]] = []
        for who in needed.rights:
            if problem := self.known[who].problem:
                told = f"permissions could not be simulated ({problem}); the steps need: "
                lines.append((who, told + ", ".join(needed.actions(who))))
        yield from self._per_cause(lines)
        yield from self._per_cause(
            (who, line) for who, rights in needed.all.items() for line in doubts(rights, self.known[who])
        )
        yield from self._per_cause(
            (who, f"CloudFormation may be refused: {obstacle.reason}; if it is: {obstacle.to_do}")
            for who, rights in needed.possible.items()
            for obstacle in refusals(rights - needed.rights.get(who, frozenset()), self.known[who])
        )
        yield from self._per_cause(
            (who, f"what CloudFormation needs for {name} is not known here, and was not asked for")
            for who, names in needed.unknown.items()
            for name in sorted(names)
        )

    @staticmethod
    def _per_cause(lines: Iterable[tuple[Who, str]]) -> Iterator[str]:
        """Each line once, with the accounts that it is about."""
        alike: dict[str, dict[str, None]] = {}
        for (account, _), line in sorted(lines):
            alike.setdefault(line, {})[account] = None
        for line, accounts in alike.items():
            yield f"{', '.join(accounts)}: {line}"


@dataclass(frozen=True, slots=True)
class _Places:
    """Turns a target into what names become ARNs with."""

    estate: Estate
    clients: Clients

    def at(self, target: Target) -> Where:
        """With what was seen there."""
        region = target.region
        return seen_at(self.estate.seen(target), self.clients.partition(region), self.clients.url_suffix(region))


@dataclass(frozen=True, slots=True)
class _Needed:
    """What a plan needs, by whose right it has to be, and by target what names become ARNs with.

    Attributes:
        rights: without these something is BLOCKED.
        possible: those that CloudFormation may need, of one stack of each target.
        unknown: resource types of which it is not known.
        names: the actions that steps declare.
    """

    rights: dict[Who, frozenset[Right]] = field(default_factory=dict)
    possible: dict[Who, frozenset[Right]] = field(default_factory=dict)
    unknown: dict[Who, frozenset[str]] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    places: dict[Target, Where] = field(default_factory=dict)

    @property
    def all(self) -> Mapping[Who, frozenset[Right]]:
        """Everything that is asked of IAM."""
        return {who: self.rights.get(who, frozenset()) | self.possible.get(who, frozenset())
                for who in {**self.rights, **self.possible}}  # fmt: skip

    def actions(self, who: Who) -> tuple[str, ...]:
        """Every action that the account's steps declare, or that the stack's role needs; sorted."""
        account, role = who
        return tuple(sorted({right.action for right in self.rights[who]} if role else self.names[account]))


def _needed(plan: Plan, places: _Places) -> _Needed:
    needed = _Needed()
    for target in (found for found in plan.targets if found.steps):
        where = needed.places[target.target] = places.at(target.target)
        account = target.target.account
        _add(needed.rights, account, _lock_of(target, where))
        sampled: set[type[Step]] = set()
        for step in target.steps:
            _add(needed.rights, account, _sure_rights(step, where))
            needed.names[account] = needed.names.get(account, frozenset()) | frozenset(type(step).ACTIONS)
            if type(step) not in sampled:  # stacks of one kind have the same types
                sampled.add(type(step))
                made = by_cloudformation(step, where)
                _add(needed.possible, account, made.possible)
                key = (account, "")
                needed.unknown[key] = needed.unknown.get(key, frozenset()) | frozenset(made.unknown)
    return needed


def _add(to: dict[Who, frozenset[Right]], account: str, rights: Iterable[Right]) -> None:
    by: dict[Who, set[Right]] = {}
    for right in rights:
        by.setdefault((account, right.by), set()).add(right)
    for who, found in by.items():
        to[who] = to.get(who, frozenset()) | found


def _sure_rights(step: Step, where: Where) -> frozenset[Right]:
    """What the step cannot be done without, by whoever does it."""
    return rights_of(step, where) | by_cloudformation(step, where).sure


def _lock_of(plan: TargetPlan, where: Where) -> frozenset[Right]:
    return lock_rights(plan.bucket, where) if plan.bucket else frozenset()


@dataclass(frozen=True, slots=True)
class _Against:
    """What speaks against rights in one target."""

    known: Mapping[Who, Simulated]
    where: Where

    def rights(self, rights: Iterable[Right]) -> list[Obstacle]:
        """Whichever of these are not there."""
        by: dict[str, set[Right]] = {}
        for right in rights:
            by.setdefault(right.by, set()).add(right)
        account = self.where.target.account
        return [obstacle for role, found in sorted(by.items()) if (account, role) in self.known
                for obstacle in refusals(found, self.known[account, role])]  # fmt: skip

    def step(self, step: Step) -> list[Obstacle]:
        """What the step may not do."""
        return self.rights(_sure_rights(step, self.where))


def _narrowed(plan: TargetPlan, needed: _Needed, known: Mapping[Who, Simulated]) -> TargetPlan:
    """The target's plan without what may not be done.

    What all forwarders need (lock, bucket, shared stack) stops the target. A forwarder of which one step may not be
    taken is not touched at all: half a migration is worse than none. A test event is only left out.
    """
    where = needed.places.get(plan.target)
    account = plan.target.account
    refused = (isinstance(found, Refused) for who, one in known.items() if who[0] == account
               for found in one.told.values())  # fmt: skip
    if where is None or not any(refused):
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
    blocked = (blocked_by(plan.target, subject, *found) for subject, found in lost.items())
    return replace(plan, steps=tuple(kept), blocked=(*plan.blocked, *blocked))


def _stands_alone(step: Step) -> bool:
    """Whether nothing else depends on the step: it is for no forwarder, only tries one out, or clears away."""
    return isinstance(step, SendTestEvent | UndoUploads | UndoBucket) or not (step.shared or step.forwarders)
