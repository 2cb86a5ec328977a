"""What a pack says of itself: every file with its size and SHA-256, and what cannot be had, with its reason."""

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fixtures.errors import InputError

FILE: Final = "manifest.json"
VERSION: Final = 1
FORMAT: Final = "taegis-forwarders evidence"


def _inside(path: str) -> str:
    """A path that leads nowhere but into the pack."""
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or path.startswith("/") or "\\" in path or "\0" in path:
        raise ValueError("it does not lead into the pack")
    if path == FILE:
        raise ValueError("the manifest does not hold itself")
    return path


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListedFile(_Frozen):
    """One file of a pack: `path` with `/`, size in bytes, SHA-256 as 64 hex digits."""

    path: Annotated[str, AfterValidator(_inside)]
    part: str
    about: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LackingPiece(_Frozen):
    """What is not in the pack, and why not."""

    part: str
    what: str
    reason: str


class ChainEnd(_Frozen):
    """Where the journal's chain ends: how many lines, and the digest of the last. Zero lines where there is none."""

    lines: int
    last: str


class Ending(_Frozen):
    """What the run came to; `whole` says whether it was brought to its end."""

    code: int
    sentence: str
    whole: bool


class Manifest(_Frozen):
    """The whole of `manifest.json`; files sorted by path, what is absent in the order of the parts.

    `parts` are all that the version knew that wrote it: a later one may know more.
    """

    format: Literal["taegis-forwarders evidence"] = FORMAT
    version: Literal[1] = VERSION
    run: str
    mode: str
    made: str
    suite: str
    ending: Ending
    journal: ChainEnd
    parts: tuple[str, ...]
    files: tuple[ListedFile, ...]
    absent: tuple[LackingPiece, ...]

    @property
    def told(self) -> frozenset[str]:
        """The parts of which there is a file, or a reason why there is none."""
        return frozenset({file.part for file in self.files} | {piece.part for piece in self.absent})

    def of_part(self, part: str) -> tuple[ListedFile, ...]:
        """The files of one part."""
        return tuple(file for file in self.files if file.part == part)

    def text(self) -> str:
        """As it stands in the file: the same for the same pack."""
        return self.model_dump_json(indent=2) + "\n"


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True)
    format: str = ""
    version: int = 0


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the pack in `folder`.

    Raises:
        InputError: the folder is no pack, or one of another version.
        BrokenManifestError: it is one, and its manifest cannot be relied on.
    """
    path = folder / FILE
    thing = f"evidence {folder}"
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputError(thing, f"no pack: {FILE} is no file", "name the folder that --evidence wrote")
        content = path.read_bytes()
    except OSError as error:
        reason = f"no pack: {FILE} is not there" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise InputError(thing, reason, "name the folder that --evidence wrote") from error
    try:
        head = _Head.model_validate_json(content)
    except ValidationError as error:
        raise BrokenManifestError(f"{FILE}: {_first(error)}") from None
    if head.format != FORMAT:
        raise InputError(thing, f"no pack: {FILE} is of something else", "name the folder that --evidence wrote")
    if head.version != VERSION:
        raise InputError(thing, f"version {head.version}, this suite reads {VERSION}", "use the version that wrote it")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BrokenManifestError(f"{FILE}: {_first(error)}") from None


class BrokenManifestError(Exception):
    """A manifest that is not what this suite writes."""


def digest_of(content: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def listed(part: str, path: str, about: str, content: bytes) -> ListedFile:
    """A file as the manifest lists it."""
    return ListedFile(path=path, part=part, about=about, size=len(content), sha256=digest_of(content))


def by_path(files: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
    """Sorted as the manifest holds them."""
    return tuple(sorted(files, key=lambda file: file.path))


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
