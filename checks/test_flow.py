"""Do logs flow? Three answers: they do, they do not, nothing speaks for either."""

from collections.abc import Callable

from checks.outcome import Severity, expect, no_evidence, readable
from checks.registry import check
from fixtures.estate import Forwarder
from fixtures.fact import Absent

_STEP = "9, 10: run the test, read the upload line in the log"


@check("logs-flow", severity=Severity.CRITICAL, step=_STEP, facts=["flow", "listed"])
def test_logs_flow(forwarder: Forwarder, advise: Callable[[str], None]) -> None:
    """Since its last update and within the log window, the function logged an upload in a request that went well.

    The line is the vendor's "Uploading data to s3"; the request must end with an ordinary REPORT and hold no error.
    A quiet bucket is no evidence: neither pass nor finding.
    """
    flow = readable(forwarder.flow)
    if isinstance(flow, Absent):
        no_evidence(f"{flow}: the function has not run, or logs elsewhere")
    last_error = flow.errors[-1] if flow.errors else ""
    if flow.proved:
        if last_error:
            advise(f"{flow.proved} of {flow.requests} requests uploaded; there were errors too, the last: {last_error}")
        return
    since = f"since {flow.since:%Y-%m-%d %H:%M:%S} UTC"
    searched = f"{flow.requests} requests {since}" + ("" if flow.complete else " in what was searched of a long log")
    expect(
        not last_error,
        expected="an upload in a request without an error",
        found=f"{searched}, none of them uploaded well; last error: {last_error}",
        remedy="read the function's log; check secret, key and package",
    )
    if flow.uploads:
        no_evidence(f"{searched}, {flow.uploads} upload lines, and no request with one that ended well")
    no_evidence(f"{searched} and no upload line: a quiet bucket, or no debug lines")


@check("function-errors", severity=Severity.HIGH, step=_STEP, facts=["metrics", "listed"])
def test_calls_succeed(forwarder: Forwarder) -> None:
    """Since its last update and within the log window, CloudWatch counts no errors, throttles or dropped events.

    Absent metrics are no evidence: a function that was not called has none.
    """
    metrics = readable(forwarder.metrics)
    if isinstance(metrics, Absent):
        no_evidence(str(metrics))
    counted = {
        "errors": metrics.errors,
        "throttles": metrics.throttles,
        "dropped events": metrics.async_dropped,
    }
    bad = [f"{number:.0f} {name}" for name, number in counted.items() if number]
    calls = "an unknown number of" if metrics.invocations is None else f"{metrics.invocations:.0f}"
    expect(
        not bad,
        expected="no errors, throttles or dropped events",
        found=f"{', '.join(bad)} in {calls} calls",
        remedy="read the function's log; raise its concurrency if it is throttled",
    )
    if not metrics.invocations:
        no_evidence("CloudWatch counts no call of this function in the window")
    if metrics.errors is None:
        no_evidence(f"CloudWatch counts {calls} calls in the window, and does not say how many failed")
