"""What must hold before anything is written: the right tenant, and a person's word where a person is there."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a plan may be applied, and by what word: kept in the journal, for whoever asks later."""

    given: bool
    how: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What a person is asked for.

    Attributes:
        about: what was asked for on the command line: `--fix`, `backfill`.
        will: what it is about to do: `change`, `send`.
        number: what has to be typed.
        noun: what that is a number of.
        lines: what the number is made of, a line for each account.
    """

    about: str
    will: str
    number: int
    noun: str
    lines: Callable[[], Iterable[str]]


def confirmed(config: pytest.Config, plan: Plan, alias: Callable[[str], str]) -> Consent:
    """Ask a person on a terminal for the number of forwarders; `alias` tells an account's alias.

    A plan for what forwarders share alone is asked for by its steps: nobody should have to type 0.
    """
    counts = Counter(target.account for target, _ in plan.forwarders)
    shared = Counter(step.target.account for step in plan.steps if not step.forwarders)
    forwarders = len(plan.forwarders)
    accounts = sorted({target.target.account for target in plan.targets if target.steps})
    return consent_to(
        config,
        Asking(
            about="--rollback" if config.stash[OPTIONS].rollback else "--fix",
            will="change",
            number=forwarders or len(plan.steps),
            noun="forwarders" if forwarders else "steps",
            lines=lambda: (
                f"{account} ({alias(account)}): {counts[account]} forwarders"
                + (f", {shared[account]} steps on what they share" if shared[account] else "")
                for account in accounts
            ),
        ),
    )


def consent_to(config: pytest.Config, asking: Asking) -> Consent:
    """Have the number typed on a terminal; without one, the command itself is the consent.

    `--yes` skips the question, and the sandbox never asks.
    """
    options = config.stash[OPTIONS]
    if options.sandbox:
        return Consent(given=True, how="nobody is asked in a sandbox")
    if options.yes:
        return Consent(given=True, how="--yes")
    with _own_terminal(config):
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return Consent(given=True, how=f"{asking.about}, without a terminal to ask on")
        lines = (f"  {line}" for line in asking.lines())
        sys.stdout.write("\n".join(["", f"{asking.about} is about to {asking.will}:", *lines, ""]))
        number = f"the number of {asking.noun}, {asking.number}"
        try:
            answer = input(f"Type the number of {asking.noun} ({asking.number}) to go on, anything else to stop: ")
        except EOFError:
            return Consent(given=False, how="nothing was typed")
    if answer.strip() == str(asking.number):
        return Consent(given=True, how=f"{number}, was typed on a terminal")
    # what somebody types into the wrong window may be a password
    return Consent(given=False, how=f"something else than {number}, was typed on a terminal")


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
