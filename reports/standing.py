"""Where things stand: one cell for each account and region, one row for each account, the worst first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Estate
from fixtures.fact import Absent, Unreadable
from reports.grouping import SEVERITIES, WORST_FIRST

OPEN = frozenset({Status.ERROR, Status.FAILED, Status.BLOCKED})


@dataclass(frozen=True, slots=True)
class Cell:
    """One target: its worst status (None where nothing was asked of it), and how many findings are open."""

    worst: Status | None
    open: int
    reached: bool = True


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; `account` is empty for what belongs to none (a release, the estate).

    `open` findings are `fixable` with --fix, or wait for a person, `blocked` of them for one before a fix can go on;
    `unseen` could not be told. `cells` are by region,
    `checks` and `regions` those of the open findings.
    """

    account: str
    alias: str
    cells: Mapping[str, Cell]
    open: int
    fixable: int
    blocked: int
    unseen: int
    worst: Severity | None
    checks: tuple[str, ...]
    regions: tuple[str, ...]
    fixable_regions: tuple[str, ...]

    @property
    def unreached(self) -> tuple[str, ...]:
        """Regions that could not be entered."""
        return tuple(region for region, cell in self.cells.items() if not cell.reached)


@dataclass(frozen=True, slots=True)
class Standing:
    """All accounts, the worst first, and all regions."""

    accounts: tuple[AccountRow, ...]
    regions: tuple[str, ...]


def standing(results: Iterable[Result], estate: Estate | None) -> Standing:
    """Count results by account and region; targets of which nothing was asked stand there too."""
    found: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        found[result.account][result.region].append(result)
    reached: dict[tuple[str, str], bool] = {}
    for seen in estate.targets if estate else ():
        reached[seen.target.account, seen.target.region] = seen.reached
        found[seen.target.account].setdefault(seen.target.region, [])
    aliases = _aliases(estate)
    accounts = (_row(account, aliases.get(account, ""), regions, reached) for account, regions in found.items())
    regions = sorted({region for regions in found.values() for region in regions if region})
    return Standing(tuple(sorted(accounts, key=_weight)), tuple(regions))


def _row(
    account: str, alias: str, by_region: Mapping[str, list[Result]], reached: Mapping[tuple[str, str], bool]
) -> AccountRow:
    results = [result for found in by_region.values() for result in found]
    open_ones = [result for result in results if result.status in OPEN]
    fixable = [result for result in open_ones if result.status is Status.FAILED and result.fix]
    cells = {
        region: _cell(found, reached=reached.get((account, region), True))
        for region, found in sorted(by_region.items())
        if region
    }
    severities = [result.severity for result in open_ones]
    return AccountRow(
        account=account,
        alias=alias,
        cells=cells,
        open=len(open_ones),
        fixable=len(fixable),
        blocked=sum(result.status is Status.BLOCKED for result in open_ones),
        unseen=sum(result.status is Status.UNKNOWN for result in results),
        worst=min(severities, key=SEVERITIES.index) if severities else None,
        checks=tuple(sorted({result.check for result in open_ones})),
        regions=tuple(sorted({result.region for result in open_ones if result.region})),
        fixable_regions=tuple(sorted({result.region for result in fixable if result.region})),
    )


def _cell(results: list[Result], *, reached: bool) -> Cell:
    counts = Counter(result.status for result in results)
    worst = next((status for status in WORST_FIRST if counts[status]), None)
    return Cell(worst, sum(counts[status] for status in OPEN), reached)


def _aliases(estate: Estate | None) -> Mapping[str, str]:
    known: dict[str, str] = {}
    for seen in estate.targets if estate else ():
        if not isinstance(seen.identity, Absent | Unreadable) and seen.identity.alias:
            known[seen.target.account] = seen.identity.alias
    return known


def _weight(row: AccountRow) -> tuple[int, int, int, int, str]:
    severity = SEVERITIES.index(row.worst) if row.worst else len(SEVERITIES)
    return (severity, -row.open, -len(row.unreached), -row.unseen, row.account)
