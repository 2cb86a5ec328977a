"""`--rotate-credentials`: the secret is written where it is another one or may be, and nowhere else; alone, too."""

from dataclasses import replace

import pytest

from fixtures.desired import Desires
from fixtures.estate import SharedStack
from fixtures.fact import NOT_READ, Absent, Fact
from fixtures.sandbox.synthetic_release import CANARIES, credentials
from fixtures.secret import Secret
from fixtures.settings import Settings
from remediation.steps.shared_stack import UpdateSharedStack
from tests.estates import (
    HERE,
    OTHER_ACCOUNT,
    a_forwarder,
    a_legacy_forwarder,
    a_shared_stack,
    a_stack,
    a_tenant,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import plan_of, target_plan, told

OURS = Secret(credentials()).digest


def with_digest(digest: Fact[str]) -> tuple[SharedStack, ...]:
    shared = a_shared_stack()
    return (replace(shared, secret=replace(shared.secret, digest=digest)),)  # type: ignore[type-var]


@pytest.mark.parametrize("digest", ["0" * 64, NOT_READ, denied("secretsmanager:GetSecretValue"), Absent("a value")])
def test_asked_for_alone_it_is_a_step_where_the_secret_differs_or_was_not_compared(digest: Fact[str]) -> None:
    plan = target_plan(an_estate(a_forwarder(), shared=with_digest(digest)), {}, rotate=True)
    (step,) = plan.steps
    assert isinstance(step, UpdateSharedStack)
    assert step.writes_secret
    assert step.title == (
        "update shared stack taegis-shared-resources and write the release's credentials over its secret"
    )
    assert not [canary for canary in CANARIES if canary in repr(plan)]
    assert not plan.blocked


def test_a_secret_that_was_compared_and_is_the_releases_is_left_alone() -> None:
    estate = an_estate(a_forwarder(), shared=with_digest(OURS))
    assert not plan_of(estate, {}, rotate=True).targets
    (step,) = target_plan(estate, {"shared-stack": [""]}, some_desires(taegis_region="delta"), rotate=True).steps
    assert isinstance(step, UpdateSharedStack)
    assert not step.writes_secret


@pytest.mark.parametrize("shared", [(), denied("cloudformation:DescribeStacks")])
def test_where_there_is_no_shared_stack_and_no_forwarder_nothing_is_to_be_rotated(shared: object) -> None:
    assert not plan_of(an_estate(shared=shared), {}, rotate=True).targets


def test_nothing_is_rotated_that_nobody_asked_for() -> None:
    assert not plan_of(an_estate(a_forwarder()), {}).targets


REFUSED = [
    pytest.param(denied("cloudformation:DescribeStacks"), "could not be read", id="not-read"),
    pytest.param((a_shared_stack(), a_shared_stack()), "there are several shared stacks", id="several"),
    pytest.param((a_shared_stack(stack=a_stack("taegis-shared-resources", status="UPDATE_ROLLBACK_FAILED")),),
                 "is UPDATE_ROLLBACK_FAILED", id="state"),
]  # fmt: skip


@pytest.mark.parametrize(("shared", "reason"), REFUSED)
def test_what_keeps_it_from_being_rotated_is_told(shared: object, reason: str) -> None:
    plan = target_plan(an_estate(a_forwarder(), shared=shared), {}, rotate=True)
    assert not plan.steps
    assert reason in told(plan)[0]


def test_another_tenants_secret_is_not_written_and_that_is_told() -> None:
    theirs = Desires(Settings(), (replace(a_tenant(), name="acme", accounts=frozenset({OTHER_ACCOUNT})),))
    plan = target_plan(an_estate(a_forwarder()), {}, theirs, rotate=True)
    assert told(plan) == ["refuse all shared-stack: there is no release for this account"]


def test_it_counts_for_every_forwarder_that_reads_the_secret() -> None:
    """They go in rings, are limited, confirmed and waited for: a wrong secret stops each of them."""
    pair = (a_forwarder("one"), a_forwarder("two"), a_legacy_forwarder("old"))
    plan = plan_of(an_estate(*pair), {}, rotate=True)
    assert plan.forwarders == ((HERE, "one"), (HERE, "two"))
    refused = target_plan(an_estate(*pair), {}, rotate=True, limit=1)
    assert not refused.steps
    assert "the plan would touch 2 forwarders, and --fix-limit is 1" in told(refused)[0]
