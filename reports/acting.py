"""Who must act, and with which command: what every report that names people says the same of."""

from reports.commands import Commands, Scope
from reports.standing import AccountRow, Standing

_MOST_CHECKS = 3  # a longer list says no more than none


def acting(found: Standing) -> tuple[AccountRow, ...]:
    """Accounts with open findings or that were not reached, the worst first."""
    return tuple(row for row in found.accounts if row.open or row.unreached)


def command_for(row: AccountRow, commands: Commands) -> str:
    """The one command of an account: the fix of what a fix can clear or goes on with, otherwise a look at it again."""
    accounts = (row.account,) if row.account else ()
    if row.fixable:
        return commands.fix(Scope(accounts, row.fixable_regions))
    if row.blocked:
        return commands.fix(Scope(accounts, row.regions))
    return commands.look(Scope(accounts, row.regions, row.checks if len(row.checks) <= _MOST_CHECKS else ()))
