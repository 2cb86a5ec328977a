"""The objects of ledgers in a file: CSV or JSON lines, by its suffix."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fixtures.errors import InputError
from reports.exports.csv_text import csv_row

COLUMNS = (
    "account", "region", "forwarder", "bucket", "key", "version_id", "latest", "size", "modified", "etag",
    "storage_class", "verdict", "evidence", "likely", "reason",
)  # fmt: skip
_SUFFIXES = (".csv", ".jsonl")


def refuse_suffix(path: Path) -> None:
    """Refuse what is neither.

    Raises:
        InputError: another suffix.
    """
    if path.suffix not in _SUFFIXES:
        raise InputError(f"--objects={path}", "its suffix says no format", f"use one of {', '.join(_SUFFIXES)}")


def object_parts(path: Path, rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """The file's content, row by row."""
    if path.suffix == ".csv":
        yield csv_row(COLUMNS)
        yield from (csv_row("" if row[name] is None else row[name] for name in COLUMNS) for row in rows)
        return
    yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
