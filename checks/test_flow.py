"""Do logs flow? Three answers: they do, they do not, nothing speaks for either."""

from checks.outcome import Severity, expect, no_evidence, readable
from checks.registry import check
from fixtures.estate import Forwarder
from fixtures.fact import Absent

_STEP = "9, 10: run the test, read the upload line in the log"


@check("logs-flow", severity=Severity.CRITICAL, step=_STEP, facts=["flow", "listed"])
def test_logs_flow(forwarder: Forwarder) -> None:
    """Since its last update and within the log window, the function logged an upload in a request that went well.

    The line is the vendor's "Uploading data to s3"; the request must end with an ordinary REPORT and hold no error.
    A quiet bucket is no evidence: neither pass nor finding.
    """
    flow = readable(forwarder.flow)
    if isinstance(flow, Absent):
        no_evidence(f"{flow}: the function has not run, or logs elsewhere")
    if flow.proved:
        return
    since = f"since {flow.since:%Y-%m-%d %H:%M:%S} UTC"
    expect(
        not flow.errors,
        expected="an upload in a request without an error",
        found=not flow.errors
        or f"{flow.requests} requests {since}, none of them uploaded; last error: {flow.errors[-1]}",
        remedy="read the function's log; check secret, key and package",
    )
    if not flow.complete:
        no_evidence("no upload line in what was searched; the log is long, and the search stopped before its end")
    no_evidence(f"{flow.requests} requests and no upload line {since}: a quiet bucket, or no debug lines")


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
    if metrics.invocations is None and metrics.errors is None:
        no_evidence("CloudWatch has no metrics of this function in the window")
