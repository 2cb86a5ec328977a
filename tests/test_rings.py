"""Rings: every step once, a small part first, and each part spread over accounts and regions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from fixtures.estate import Target
from fixtures.option_values import RingSize
from remediation.call import Call
from remediation.plan import Plan, TargetPlan
from remediation.rings import rings_of
from remediation.step import Step
from remediation.writer import Writer

DEFAULT = (RingSize(1, percent=False), RingSize(10, percent=True), RingSize(100, percent=True))
ACCOUNTS, REGIONS = ("111122223333", "444455556666", "777788889999"), ("eu-west-1", "us-east-1", "us-west-2")


@dataclass(frozen=True)
class Update(Step):
    """A step of which only the forwarders count."""

    ACTIONS: ClassVar[tuple[str, ...]] = ()
    FIX: ClassVar[str] = "forwarder-stack"
    title = "update"

    def calls(self) -> tuple[Call, ...]:
        return ()

    def run(self, writer: Writer) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Prepare(Update):
    """What a target's forwarders need."""

    FIX: ClassVar[str] = "artifact"
    shared: ClassVar[bool] = True


def a_plan(*targets: Target, each: int) -> Plan:
    """A shared step for each target, then an update of each of its forwarders."""
    plans = []
    for target in sorted(targets):
        names = [f"fwd-{number:02d}" for number in range(each)]
        steps = (Prepare(target, "", ()), *(Update(target, name, (name,)) for name in names))
        plans.append(TargetPlan(target, steps, ()))
    return Plan("run-1", datetime.now(UTC), tuple(plans))


@dataclass(frozen=True)
class Rotate(Update):
    """Something shared that counts for every forwarder that reads it."""

    FIX: ClassVar[str] = "shared-stack"
    shared: ClassVar[bool] = True


def every_target(accounts: Iterable[str] = ACCOUNTS) -> list[Target]:
    return [Target(account, region) for account in accounts for region in REGIONS]


def test_every_step_is_in_one_ring_and_what_is_shared_comes_with_the_first_that_needs_it() -> None:
    plan = a_plan(*every_target(), each=7)
    parts = rings_of(plan, DEFAULT)
    assert Counter(step.name for part in parts for step in part.steps) == Counter(step.name for step in plan.steps)
    assert [len(part.forwarders) for part in parts] == [1, 7, 55]
    prepared: set[Target] = set()
    for part in parts:
        prepared |= {step.target for step in part.steps if step.shared}
        assert {target for target, _ in part.forwarders} <= prepared


def test_the_second_ring_is_spread_over_accounts_and_over_regions() -> None:
    _, second, _ = rings_of(a_plan(*every_target(), each=10), DEFAULT)
    assert len(second.forwarders) == 9
    assert len({target for target, _ in second.forwarders}) == 9, "one of each target"


def test_one_accounts_ring_is_spread_over_its_regions() -> None:
    _, second, _ = rings_of(a_plan(*every_target(ACCOUNTS[:1]), each=10), DEFAULT)
    assert {target.region for target, _ in second.forwarders} == set(REGIONS)


def test_a_ring_of_as_many_as_there_are_accounts_is_in_as_many_regions() -> None:
    first, _ = rings_of(
        a_plan(*every_target(), each=4), (RingSize(len(ACCOUNTS), percent=False), RingSize(100, percent=True))
    )
    assert {target.account for target, _ in first.forwarders} == set(ACCOUNTS)
    assert {target.region for target, _ in first.forwarders} == set(REGIONS)


@pytest.mark.parametrize("each", [1, 2])
def test_nobody_is_left_out_whatever_the_sizes_come_to(each: int) -> None:
    plan = a_plan(*every_target(), each=each)
    parts = rings_of(plan, (RingSize(1, percent=False), RingSize(1, percent=False)))
    assert sorted(member for part in parts for member in part.forwarders) == sorted(plan.forwarders)


def test_rings_without_forwarders_are_left_out() -> None:
    assert len(rings_of(a_plan(Target(ACCOUNTS[0], REGIONS[0]), each=1), DEFAULT)) == 1


def test_what_is_shared_and_changes_every_forwarder_comes_before_their_own_steps_and_by_targets() -> None:
    targets = [Target(account, "eu-west-1") for account in ACCOUNTS]
    plans = tuple(
        TargetPlan(target, (Rotate(target, "", ("a", "b")), Update(target, "b", ("b",))), ()) for target in targets
    )
    first, *rest = rings_of(Plan("run-1", datetime.now(UTC), plans), (RingSize(1, percent=False), DEFAULT[-1]))
    assert [(type(step), step.target) for step in first.steps] == [(Rotate, targets[0])]
    assert [type(step) for part in rest for step in part.steps].count(Rotate) == 2
