"""Do the forwarders exist that should?"""

from checks.outcome import Severity, expect, known
from checks.registry import check
from fixtures.estate import Estate, Target


@check(
    "baseline-present", severity=Severity.CRITICAL, step="guards against a forwarder that vanished", facts=["stacks"]
)
def test_expected_forwarder_exists(expected_forwarder: tuple[Target, str], estate: Estate) -> None:
    """A forwarder that the baseline names is there."""
    target, name = expected_forwarder
    seen = estate.seen(target)
    if all(forwarder.name != name for forwarder in seen.forwarders):
        known(seen.stacks, expected="a list of stacks")
    expect(
        any(forwarder.name == name for forwarder in seen.forwarders),
        expected=f"forwarder {name}, as the baseline says",
        found="no such forwarder",
        remedy="restore it, or take it out of the baseline if it was retired on purpose",
    )
