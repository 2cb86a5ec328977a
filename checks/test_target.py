"""Was the target reached, as the account it should be, and could it be listed?"""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from fixtures.desired import Desired
from fixtures.estate import Estate, Seen
from fixtures.fact import Absent, Cause, Unreadable

_FIND = "find the existing Lambda stacks"
_MEND = "mend the role, its trust policy or the credentials, then run again"
_MENDS = {
    Cause.EXPIRED: "renew the credentials (aws sso login), then run again",
    Cause.OFF: "enable the region in the account, or leave it out",
    Cause.THROTTLED: "run again; if it stays so, look for who else calls AWS in that account",
    Cause.MISSING: "run that shard again and merge all",
}


@check(
    "target-reached",
    severity=Severity.CRITICAL,
    step="log in to each account and region",
    facts=["identity", "stacks", "functions"],
)
def test_target_is_reached(target: Seen) -> None:
    """The account can be entered in this region, as the account it should be.

    What was not reached was not checked: its forwarders may be broken. A target in which nothing may be listed was not
    reached either.
    """
    identity = target.identity
    entered = f"to enter account {target.target.account}"
    remedy = _MENDS.get(identity.cause, _MEND) if isinstance(identity, Unreadable) else _MEND
    expect(not isinstance(identity, Absent | Unreadable), expected=entered, found=identity, remedy=remedy)
    found = known(identity, expected=entered).account
    expect(found == target.target.account, expected=entered, found=f"account {found}", remedy=_MEND)
    expect(
        target.reached,
        expected=f"to list stacks or functions of {target.target}",
        found=f"{target.stacks}; {target.functions}",
        remedy=_MEND,
    )


def _was_reached(seen: Seen, _desired: Desired) -> bool:
    return seen.reached


def _has_lookalikes(seen: Seen, _desired: Desired) -> bool:
    return bool(seen.lookalikes)


@check(
    "target-listed",
    severity=Severity.HIGH,
    step=_FIND,
    facts=["identity", "stacks", "functions"],
    target_applies=_was_reached,
)
def test_stacks_and_functions_can_be_listed(target: Seen) -> None:
    """All stacks and functions of the target are known, so that no forwarder is overlooked."""
    known(target.stacks, expected="a list of stacks")
    known(target.functions, expected="a list of functions")


@check(
    "target-orphans",
    severity=Severity.MEDIUM,
    step=_FIND,
    facts=["identity", "stacks", "functions"],
    target_applies=_was_reached,
)
def test_no_function_is_without_its_stack(target: Seen) -> None:
    """No function bears a forwarder's name without a stack that owns it.

    Such a function cannot be migrated by updating a stack. On go1.x it also cannot be created again: do not delete it
    before another forwarder has taken over.
    """
    orphans = known(target.orphans, expected="a list of functions and stacks")
    expect(
        not orphans,
        expected="every function with a forwarder's name to belong to a stack",
        found=f"without a stack: {', '.join(orphans)}",
        remedy="deploy a forwarder for its bucket from the new template, prove it, then remove the old function",
    )


@check(
    "target-lookalikes",
    severity=Severity.LOW,
    step=_FIND,
    facts=["stacks"],
    target_applies=_has_lookalikes,
)
def test_stacks_that_only_look_like_forwarders_are_named(target: Seen, advise: Callable[[str], None]) -> None:
    """Stacks that resemble a forwarder and are none are left alone, and named so that nobody wonders."""
    advise(f"not forwarders, left alone: {', '.join(target.lookalikes)}")


@check("forwarders-found", severity=Severity.HIGH, step=_FIND, facts=["stacks", "functions"])
def test_some_forwarder_was_found(estate: Estate) -> None:
    """At least one forwarder was found: a run that finds none at all is not a clean one."""
    unread = [
        f"{seen.target}: {fact}"
        for seen in estate.targets
        for fact in (seen.stacks, seen.functions)
        if isinstance(fact, Unreadable)
    ]
    if unread and not estate.forwarders:
        unknown("; ".join(unread))
    expect(
        bool(estate.forwarders),
        expected="at least one forwarder in the given accounts and regions",
        found="none",
        remedy="check --regions, --accounts and --forwarders",
    )
