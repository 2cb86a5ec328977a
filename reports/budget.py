"""`--budget`: what a run would ask of AWS, told from the listings alone. Nothing is judged and nothing is kept."""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence

import pytest

from checks.verdict import HOLDS, NOT_SEEN, count
from fixtures.budget import Budget, budget_of
from fixtures.estate import Estate
from fixtures.rates import Rates
from fixtures.state import DESIRES, ESTATE, OPTIONS, SETTINGS
from reports.looking_run import LookingRun

_LISTINGS = frozenset({"identity", "stacks", "functions"})


class BudgetRun(LookingRun):
    """A run that makes the listings, and ends with what the rest would take."""

    def __init__(self, config: pytest.Config) -> None:
        self._facts: frozenset[str] = frozenset()
        # whoever tells or keeps results does so for a run that is more than a collection
        config.option.collectonly = True
        config.option.verbose = -2

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_forwarders_facts(self) -> Generator[None, frozenset[str] | None, frozenset[str]]:
        """Remember what the checks need, and have nothing but the listings read."""
        self._facts = (yield) or frozenset()
        return _LISTINGS

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        """Tell it."""
        estate, options = config.stash[ESTATE], config.stash[OPTIONS]
        depth = {"drift": options.drift, "compare-secret": options.compare_secret}
        budget = budget_of(
            estate,
            self._facts,
            frozenset(name for name, wanted in depth.items() if wanted),
            config.stash[DESIRES],
            Rates(config.stash[SETTINGS].rates),
        )
        unseen = sum(not seen.reached for seen in estate.targets)
        self.code = NOT_SEEN if unseen else HOLDS
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write("".join(f"{line}\n" for line in budget_lines(budget, estate)))


def budget_lines(budget: Budget, estate: Estate) -> Sequence[str]:
    """The budget as a person reads it."""
    accounts = len({seen.target.account for seen in estate.targets})
    seen = f"{count(len(estate.forwarders), 'forwarder')} in {count(len(estate.targets), 'target')}"
    unseen = sum(not found.reached for found in estate.targets)
    lines = [
        f"budget    {seen} of {count(accounts, 'account')}, by their listings",
        f"calls     {budget.total:,}, of which {budget.listed:,} were made for this budget",
        *(f"  {service:<16}{number:>8,}  {told}" for service, number, told in _by_service(budget)),
        f"time      about {_seconds(budget.time.total_seconds())} until all is seen, and 0.5 ms for each result",
        *_paces(budget),
        *(f"  also    {text}" for text in budget.more),
    ]
    if unseen:
        lines.append(f"not in it {count(unseen, 'target')} that could not be reached")
    return lines


def _by_service(budget: Budget) -> Iterable[tuple[str, int, str]]:
    services: dict[str, Counter[str]] = {}
    for call, number in budget.calls.items():
        service, _, operation = call.partition(":")
        services.setdefault(service, Counter())[operation] += number
    for service, operations in sorted(services.items(), key=lambda entry: -entry[1].total()):
        yield service, operations.total(), ", ".join(f"{name} {number:,}" for name, number in operations.most_common())


def _paces(budget: Budget) -> Iterable[str]:
    yield f"  here    {_seconds(budget.work.total_seconds())} for this machine to send them and take the answers apart"
    slowest = budget.slowest
    if slowest and slowest.time:
        yield (
            f"  at AWS  {_seconds(slowest.time.total_seconds())} for {slowest.calls:,} calls of {slowest.group} in "
            f"{slowest.account}/{slowest.region}, {slowest.rate:g} a second"
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
