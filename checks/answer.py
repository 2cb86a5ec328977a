"""What the outcome of a check means: its result."""

import pytest

from checks.outcome import CannotTell, Finding, NoEvidence, Status
from checks.registry import Check
from checks.result import Result
from checks.state import ADVICE
from checks.subjects import subject_of
from checks.waiving import accepted
from fixtures.state import WAIVERS


def answer_of(item: pytest.Item, meta: Check, error: BaseException | None) -> Result:
    """The result of a check that ended with `error`, None for one that holds; WAIVED where a waiver covers it."""
    return accepted(_result(item, meta, error), item.config.stash.get(WAIVERS, None))


def _result(item: pytest.Item, meta: Check, error: BaseException | None) -> Result:
    subject = subject_of(item)
    notes: list[str] = item.stash.get(ADVICE, [])
    expected = found = reason = remedy = ""
    status = Status.PASSED
    match error:
        case None:
            pass
        case Finding():
            status, expected, found, remedy = Status.FAILED, error.expected, error.found, error.remedy
        case NoEvidence():
            status, reason = Status.NO_EVIDENCE, str(error.msg)
        case CannotTell():
            status, reason = Status.UNKNOWN, str(error.msg)
        case AssertionError() | pytest.fail.Exception():  # a check of the user's own, in pytest's words
            status, expected, found = Status.FAILED, meta.title, str(error).split("\n", 1)[0] or "it does not hold"
        case pytest.skip.Exception():
            status, reason = Status.UNKNOWN, str(error.msg)
        case _:
            status, reason = Status.ERROR, f"the check itself failed: {type(error).__name__}: {error}"
    return Result(
        check=meta.id,
        title=meta.title,
        severity=meta.severity,
        step=meta.step,
        status=status,
        subject=str(subject),
        account=subject.target.account if subject.target else "",
        region=subject.target.region if subject.target else "",
        forwarder=subject.forwarder,
        expected=expected,
        found=found,
        reason=reason,
        remedy=remedy,
        advice="; ".join(notes),
        fix=meta.fix or "",
    )
