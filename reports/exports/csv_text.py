"""Results as CSV (RFC 4180) for spreadsheets: one row per result, the columns of docs/results.md."""

import csv
import io
from collections.abc import Iterable, Iterator

from checks.outcome import Severity, Status
from checks.result import Result
from reports.origin import Origin
from reports.results_file import result_fields

# A cell that begins so is run as a formula by spreadsheets (OWASP, CSV Injection); names come from AWS accounts.
_FORMULAE = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - the wide ones are meant
_NOTHING = Result("", "", Severity.LOW, "", Status.PASSED, "")


def csv_parts(results: Iterable[Result], origin: Origin) -> Iterator[str]:
    """The header and one row per result, in the order in which the checks ran."""
    yield csv_row(result_fields(_NOTHING, origin))
    for result in results:
        yield csv_row(result_fields(result, origin).values())


def csv_row(cells: Iterable[object]) -> str:
    """One row, harmless in a spreadsheet."""
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAE) else cell
