"""Where a pack is written: refused before anything is called, written aside, and renamed as a whole."""

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from fixtures.errors import InputError

OPTION = "--evidence"
_NEW = "name a folder that is not there yet, or an empty one"


def refuse_unusable(path: Path) -> None:
    """Refuse before the audit what could not be written after it; nothing is left behind by asking.

    Raises:
        InputError: it is a file, or holds something; no folder can be made beside it; or it cannot be renamed over.
    """
    thing = f"{OPTION}={path}"
    path = path.absolute()
    if path.is_symlink():
        raise InputError(thing, "a link, which would be replaced", _NEW)
    if path.exists() and not path.is_dir():
        raise InputError(thing, "a file, not a folder", _NEW)
    try:
        if path.is_dir() and any(path.iterdir()):
            raise InputError(thing, "it is not empty: a pack is written as a whole, and nothing is written over", _NEW)
        if path.is_mount():
            raise InputError(thing, "a mounted folder, which cannot be written as a whole", "name a folder in it")
        aside = _aside_of(path)
        aside.mkdir(mode=0o700)
        aside.rmdir()
    except FileNotFoundError:
        raise InputError(thing, f"there is no folder {path.parent}", "make it, or name another") from None
    except OSError as error:
        raise InputError(thing, f"folder {path.parent} cannot be written: {error.strerror}", _NEW) from error


def write_folder(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a folder of private files (mode 0600) that is there as a whole, or not at all.

    Each file is on the disk before the folder gets its name. A run that is killed before leaves a folder whose name
    begins with a dot beside it.

    Raises:
        OSError: it cannot be written; nothing is left aside.
    """
    path = path.absolute()
    aside = _aside_of(path)
    aside.mkdir(mode=0o700)
    try:
        for name, content in files:
            file = aside / name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        aside.rename(path)  # over an empty folder, and over nothing else (rename(2))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _aside_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
