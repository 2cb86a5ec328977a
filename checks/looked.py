"""What a run looked at, so that what is not there can be told from what was not looked for."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from checks.result import Result
from checks.state import NOBODY, NOT_APPLICABLE
from fixtures.accounts import AccountsFile
from fixtures.estate import Seen, Target
from fixtures.fact import Unreadable
from fixtures.option_values import ALL_REGIONS
from fixtures.options import Options
from fixtures.state import ESTATE, OPTIONS

_NARROWING = ("keyword", "markexpr", "lf", "deselect", "maxfail", "stepwise")  # pytest's own options


@dataclass(frozen=True, slots=True)
class Looked:
    """What a run looked at.

    Attributes:
        checks: those that were asked.
        asked: targets asked for, `reached` of them reached, and their stacks listed: none in them was overlooked.
        reached: see `asked`.
        whole: none of their subjects was left out, by `--forwarders`, `-k`, by name or by a crash.
        accounts: the targets are in all accounts that are meant, as far as the command says; `regions` likewise.
        regions: see `accounts`.
    """

    checks: frozenset[str]
    asked: frozenset[Target]
    reached: frozenset[Target]
    whole: bool
    accounts: bool
    regions: bool


def why_unlisted(seen: Seen) -> Unreadable | None:
    """Why some forwarder of the target may be missing: they are found by stacks and by functions."""
    for fact in (seen.identity, seen.stacks, seen.functions):
        if isinstance(fact, Unreadable):
            return fact
    return None


def looked_at(config: pytest.Config, results: Iterable[Result], *, broken: bool) -> Looked:
    """What this run looked at; `broken` says that tests ended without telling a result."""
    options = config.stash[OPTIONS]
    estate = config.stash[ESTATE]
    told = {result.check for result in results}
    nobody = config.stash[NOT_APPLICABLE].get(NOBODY, ())
    return Looked(
        checks=frozenset(told.union(nobody)),
        asked=frozenset(seen.target for seen in estate.targets),
        reached=frozenset(
            seen.target for seen in estate.targets if seen.reached and not isinstance(seen.stacks, Unreadable)
        ),
        whole=not (options.forwarders or broken or _is_narrowed(config)),
        accounts=_takes_all_accounts(options),
        regions=ALL_REGIONS in options.regions or bool(options.replay or options.merge),
    )


def _is_narrowed(config: pytest.Config) -> bool:
    return any("::" in given for given in config.args) or any(
        bool(config.getoption(name, default=None)) for name in _NARROWING
    )


def _takes_all_accounts(options: Options) -> bool:
    """Whether nobody left accounts out: a file or an organization is meant whole, unless a tag or unit chooses."""
    if options.shard:
        return False
    if isinstance(options.accounts_from, AccountsFile):
        return options.accounts_from.tag is None
    if options.accounts_from is not None:
        return options.accounts_from.unit is None and options.accounts_from.tag is None
    return not options.accounts or options.sandbox
