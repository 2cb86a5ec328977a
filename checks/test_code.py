"""Is the function's code the release's, and can it run?"""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from fixtures.desired import Desired
from fixtures.estate import Forwarder
from fixtures.fact import value

_STEP = "3: set TaegisLambdaS3BucketName to the bucket with the zip"
_EXPECTED = "a function"


@check(
    "code-current",
    severity=Severity.CRITICAL,
    step=_STEP,
    facts=["listed"],
    fix="forwarder-stack",
    needs_release=True,
)
def test_code_is_the_releases(forwarder: Forwarder, desired: Desired) -> None:
    """The function runs the release's package, by digest.

    CloudFormation changes the runtime and leaves the code alone when the package's address stays the same: the stack
    is green and every call fails for want of a bootstrap.
    """
    function = known(forwarder.listed, expected=_EXPECTED)
    assert desired.release is not None
    wanted = desired.release.package.code_sha256
    expect(
        function.package_type == "Zip",
        expected=f"the release's package, CodeSha256 {wanted}",
        found=f"package type {function.package_type}",
        remedy="deploy a forwarder from the vendor's template beside it, prove it, then remove this one",
    )
    expect(
        function.code_sha256 == wanted,
        expected=f"CodeSha256 {wanted}",
        found=f"CodeSha256 {function.code_sha256 or '(empty)'}",
    )


@check("code-architecture", severity=Severity.HIGH, step=_STEP, facts=["listed"])
def test_architecture_fits_the_package(forwarder: Forwarder) -> None:
    """The function runs on x86_64, which the vendor's amd64 package is built for."""
    function = known(forwarder.listed, expected=_EXPECTED)
    if not function.architectures:
        unknown("Lambda does not say which architecture the function has")
    expect(
        function.architectures == ("x86_64",),
        expected="x86_64",
        found=", ".join(function.architectures),
        remedy="set Architectures back to x86_64",
    )


@check("function-ready", severity=Severity.CRITICAL, step=_STEP, facts=["function"])
def test_function_is_ready(forwarder: Forwarder) -> None:
    """The function is Active (or Inactive: idle, woken by the next call) and its last update succeeded."""
    function = known(forwarder.function, expected=_EXPECTED)
    if function.state is None or function.last_update is None:
        unknown("Lambda does not say in which state the function is")
    if function.state == "Pending" or function.last_update == "InProgress":
        unknown(f"an update is under way (state {function.state}, last update {function.last_update})")
    reasons = " ".join(filter(None, (function.state_reason, function.last_update_reason)))
    expect(
        function.state in {"Active", "Inactive"} and function.last_update == "Successful",
        expected="state Active or Inactive, last update Successful",
        found=f"state {function.state}, last update {function.last_update} {reasons}".strip(),
        remedy="read the reason; correct role, key or package, and update again",
    )


@check("function-concurrency", severity=Severity.CRITICAL, step="guards against a forwarder that is paused",
       facts=["function"])  # fmt: skip
def test_function_may_run(forwarder: Forwarder) -> None:
    """Reserved concurrency is not 0: that is no pause, asynchronous events are dropped or go to the DLQ at once."""
    function = known(forwarder.function, expected=_EXPECTED)
    expect(
        function.reserved_concurrency != 0,
        expected="no reserved concurrency, or more than 0",
        found="reserved concurrency 0",
        remedy="remove the reserved concurrency of the function",
    )


@check("function-dead-letter", severity=Severity.LOW, step="guards against events lost after failed attempts",
       facts=["listed", "invocation"])  # fmt: skip
def test_failed_events_are_kept(forwarder: Forwarder, advise: Callable[[str], None]) -> None:
    """Events that fail are kept or dropped: where nothing keeps them, that is noted, and no finding."""
    function = known(forwarder.listed, expected=_EXPECTED)
    invocation = value(forwarder.invocation)  # read for a plan only: without it, the note says what it does not know
    if function.dead_letter_arn is None and (invocation is None or invocation.destination is None):
        unseen = "" if invocation else ", unless it has a destination for failures, which was not read"
        advise(f"no dead-letter queue: events that fail in every attempt are dropped{unseen}")
