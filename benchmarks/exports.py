"""`make bench`, the exports: what each format of a fleet's results costs (docs/exports.md)."""

import tempfile
import time
from pathlib import Path

from fixtures.export_file import ExportFormat, parse_exports
from reports.commands import Commands
from reports.exports.exporting import exported
from reports.summary import Run, Summary, summarise
from tests.many_results import history_of, many
from tests.some_options import parsed

RESULTS, SHARE, ROUNDS = 24_000, 0.3, 3


def main() -> None:
    results, estate = many(RESULTS, SHARE)
    commands = Commands(parsed("--regions=all"))
    summary = summarise(Run(results, estate, id="run-1", history=history_of(results), commands=commands))
    print(f"{f'exports of {RESULTS:,} results, {SHARE:.0%} open':<40}{'CPU s':>8}{'MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ExportFormat:
            path = Path(folder) / f"night{suffix}"
            took = min(_seconds(path, summary) for _ in range(ROUNDS))
            print(f"  {suffix:<38}{took:>8.2f}{path.stat().st_size / 1e6:>8.2f}")


def _seconds(path: Path, summary: Summary) -> float:
    before = time.process_time()
    for one in exported(parse_exports([str(path)]), summary):
        assert not one.trouble, one.trouble
    return time.process_time() - before


if __name__ == "__main__":
    main()
