"""One result, frozen: what reports, history and plan read. It travels in a report's `user_properties`."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from checks.outcome import Severity, Status

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check for one subject.

    `subject` is `account/region/name` (of a forwarder or a bucket), `account/region`, a tenant or `estate`; `account`,
    `region` and `forwarder` are its parts, empty where they do not apply. `expected` and `found` are the evidence of a
    finding, `reason` says why it is UNKNOWN, NO EVIDENCE, BLOCKED or WAIVED, `remedy` what a person can do, `advice` is
    a note on what is not open, `fix` the name of the fix that can clear it. `owner`, `ticket` and `expires` (UTC, ISO
    8601) are those of the waiver that accepts it. `seconds` is the time the check took.
    """

    check: str
    title: str
    severity: Severity
    step: str
    status: Status
    subject: str
    account: str = ""
    region: str = ""
    forwarder: str = ""
    expected: str = ""
    found: str = ""
    reason: str = ""
    remedy: str = ""
    advice: str = ""
    fix: str = ""
    owner: str = ""
    ticket: str = ""
    expires: str = ""
    nodeid: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What is judged inside its target, by name: a forwarder or a bucket; empty for the target itself."""
        return self.subject.removeprefix(f"{self.account}/{self.region}").removeprefix("/") if self.account else ""

    @property
    def accepted(self) -> str:
        """By whom a waived finding is accepted, under which ticket and until when; empty for others."""
        return f"by {self.owner} ({self.ticket}), until {self.expires}" if self.expires else ""

    def properties(self) -> list[tuple[str, str]]:
        """The result as report properties: builtin types only, empty ones left out."""
        return [
            _pair(name, text) if name in _ALIKE else (name, str(text))
            for name in _TOLD
            if (text := getattr(self, name)) or name == "status"
        ]

    def text(self) -> str:
        """The evidence as a few lines for terminal and report, without a traceback."""
        lines = [
            f"{self.status}: {self.title}",
            f"  subject   {self.subject}",
            *(
                f"  {label:<9} {text}"
                for label, text in (
                    ("expected", self.expected),
                    ("found", self.found),
                    ("reason", self.reason),
                    ("accepted", self.accepted),
                    ("to do", self.remedy),
                    ("advice", self.advice),
                )
                if text
            ),
        ]
        return "\n".join(lines)


_TOLD = tuple(field.name for field in fields(Result) if field.name not in {"nodeid", "seconds"})
# alike in very many results: one pair each, or they are a third of what a fleet's reports hold
_ALIKE = frozenset({"check", "title", "severity", "step", "status", "account", "region", "fix"})
_ALWAYS = frozenset({"check", "status", "severity"})
_TEXTS = frozenset(field.name for field in fields(Result)) - {"severity", "status", "nodeid", "seconds"}


@functools.lru_cache(maxsize=4096)
def _pair(name: str, text: object) -> tuple[str, str]:
    return name, str(text)


def status_in(report: "pytest.TestReport") -> Status | None:
    """The status that a report carries, None for tests that are not checks."""
    given: Mapping[str, object] = dict(report.user_properties)
    return Status(str(given["status"])) if given.keys() >= _ALWAYS else None


def result_of(report: "pytest.TestReport") -> Result | None:
    """The result that a report carries, None for tests that are not checks."""
    given: Mapping[str, object] = dict(report.user_properties)
    if not given.keys() >= _ALWAYS:
        return None
    texts = {name: str(value) for name, value in given.items() if name in _TEXTS}
    return Result(
        **texts,
        severity=Severity(str(given["severity"])),
        status=Status(str(given["status"])),
        nodeid=report.nodeid,
        seconds=report.duration,
    )
