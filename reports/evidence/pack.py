"""Makes a pack out of a run: collects its parts, says what cannot be had, writes index and manifest."""

import traceback
from dataclasses import dataclass
from pathlib import Path

from checks.verdict import FIX_FAILED, INTERNAL, INTERRUPTED
from fixtures.version import suite_version
from remediation.journal_end import end_of_journal
from remediation.write_run import JOURNAL
from reports.evidence.contents import PARTS
from reports.evidence.folder import write_folder
from reports.evidence.guard import guarded
from reports.evidence.index import README, index_lines
from reports.evidence.manifest import (
    FILE,
    ChainEnd,
    Ending,
    LackingPiece,
    ListedFile,
    Manifest,
    by_path,
    digest_of,
    listed,
)
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, PackFile, Part, Piece, text_file

_NOT_WHOLE = frozenset({INTERRUPTED, INTERNAL, FIX_FAILED})


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many files, how many pieces are absent, and the digest of the manifest."""

    files: int
    absent: int
    digest: str


def write_pack(path: Path, material: Material, parts: tuple[Part, ...] = PARTS) -> Written:
    """Write the pack of a run that has ended.

    Raises:
        OSError: it cannot be written; nothing is left.
    """
    contents: list[tuple[str, bytes]] = []
    files: list[ListedFile] = []
    absent: list[LackingPiece] = []
    for part in parts:
        for piece in _pieces(part, material):
            match guarded(piece, material):
                case Lacking(what, reason):
                    absent.append(LackingPiece(part=part.name, what=what, reason=reason))
                case PackFile(name, content, about):
                    contents.append((name, content))
                    files.append(listed(part.name, name, about, content))
    index = text_file(README, index_lines(material, by_path(files), absent), "this index")
    contents.append((README, index.content))
    files.append(listed("index", README, index.about, index.content))
    verdict, end = material.summary.verdict, end_of_journal(material.folder / JOURNAL)
    manifest = Manifest(
        run=material.run,
        mode=material.summary.run.mode,
        made=material.made.isoformat(timespec="seconds"),
        suite=suite_version(),
        ending=Ending(code=verdict.code, sentence=verdict.sentence, whole=verdict.code not in _NOT_WHOLE),
        journal=ChainEnd(lines=end.lines, last=end.last),
        parts=tuple(part.name for part in parts),
        files=by_path(files),
        absent=tuple(absent),
    )
    text = manifest.text().encode()
    write_folder(path, [*contents, (FILE, text)])
    return Written(len(files), len(absent), digest_of(text))


def _pieces(part: Part, material: Material) -> tuple[Piece, ...]:
    """The pieces of one part; one that cannot be made takes nothing from the others."""
    try:
        return tuple(part.pieces(material))
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is over, and the rest of its evidence counts
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return (Lacking(part.name, f"an error of the suite: {type(error).__name__} in {where}; report it"),)
