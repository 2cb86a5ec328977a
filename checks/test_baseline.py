"""Do the forwarders exist that should?"""

from checks.outcome import Finding, Severity, known
from checks.registry import check
from fixtures.estate import Estate, Target


@check(
    "baseline-present",
    severity=Severity.CRITICAL,
    step="guards against a forwarder that vanished",
    facts=["stacks", "functions"],
    asked_with="--baseline",
)
def test_expected_forwarder_exists(expected_forwarder: tuple[Target, str], estate: Estate) -> None:
    """A forwarder that the baseline names is there."""
    target, name = expected_forwarder
    if estate.forwarder(target, name) is not None:
        return
    # a forwarder is known by its stack or by its function's name: it takes both lists to say that it is gone
    seen = estate.seen(target)
    known(seen.stacks, expected="a list of stacks")
    known(seen.functions, expected="a list of functions")
    raise Finding(
        f"forwarder {name}, as the baseline says",
        "no such forwarder",
        "restore it, or take it out of the baseline if it was retired on purpose",
    )
