"""How much of what was asked for was seen."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from checks.verdict import count
from fixtures.estate import Bucket, Estate, Forwarder, Seen
from fixtures.fact import Cause, Unreadable
from fixtures.option_values import ALL_REGIONS
from reports.grouping import CALLER


@dataclass(frozen=True, slots=True)
class Gap:
    """One cause for which targets were not reached or only partly seen."""

    cause: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Targets asked for, reached, and reached but not wholly readable.

    `unreached` and `unread` hold one gap per cause, the most frequent first; `left_out` holds accounts that are not
    audited on purpose (suspended ones, say), which count as no target.
    """

    asked: int
    reached: int
    partly: int
    forwarders: int
    unreached: tuple[Gap, ...]
    unread: tuple[Gap, ...]
    left_out: tuple[Gap, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """`4 asked`, `3 reached`, `1 partly seen`, `1 not reached`, `2 accounts not audited`: what there is of them."""
        missing = self.asked - self.reached
        left_out = sum(len(gap.targets) for gap in self.left_out)
        return (
            f"{self.asked:,} asked",
            f"{self.reached:,} reached",
            *([f"{self.partly:,} partly seen"] if self.partly else []),
            *([f"{missing:,} not reached"] if missing else []),
            *([f"{count(left_out, 'account')} not audited"] if left_out else []),
        )


def coverage(estate: Estate) -> Coverage:
    """Count the targets of an estate and name what was not seen, once per cause."""
    unreached: dict[str, list[str]] = {}
    unread: dict[str, list[str]] = {}
    left_out: dict[str, list[str]] = {}
    for account in estate.left_out:
        left_out.setdefault(account.reason, []).append(str(account))
    partly = 0
    for seen in estate.targets:
        if not seen.reached:
            unreached.setdefault(_why_not(seen), []).append(str(seen.target))
            continue
        causes = dict.fromkeys(_cause(seen, fact) for fact in _unreadable(estate, seen))
        partly += bool(causes)
        for cause in causes:
            unread.setdefault(cause, []).append(str(seen.target))
    return Coverage(
        asked=len(estate.targets),
        reached=sum(seen.reached for seen in estate.targets),
        partly=partly,
        forwarders=len(estate.forwarders),
        unreached=_gaps(unreached),
        unread=_gaps(unread),
        left_out=_gaps(left_out),
    )


def _why_not(seen: Seen) -> str:
    facts = (seen.identity, seen.stacks, seen.functions)
    return next((_cause(seen, fact) for fact in facts if isinstance(fact, Unreadable)), "not reached")


def _cause(seen: Seen, fact: Unreadable) -> str:
    """The fact's reason without the target's own names, so that one cause in many targets is one line."""
    text = str(fact)
    caller = CALLER.search(text)
    if caller is None:
        return _general(seen, text)
    return f"{_general(seen, text[: caller.start()])}{caller[0]}{_general(seen, text[caller.end() :])}"


def _general(seen: Seen, text: str) -> str:
    for forwarder in sorted(seen.forwarders, key=lambda known: -len(known.name)):
        text = text.replace(forwarder.name, "<forwarder>")
    if seen.target.region != ALL_REGIONS:
        text = text.replace(seen.target.region, "<region>")
    return text.replace(seen.target.account, "<account>")


def _unreadable(estate: Estate, seen: Seen) -> Iterator[Unreadable]:
    yield from _own(seen)
    for forwarder in seen.forwarders:
        yield from _own(forwarder)
        bucket = estate.bucket_of(forwarder)
        if bucket:
            yield from _own(bucket)


def _own(holder: Seen | Forwarder | Bucket) -> Iterator[Unreadable]:
    for field in fields(holder):
        fact = getattr(holder, field.name)
        if isinstance(fact, Unreadable) and fact.cause is not Cause.NOT_READ:
            yield fact


def _gaps(causes: dict[str, list[str]]) -> tuple[Gap, ...]:
    gaps = (Gap(cause, tuple(targets)) for cause, targets in causes.items())
    return tuple(sorted(gaps, key=lambda gap: (-len(gap.targets), gap.cause)))
