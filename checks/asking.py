"""Asks one of the suite's own checks, in one go, and reports it through pytest's ordinary hooks.

pytest runs a test in three phases, each of them inside of a dozen hooks that capture output, logs and warnings and set
up fixtures. A check of ours prints nothing, logs nothing and takes no fixture: that was two thirds of a run's time. It
is told as a call and a teardown. Wherever somebody else's plugin looks at those phases, or somebody wants to look into
them (`--pdb`, `--setup-show`), they are gone through as ever.
"""

from typing import TYPE_CHECKING

import pytest

from checks.answer import answer_of
from checks.items import CheckItem

if TYPE_CHECKING:
    from _pytest.nodeid import NodeId

_PHASES = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_exception_interact",
)
# what these do in the phases is for test functions, or is done here too
_KNOWN = ("_pytest", "xdist", "pytest_html", "checks", "fixtures", "remediation", "reports")
_LOOKED_INTO = ("usepdb", "trace", "setuponly", "setupshow", "setupplan")
_AT_ONCE = pytest.StashKey[bool]()


def ask_at_once(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Ask a check and tell its result; None where pytest has to go through all phases itself.

    The last check in a row does, for what a test before them has left set up.
    """
    if not (isinstance(item, CheckItem) and isinstance(nextitem, CheckItem) and _may(item.config)):
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = pytest.CallInfo.from_call(item.runtest, "call", reraise=(pytest.exit.Exception, KeyboardInterrupt))
    report = hook.pytest_runtest_makereport(item=item, call=call) if call.excinfo else _passed(item, call)
    hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logreport(report=_torn_down(item, call.stop))
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _may(config: pytest.Config) -> bool:
    """Whether nobody else looks at the phases of this run."""
    known = config.stash.get(_AT_ONCE, None)
    if known is None:
        known = config.stash[_AT_ONCE] = not (
            any(config.getoption(name, default=False) for name in _LOOKED_INTO)
            or any(_is_foreign(module) for name in _PHASES for module in _modules(config, name))
        )
    return known


def _passed(item: CheckItem, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """The report of a check that holds, as pytest would make it."""
    told = [*item.user_properties, *answer_of(item, item.check, None).properties()]
    return pytest.TestReport(
        _identity(item), item.location, item.question.names, "passed", None, "call",
        duration=call.duration, start=call.start, stop=call.stop, user_properties=told,
    )  # fmt: skip


def _torn_down(item: CheckItem, at: float) -> pytest.TestReport:
    """The report of the teardown: there is none, and reports wait for it."""
    return pytest.TestReport(
        _identity(item), item.location, item.question.names, "passed", None, "teardown", start=at, stop=at,
        user_properties=item.user_properties,
    )  # fmt: skip


def _identity(item: CheckItem) -> "NodeId | str":
    """The item's node id; taken apart already where this pytest has it so, or it would be anew for each report."""
    return getattr(item, "id", item.nodeid)


def _modules(config: pytest.Config, name: str) -> list[str]:
    """The modules of the plugins that take part in a hook."""
    return [impl.function.__module__ for impl in getattr(config.hook, name).get_hookimpls()]


def _is_foreign(module: str) -> bool:
    return module.partition(".")[0] not in _KNOWN
