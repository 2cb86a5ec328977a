"""Writes the exports of a run when it ends: whichever way it ends, as far as results are known."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fixtures.export_file import Export, ExportFormat
from fixtures.version import suite_version
from fixtures.whole_file import refuse_unwritable, write_whole
from reports.exports.asff import AsffFinding, asff_findings, asff_parts
from reports.exports.csv_text import csv_parts
from reports.exports.exported import STEP_SUMMARY, Exported
from reports.exports.markdown import markdown
from reports.exports.ocsf import ocsf_parts, refuse_missing_models
from reports.exports.place import Places
from reports.origin import Origin, origin_of
from reports.results_file import result_lines
from reports.summary import Summary


def refuse_impossible(exports: Sequence[Export]) -> None:
    """Refuse before the run what could not be written after it.

    Raises:
        InputError: a file cannot be written, or what a format needs is not installed.
    """
    for export in exports:
        refuse_unwritable(str(export), export.path)
        if export.format is ExportFormat.OCSF:
            refuse_missing_models(str(export))


class Exporting:
    """Hooks of pytest.

    `summarise` gives the summary once all results are in, `tell` takes what became of the files. What cannot be
    written in the end is said, and changes nothing of the verdict.
    """

    def __init__(
        self,
        exports: Sequence[Export],
        summarise: Callable[[], Summary | None],
        tell: Callable[[Sequence[Exported]], None],
    ) -> None:
        self._exports = exports
        self._summarise = summarise
        self._tell = tell

    def pytest_sessionfinish(self) -> None:
        """Write all files. The verdict was drawn before, and the history kept."""
        summary = self._summarise()
        if summary is None:
            return
        told = list(exported(self._exports, summary))
        step = os.environ.get(STEP_SUMMARY)
        if step:
            told += _added(Path(step), summary)
        if told:
            self._tell(told)


def exported(exports: Sequence[Export], summary: Summary) -> Iterator[Exported]:
    """Write each export, and say what became of it."""
    origin, places = origin_of(summary.run, suite_version()), Places(summary.run.estate)
    for export in exports:
        text = _Text(export.format, summary, origin, places)
        try:
            write_whole(export.path, text)
        except OSError as error:
            yield Exported(str(export.path), error.strerror or str(error))
        else:
            yield Exported(str(export.path), left_out=text.left_out)


class _Text:
    """A file's content in parts; `left_out` is known once they were written."""

    def __init__(self, kind: ExportFormat, summary: Summary, origin: Origin, places: Places) -> None:
        self._kind, self._summary, self._origin, self._places = kind, summary, origin, places
        self.left_out = 0

    def __iter__(self) -> Iterator[str]:
        results, origin, places = self._summary.run.results, self._origin, self._places
        match self._kind:
            case ExportFormat.CSV:
                yield from csv_parts(results, origin)
            case ExportFormat.JSON_LINES:
                yield from result_lines(results, origin)
            case ExportFormat.MARKDOWN:
                yield markdown(self._summary)
            case ExportFormat.OCSF:
                yield from ocsf_parts(results, places, origin)
            case ExportFormat.ASFF:
                self.left_out = len(results)
                yield from asff_parts(self._counted(asff_findings(results, places, origin)))

    def _counted(self, findings: Iterator[AsffFinding]) -> Iterator[AsffFinding]:
        for finding in findings:
            self.left_out -= 1
            yield finding


def _added(file: Path, summary: Summary) -> list[Exported]:
    """Add the summary to the job's; told only where that failed, since the job's page shows it."""
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{markdown(summary)}\n")
    except OSError as error:
        return [Exported(f"the job's summary ({STEP_SUMMARY}={file})", error.strerror or str(error))]
    return []
