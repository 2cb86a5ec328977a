"""The history's file: SQLite, marked as ours, with a version; opened, refused or brought up to date."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fixtures.errors import InputError

OURS = 0x54464831  # application_id of our files: "TFH1"
PATIENCE = 30.0  # seconds to wait for another writer
# Each entry brings a file from its index to the next version; a new file goes through all of them.
MIGRATIONS = (
    """
    CREATE TABLE run (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, taken TEXT NOT NULL,
        mode TEXT NOT NULL, code INTEGER NOT NULL, asked INTEGER NOT NULL, reached INTEGER NOT NULL,
        forwarders INTEGER NOT NULL, whole INTEGER NOT NULL, counts TEXT NOT NULL, checks TEXT NOT NULL,
        targets TEXT NOT NULL, unreached TEXT NOT NULL);
    CREATE TABLE finding (
        number INTEGER PRIMARY KEY, source TEXT NOT NULL, check_id TEXT NOT NULL, subject TEXT NOT NULL,
        title TEXT NOT NULL, severity TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
        forwarder TEXT NOT NULL, told TEXT NOT NULL, fingerprint TEXT NOT NULL, standing TEXT, since TEXT NOT NULL,
        UNIQUE (source, check_id, subject));
    CREATE TABLE sighting (
        finding INTEGER NOT NULL, run INTEGER NOT NULL, status TEXT NOT NULL,
        PRIMARY KEY (finding, run)) WITHOUT ROWID;
    CREATE INDEX finding_by_subject ON finding (subject);
    """,
)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The history in `path`, made or brought up to date, in one transaction that no other writer is in.

    It is committed at the end, and rolled back by any exception, so that a run that dies leaves it as it was.

    Raises:
        InputError: the file is not ours, newer, or broken.
        sqlite3.Error: it cannot be written now.
    """
    refuse_unusable(path)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _bring_up_to_date(connection)
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


@contextmanager
def read(path: Path) -> Iterator[sqlite3.Connection]:
    """The history in `path`, for reading only.

    Raises:
        InputError: there is none, or the file is not ours, newer, older, or broken.
    """
    if not path.is_file():
        raise InputError(f"history {path}", "there is no such file", "name one that a run with --history=FILE wrote")
    version = refuse_unusable(path, writing=False)
    if version < len(MIGRATIONS):
        raise InputError(f"history {path}", "of an older version", "the next run with --history brings it up to date")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
        yield connection


def refuse_unusable(path: Path, *, writing: bool = True) -> int:
    """Refuse a history that could not be read or written in the end; nothing is created or changed by asking.

    Returns:
        The version of the file; 0 where there is none yet.

    Raises:
        InputError: it cannot be written, is not a history, was written by a newer version, or is broken.
    """
    thing = f"history {path}"
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(thing, f"there is no folder {folder}", "create it, or name another file")
    if path.exists() and not path.is_file():
        raise InputError(thing, "not a file", "name a file")
    if writing and not (os.access(folder, os.W_OK | os.X_OK) and (not path.exists() or os.access(path, os.W_OK))):
        raise InputError(thing, "cannot be written", "name a file in a folder you may write to")
    if not path.exists() or path.stat().st_size == 0:
        return 0
    return _version_of(path, thing)


def _version_of(path: Path, thing: str) -> int:
    elsewhere = "name another file; this one is left as it is"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if mark != OURS:
                raise InputError(thing, "a database of something else", elsewhere)
            if version > len(MIGRATIONS):
                raise InputError(thing, f"of version {version}, newer than this suite", "use a newer suite")
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise InputError(thing, f"not a readable history: {error}", elsewhere) from error
    if found != "ok":
        raise InputError(thing, f"broken: {' '.join(str(found).split())}", elsewhere)
    return int(version)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {OURS}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
