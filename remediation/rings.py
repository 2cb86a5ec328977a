"""Splits a plan into rings, so that a mistake meets one forwarder before it meets all. Pure."""

from collections.abc import Sequence
from itertools import zip_longest

from fixtures.estate import Target
from fixtures.option_values import RingSize
from remediation.plan import Plan, TargetPlan
from remediation.step import Step

Member = tuple[Target, str]


def rings_of(plan: Plan, sizes: Sequence[RingSize]) -> tuple[Plan, ...]:
    """The plan in parts, in order; together they hold every step once.

    Each part has its share of the forwarders, spread over accounts and regions. What a target's forwarders share
    comes with the first of them; a bucket's merge comes with the last of the forwarders that it is for. Empty parts
    are left out.
    """
    members = _spread(plan.forwarders)
    number: dict[Member, int] = {}
    start = 0
    for ring, size in enumerate(sizes):
        count = size.of(len(members))
        if ring == len(sizes) - 1:
            count = len(members)  # whatever the sizes come to, nobody is left out
        for member in members[start : start + count]:
            number[member] = ring
        start += count
    last = len(sizes) - 1
    parts = []
    for ring in range(len(sizes)):
        targets = []
        for target in plan.targets:
            steps = tuple(step for step in target.steps if _ring_of(step, target, number, last) == ring)
            if steps:
                targets.append(TargetPlan(target.target, steps, (), target.bucket))
        if targets:
            parts.append(Plan(plan.run, plan.made, tuple(targets)))
    return tuple(parts)


def _ring_of(step: Step, plan: TargetPlan, number: dict[Member, int], last: int) -> int:
    if step.forwarders and not step.shared:
        return max(number[plan.target, name] for name in step.forwarders)
    mine = [number[plan.target, name] for name in plan.forwarders]
    # what is shared comes first, a bucket's removals come once its target is done
    return (min(mine) if step.shared else max(mine)) if mine else last


def _spread(forwarders: Sequence[Member]) -> list[Member]:
    """The forwarders, taken from each account in turn, and within an account from each region in turn.

    The accounts begin with different regions, so that a small ring is not all in the first one.
    """
    targets: dict[str, dict[Target, list[Member]]] = {}
    for member in sorted(forwarders):
        targets.setdefault(member[0].account, {}).setdefault(member[0], []).append(member)
    accounts = []
    for number, regions in enumerate(targets.values()):
        first = number % len(regions)
        parts = [*regions.values()]
        accounts.append(_in_turn([*parts[first:], *parts[:first]]))
    return _in_turn(accounts)


def _in_turn(parts: Sequence[Sequence[Member]]) -> list[Member]:
    return [member for turn in zip_longest(*parts) for member in turn if member is not None]
