"""Keeps a run in the history: what it was, where it looked, and when it is not kept at all."""

import sqlite3

import pytest

from checks.looked import Looked
from fixtures.errors import InputError
from fixtures.options import Options
from fixtures.state import OPTIONS
from reports.history.changes import History, PastRun
from reports.history.record import Recorded, record
from reports.summary import Summary

_WHOLE = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED})


def kept(config: pytest.Config, summary: Summary, looked: Looked) -> tuple[History | None, str]:
    """The history with this run in it, or why it was not kept; an interrupted run is not: it would look like a cure."""
    options, run, seen = config.stash[OPTIONS], summary.run, summary.coverage
    if options.history is None or run.estate is None or seen is None:
        return None, ""
    if run.pytest_code not in _WHOLE:
        return None, "the run was not brought to its end"
    past = PastRun(
        run.id, run.estate.taken, run.mode, summary.verdict.code, seen.asked, seen.reached, seen.forwarders,
        summary.counts,
    )  # fmt: skip
    try:
        return record(options.history, Recorded(past, _source(options), looked, run.results)), ""
    except (InputError, sqlite3.Error) as error:
        return None, str(error)


def _source(options: Options) -> str:
    """Runs are compared with those of the same: a sandbox says nothing of AWS, and a snapshot is of another day."""
    return "sandbox" if options.sandbox else "snapshot" if options.replay else "aws"
