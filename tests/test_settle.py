"""What a stopped run left in AWS is taken back before anything else, where the fixer may: IAM is asked first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.estate import Target
from remediation.journal import Entry
from remediation.settle import settle
from remediation.settle_stopped import settle_stopped
from tests.aws_answers import REGION
from tests.estates import ACCOUNT, HERE, a_forwarder, an_estate
from tests.fake_aws import FakeAws, xml
from tests.test_permission_gate import Iam, iam, permissions
from tests.writing import Bench, a_bench

__all__ = ["iam"]  # a fixture

DESCRIBE, DELETE = "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet"
WAITING = xml(
    "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status>"
    "<ExecutionStatus>AVAILABLE</ExecutionStatus></DescribeChangeSetResult></DescribeChangeSetResponse>"
)
STABLE = xml(
    "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>one</StackName>"
    "<StackStatus>UPDATE_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
)
DELETED = xml("<DeleteChangeSetResponse><DeleteChangeSetResult/></DeleteChangeSetResponse>")


@pytest.fixture
def bench(fake: FakeAws, fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    fake.say(DESCRIBE, WAITING)
    fake.say("cloudformation:DescribeStacks", STABLE)
    fake.say(DELETE, DELETED)
    made = a_bench(fake_account, tmp_path, REGION)
    yield made
    made.close()


def made(number: int, stack: str, target: Target = HERE) -> tuple[Entry, Entry]:
    """A change set was made, and AWS answered so."""
    call = {"operation": "CreateChangeSet", "parameters": {"StackName": stack, "ChangeSetName": "ours"}}
    intent = {"account": target.account, "region": target.region, "step": f"forwarder-stack {stack}", "call": call}
    return Entry(number, "intent", intent), Entry(number + 1, "result", {"intent": number})


JOURNAL = (*made(1, "one"), *made(3, "two"))


def test_a_change_set_that_nobody_will_execute_is_taken_back(bench: Bench) -> None:
    assert settle(JOURNAL, lambda _: bench.writer) == {HERE}
    assert bench.writes() == [DELETE, DELETE]


def test_one_that_may_not_be_taken_back_is_left_and_said_to_be(bench: Bench, fake: FakeAws) -> None:
    settle(JOURNAL, lambda _: bench.writer, against={(HERE, "one"): "role Fixer lacks it; attach the policy"})
    assert fake.counted()[DELETE] == 1
    assert bench.said == ["the change set ours of one is left: role Fixer lacks it; attach the policy"]


def test_iam_is_asked_of_every_stack_before_the_first_write(bench: Bench, fake: FakeAws, iam: Iam) -> None:
    iam.refused = {DELETE: "stack/one/"}
    estate = an_estate(a_forwarder("one"), a_forwarder("two"))
    asked_before = [(len(iam.asked), fake.counted()[DELETE])]

    def writer_for(_: Target) -> object:
        asked_before.append((len(iam.asked), fake.counted()[DELETE]))
        return bench.writer

    targets = settle_stopped({"": JOURNAL}, estate, permissions(), writer_for)  # type: ignore[arg-type]

    assert targets == {HERE}
    assert asked_before[:2] == [(0, 0), (1, 0)]
    (rights,) = iam.asked
    stacks = {f"arn:aws:cloudformation:{HERE.region}:{ACCOUNT}:stack/{name}/0a1b2c3d" for name in ("one", "two")}
    assert {right.resource for right in rights} == stacks
    assert {right.action for right in rights} >= {DELETE, DESCRIBE, "cloudformation:DescribeStacks"}
    assert fake.counted()[DELETE] == 1
    assert "the change set ours of one is left: " in bench.said[0]
    assert DELETE in bench.said[0]


def test_nothing_is_asked_where_nothing_is_left(bench: Bench, iam: Iam) -> None:
    executed = {"operation": "ExecuteChangeSet", "parameters": {"StackName": "one", "ChangeSetName": "ours"}}
    where = {"account": ACCOUNT, "region": HERE.region, "step": "forwarder-stack one"}
    entries = (*made(1, "one"), Entry(3, "intent", {**where, "call": executed}), Entry(4, "result", {"intent": 3}),
               Entry(5, "verified", where))  # fmt: skip
    assert settle_stopped({"": entries}, an_estate(a_forwarder("one")), permissions(), lambda _: bench.writer) == set()
    assert iam.asked == []


def test_a_target_that_is_not_seen_any_more_is_settled_and_not_looked_at(bench: Bench, iam: Iam) -> None:
    there = Target("444455556666", "eu-west-1")
    targets = settle_stopped({"a-run": made(1, "one", there)}, an_estate(a_forwarder("one")), permissions(),
                             lambda _: bench.writer)  # fmt: skip
    assert targets == set()
    assert bench.writes() == [DELETE]
    assert iam.asked == []
