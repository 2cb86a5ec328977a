"""Which share of the targets a shard takes: each target is somebody's, and nobody's twice."""

from collections.abc import Sequence

import pytest

from fixtures.errors import InputError
from fixtures.estate import Target
from fixtures.shard import MOST, Shard, parse_shard
from tests.some_options import parsed


def fleet(accounts: int, regions: int) -> list[Target]:
    return [Target(f"{account:012}", f"region-{region}") for account in range(accounts) for region in range(regions)]


def dealt(targets: Sequence[Target], of: int) -> list[tuple[Target, ...]]:
    return [Shard(number, of).targets(targets) for number in range(1, of + 1)]


@pytest.mark.parametrize(("accounts", "regions"), [(1, 1), (1, 7), (2, 5), (3, 4), (20, 4)])
@pytest.mark.parametrize("of", [1, 2, 3, 4, 9])
def test_every_target_is_in_one_share(accounts: int, regions: int, of: int) -> None:
    targets = fleet(accounts, regions)
    assert sorted(target for share in dealt(targets, of) for target in share) == targets


@pytest.mark.parametrize("of", [2, 3, 5, 8])
def test_the_order_in_which_accounts_are_listed_does_not_matter(of: int) -> None:
    targets = fleet(6, 3)
    assert dealt([*targets[7::-1], *targets[8:], *targets[:3]], of) == dealt(targets, of)


@pytest.mark.parametrize(("accounts", "regions", "of"), [(8, 3, 3), (2, 7, 3), (20, 4, 6)])
def test_shares_differ_by_one_account_or_one_target(accounts: int, regions: int, of: int) -> None:
    sizes = [len(share) for share in dealt(fleet(accounts, regions), of)]
    assert max(sizes) - min(sizes) <= (regions if accounts >= of else 1)


def test_an_account_stays_whole_where_there_are_as_many_as_shards() -> None:
    owners: dict[str, set[int]] = {}
    for number, share in enumerate(dealt(fleet(5, 4), 5)):
        for target in share:
            owners.setdefault(target.account, set()).add(number)
    assert {len(numbers) for numbers in owners.values()} == {1}


@pytest.mark.parametrize("given", ["1", "1/", "/2", "a/b", "1/2/3", "-1/2", "1.5/2", "", " 1/2", "\u0661/2"])
def test_what_is_no_share_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="not a share; write --shard=2/4"):
        parse_shard(given)


@pytest.mark.parametrize(("given", "words"), [
    ("0/2", "there is no shard 0 of 2"), ("3/2", "there is no shard 3 of 2; they are counted from 1 to 2"),
    ("0/0", "not a number of shards"), (f"1/{MOST + 1}", "not a number of shards"),
])  # fmt: skip
def test_a_share_that_there_cannot_be_is_refused(given: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_shard(given)


@pytest.mark.parametrize("more", ["--fix", "--plan", "--rollback=x", "--resume=x"])
def test_a_shard_looks_and_never_plans_or_writes(more: str) -> None:
    with pytest.raises(InputError, match="--shard: rings and limits of a fix hold in one process"):
        parsed("--regions=us-east-1", "--shard=1/2", more)


ELSEWHERE = (
    "--regions=a-b-1 --accounts=111122223333 --checks=a --forwarders=a --settings=a --baseline=a --replay=a --drift"
)


@pytest.mark.parametrize("more", [*ELSEWHERE.split(), "--fix", "--plan", "--shard=1/2"])
def test_a_merge_is_told_by_the_shards_where_to_look(more: str) -> None:
    with pytest.raises(InputError, match="--merge: the shards say where to look"):
        parsed("--merge=folder", more)


def test_a_shard_needs_regions() -> None:
    with pytest.raises(InputError, match="--shard: it is a share of what is looked at; add --regions"):
        parsed("--shard=1/2")
