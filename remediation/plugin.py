"""`--plan` and `--fix` as a pytest plugin: what is needed of it before a run is known to plan or write."""

import pytest

from fixtures.distribution import is_worker
from fixtures.state import OPTIONS


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Turn xdist off for runs that plan or write: a crashed worker would run a test again, and writes with it.

    A budget asks no check at all.
    """
    option = config.option
    alone = option.fix or option.plan or option.resume or option.rollback or option.budget
    if alone and hasattr(option, "numprocesses"):
        option.numprocesses = 0
        option.dist = "no"
        option.tx = []


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the two passes where they were asked for: an audit does without the engine, a tenth of a second."""
    if is_worker(config):
        return
    options = config.stash[OPTIONS]
    if options.plan or options.may_write or options.resume or options.rollback:
        config.pluginmanager.import_plugin("remediation.two_passes")
