"""`make bench`: what an audit costs, as ratios against a plain script, in one command and under a minute.

Nothing is asserted about time. All figures of one table come from one run on one machine, so only their ratios mean
anything. Latency is added by a relay on this machine (benchmarks/slow_relay.py); the engines answer in one or two
milliseconds themselves, and share the machine's cores with what is measured. Each run is a process of its own, with
start-up and reports; the first one of an estate also pays for cfn-lint, whose verdict is kept afterwards.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.measure import THREE_FACTS, Measured, script, suite
from benchmarks.places import Place, moto_place, sandbox_place

Opens = Callable[[Path], AbstractContextManager[Place]]
_DISTANCES = (0.0, 0.04)


def main() -> None:
    began = time.perf_counter()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    for opens, distances in ((sandbox_place, _DISTANCES), (moto_place, _DISTANCES[1:])):
        with tempfile.TemporaryDirectory() as folder:
            _report(opens, Path(folder), distances)
    print(f"\nall of it in {time.perf_counter() - began:.0f} s")


def _report(opens: Opens, folder: Path, distances: Sequence[float]) -> None:
    with opens(folder) as place:
        for latency in distances:
            whole = suite(place, latency, "suite, all checks")
            three = suite(place, latency, "suite, three facts", f"--checks={','.join(THREE_FACTS.values())}")
            plain = script(place, latency)
            targets = len(place.accounts) * len(place.regions)
            print(
                f"\n{place.name}: {plain.forwarders} forwarders in {targets} targets, "
                f"{latency * 1000:.0f} ms added to each answer"
            )
            print("\n".join([*_runs((whole, three, plain), plain), *_agreement(three, plain)]))
        print(f"\n{place.name}: requests of the audit with all checks, by service")
        print("\n".join(_services(whole, plain.forwarders, targets)))


def _runs(runs: Sequence[Measured], base: Measured) -> Iterator[str]:
    rows = [("", "wall s", "requests", "per forwarder", "wall, script = 1", "requests, script = 1")]
    rows += [
        (
            run.what,
            f"{run.seconds:.1f}",
            f"{run.requests}",
            f"{run.requests / base.forwarders:.1f}",
            f"{run.seconds / base.seconds:.2f}",
            f"{run.requests / base.requests:.2f}",
        )
        for run in runs
    ]
    return _table(rows)


def _services(run: Measured, forwarders: int, targets: int) -> Iterator[str]:
    rows = [("service", "requests", "per target", "per forwarder")]
    rows += [
        (service, f"{number}", f"{number / targets:.1f}", f"{number / forwarders:.2f}")
        for service, number in sorted(run.by_service.items(), key=lambda entry: -entry[1])
    ]
    total = sum(run.by_service.values())
    return _table([*rows, ("all", f"{total}", f"{total / targets:.1f}", f"{total / forwarders:.2f}")])


def _agreement(one: Measured, other: Measured) -> Iterator[str]:
    for question in THREE_FACTS:
        mine, yours = one.answers[question], other.answers[question]
        if mine != yours:
            yield f"they differ on '{question}': the suite says {mine} hold it, the script {yours}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        yield "  " + "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)])


if __name__ == "__main__":
    main()
