"""Results that say the same of different subjects, told once.

Two texts are the same when they differ only in the subject's own account, region and forwarder name, in the digest of
some old package, or in when counting began and how much was counted since.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from checks.outcome import Severity, Status
from checks.result import Result

SEVERITIES = tuple(Severity)
# `3 requests since 2026-11-24 05:14:22 UTC`: how many and since when are each forwarder's own.
_COUNTED = re.compile(r"(?<![\w.])\d[\d,]* (?P<what>\w+) since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
# SHA-256 as Lambda (base64) and everybody else (hex) writes it: "not the release's package" is one cause.
_DIGEST = re.compile(r"(?<![\w+/])(?:[0-9a-f]{64}|[A-Za-z0-9+/]{43}=)(?![\w+/=])")
# Who was refused a role is the run, whichever account it was to enter: also where that is the run's own account.
CALLER = re.compile(r"User: \S+ is not authorized to perform: sts:AssumeRole")
# Worst first. BLOCKED comes after FAILED only because FAILED may still be cleared by a command.
WORST_FIRST = (
    Status.ERROR,
    Status.FAILED,
    Status.BLOCKED,
    Status.UNKNOWN,
    Status.NO_EVIDENCE,
    Status.WAIVED,
    Status.FIXED,
    Status.PASSED,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Results of one shape. `shared` is their common text, with placeholders where the subjects differ."""

    shared: Result
    subjects: tuple[str, ...]
    results: tuple[Result, ...]

    def __len__(self) -> int:
        """How many results are in it."""
        return len(self.results)

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that met it, sorted."""
        return tuple(sorted({result.check for result in self.results}))


def rank(result: Result) -> tuple[int, int, str, str]:
    """Sort key: worst status, then severity, then check and subject."""
    return (WORST_FIRST.index(result.status), SEVERITIES.index(result.severity), result.check, result.subject)


def shape(result: Result) -> Result:
    """The result with its own names, digests and counts replaced by placeholders in every line of evidence."""
    counted = (_COUNTED.sub(r"<number> \g<what> since <time>", text) for text in _evidence(result))
    texts = [_DIGEST.sub("<digest>", text) for text in counted]
    labels = _labels(result)
    if any(name in text for name in labels for text in texts):  # most speak of nobody; a pattern takes long to make
        found = _own_names(result.forwarder, tuple(labels))
        texts = [found.sub(lambda match: _label(match[0], labels), text) for text in texts]
    return _with_evidence(result, texts)


def _label(name: str, labels: Mapping[str, str]) -> str:
    return name if CALLER.match(name) else labels.get(name, "<function>")


def _labels(result: Result) -> Mapping[str, str]:
    """The placeholder of each of a subject's names."""
    names = ((result.region, "<region>"), (result.account, "<account>"), (result.forwarder, "<forwarder>"))
    return {name: label for name, label in names if len(name) > 2}


@lru_cache(maxsize=32_768)
def _own_names(forwarder: str, names: tuple[str, ...]) -> re.Pattern[str]:
    """What finds a subject's names in a text."""
    # Longest first, so that a forwarder called like its region does not lose half of its name. The vendor's function
    # name, `<stack>-scwx-tdr-lambda-<integration>`, counts as one name, whatever the integration.
    parts = [re.escape(name) for name in sorted(names, key=len, reverse=True)]
    if forwarder in names:
        parts.insert(0, re.escape(forwarder) + r"-scwx-tdr-lambda-[A-Za-z0-9_-]+")
    parts.insert(0, CALLER.pattern)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(parts)})(?![A-Za-z0-9])")


def by_finding(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups of the same check, status and evidence, worst and largest first."""
    return _group(results, lambda shape: (shape.check, shape.status, *_evidence(shape)))


def by_reason(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups with the same reason, whichever check met it: one missing permission is one line."""
    return _group(results, lambda shape: (shape.status, shape.reason))


def by_refusal(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups with the same reason and the same thing to do, whichever check met it: one act of a person each."""
    return _group(results, lambda shape: (shape.status, shape.reason, shape.remedy))


def by_waiver(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups that were accepted for the same reason, by the same owner, until the same day."""
    return _group(results, lambda shape: (shape.status, shape.reason, shape.accepted))


def by_check(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups of the same check and status, whatever was found."""
    return _group(results, lambda result: (result.check, result.status), told=lambda result: result)


def by_advice(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups with the same advice."""
    return _group(results, lambda shape: (shape.check, shape.advice))


def _group(
    results: Iterable[Result], key: Callable[[Result], tuple[str, ...]], told: Callable[[Result], Result] = shape
) -> tuple[Group, ...]:
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in sorted(results, key=rank):
        found.setdefault(key(told(result)), []).append(result)
    groups = [Group(_shared(members), _subjects(members), tuple(members)) for members in found.values()]
    return tuple(sorted(groups, key=lambda group: (rank(group.shared)[:2], -len(group), rank(group.shared))))


def _shared(members: list[Result]) -> Result:
    """The first member; where the members' own texts differ, with its names replaced."""
    first = members[0]
    same = [len(set(texts)) == 1 for texts in zip(*map(_evidence, members), strict=True)]
    texts = zip(same, _evidence(first), _evidence(shape(first)), strict=True)
    return _with_evidence(first, [own if alike else general for alike, own, general in texts])


def _evidence(result: Result) -> tuple[str, ...]:
    return (result.expected, result.found, result.reason, result.remedy, result.advice)


def _with_evidence(result: Result, texts: Sequence[str]) -> Result:
    expected, found, reason, remedy, advice = texts
    return replace(result, expected=expected, found=found, reason=reason, remedy=remedy, advice=advice)


def _subjects(members: list[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(member.subject for member in members))
