"""What is known of findings, and what a run's results make of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from checks.looked import Looked
from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Target
from reports.grouping import SEVERITIES
from reports.history.changes import Change, ChangedFinding
from reports.history.fingerprint import fingerprint

OPEN = frozenset({Status.FAILED, Status.BLOCKED})
STANDING = OPEN | {Status.WAIVED}
CLEAR = frozenset({Status.PASSED, Status.FIXED})
Key = tuple[str, str]  # check and subject


@dataclass(frozen=True, slots=True)
class Known:
    """What the last runs left of one finding.

    `standing` is the last status that said something for certain (FAILED, BLOCKED, WAIVED or PASSED), None where none
    did or its subject is gone; `since` is from when it is this finding. `told`, `fingerprint`: its evidence then.
    """

    check: str
    subject: str
    title: str
    severity: Severity
    account: str
    region: str
    forwarder: str
    told: str
    fingerprint: str
    standing: Status | None
    since: datetime

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.check, self.subject


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one run makes of one finding: what is known from now on, what to keep of the run, and what changed.

    `status` is what stands in the history for this run; empty where nothing does.
    """

    known: Known
    status: str
    change: Change | None = None
    now: Status | None = None
    before: Status | None = None

    def changed(self) -> ChangedFinding | None:
        """The change as reports get it; None where there is none."""
        known = self.known
        if self.change is None:
            return None
        return ChangedFinding(
            change=self.change,
            check=known.check,
            title=known.title,
            severity=known.severity,
            subject=known.subject,
            account=known.account,
            region=known.region,
            forwarder=known.forwarder,
            status=self.now,
            before=self.before,
            since=known.since,
            told=known.told,
            fingerprint=known.fingerprint,
        )


def sightings(
    results: Iterable[Result], known: Mapping[Key, Known], looked: Looked, taken: datetime
) -> tuple[tuple[Sighting, ...], int]:
    """What a run makes of everything that matters, and how many open findings it was not asked about."""
    found: list[Sighting] = []
    told: set[Key] = set()
    for result in results:
        key = (result.check, result.subject)
        told.add(key)
        sighting = _of_result(result, known.get(key), taken)
        if sighting:
            found.append(sighting)
    missing = [one for key, one in known.items() if one.standing in STANDING and key not in told]
    silent = [sighting for one in missing if (sighting := _of_silence(one, looked))]
    return (*found, *silent), len(missing) - len(silent)


def changes_of(found: Iterable[Sighting]) -> tuple[ChangedFinding, ...]:
    """The changes, in the order of `Change`, the most severe first."""
    order = {change: number for number, change in enumerate(Change)}
    known: Sequence[ChangedFinding] = [change for sighting in found if (change := sighting.changed())]
    return tuple(
        sorted(known, key=lambda one: (order[one.change], SEVERITIES.index(one.severity), one.check, one.subject))
    )


def _of_result(result: Result, known: Known | None, taken: datetime) -> Sighting | None:
    status, before = result.status, known.standing if known else None
    if status in STANDING:
        fresh = _fresh(result, taken)
        again = before in STANDING and known is not None and known.fingerprint == fresh.fingerprint
        fresh = replace(fresh, since=known.since) if again and known else fresh
        change = Change.STILL if again and before in OPEN else Change.NEW
        return Sighting(fresh, status, Change.WAIVED if status is Status.WAIVED else change, status, before)
    if status in CLEAR:
        fixed = status is Status.FIXED or before in STANDING
        if not fixed:
            return None
        base = known or _fresh(result, taken)
        cleared = replace(base, standing=Status.PASSED)
        return Sighting(cleared, status, Change.FIXED, status, before)
    if known is None:
        if status is Status.NO_EVIDENCE:
            return None
        return Sighting(replace(_fresh(result, taken), standing=None), status, None, status)
    return Sighting(known, status, Change.UNKNOWN if before in STANDING else None, status, before)


def _of_silence(known: Known, looked: Looked) -> Sighting | None:
    """What it means that a run said nothing of a finding; None where it was not asked about it."""
    if known.check not in looked.checks or not looked.whole:
        return None
    if known.account:
        target = Target(known.account, known.region)
        if target not in looked.asked:
            return None
        if target not in looked.reached:
            return Sighting(known, "NOT REACHED", Change.UNKNOWN, None, known.standing)
    return Sighting(replace(known, standing=None), "GONE", Change.GONE, None, known.standing)


def _fresh(result: Result, taken: datetime) -> Known:
    return Known(
        check=result.check,
        subject=result.subject,
        title=result.title,
        severity=result.severity,
        account=result.account,
        region=result.region,
        forwarder=result.forwarder,
        told=result.found or result.reason,
        fingerprint=fingerprint(result),
        standing=result.status,
        since=taken,
    )
