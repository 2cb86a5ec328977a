"""What must hold before anything is written: the right tenant, and a person's word where a person is there."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fixtures.accounts import Organization
from fixtures.answers import texts
from fixtures.aws import Aws, CallFailed
from fixtures.errors import InputError
from fixtures.state import DESIRES, OPTIONS
from remediation.plan import Plan

ACTIONS = ("iam:ListAccountAliases",)


def refuse_unmapped_accounts(config: pytest.Config) -> None:
    """With more than one account, `--fix` needs to know whose they are; said before the first call.

    Raises:
        InputError: several accounts and no mapping to tenants.
    """
    options, desires = config.stash[OPTIONS], config.stash[DESIRES]
    several = f"{len(options.accounts)} accounts" if len(options.accounts) > 1 else ""
    if isinstance(options.accounts_from, Organization):
        several = "an organization"
    if options.fix and several and not desires.mapped:
        raise InputError(
            f"--fix with {several}",
            "it is not said which tenant they belong to, and a release must not reach another tenant's accounts",
            "map them in the settings: [tenants.NAME] accounts = [...], release = ...",
        )


def confirmed(config: pytest.Config, plan: Plan, alias: Callable[[str], str]) -> bool:
    """Ask a person on a terminal for the number of forwarders; without one, the flag itself is the consent.

    `--yes` skips the question, and the sandbox never asks. `alias` tells an account's alias.
    """
    options = config.stash[OPTIONS]
    if options.yes or options.sandbox:
        return True
    with _own_terminal(config):
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return True
        counts = Counter(target.account for target, _ in plan.forwarders)
        lines = [
            f"  {account} ({alias(account)}): {counts[account]} forwarders"
            for account in sorted({target.target.account for target in plan.targets if target.steps})
        ]
        number = len(plan.forwarders)
        asked = "--rollback" if options.rollback else "--fix"
        sys.stdout.write("\n".join(["", f"{asked} is about to change:", *lines, ""]))
        try:
            answer = input(f"Type the number of forwarders ({number}) to go on, anything else to stop: ")
        except EOFError:
            return False
    return answer.strip() == str(number)


def alias_of(aws: Aws, region: str) -> str:
    """The account's alias for people; says so where it may not be read."""
    try:
        found = texts(aws.call(region, "iam", "ListAccountAliases"), "AccountAliases")
    except CallFailed:
        return "alias not readable"
    return found[0] if found else "no alias"


@contextmanager
def _own_terminal(config: pytest.Config) -> Iterator[None]:
    """Take the terminal's input back from pytest's capture for a moment."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is None:
        yield
        return
    capture.suspend_global_capture(in_=True)
    try:
        yield
    finally:
        # between tests pytest captures nothing but the input
        capture.resume_global_capture()
        capture.suspend_global_capture(in_=False)
