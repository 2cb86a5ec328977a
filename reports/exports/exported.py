"""What became of each export, for the terminal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.verdict import count
from reports.line import Line

# GitHub Actions, "Adding a job summary": Markdown that is added to this file stands on the job's page.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class Exported:
    """One file.

    Attributes:
        file: as the user named it.
        trouble: why it was not written; empty where it was.
        left_out: results that the format has no place for.
    """

    file: str
    trouble: str = ""
    left_out: int = 0


def exported_lines(exported: Iterable[Exported]) -> Iterator[Line]:
    """The files that were written, those that were not, and what is not in them."""
    known = tuple(exported)
    written = [one.file for one in known if not one.trouble]
    if written:
        yield Line(f"exports    {', '.join(written)}")
    for one in known:
        if one.trouble:
            yield Line(f"exports    {one.file} not written: {one.trouble}", "red", bold=True)
        elif one.left_out:
            verb = "is" if one.left_out == 1 else "are"
            told = f"{count(one.left_out, 'result')} about no account or no region {verb} not in it"
            yield Line(f"           {one.file}: {told}")
