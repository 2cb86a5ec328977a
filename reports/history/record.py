"""Writes one run into the history and says what changed; one transaction, so that it is whole or not there."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from checks.looked import Looked
from checks.outcome import Severity, Status
from checks.result import Result
from reports.history.changes import TREND, Changes, History, PastRun
from reports.history.known import Key, Known, Sighting, changes_of, sightings
from reports.history.schema import opened

_KNOWN = "check_id, subject, title, severity, account, region, forwarder, told, fingerprint, standing, since"
RUN_COLUMNS = "id, taken, mode, code, asked, reached, forwarders, counts"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run to be kept: what it was in numbers, where it looked (`aws`, `sandbox`, `snapshot`), and at what."""

    run: PastRun
    source: str
    looked: Looked
    results: Sequence[Result]


def record(path: Path, recorded: Recorded) -> History:
    """Keep a run, and tell what changed since the last look of the same source.

    Raises:
        InputError: the file is not a history, is newer, or broken.
        sqlite3.Error: it cannot be written: full, or another writer holds it for long.
    """
    with opened(path) as connection:
        known = _known(connection, recorded.source)
        previous = trend(connection, recorded.source, 1)
        found, elsewhere = sightings(recorded.results, known, recorded.looked, recorded.run.taken)
        _write(connection, recorded, found)
        changes = Changes(previous[-1] if previous else None, changes_of(found), elsewhere)
        return History(str(path), changes, trend(connection, recorded.source, TREND, also=recorded.run.id))


def trend(connection: sqlite3.Connection, source: str, most: int, also: str = "") -> tuple[PastRun, ...]:
    """The last runs of a source that were not narrowed, oldest first; that of the id `also` in any case."""
    rows = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM run WHERE source = ? AND (whole OR id = ?) ORDER BY number DESC LIMIT ?",  # noqa: S608 - ours
        (source, also, most),
    )
    return tuple(past_run(row) for row in rows)[::-1]


def past_run(row: Sequence[object]) -> PastRun:
    """A run from its columns, in the order of `RUN_COLUMNS`."""
    run, taken, mode, code, asked, reached, forwarders, counts = map(str, row)
    return PastRun(
        run,
        datetime.fromisoformat(taken),
        mode,
        int(code),
        int(asked),
        int(reached),
        int(forwarders),
        {Status(name): number for name, number in json.loads(counts).items()},
    )


def _known(connection: sqlite3.Connection, source: str) -> Mapping[Key, Known]:
    rows = connection.execute(f"SELECT {_KNOWN} FROM finding WHERE source = ?", (source,))  # noqa: S608 - ours
    found = (_of_columns(row) for row in rows)
    return {known.key: known for known in found}


def _write(connection: sqlite3.Connection, recorded: Recorded, found: Sequence[Sighting]) -> None:
    run, looked = recorded.run, recorded.looked
    for (earlier,) in connection.execute("SELECT number FROM run WHERE id = ?", (run.id,)).fetchall():
        connection.execute("DELETE FROM sighting WHERE run = ?", (earlier,))  # it was resumed: told once
        connection.execute("DELETE FROM run WHERE number = ?", (earlier,))
    number = connection.execute(
        "INSERT INTO run (id, source, taken, mode, code, asked, reached, forwarders, whole, counts, checks, targets,"
        " unreached) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.id, recorded.source, run.taken.isoformat(), run.mode, run.code, run.asked, run.reached, run.forwarders,
            looked.whole, json.dumps({str(status): count for status, count in run.counts.items()}),
            json.dumps(sorted(looked.checks)), json.dumps(sorted(map(str, looked.reached))),
            json.dumps(sorted(map(str, looked.asked - looked.reached))),
        ),
    ).lastrowid  # fmt: skip
    connection.executemany(
        f"INSERT INTO finding (source, {_KNOWN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - ours
        " ON CONFLICT (source, check_id, subject) DO UPDATE SET title = excluded.title, severity = excluded.severity,"
        " told = excluded.told, fingerprint = excluded.fingerprint, standing = excluded.standing,"
        " since = excluded.since",
        ((recorded.source, *_columns(sighting.known)) for sighting in found),
    )
    connection.executemany(
        "INSERT INTO sighting (finding, run, status) SELECT number, ?, ? FROM finding"
        " WHERE source = ? AND check_id = ? AND subject = ?",
        ((number, str(sighting.status), recorded.source, *sighting.known.key) for sighting in found),
    )


def _of_columns(row: Sequence[str | None]) -> Known:
    texts = (text or "" for text in row)
    check, subject, title, severity, account, region, forwarder, told, digest, standing, since = texts
    status = Status(standing) if standing else None
    return Known(
        check, subject, title, Severity(severity), account, region, forwarder, told, digest, status,
        datetime.fromisoformat(since),
    )  # fmt: skip


def _columns(known: Known) -> tuple[str | None, ...]:
    return (
        known.check, known.subject, known.title, str(known.severity), known.account, known.region, known.forwarder,
        known.told, known.fingerprint, str(known.standing) if known.standing else None, known.since.isoformat(),
    )  # fmt: skip
