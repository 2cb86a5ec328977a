"""Accepted findings: which results the waivers of a run cover, and which waivers cover nothing any more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from checks.looked import Looked
from checks.outcome import Status
from checks.result import Result
from fixtures.waivers import Waiver, Waivers, is_glob

_COVERED = frozenset({Status.WAIVED, Status.FIXED})
_CLEAR = frozenset({Status.PASSED})


@dataclass(frozen=True, slots=True)
class Waiving:
    """How the waivers of a run fared.

    Attributes:
        waivers: all of them.
        accepted: how many findings they accept.
        idle: those that accept nothing any more; an error, so that none is forgotten.
        unjudged: those that accept nothing of what was looked at, and speak of more.
        ending: those that end soon.
    """

    waivers: Waivers
    accepted: int
    idle: tuple[Waiver, ...]
    unjudged: tuple[Waiver, ...]
    ending: tuple[Waiver, ...]


def accepted(result: Result, waivers: Waivers | None) -> Result:
    """The result; WAIVED where it is a finding that a waiver covers.

    What could not be told is never waived: nobody can accept what nobody knows.
    """
    waiver = waivers.covering(result.check, result.subject) if waivers and result.status is Status.FAILED else None
    if waivers is None or waiver is None:
        return result
    warning = f"its waiver ends on {waiver.last_day} ({waivers.place(waiver)}): mend it, or decide again"
    return replace(
        result,
        status=Status.WAIVED,
        reason=waiver.reason,
        owner=waiver.owner,
        ticket=waiver.ticket,
        expires=f"{waiver.expires:%Y-%m-%dT%H:%M:%SZ}",
        advice=warning if waivers.ends_soon(waiver) else result.advice,
    )


def waiving(waivers: Waivers, results: Sequence[Result], looked: Looked) -> Waiving:
    """How the waivers fared, once every result is in."""
    by_check: dict[str, list[Result]] = {}
    for result in results:
        by_check.setdefault(result.check, []).append(result)
    idle: list[Waiver] = []
    unjudged: list[Waiver] = []
    for waiver in waivers.entries:
        asked = by_check.get(waiver.check, ())
        found = [result.status for result in asked if waiver.covers(result.check, result.subject)]
        if _COVERED.intersection(found):
            continue
        (idle if _is_idle(waiver, found, looked) else unjudged).append(waiver)
    return Waiving(
        waivers=waivers,
        accepted=sum(result.status is Status.WAIVED for result in results),
        idle=tuple(idle),
        unjudged=tuple(unjudged),
        ending=tuple(waiver for waiver in waivers.entries if waivers.ends_soon(waiver)),
    )


def _is_idle(waiver: Waiver, found: Sequence[Status], looked: Looked) -> bool:
    """Whether it accepts nothing for certain: everything that it speaks of was looked at, and nothing was unclear."""
    if waiver.check not in looked.checks or any(status not in _CLEAR for status in found):
        return False
    if found and not is_glob(waiver.subject):
        return True
    account, *rest = waiver.subject.split("/")
    if rest:
        meant = [target for target in looked.asked if waiver.speaks_of(target)]
        if not meant or not looked.reached.issuperset(meant):
            return False
        if (is_glob(account) and not looked.accounts) or (is_glob(rest[0]) and not looked.regions):
            return False
    return looked.whole
