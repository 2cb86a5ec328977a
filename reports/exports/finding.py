"""What every format of findings says of a result: its lasting name, its evidence, and what to do."""

from collections.abc import Iterator

from checks.outcome import Status
from checks.result import Result

PRODUCT = "taegis-forwarders"


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
