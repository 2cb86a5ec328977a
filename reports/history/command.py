"""`taegis-forwarders history FILE`: the runs that were kept, one subject's life, and the end of what is old."""

import fnmatch
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from checks.verdict import count
from fixtures.errors import InputError, near
from fixtures.verb_parser import VerbParser
from reports.history.record import RUN_COLUMNS, past_run
from reports.history.schema import opened, read


def run_history_command(argv: Sequence[str]) -> int:
    """List the runs of a history, tell one subject's life, or prune it; returns 0.

    Raises:
        InputError: there is no such history, it cannot be read, or it knows nothing of the subject.
    """
    parser = VerbParser(prog="taegis-forwarders history", description="what runs with --history=FILE found")
    parser.add_argument("file", metavar="FILE", help="the history")
    parser.add_argument("--subject", metavar="GLOB", help="tell the life of these subjects: account/region/name")
    parser.add_argument("--keep", metavar="N", help="forget all but the last N runs")
    parser.add_argument("--before", metavar="DAY", help="forget runs before this day, e.g. 2026-10-01 (UTC)")
    given = parser.parse_args(argv)
    path = Path(given.file)
    if [given.subject, given.keep, given.before].count(None) < 2:
        parser.error("--subject, --keep and --before do not go together")
    if given.keep is not None or given.before is not None:
        lines = _pruned(path, given.keep, given.before)
    else:
        lines = _life(path, given.subject) if given.subject is not None else _runs(path)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _runs(path: Path) -> Iterator[str]:
    with read(path) as history:
        rows = history.execute(f"SELECT {RUN_COLUMNS} FROM run ORDER BY number").fetchall()  # noqa: S608 - ours
        (known,) = history.execute(
            "SELECT count(*) FROM finding WHERE standing IN ('FAILED', 'BLOCKED', 'WAIVED')"
        ).fetchone()
    for run in map(past_run, rows):
        counts = ", ".join(f"{number:,} {status.lower()}" for status, number in run.counts.items())
        yield (
            f"{run.taken:%Y-%m-%d %H:%M}  {run.id}  exit {run.code:>2}  {run.reached:,} of {run.asked:,} targets  "
            f"{counts}  ({run.mode})"
        )
    yield f"{count(len(rows), 'run')}; {count(known, 'finding')} open or waived"


def _life(path: Path, glob: str) -> Iterator[str]:
    with read(path) as history:
        subjects = [row[0] for row in history.execute("SELECT DISTINCT subject FROM finding ORDER BY subject")]
        chosen = [subject for subject in subjects if fnmatch.fnmatchcase(subject, glob)]
        if not chosen:
            known = near(glob, subjects) if subjects else "it holds no finding yet"
            raise InputError(f"history {path}", f"it knows nothing of {glob}", known)
        for subject in chosen:
            yield subject
            for finding in history.execute(
                "SELECT number, check_id, severity, standing, since, told, fingerprint FROM finding"
                " WHERE subject = ? ORDER BY check_id, source",
                (subject,),
            ).fetchall():
                yield from _told(history, finding)


def _told(history: sqlite3.Connection, finding: tuple[object, ...]) -> Iterator[str]:
    number, check, severity, standing, since, told, fingerprint = finding
    yield f"  {check} ({severity}), {_standing(standing)}, known since {_minute(str(since))}, fingerprint {fingerprint}"
    if told:
        yield f"    {' '.join(str(told).split())}"
    rows = history.execute(
        "SELECT run.taken, run.id, sighting.status FROM sighting JOIN run ON run.number = sighting.run"
        " WHERE sighting.finding = ? ORDER BY run.number",
        (number,),
    ).fetchall()
    for status, members in groupby(rows, key=lambda row: str(row[2])):
        seen = list(members)
        until = f" to {_minute(seen[-1][0])}" if len(seen) > 1 else ""
        yield f"    {_minute(seen[0][0])}{until}  {status}  {count(len(seen), 'run')}, first {seen[0][1]}"


def _standing(standing: object) -> str:
    return {None: "gone or never seen clearly", "PASSED": "holds now"}.get(
        None if standing is None else str(standing), f"{standing} at last"
    )


def _minute(taken: str) -> str:
    return f"{datetime.fromisoformat(taken):%Y-%m-%d %H:%M}"


def _pruned(path: Path, keep: str | None, before: str | None) -> Iterator[str]:
    with read(path):
        pass  # there is one, and it is ours
    with opened(path) as history:
        runs = history.execute("SELECT number, taken FROM run ORDER BY number").fetchall()
        if keep is not None:
            if not keep.isascii() or not keep.isdigit() or int(keep) < 1:
                raise InputError(f"--keep={keep}", "not a number of runs", "give a whole number from 1, e.g. 30")
            old = [number for number, _ in runs[: -int(keep)]]
        else:
            day = _day(str(before))
            old = [number for number, taken in runs if datetime.fromisoformat(taken) < day]
        numbers = json.dumps(old)
        history.execute("DELETE FROM sighting WHERE run IN (SELECT value FROM json_each(?))", (numbers,))
        history.execute("DELETE FROM run WHERE number IN (SELECT value FROM json_each(?))", (numbers,))
        cleared = history.execute(
            "DELETE FROM finding WHERE (standing IS NULL OR standing = 'PASSED')"
            " AND number NOT IN (SELECT finding FROM sighting)"
        ).rowcount
    yield f"forgot {count(len(old), 'run')} and {count(cleared, 'finding')} that long hold; {len(runs) - len(old)} kept"


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(f"--before={text}", "not a day", "write it as 2026-10-01") from None
