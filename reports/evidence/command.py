"""`taegis-forwarders evidence verify|show DIR`: whether a pack holds, and what is in it. Offline."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from checks.verdict import count
from fixtures.errors import InputError
from fixtures.verb_parser import VerbParser
from reports.evidence.index import README
from reports.evidence.manifest import BrokenManifestError, read_manifest
from reports.evidence.verify import verified

_COMMAND = "taegis-forwarders evidence"
_BROKEN = 1
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what would move a terminal's cursor; line ends and tabs stay


def run_evidence_command(argv: Sequence[str]) -> int:
    """Verify or show a pack.

    Returns:
        0; 1 where the pack does not hold.

    Raises:
        InputError: an argument cannot be used, or the folder is no pack.
    """
    parser = VerbParser(prog=_COMMAND, description="an evidence pack that a run with --evidence=DIR wrote")
    verbs = parser.add_subparsers(dest="verb", metavar="verify|show", required=True, parser_class=VerbParser)
    verify = verbs.add_parser("verify", help="check every file, the journal's chain, and that all is of one run")
    verify.add_argument("--digest", metavar="SHA256", help="that of manifest.json as the run printed it")
    show = verbs.add_parser("show", help="print the index")
    for verb in (verify, show):
        verb.add_argument("folder", metavar="DIR", type=Path, help="the pack")
    given = parser.parse_args(argv)
    return _show(given.folder) if given.verb == "show" else _verify(given.folder, given.digest)


def _verify(folder: Path, digest: str | None) -> int:
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise InputError(f"--digest={digest}", "not a SHA-256", "give the 64 hex digits that the run printed")
    found = list(verified(folder, digest))
    faults = [said for said in found if not said.holds]
    for said in found:
        sys.stdout.write(f"{'ok    ' if said.holds else 'FAULT '}  {_printable(said.text)}\n")
    if faults:
        sys.stdout.write(f"DOES NOT HOLD: {count(len(faults), 'fault')}\n")
        return _BROKEN
    hint = "" if digest else " as its manifest says; --digest=SHA256, kept elsewhere, holds the manifest itself to it"
    sys.stdout.write(f"HOLDS{hint}\n")
    return 0


def _show(folder: Path) -> int:
    try:
        read_manifest(folder)
        text = (folder / README).read_text(encoding="utf-8", errors="replace")
    except (BrokenManifestError, OSError) as error:
        sys.stdout.write(f"FAULT   {_printable(str(error))}\n")
        return _BROKEN
    sys.stdout.write(_printable(text))
    return 0


def _printable(text: str) -> str:
    return _CONTROL.sub("?", text)
