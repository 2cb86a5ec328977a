"""A run of pytest that looks, tests nothing, and ends with a code of its own: what verbs that ask AWS are made of."""

import pytest

from checks.verdict import INTERNAL
from fixtures.errors import InputError
from fixtures.state import OPTIONS

# Nothing is collected and nothing is told but what is told here; xdist would only start processes.
QUIET = ("-qq", "--collect-only", "-p", "no:xdist")


class LookingRun:
    """Collects nothing; whoever extends it does its work when the estate is there, and sets `code`.

    Attributes:
        code: the exit code. Until the work has said another one the run counts as broken down: never as one that holds.
    """

    code: int = INTERNAL

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        """Collect nothing."""
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End with the code of its own; that nothing was collected is no failure."""
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = self.code


def refuse_blind(config: pytest.Config, verb: str, remedy: str = "add --regions=us-east-1") -> None:
    """Refuse a run that has nothing to look at.

    Raises:
        pytest.UsageError: with the remedy.
    """
    if not config.stash[OPTIONS].looks:
        raise usage(verb, "nothing to look at", remedy)


def usage(thing: str, reason: str, remedy: str) -> pytest.UsageError:
    """The user's mistake as pytest tells its own; `fixtures.plugin` cannot be imported before pytest does that."""
    return pytest.UsageError(str(InputError(thing, reason, remedy)))
