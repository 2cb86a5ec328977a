from dataclasses import replace

import pytest

from checks.registry import check_functions
from fixtures.estate import Estate, Function, Invocation, LogFlow, Metrics
from fixtures.fact import Absent, Fact
from tests.asking import PASSED, told
from tests.estates import (
    CODE_SHA256,
    LEGACY_SHA256,
    NOW,
    a_flow,
    a_forwarder,
    a_function,
    a_legacy_forwarder,
    a_release,
    an_estate,
    denied,
)

CHECKS = check_functions()
GONE = Absent("function x")
NO_FUNCTION = "FAILED: expected a function; found function x does not exist"
HIDDEN = denied("lambda:GetFunction")


def of(function: Fact[Function], **changes: object) -> Estate:
    """A forwarder with this function, by both ways of reading it."""
    return an_estate(a_forwarder(listed=function, function=function, **changes))


def wrong_code(found: str) -> str:
    return f"FAILED: expected CodeSha256 {CODE_SHA256}; found CodeSha256 {found}"


IMAGE = a_function(package_type="Image", runtime=None, handler="", code_sha256="f" * 64)
CODE = {
    "the release's": (of(a_function()), PASSED),
    "an old one": (an_estate(a_legacy_forwarder()), wrong_code(LEGACY_SHA256)),
    "a newer one": (of(a_function(code_sha256=a_release("2").package.code_sha256)),
                    wrong_code(a_release("2").package.code_sha256)),
    "no digest": (of(a_function(code_sha256="")), wrong_code("(empty)")),
    "a container image": (
        of(IMAGE), f"FAILED: expected the release's package, CodeSha256 {CODE_SHA256}; found package type Image"),
    "gone": (of(GONE), NO_FUNCTION),
    "not shown": (of(HIDDEN), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip
ARCHITECTURE = {
    "x86_64": (of(a_function()), PASSED),
    "arm64": (of(a_function(architectures=("arm64",))), "FAILED: expected x86_64; found arm64"),
    "both": (of(a_function(architectures=("x86_64", "arm64"))), "FAILED: expected x86_64; found x86_64, arm64"),
    "not said": (of(a_function(architectures=())),
                 "UNKNOWN: Lambda does not say which architecture the function has"),
    "gone": (of(GONE), NO_FUNCTION),
    "not shown": (of(HIDDEN), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip


def not_ready(state: str, update: str = "Successful", reason: str = "") -> str:
    told_reason = f" {reason}" if reason else ""
    return (
        "FAILED: expected state Active or Inactive, last update Successful; "
        f"found state {state}, last update {update}{told_reason}"
    )


UNDER_WAY = "UNKNOWN: an update is under way (state {}, last update {})"
NOT_SAID = "UNKNOWN: Lambda does not say in which state the function is"
READY = {
    "active": (of(a_function()), PASSED),
    "idle": (of(a_function(state="Inactive")), PASSED),
    "failed": (of(a_function(state="Failed", state_reason="no role")), not_ready("Failed", reason="no role")),
    "last update failed": (of(a_function(last_update="Failed", last_update_reason="KMSKeyAccessDenied")),
                           not_ready("Active", "Failed", "KMSKeyAccessDenied")),
    "being made": (of(a_function(state="Pending")), UNDER_WAY.format("Pending", "Successful")),
    "being updated": (of(a_function(last_update="InProgress")), UNDER_WAY.format("Active", "InProgress")),
    "a state of later years": (of(a_function(state="Deactivated")), not_ready("Deactivated")),
    "an update status of later years": (of(a_function(last_update="Odd")), not_ready("Active", "Odd")),
    "no state": (of(a_function(state=None)), NOT_SAID),
    "no update status": (of(a_function(last_update=None)), NOT_SAID),
    "gone": (of(GONE), NO_FUNCTION),
    "not shown": (of(HIDDEN), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip
CONCURRENCY = {
    "none reserved": (of(a_function()), PASSED),
    "one": (of(a_function(reserved_concurrency=1)), PASSED),
    "none at all": (of(a_function(reserved_concurrency=0)),
                    "FAILED: expected no reserved concurrency, or more than 0; found reserved concurrency 0"),
    "gone": (of(GONE), NO_FUNCTION),
    "not shown": (of(HIDDEN), f"UNKNOWN: {HIDDEN}"),
}  # fmt: skip
DROPPED = "no dead-letter queue: events that fail in every attempt are dropped"
UNSEEN = f"PASSED ({DROPPED}, unless it has a destination for failures, which was not read)"
KEPT = a_function(dead_letter_arn="arn:aws:sqs:us-east-1:111122223333:dead")
DEAD_LETTER = {
    "a queue": (of(KEPT), PASSED),
    "a destination": (of(a_function(), invocation=Invocation(2, "arn:aws:sqs:us-east-1:111122223333:dead")), PASSED),
    "neither": (of(a_function()), f"PASSED ({DROPPED})"),
    "no queue, and the destination was not read": (of(a_function(), invocation=HIDDEN), UNSEEN),
    "a queue, and the destination was not read": (of(KEPT, invocation=HIDDEN), PASSED),
    "gone": (of(GONE), NO_FUNCTION),
    "not shown": (of(HIDDEN), f"UNKNOWN: {HIDDEN}"),
}
FROM = "since 2026-11-23 04:15:30 UTC"
ERROR = '{"level":"error","message":"no secret"}'


def flowing(flow: Fact[LogFlow]) -> Estate:
    return an_estate(a_forwarder(flow=flow))


def no_flow(requests: int, where: str = "") -> str:
    return (
        "FAILED: expected an upload in a request without an error; "
        f"found {requests} requests {FROM}{where}, none of them uploaded well; last error: {ERROR}"
    )


def flow(requests: int, uploads: int, proved: int, *errors: str, complete: bool = True) -> LogFlow:
    last = NOW if proved else None
    return a_flow(requests=requests, uploads=uploads, proved=proved, last_proved=last, errors=errors, complete=complete)


LONG = " in what was searched of a long log"
QUIET = " and no upload line: a quiet bucket, or no debug lines"
FLOW = {
    "proved": (flowing(flow(3, 3, 3)), PASSED),
    "proved in what was searched": (flowing(flow(3, 3, 1, complete=False)), PASSED),
    "proved, with errors": (
        flowing(flow(9, 4, 2, "old", ERROR)),
        f"PASSED (2 of 9 requests uploaded; there were errors too, the last: {ERROR})"),
    "errors only": (flowing(flow(4, 0, 0, "old", ERROR)), no_flow(4)),
    "uploads that failed": (flowing(flow(4, 4, 0, ERROR)), no_flow(4)),
    "errors in what was searched": (flowing(flow(4, 0, 0, ERROR, complete=False)), no_flow(4, LONG)),
    "no request": (flowing(flow(0, 0, 0)), f"NO EVIDENCE: 0 requests {FROM}{QUIET}"),
    "requests without an upload": (flowing(flow(2, 0, 0)), f"NO EVIDENCE: 2 requests {FROM}{QUIET}"),
    "nothing in what was searched": (flowing(flow(2, 0, 0, complete=False)),
                                     f"NO EVIDENCE: 2 requests {FROM}{LONG}{QUIET}"),
    "an upload that has not ended": (
        flowing(flow(2, 1, 0)),
        f"NO EVIDENCE: 2 requests {FROM}, 1 upload lines, and no request with one that ended well"),
    "no log group": (flowing(Absent("log group g")),
                     "NO EVIDENCE: log group g does not exist: the function has not run, or logs elsewhere"),
    "not shown": (flowing(denied("logs:FilterLogEvents")), f"UNKNOWN: {denied('logs:FilterLogEvents')}"),
}  # fmt: skip


def counted(*numbers: float | None) -> Estate:
    """Invocations, errors, throttles, dropped events."""
    return an_estate(a_forwarder(metrics=Metrics(*numbers)))


def failing(found: str) -> str:
    return f"FAILED: expected no errors, throttles or dropped events; found {found}"


NO_CALL = "NO EVIDENCE: CloudWatch counts no call of this function in the window"
ERRORS = {
    "calls without errors": (counted(3, 0, 0, 0), PASSED),
    "throttles and drops have no datapoint": (counted(3, 0, None, None), PASSED),
    "no datapoint": (counted(None, None, None, None), NO_CALL),
    "not called": (counted(0, 0, 0, 0), NO_CALL),
    "calls, and no datapoint of errors": (
        counted(3, None, None, None),
        "NO EVIDENCE: CloudWatch counts 3 calls in the window, and does not say how many failed"),
    "errors": (counted(3, 2, 0, 0), failing("2 errors in 3 calls")),
    "throttles, and no call": (counted(None, None, 4, None),
                               failing("4 throttles in an unknown number of calls")),
    "everything": (counted(9, 1, 2, 3), failing("1 errors, 2 throttles, 3 dropped events in 9 calls")),
    "no such metrics": (an_estate(a_forwarder(metrics=Absent("metrics"))), "NO EVIDENCE: metrics does not exist"),
    "not shown": (an_estate(a_forwarder(metrics=denied("cloudwatch:GetMetricData"))),
                  f"UNKNOWN: {denied('cloudwatch:GetMetricData')}"),
}  # fmt: skip
TABLES = {
    "code-current": CODE,
    "code-architecture": ARCHITECTURE,
    "function-ready": READY,
    "function-concurrency": CONCURRENCY,
    "function-dead-letter": DEAD_LETTER,
    "logs-flow": FLOW,
    "function-errors": ERRORS,
}
STATES = {f"{name}, {state}": (name, *row) for name, table in TABLES.items() for state, row in table.items()}


@pytest.mark.parametrize(("name", "estate", "answer"), STATES.values(), ids=STATES)
def test_function(name: str, estate: Estate, answer: str) -> None:
    assert told(CHECKS[name], estate) == answer


def test_a_listed_function_is_not_asked_for_its_state() -> None:
    listed = replace(a_function(), state=None, last_update=None, reserved_concurrency=None)
    estate = an_estate(a_forwarder(listed=listed))

    assert [name for name in TABLES if told(CHECKS[name], estate) != told(CHECKS[name], an_estate(a_forwarder()))] == []
