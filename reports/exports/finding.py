"""What every format of findings says of a result: its lasting name, its evidence, what to do, and of which run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from checks.outcome import Status
from checks.result import Result

PRODUCT = "taegis-forwarders"


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that findings come from.

    Attributes:
        run: its id.
        taken: when the estate was looked at, UTC.
        version: the suite's.
        since: by check and subject, when a run first saw the finding, as far as a history knows.
    """

    run: str
    taken: datetime
    version: str
    since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)

    def first_seen(self, result: Result) -> datetime:
        """When the finding was first seen: by this run, unless a history knows better."""
        return min(self.since.get((result.check, result.subject), self.taken), self.taken)


def finding_id(result: Result) -> str:
    """What one finding is called in every run: by its check and its subject."""
    return f"{PRODUCT}/{result.check}/{result.subject}"


def evidence(result: Result) -> str:
    """What was expected and found, and why it ended as it did, in one line; its title where there is nothing more."""
    return "; ".join(" ".join(text.split()) for text in _told(result)) or result.title


def advice(result: Result) -> str:
    """What to do about a result that is open; empty where there is nothing to do."""
    if result.remedy or result.status not in {Status.FAILED, Status.BLOCKED}:
        return result.remedy
    explain = f"taegis-forwarders explain {result.check} tells what it means"
    return f"--fix puts it right (see --plan); {explain}" if result.fix else f"{explain} and what to do"


def _told(result: Result) -> Iterator[str]:
    if result.expected or result.found:
        before = "was" if result.status is Status.FIXED else "found"
        yield f"expected {result.expected}; {before} {result.found}"
    if result.reason:
        yield result.reason
    if result.accepted:
        yield f"accepted {result.accepted}"
    if result.advice:
        yield result.advice
