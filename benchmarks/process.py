"""Runs one contender as a process of its own and tells what it cost, all of its children included."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE = 0.1  # seconds between two looks at the memory
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class ContenderFailed(Exception):
    """A contender did not end as it should."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost.

    Attributes:
        began: when it was started, seconds since 1970.
        seconds: wall time, start-up and reports included.
        cpu: seconds, of all its children too.
        main: the most memory that the main process held, MB; None where /proc does not tell.
        whole: the most that it and its children held at once, MB, shared pages counted once; None likewise.
        code: its exit code.
    """

    began: float
    seconds: float
    cpu: float
    main: float | None
    whole: float | None
    code: int


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, green: frozenset[int]) -> Cost:
    """Run `command` in `folder` with nothing of this shell's environment but `PATH` and its like.

    Raises:
        ContenderFailed: it ended with a code that is not in `green`; with the last lines that it said.
    """
    given = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(environment)
    said = folder / "said.txt"
    with said.open("wb") as out:
        began = time.time()
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=given, stdout=out, stderr=out)
        memory = _Memory(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    memory.stop()
    if process.returncode not in green:
        last = "\n".join(said.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise ContenderFailed(f"{' '.join(command)} ended with {process.returncode}:\n{last}")
    return Cost(
        began, seconds, used.ru_utime + used.ru_stime, memory.main or None, memory.whole or None, process.returncode
    )


class _Memory:
    """Watches a process and its descendants, where there is a /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.main = 0.0
        self.whole = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        turn = 0
        while not self._over.wait(_SAMPLE):
            self.main = max(self.main, _kilobytes(self._pid, "status", "VmHWM:") / 1024)
            turn += 1
            if turn % 3 == 0:  # the kernel walks all pages for it
                everybody = _descendants(self._pid)
                self.whole = max(self.whole, sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in everybody) / 1024)


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
