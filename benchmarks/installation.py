"""What the suite costs before it asks anything: its start, and its size on the disk."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import ROOT

_PYTEST = "import pytest, sys; sys.exit(pytest.main(['-q', '--collect-only', '-p', 'no:cacheprovider']))"
_TURNS = 3


def start_text(folder: Path) -> Iterator[str]:
    """How long pytest itself takes to start, to be taken off the suite's time to its first request."""
    empty = folder / "empty"
    empty.mkdir()
    taken = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", _PYTEST], cwd=empty, capture_output=True, check=False)
        taken.append(time.perf_counter() - began)
    yield f"pytest alone, with the same plugins installed and nothing to collect: {sorted(taken)[_TURNS // 2]:.2f} s."
    yield ""


def size_text(folder: Path) -> Iterator[str]:
    """How large `pip install .` is, without the sandbox."""
    place = folder / "installed"
    for command in (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "--quiet", "--no-input", str(ROOT)],
    ):
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            yield f"Installation without the sandbox: not measured, {command[-1]} could not be installed."
            return
    packages = next(place.glob("lib/*/site-packages"))
    megabytes = _size(place) / 1e6
    largest = sorted(((_size(one), one.name) for one in packages.iterdir() if one.is_dir()), reverse=True)[:4]
    parts = ", ".join(f"{name} {size / 1e6:.0f}" for size, name in largest)
    yield f"Installation without the sandbox: {megabytes:.0f} MB, pip and compiled files included ({parts} MB)."


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
