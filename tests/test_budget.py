"""`--budget`: the calls that it tells are those that a run makes, and it makes none of those itself."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from checks.registry import load_catalogue
from fixtures.budget import budget_of
from fixtures.errors import InputError
from fixtures.estate import Estate
from fixtures.observe import Question
from fixtures.rates import Rates
from fixtures.sandbox import Sandbox
from reports.budget import budget_lines
from tests.estates import HERE, a_forwarder, an_estate, an_unreached, some_desires
from tests.looking import FIRST, ONE, OTHER, SECOND, Looker
from tests.replayed import run_suite
from tests.some_options import parsed

pytest_plugins = ["pytester"]

CATALOGUE = load_catalogue()
LISTINGS = frozenset({"identity", "stacks", "functions"})
# their functions are told by their names, and nothing of theirs stands in a bucket's rules alone
PLAIN = ("cloudtrail-*", "alb-edge", "umbrella-dns", "access-logs")
SHARED = ("cloudformation:GetTemplate", "cloudformation:ListStackResources", "secretsmanager:DescribeSecret")


def facts_of(*checks: str) -> frozenset[str]:
    return frozenset(fact for name in checks or CATALOGUE for fact in CATALOGUE[name].facts)


@pytest.mark.parametrize(
    "checks",
    [(), ("runtime-custom", "stack-healthy"), ("logs-flow",), ("trigger-permission", "trigger-region")],
    ids=lambda names: "-".join(names) or "all",
)
def test_the_calls_are_those_that_the_run_makes(checks: tuple[str, ...], looker: Looker) -> None:
    places = (looker.entrance(ONE, FIRST), looker.entrance(OTHER, SECOND))
    facts = facts_of(*checks)
    listed = looker.look(Question(LISTINGS, forwarders=PLAIN), *places)
    budget = budget_of(listed, facts, frozenset(), looker.desires, Rates())
    made = looker.proxy.counted()
    looker.look(Question(facts, forwarders=PLAIN), *places)

    assert set(made) == {"cloudformation:DescribeStacks", "lambda:ListFunctions"}
    assert budget.listed == made.total() == 4
    foreseen, then = Counter(budget.calls), looker.proxy.counted()
    # what a target's forwarders share may be missing, which only asking shows: then the calls about it are saved
    assert set(foreseen - then) <= {"s3:GetPublicAccessBlock", "s3:HeadObject", *SHARED}
    assert then - foreseen == Counter()


def crowd(number: int, **changes: object) -> Estate:
    return replace(an_estate(*(a_forwarder(f"trail-{n}", **changes) for n in range(number))), calls={"x:List": 2})


def lines(estate: Estate, facts: frozenset[str], rates: Mapping[str, float] | None = None) -> str:
    return "\n".join(budget_lines(budget_of(estate, facts, frozenset(), some_desires(), Rates(rates or {})), estate))


def test_what_awss_rates_hold_up_longest_is_named() -> None:
    flow = frozenset({"flow"})
    budget = budget_of(crowd(50), flow, frozenset(), some_desires(), Rates())
    assert budget.slowest is not None
    assert (budget.slowest.group, budget.slowest.calls, budget.slowest.rate) == ("logs:FilterLogEvents", 50, 5)
    assert timedelta(seconds=9) < budget.slowest.time < timedelta(seconds=10)
    assert budget.time > budget.slowest.time

    told = lines(crowd(50), flow)
    assert f"9 s for 50 calls of logs:FilterLogEvents in {HERE}, 5 a second" in told
    assert "another FilterLogEvents" in told
    assert "calls     52, of which 2 were made for this budget" in told
    assert "FilterLogEvents" not in lines(crowd(50), frozenset({"listed"}))
    assert "5000 a second" not in lines(crowd(50), flow, {"logs:FilterLogEvents": 5000}), "nothing is held up"


def test_a_policy_that_may_not_be_needed_is_counted_and_said_to_be() -> None:
    unwired = frozenset({"unwired_policy"})
    assert "GetPolicy" not in lines(crowd(3), unwired), "a bucket's forwarder is not asked"
    assert "fewer GetPolicy" in lines(crowd(3, integration="awscloudwatchlogs"), unwired)
    assert "  lambda                 3  GetPolicy 3" in lines(crowd(3, integration="awscloudwatchlogs"), unwired)


def test_targets_that_could_not_be_reached_are_not_in_it() -> None:
    estate = an_estate(targets=[an_unreached(HERE)])
    assert "not in it 1 target that could not be reached" in lines(estate, facts_of())


@pytest.mark.parametrize("other", ["--plan", "--fix", "--shard=1/2", "--replay=kept.json"])
def test_it_stands_alone(other: str) -> None:
    where = () if other.startswith("--replay") else ("--regions=us-east-1",)
    with pytest.raises(InputError, match="--budget"):
        parsed("--budget", other, *where)


def test_it_needs_somewhere_to_look() -> None:
    with pytest.raises(InputError, match="--budget: there is nothing to look at"):
        parsed("--budget")


@pytest.mark.usefixtures("at_sandbox")
def test_a_run_that_asks_for_it_lists_and_ends_and_keeps_nothing(
    pytester: pytest.Pytester, shared_sandbox: Sandbox
) -> None:
    assert shared_sandbox.accounts
    history = pytester.path / "fleet.sqlite"
    ran = run_suite(pytester, "--regions=us-east-1", "--budget", f"--history={history}", "--junitxml=out.xml", "-n2")

    assert ran.code == 0
    assert ran.results == {}
    assert "budget" in ran.text
    assert "GetFunction " in ran.text
    assert "Nothing was judged" not in ran.text
    assert not history.exists()
