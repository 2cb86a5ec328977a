"""What was found: each result for machines, the summary for people, and the reports that were asked for."""

from collections.abc import Iterator

from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, kept_file, text_file
from reports.line import EVERYTHING
from reports.results_file import FILE as RESULTS
from reports.terminal_text import sections

FOLDER = "results"
FILE = f"{FOLDER}/{RESULTS}"
_REPORTS = {
    "--html": ("report.html", "the HTML report"),
    "--junitxml": ("junit.xml", "the JUnit report"),
}


def results(material: Material) -> Iterator[Piece]:
    """The results file, all of the terminal's summary, and the HTML and JUnit reports where they were asked for."""
    yield kept_file(FILE, material.folder / RESULTS, "each check's result for each subject (docs/results.md)")
    yield text_file(f"{FOLDER}/summary.txt", _summary(material), "all of it for people, as with -v")
    for option, (name, what) in _REPORTS.items():
        path = material.reports.get(option)
        broken = [why for report, why in material.summary.run.unwritten if report.startswith(f"{option}=")]
        if path is None:
            yield Lacking(what, f"it was not asked for ({option})")
        elif broken:  # what stands there is that of an earlier run
            yield Lacking(what, f"it could not be written: {broken[0]}")
        else:
            yield kept_file(f"{FOLDER}/{name}", path, what)


def _summary(material: Material) -> Iterator[str]:
    for section in sections(material.summary, EVERYTHING):
        yield f"{section.title}"
        yield "-" * len(section.title)
        yield from (line.text for line in section.lines)
        yield ""
    yield material.summary.verdict.sentence
