"""What the terminal's summary is made of: lines with colours, sections with a heading, and how much is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from checks.outcome import Status

MOST_GROUPS = 20
MOST_SUBJECTS = 5
COLOURS: Mapping[Status, str] = {
    Status.ERROR: "red",
    Status.FAILED: "red",
    Status.BLOCKED: "red",
    Status.UNKNOWN: "yellow",
    Status.NO_EVIDENCE: "yellow",
    Status.WAIVED: "cyan",
    Status.FIXED: "green",
    Status.PASSED: "green",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `colour` is a word that pytest's terminal knows, or empty."""

    text: str
    colour: str = ""
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is told. None means all of it; `details` tells also what nobody has to act on with its evidence.

    `rest` says where the rest stands.
    """

    groups: int | None = MOST_GROUPS
    subjects: int | None = MOST_SUBJECTS
    details: bool = False
    rest: str = "-v shows all"


EVERYTHING = Limits(groups=None, subjects=None, details=True)


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of the summary."""

    title: str
    lines: tuple[Line, ...]
