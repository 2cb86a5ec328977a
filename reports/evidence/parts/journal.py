"""Every write that was intended, made and verified, as the run kept it, and as people read it."""

from collections.abc import Iterator

from fixtures.errors import SuiteError
from remediation.journal import read_journal
from remediation.journal_text import journal_lines, journal_summary
from remediation.write_run import JOURNAL
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, kept_file, text_file

FOLDER = "journal"
FILE = f"{FOLDER}/{JOURNAL}"


def journal(material: Material) -> Iterator[Piece]:
    """The journal, line for line; and under `--rollback` that of the run that is taken back."""
    path = material.folder / JOURNAL
    if not path.is_file():
        yield Lacking("the journal", _why_none(material))
    else:
        yield kept_file(FILE, path, "every write, before it was sent and after it was answered; each line holds the "
                        "digest of the one before")  # fmt: skip
        try:
            entries = read_journal(path)
        except SuiteError as broken:
            yield Lacking("the journal for people", f"it cannot be relied on: {broken}")
        else:
            lines = (*journal_lines(entries), journal_summary(entries))
            yield text_file(f"{FOLDER}/journal.txt", lines, "the same for people")
    if material.undone:
        yield kept_file(
            f"{FOLDER}/undone-{material.undone.name}.jsonl", material.undone / JOURNAL, "the run that is taken back"
        )


def _why_none(material: Material) -> str:
    if not material.options.may_write:
        return "nothing may be written, so nothing was"
    return "the run ended before it wrote anything"
