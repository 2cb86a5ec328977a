"""Wires the reports into pytest. xdist's workers report to the controller and print nothing themselves."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checks.looked import Looked, looked_at
from checks.state import NOT_APPLICABLE
from checks.waiving import waiving
from fixtures.option_values import DEFAULT_FAIL_ON
from fixtures.plugin import usage_errors
from fixtures.run_folder import has_run_folder, refuse_unwritable, run_folder, run_id
from fixtures.selection import selection_of
from fixtures.state import BEGAN, DESIRES, ESTATE, OPTIONS, WAIVERS
from fixtures.version import suite_version
from fixtures.whole_file import PRIVATE, write_whole
from remediation.story import FIX_STORY, PLAN_LINES
from reports.budget import BudgetRun
from reports.commands import Commands, called_program
from reports.delivery.outcome import Delivered
from reports.delivery.record import FILE as DELIVERIES
from reports.delivery.record import delivery_records
from reports.environment import environment, mode_of
from reports.exports.exported import STEP_SUMMARY, Exported
from reports.history.schema import refuse_unusable
from reports.html_file import HtmlFile
from reports.junit import JunitProperties, tell_waivers
from reports.junit_file import JunitFile
from reports.keeping import kept
from reports.line import EVERYTHING, Limits
from reports.origin import origin_of
from reports.report_file import ReportFile
from reports.results_file import FILE, result_lines
from reports.summary import Run, Summary, summarise
from reports.tally import TALLY, Tally
from reports.terminal import TerminalStory

if TYPE_CHECKING:
    from reports.delivery.deliveries import Deliveries
    from reports.evidence.plugin import EvidencePack


def pytest_configure(config: pytest.Config) -> None:
    """Register the collector of results and every report that this run can have."""
    if hasattr(config, "workerinput"):
        return
    # A report is mailed and attached as one file. pytest-html is configured after a conftest's plugins, and reads this.
    config.option.self_contained_html = True
    tally = Tally()
    config.stash[TALLY] = tally
    plugins = config.pluginmanager
    options = config.stash.get(OPTIONS, None)
    if options and options.budget:
        plugins.register(BudgetRun(config), "forwarders-budget")
    evidence = _evidence(config)
    deliveries = _deliveries(config)
    with usage_errors():
        html = _html_file(config) if plugins.hasplugin("html") else None
        junit = _junit_file(config)
        files = tuple(one.file for one in (html, junit) if one)
        for number, file in enumerate(files):
            file.refuse_taken(options, files[:number])
    ending = RunEnding(config, tally, files)
    if ending.keeps():
        with usage_errors():
            refuse_unwritable(config)
    _refuse_history(config)
    plugins.register(tally, "forwarders-tally")
    plugins.register(ending, "forwarders-ending")
    plugins.register(TerminalStory(ending.summary, ending.limits), "forwarders-terminal")
    if evidence:
        evidence.made_from(ending.summary, {"--html": html, "--junitxml": junit})
        plugins.register(evidence.told(), "forwarders-evidence-told")
    if deliveries:
        deliveries.made_from(ending)
    options = config.stash.get(OPTIONS, None)
    _export(config, ending)
    if junit:
        plugins.register(JunitProperties(), "forwarders-junit")
    if plugins.hasplugin("html"):
        from reports.html import HtmlStory  # noqa: PLC0415 - its hooks exist only beside pytest-html

        story = HtmlStory(ending.summary, ending.environment, html.path if html else None)
        plugins.register(story, "forwarders-html")


def _deliveries(config: pytest.Config) -> "Deliveries | None":
    """What the run delivers. It is registered before the reports, and so goes out after them, but before a pack."""
    options = config.stash.get(OPTIONS, None)
    if options is None or not options.delivery.delivers:
        return None
    from reports.delivery.deliveries import Deliveries  # noqa: PLC0415 - 30 ms that only such a run needs

    deliveries = Deliveries(config)
    config.pluginmanager.register(deliveries, "forwarders-deliveries")
    return deliveries


def _export(config: pytest.Config, ending: "RunEnding") -> None:
    """Write the files of `--export`, and the page of a job, where there are any."""
    options = config.stash.get(OPTIONS, None)
    exports = options.exports if options else ()
    if not exports and not os.environ.get(STEP_SUMMARY):
        return
    from reports.exports.exporting import Exporting, refuse_impossible  # noqa: PLC0415 - 15 ms, as above

    with usage_errors():
        refuse_impossible(exports)
    config.pluginmanager.register(Exporting(exports, ending.summary, ending.tell_exported), "forwarders-exporting")


def _evidence(config: pytest.Config) -> "EvidencePack | None":
    """The pack of `--evidence`. It is registered before other reports, and so is written after them."""
    options = config.stash.get(OPTIONS, None)
    if options is None or options.evidence is None:
        return None
    from reports.evidence.plugin import EvidencePack  # noqa: PLC0415 - 60 ms that only such a run needs

    with usage_errors():
        pack = EvidencePack(options.evidence)
    config.pluginmanager.register(pack, "forwarders-evidence")
    return pack


def _refuse_history(config: pytest.Config) -> None:
    """Refuse before the audit a history that could not be read or written after it."""
    options = config.stash.get(OPTIONS, None)
    if options and options.history:
        with usage_errors():
            refuse_unusable(options.history)


def _html_file(config: pytest.Config) -> HtmlFile | None:
    """The file of `--html`, which pytest-html is kept from writing in place."""
    typed = config.getoption("htmlpath", default=None)
    if typed is None:
        return None
    file = HtmlFile(typed)
    file.take(config)
    config.pluginmanager.register(file, "forwarders-html-file")
    return file


def _junit_file(config: pytest.Config) -> JunitFile | None:
    """The file of `--junitxml`, which pytest is kept from writing in place."""
    typed = config.getoption("xmlpath", default=None)
    if typed is None:
        return None
    file = JunitFile(typed)
    file.take(config)
    config.pluginmanager.register(file, "forwarders-junit-file")
    return file


class RunEnding:
    """Draws the verdict when the last result is in, sets the exit code and keeps the results file."""

    def __init__(self, config: pytest.Config, tally: Tally, reports: tuple[ReportFile, ...] = ()) -> None:
        self._config = config
        self._reports = reports
        self._unkept: list[tuple[str, str]] = []
        self._tally = tally
        self._pytest_code = 0
        self._known: Summary | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Turn pytest's exit status into the suite's, where checks ran at all."""
        self._pytest_code = int(exitstatus)
        self._known = None
        summary = self.summary()
        if summary:
            session.exitstatus = summary.verdict.code
            known = summary
            try:
                known = self._with_history(summary)
            finally:
                self._keep_results(known.run)
            self._known = known
            if summary.run.waiving:
                tell_waivers(self._config, summary.run.waiving)

    def _with_history(self, summary: Summary) -> Summary:
        """The summary with what changed since the last run, once this one is kept."""
        if ESTATE not in self._config.stash:
            return summary
        history, trouble = kept(self._config, summary, self.looked())
        return replace(summary, run=replace(summary.run, history=history, history_trouble=trouble))

    def looked(self) -> Looked:
        """What the run looked at."""
        results = self._tally.results
        return looked_at(self._config, results, broken=self._tally.failed_others > 0)

    def summary(self) -> Summary | None:
        """The run's summary; None for the project's own tests and where nothing was run on purpose."""
        looked = ESTATE in self._config.stash or bool(self._tally.results)
        refused = self._pytest_code == pytest.ExitCode.USAGE_ERROR
        if not looked or refused or self._config.getoption("collectonly", default=False):
            return None
        if self._known is None or len(self._known.run.results) != len(self._tally.results):
            self._known = summarise(self._run())
        broken = ((f"{file.option}={file.typed}", file.trouble) for file in self._reports if file.trouble)
        told = (*broken, *self._unkept)
        if told != self._known.run.unwritten:
            self._known = replace(self._known, run=replace(self._known.run, written=self._written(), unwritten=told))
        return self._known

    def tell(self, delivered: Delivered) -> None:
        """Take what became of the run's deliveries, for the terminal and the run's folder."""
        summary = self.summary()
        if summary:
            self._known = replace(summary, run=replace(summary.run, delivered=delivered))
        if self.keeps():
            self._keep(DELIVERIES, delivery_records(delivered, run_id(self._config)))

    def tell_exported(self, exported: Sequence[Exported]) -> None:
        """Take what became of the run's exports, for the terminal."""
        summary = self.summary()
        if summary:
            self._known = replace(summary, run=replace(summary.run, exported=tuple(exported)))

    def limits(self) -> Limits:
        """Everything with `-v`, otherwise the most important, and where the rest is."""
        if self._config.get_verbosity() > 0:
            return EVERYTHING
        if self.keeps():
            return Limits(rest=f"see {self._folder() / FILE}")
        return Limits()

    def environment(self) -> Mapping[str, str] | None:
        """What the run is, for the HTML report; None where there are no checks to report."""
        options = self._config.stash.get(OPTIONS, None)
        if options is None or not options.looks:
            return None
        return environment(options, run_id(self._config), self._releases())

    def _run(self) -> Run:
        stash = self._config.stash
        options = stash.get(OPTIONS, None)
        desires = stash.get(DESIRES, None)
        not_applicable: dict[str, tuple[str, ...]] = stash.get(NOT_APPLICABLE, {})
        waivers = stash.get(WAIVERS, None)
        has_release = desires is None or any(tenant.release for tenant in desires.tenants)
        return Run(
            results=self._tally.results,
            estate=stash.get(ESTATE, None),
            pytest_code=self._pytest_code,
            fail_on=options.fail_on if options else DEFAULT_FAIL_ON,
            others=self._tally.others,
            failed_others=self._tally.failed_others,
            not_applicable=not_applicable,
            planning=bool(options and options.plan),
            fixing=bool(options and options.fix),
            undoing=bool(options and options.rollback),
            has_release=has_release,
            story=stash.get(FIX_STORY, None),
            plan_lines=stash.get(PLAN_LINES, ()),
            written=self._written(),
            mode=mode_of(options) if options else "",
            releases=self._releases(),
            id=run_id(self._config),
            began=stash.get(BEGAN, None),
            waiving=waiving(waivers, self._tally.results, self.looked()) if waivers else None,
            commands=self._commands(has_release=has_release),
            results_file=str(self._folder() / FILE) if self.keeps() else "",
        )

    def _commands(self, *, has_release: bool) -> Commands | None:
        options = self._config.stash.get(OPTIONS, None)
        if options is None:
            return None
        return Commands(options, called_program(), has_release=has_release, selection=selection_of(self._config))

    def keeps(self) -> bool:
        """Whether this run leaves a folder: it may write, it shows a plan, keeps something, or is a part."""
        options = self._config.stash.get(OPTIONS, None)
        kept = options and (options.snapshot or options.shard or options.merge or options.evidence)
        asked = bool(options and (options.may_write or options.plan or kept))
        return asked or has_run_folder(self._config)

    def _written(self) -> tuple[str, ...]:
        folder = [str(self._folder())] if self.keeps() else []
        return (*(file.typed for file in self._reports if not file.trouble), *folder)

    def _folder(self) -> Path:
        """The run's folder, as the user who stands above it would name it."""
        return run_folder(self._config).relative_to(self._config.invocation_params.dir)

    def _releases(self) -> tuple[str, ...]:
        desires = self._config.stash.get(DESIRES, None)
        tenants = desires.tenants if desires else ()
        return tuple(dict.fromkeys(tenant.release.digest for tenant in tenants if tenant.release))

    def _keep_results(self, run: Run) -> None:
        if self.keeps():
            self._keep(FILE, result_lines(run.results, origin_of(run, suite_version())))

    def _keep(self, name: str, parts: Iterable[str]) -> None:
        """Write a file of the run's folder; a disk that is full is told, and takes nothing else with it."""
        try:
            write_whole(run_folder(self._config) / name, parts, PRIVATE)
        except OSError as error:
            self._unkept.append((str(self._folder() / name), error.strerror or str(error)))
