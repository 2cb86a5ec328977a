"""In whose name a run delivers: its own role, assumed and verified, or the current credentials; never the fix role."""

import threading
from collections.abc import Mapping

from fixtures.answers import Malformed
from fixtures.aws import Aws, CallFailed, Clients, account_wide_region
from fixtures.entrances import home_region
from fixtures.errors import InputError
from fixtures.fact import Cause, Unreadable
from fixtures.governor import Governor
from fixtures.options import Options
from fixtures.rates import Rates
from fixtures.sessions import Entry, Sessions, read_identity, session_policy_of, wrong_account
from reports.delivery.needs import ACTIONS

ENTER = "sts:AssumeRole"


def refuse_fix_role(options: Options) -> None:
    """Refuse to deliver as the role that may write in an account.

    Raises:
        InputError: the accounts file names the delivery's role as the one for fixes.
    """
    role = options.delivery.role
    if role is None:
        return
    for account in options.fleet:
        if account.fix_role == role.name and role.account in {None, account.id}:
            raise InputError(
                "--delivery-role",
                f"in account {account.id} that is the role for fixes, which may write far more",
                "make one of its own: taegis-forwarders policy deliver --format=cloudformation",
            )


class Access:
    """Opens accounts for delivering, each once. Safe to use from many threads."""

    def __init__(self, options: Options, rates: Rates | None, region: str) -> None:
        """Take the current credentials.

        Args:
            options: the command line.
            rates: how many calls a second AWS takes; None for an emulator on this machine.
            region: one that something is delivered to; it says which partition this is.

        Raises:
            InputError: there are no credentials.
        """
        self._role = options.delivery.role
        self._home = home_region(options) if options.regions else account_wide_region(region) or region
        self._sessions = Sessions(
            Clients(Governor(rates)), self._entry(options.external_id), self._home, self._particular(options)
        )
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._doors: dict[str, Aws | Unreadable] = {}

    def enter(self, account: str) -> Aws | Unreadable:
        """Access to an account, or why there is none; without a role, that of the current credentials' account."""
        with self._lock:
            opening = self._opening.setdefault(account, threading.Lock())
        with opening:  # accounts do not wait for each other
            if account not in self._doors:
                self._doors[account] = self._open(account)
            return self._doors[account]

    def enter_own(self, account: str) -> Aws | Unreadable:
        """The same, where the caller has to be of that very account."""
        aws = self.enter(account)
        if isinstance(aws, Unreadable) or aws.account == account:
            return aws
        if self._role:
            why = f"--delivery-role is a role of {aws.account}: name a role that every account has"
        else:
            why = f"the current credentials are of {aws.account}: name a role with --delivery-role"
        return Unreadable(ENTER, Cause.FAILED, why)

    def _open(self, account: str) -> Aws | Unreadable:
        try:
            if self._role is None:
                return self._sessions.ambient(self._sessions.current())
            owner = self._role.account or account
            aws = self._sessions.open(owner)
        except CallFailed as failure:
            return Unreadable(failure.action, failure.cause, failure.reason)
        except Malformed as problem:
            return Unreadable("sts:GetCallerIdentity", Cause.MALFORMED, str(problem))
        identity = read_identity(aws, self._home)
        if isinstance(identity, Unreadable):
            return identity
        return wrong_account(identity, owner) or aws

    def _entry(self, external_id: str | None) -> Entry:
        name = self._role.name if self._role else None
        return Entry(name, external_id, session_policy_of(ACTIONS) if name else None)

    def _particular(self, options: Options) -> Mapping[str, Entry]:
        return {account.id: self._entry(account.external_id) for account in options.fleet if account.external_id}
