"""The two passes of `--plan` and `--fix`: results are held back until their target is settled, then told once.

A plugin of its own, which `remediation.plugin` brings in for the runs that plan or write.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fixtures.options import Options
from fixtures.plugin import usage_errors
from fixtures.run_folder import earlier_run, take_up
from fixtures.state import ESTATE, OPTIONS
from remediation.consent import refuse_unmapped_accounts
from remediation.fix_run import FixRun
from remediation.held import HeldResults, is_held
from remediation.roll_back import RollBack
from remediation.run_record import read_record
from remediation.unselected import Unselected


def pytest_configure(config: pytest.Config) -> None:
    """Register the two passes only if they were asked for; an earlier run says where to look."""
    with usage_errors():
        options = _with_earlier_run(config, config.stash[OPTIONS])
        config.stash[OPTIONS] = options
        if options.plan or options.may_write:
            unselected = Unselected(config)
            config.pluginmanager.register(unselected, "forwarders-unselected")
            config.pluginmanager.register(TwoPasses(config, unselected), "forwarders-two-passes")


def _with_earlier_run(config: pytest.Config, options: Options) -> Options:
    run = options.resume or options.rollback
    if run is None:
        return options
    folder = earlier_run(config, run)
    record = read_record(folder)
    if not options.resume:
        return record.undone(options)
    take_up(config, folder)
    config.pluginmanager.register(SameChecks(frozenset(record.tests)), "forwarders-same-checks")
    return record.resumed(options)


@dataclass(frozen=True)
class SameChecks:
    """Keeps a resumed run to the checks that the run was asked: what was deselected then is not mended now."""

    tests: frozenset[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the others."""
        others = [item for item in items if is_held(item) and item.nodeid not in self.tests]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in others]


class TwoPasses:
    """Runs checks, plans from what they found, fixes, and runs the same checks again."""

    def __init__(self, config: pytest.Config, unselected: Unselected) -> None:
        self._config = config
        self._held = HeldResults()
        undoes = config.stash[OPTIONS].rollback
        self._run = RollBack(config, self._held) if undoes else FixRun(config, self._held, unselected=unselected)

    def pytest_forwarders_desired(self, config: pytest.Config) -> None:
        """Refuse before the first call to AWS what must not be written anywhere."""
        refuse_unmapped_accounts(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Run a check without telling its result yet."""
        if not is_held(item):
            return None
        self._held.run(item)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Plan, or plan and fix, once every check has been asked; then tell all, whatever happened."""
        try:
            done = yield
            if ESTATE in self._config.stash and not session.config.option.collectonly:
                with usage_errors():
                    self._fix()
        finally:
            self._run.tell()
        if self._run.stopped:
            pytest.exit("interrupted", returncode=pytest.ExitCode.INTERRUPTED)
        return done

    def _fix(self) -> None:
        if isinstance(self._run, FixRun) and not self._config.stash[OPTIONS].may_write:
            self._run.show_plan()
            return
        with self._run.interrupts.heeded(), contextlib.suppress(KeyboardInterrupt):  # it has set `stop`
            self._run.fix()

    def pytest_unconfigure(self) -> None:
        """Say how to go on, behind everything else: it is what whoever pressed Ctrl-C wants to know."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self._run.stopped:
            reporter.ensure_newline()
            reporter.write_line(f"Stopped. To go on: {self._run.interrupts.way_on}", bold=True)
