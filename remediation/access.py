"""A run's access for writing: one account entered once, one writer per target, one stop for all."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pytest

from fixtures.aws import Aws, Clients
from fixtures.entrances import fix_sessions, home_region
from fixtures.estate import Identity, Target
from fixtures.fact import Unreadable
from fixtures.fan import Fan
from fixtures.look import LOOK
from fixtures.sessions import Sessions, read_identity
from fixtures.state import OPTIONS
from remediation.consent import alias_of
from remediation.journal import Journal
from remediation.writer import BucketLocks, Limits, Writer


@dataclass
class Access:
    """Opens what the steps write with."""

    config: pytest.Config
    stop: threading.Event = field(default_factory=threading.Event)
    bucket_locks: BucketLocks = field(default_factory=BucketLocks)
    opened: dict[str, Aws] = field(default_factory=dict)

    @property
    def clients(self) -> Clients:
        """The run's clients; new ones for a replay, which never calls."""
        return self.config.stash[LOOK].clients if LOOK in self.config.stash else Clients()

    @cached_property
    def sessions(self) -> Sessions:
        """How accounts are entered for writing; one for all of them, and so one client of STS."""
        return fix_sessions(self.clients, self.config.stash[OPTIONS])

    def account(self, name: str) -> Aws:
        """Access for writing to an account: its role is assumed once, and again before the session runs out."""
        if name not in self.opened:
            self.opened[name] = self.sessions.open(name)
        return self.opened[name]

    def alias(self, account: str) -> str:
        """The account's alias, for a person."""
        return alias_of(self.account(account), home_region(self.config.stash[OPTIONS]))

    def identities(self, accounts: Iterable[str]) -> Mapping[str, Identity | Unreadable]:
        """In whose name each account is written to, all at once; no permission is needed to ask (STS API reference)."""
        home = home_region(self.config.stash[OPTIONS])
        with Fan() as fan:
            asked = {account: fan.ask(read_identity, self.account(account), home) for account in sorted(set(accounts))}
            return {account: answer.result() for account, answer in asked.items()}

    def writer(self, journal: Journal, target: Target, say: Callable[[str], None]) -> Writer:
        """What a target is written with."""
        limits = Limits(proof=self.config.stash[OPTIONS].proof_timeout.total_seconds())
        return Writer(
            aws=self.account(target.account),
            region=target.region,
            journal=journal,
            stop=self.stop,
            locks=self.bucket_locks,
            limits=limits,
            on_aws=self.clients.on_aws(target.region),
            say=say,
        )
