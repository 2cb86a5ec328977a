"""Runs the suite's own checks through pytester, offline: over a snapshot that was written from hand-made facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.result import Result
from fixtures.estate import Estate
from fixtures.snapshot import write_snapshot
from reports.tally import settled

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """What a run came to: exit code, results by check and subject, tests that are no checks, all that it printed."""

    code: int
    results: dict[tuple[str, str], Result]
    outcomes: dict[tuple[str, str], str]
    others: dict[str, str]
    nodeids: tuple[str, ...]
    text: str

    @property
    def statuses(self) -> dict[tuple[str, str], str]:
        """Status by check and subject."""
        return {name: str(result.status) for name, result in self.results.items()}

    @property
    def checks(self) -> set[str]:
        """The checks that were asked."""
        return {check for check, _ in self.results}


def run_suite(
    pytester: pytest.Pytester,
    *options: str,
    paths: Sequence[object] = (ROOT / "checks",),
    plugins: Sequence[object] = (),
) -> Ran:
    """Run the suite on `paths` in this process (xdist's workers are processes of their own)."""
    result = pytester.runpytest_inprocess(
        f"--config-file={ROOT}/pyproject.toml",
        f"--rootdir={ROOT}",
        "-o",
        f"cache_dir={pytester.path}/cache",
        *options,
        *map(str, paths),
        plugins=plugins,
    )
    recorder = getattr(result, "reprec", None)
    asked = hasattr(recorder, "getreports")  # not where the command line was refused
    reports: list[pytest.TestReport] = recorder.getreports("pytest_runtest_logreport") if recorder and asked else []
    told = [(report, found) for report in reports if (found := settled(report))]
    return Ran(
        code=int(result.ret),
        results={(found.check, found.subject): found for _, found in told},
        outcomes={(found.check, found.subject): report.outcome for report, found in told},
        others={r.nodeid: r.outcome for r in reports if r.when == "call" and settled(r) is None},
        nodeids=tuple(report.nodeid for report in reports if report.when == "call"),
        text="\n".join([*result.outlines, *result.errlines]),
    )


def kept(pytester: pytest.Pytester, estate: Estate) -> str:
    """The option that replays this estate."""
    path = pytester.path / "estate.json.gz"
    write_snapshot(estate, path)
    return f"--replay={path}"
