"""Tables in Markdown, whatever stands in their cells."""

from collections.abc import Iterable, Iterator, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table, line by line; one line that says so where it has no row."""
    known = list(rows)
    if not known:
        yield "Nothing."
        return
    yield _row(heads)
    yield _row(["---"] * len(heads))
    yield from map(_row, known)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """One line in which nothing ends the cell or is taken for markup of HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
