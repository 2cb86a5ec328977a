"""What a pack is made of: files, each with a line for people, and what cannot be had, each with its reason."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from reports.evidence.material import Material


@dataclass(frozen=True, slots=True)
class PackFile:
    """One file: `path` is inside of the pack, with `/`; `about` says in one line what it is."""

    path: str
    content: bytes
    about: str


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a reader may look for and is not there, and why not."""

    what: str
    reason: str


Piece: TypeAlias = PackFile | Lacking


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a pack. It gives at least one piece: nothing is missing in silence."""

    name: str
    pieces: Callable[[Material], Iterator[Piece]]


def json_file(path: str, content: object, about: str) -> PackFile:
    """A file of JSON, the same for the same content."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return PackFile(path, f"{text}\n".encode(), about)


def text_file(path: str, lines: Iterable[str], about: str) -> PackFile:
    """A file of text, line by line."""
    return PackFile(path, "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"), about)


def kept_file(path: str, source: Path, about: str) -> Piece:
    """A file as it stands on the disk."""
    try:
        return PackFile(path, source.read_bytes(), about)
    except OSError as error:
        return Lacking(path, f"it cannot be read: {error.strerror or error}")
