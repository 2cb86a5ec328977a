"""`make bench`: what an audit costs beside what one would use instead, measured in one session on one machine.

    make bench                              five minutes: every contender, 400 forwarders
    make bench ARGS="--full"                also 4,000 forwarders, throttling, hundreds of accounts
    make bench ARGS="--only three,all"      some cases, by name (--list)
    make bench ARGS="--repeat 3"            the median of three; for figures that are published
    make bench ARGS="--write docs/benchmarks.md"    puts the tables between the page's two markers

Nothing is asserted about time. Figures of one session compare with each other, seconds of two sessions do not.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import installation
from benchmarks.cases import CASES, Case
from benchmarks.contenders import Answers, Contender
from benchmarks.custodian import NotInstalled, custodian_version
from benchmarks.process import ContenderFailed, Cost, run
from benchmarks.running import Asked, Running, running
from benchmarks.table import Row, case_text

BEGIN, END = "<!-- measured by make bench: begin -->", "<!-- measured by make bench: end -->"


def main() -> int:
    given = _arguments()
    if given.list:
        print("\n".join(f"{case.name:<14}{case.estate!s:<14}{case.what}" for case in CASES))
        return 0
    began = time.perf_counter()
    told: list[str] = []
    for line in _session(given):
        print(line, flush=True)
        told.append(line)
    print(f"all of it in {time.perf_counter() - began:.0f} s")
    if given.write:
        _put_between_markers(given.write, told)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...")
    parser.add_argument("--full", action="store_true", help="hundreds of accounts, and the size of an installation")
    parser.add_argument("--only", default="", help="cases by name, separated by commas")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each contender; the median counts")
    parser.add_argument("--write", type=Path, help="a page with the two markers, to put the tables into")
    parser.add_argument("--list", action="store_true", help="show the cases and end")
    given = parser.parse_args()
    given.only = [name for name in given.only.split(",") if name]
    unknown = set(given.only) - {case.name for case in CASES}
    if unknown:
        parser.error(f"--only: no such case: {', '.join(sorted(unknown))}; see --list")
    if given.write and BEGIN not in given.write.read_text(encoding="utf-8"):
        parser.error(f"--write: {given.write} has no line {BEGIN}")
    return given


def _session(given: argparse.Namespace) -> Iterator[str]:
    chosen = [case for case in CASES if (case.name in given.only if given.only else given.full or not case.full)]
    yield f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {_machine()}."
    yield f"{_versions()}."
    yield ""
    with tempfile.TemporaryDirectory(prefix="taegis-bench-") as scratch:
        for case in chosen:
            yield from case_text(case, _rows(case, Path(scratch), given.repeat), given.repeat)
        yield from installation.start_text(Path(scratch))
        if given.full:
            yield from installation.size_text(Path(scratch))
    yield ""


def _rows(case: Case, scratch: Path, repeat: int) -> list[Row]:
    taken: dict[str, list[tuple[Cost, Asked, Answers]]] = {contender.name: [] for contender in case.contenders}
    failed: dict[str, str] = {}
    with running(case.estate) as cloud:
        for _ in range(repeat):
            for contender in case.contenders:
                if contender.name in failed:
                    continue
                try:
                    taken[contender.name].append(_measured(case, contender, cloud, scratch))
                except (NotInstalled, ContenderFailed) as error:
                    failed[contender.name] = f"not measured: {error}".replace("\n", " ")[:600]
    return [_row(name, runs, failed.get(name, "")) for name, runs in taken.items()]


def _measured(case: Case, contender: Contender, cloud: Running, scratch: Path) -> tuple[Cost, Asked, Answers]:
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        command = contender.command(cloud, folder)
        environment = {**cloud.environment, **contender.environment(cloud, folder)}
        cloud.start(latency=case.latency, share=case.share)
        cost = run(command, folder, environment, green=contender.green)
        asked, answers = cloud.asked(), contender.answers(cloud, folder)
    wrong = [
        f"{question}: {answers[question]}, and {holds} hold it"
        for question, holds in case.estate.holding().items()
        if answers.get(question, 0) != holds
    ]
    if wrong or asked.unknown:
        raise ContenderFailed(f"it answered {'; '.join(wrong) or 'rightly'}; unknown calls: {dict(asked.unknown)}")
    return cost, asked, answers


def _row(name: str, runs: Sequence[tuple[Cost, Asked, Answers]], why: str) -> Row:
    if not runs or why:
        return Row(name, why=why)
    middle = statistics.median_low(cost.seconds for cost, _, _ in runs)
    cost, asked, answers = next(found for found in runs if found[0].seconds == middle)
    return Row(name, cost, asked, answers["assertions"])


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, load {_load()}"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} at the start"


def _versions() -> str:
    ours = ", ".join(f"{name} {version(name)}" for name in ("boto3", "botocore", "pytest", "pytest-xdist"))
    return f"Python {platform.python_version()}, {ours}; {custodian_version()}"


def _put_between_markers(page: Path, lines: Sequence[str]) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines).rstrip() + f"\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
