"""What a check can say: it holds, it does not hold (with what was expected and found), or it cannot tell.

A check is an ordinary pytest function. `known` takes a fact apart and ends the check as UNKNOWN when AWS would not
show it; `expect` ends it as a finding; `no_evidence` says that nothing speaks against it and nothing proves it.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from fixtures.fact import Absent, Fact, Unreadable

T = TypeVar("T")

if TYPE_CHECKING:

    class _Skip(Exception):
        """What `pytest.skip` raises, for the type checker."""

        msg: str

        def __init__(self, msg: str) -> None: ...

else:
    _Skip = pytest.skip.Exception


class Status(StrEnum):
    """Final state of one check for one subject (design section 3.3)."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    FIXED = "FIXED"
    BLOCKED = "BLOCKED"
    WAIVED = "WAIVED"
    UNKNOWN = "UNKNOWN"
    NO_EVIDENCE = "NO EVIDENCE"
    ERROR = "ERROR"


class Severity(StrEnum):
    """How much a finding matters: `critical` loses logs now, `high` will, `medium` may, `low` is hygiene."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Finding(AssertionError):
    """A check does not hold for a subject."""

    def __init__(self, expected: str, found: str, remedy: str = "") -> None:
        super().__init__(f"expected {expected}; found {found}")
        self.expected = expected
        self.found = found
        self.remedy = remedy


class CannotTell(_Skip):
    """A fact that the check needs could not be read."""


class NoEvidence(_Skip):
    """Nothing speaks against the property and nothing proves it."""


def expect(holds: bool, *, expected: str, found: object, remedy: str = "") -> None:
    """End the check as a finding unless `holds`; `remedy` says what a person can do where --fix cannot."""
    __tracebackhide__ = True
    if not holds:
        raise Finding(expected, str(found), remedy)


def unknown(reason: str) -> NoReturn:
    """End the check as UNKNOWN."""
    __tracebackhide__ = True
    raise CannotTell(reason)


def no_evidence(reason: str) -> NoReturn:
    """End the check as NO EVIDENCE."""
    __tracebackhide__ = True
    raise NoEvidence(reason)


def known(fact: Fact[T], *, expected: str) -> T:
    """The value of a fact: a finding when the thing is absent, UNKNOWN when it could not be read."""
    __tracebackhide__ = True
    if isinstance(fact, Absent):
        raise Finding(expected, str(fact))
    if isinstance(fact, Unreadable):
        raise CannotTell(str(fact))
    return fact


def readable(fact: Fact[T]) -> T | Absent:
    """The fact, which may be `Absent`; UNKNOWN when it could not be read."""
    __tracebackhide__ = True
    if isinstance(fact, Unreadable):
        raise CannotTell(str(fact))
    return fact
