"""Settles what stopped runs left in AWS, within what the fixers may: IAM is asked before anything is written."""

from collections.abc import Callable, Mapping

from fixtures.estate import Estate, Target
from remediation.journal import Entry
from remediation.permission_gate import Permissions
from remediation.settle import left_change_sets, settle, stack_of
from remediation.writer import Writer


def settle_stopped(
    journals: Mapping[str, tuple[Entry, ...]],
    estate: Estate,
    permissions: Permissions,
    writer_for: Callable[[Target], Writer],
) -> frozenset[Target]:
    """Wait for what stopped runs left in flight, take back change sets that nobody will execute, record what was found.

    A change set that may not be taken back is left, and said to be: its stack stays as it is.

    Args:
        journals: of each run by its id, which is empty where that very run goes on.
        estate: what was seen; who may do what is asked where something was.
        permissions: what is known of each account's fixer.
        writer_for: access to a target.

    Returns:
        The seen targets in which something was in flight.
    """
    known = {seen.target for seen in estate.targets}
    left = {(found.target, stack_of(found)) for entries in journals.values() for found in left_change_sets(entries)}
    against = {
        at: f"{found[0].reason}; {found[0].to_do}"
        for at, found in permissions.against_settling([at for at in left if at[0] in known], estate).items()
    }
    targets: set[Target] = set()
    for run, entries in journals.items():
        targets |= settle(entries, writer_for, of_run=run, against=against)
    return frozenset(targets & known)
