"""`taegis-forwarders journal RUN [--verify]`: what a run wrote, for people, and whether its record is whole."""

import sys
from collections.abc import Sequence
from pathlib import Path

from fixtures.errors import InputError
from fixtures.run_folder import ROOT
from fixtures.verb_parser import VerbParser
from remediation.journal import BrokenJournalError, read_journal
from remediation.journal_end import end_of_journal
from remediation.journal_text import journal_lines, journal_summary

_FILE = "journal.jsonl"
_BROKEN = 1


def run_journal_command(argv: Sequence[str]) -> int:
    """Print a run's journal, or with `--verify` only whether its chain holds.

    Returns:
        0; 1 when a line does not follow from the one before it, which is named.

    Raises:
        InputError: there is no such run, or its journal cannot be read.
    """
    parser = VerbParser(prog="taegis-forwarders journal", description="what a run wrote to AWS")
    parser.add_argument("run", metavar="RUN", help=f"a run's id (below {ROOT}), its folder, or its journal")
    parser.add_argument("--verify", action="store_true", help="only check that no line is missing or changed")
    given = parser.parse_args(argv)
    path = _journal_of(given.run)
    try:
        entries = read_journal(path)
    except BrokenJournalError as broken:
        sys.stdout.write(f"BROKEN: {broken}\n")
        return _BROKEN
    end = end_of_journal(path)
    if given.verify:
        sys.stdout.write(f"OK: {len(entries)} entries, each follows from the one before; last digest {end.last}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in journal_lines(entries)))
        sys.stdout.write(f"{journal_summary(entries)}; {len(entries)} entries, the chain holds\n")
    if end.torn:
        sys.stdout.write("The last line is torn, and left out: the run was killed while it wrote it.\n")
    return 0


def _journal_of(run: str) -> Path:
    for path in (ROOT / run / _FILE, Path(run) / _FILE, Path(run)):
        if path.is_file():
            return path
    known = sorted(path.parent.name for path in ROOT.glob(f"*/{_FILE}")) if ROOT.is_dir() else []
    remedy = f"the last ones are {', '.join(known[-3:])}" if known else f"stand where {ROOT} is, or give a run's folder"
    raise InputError(f"run {run}", f"no run of that name with a journal below {ROOT}", remedy)
