"""Runs the suite, and the script that it is compared with, each in a process of its own, start-up included."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.places import Place
from benchmarks.slow_relay import slow_relay

ROOT = Path(__file__).resolve().parents[1]
THREE_FACTS = {"custom": "runtime-custom", "wired": "trigger-wired", "flows": "logs-flow"}
_GREEN = {0, 1, 10}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        what: for the tables.
        seconds: wall time of the whole process.
        requests: what it asked; as the engine saw it where it keeps a log, else as the client counted.
        forwarders: how many it judged.
        by_service: requests by service; empty where nobody counted.
        answers: how many forwarders hold each of the three facts.
    """

    what: str
    seconds: float
    requests: int
    forwarders: int
    by_service: Mapping[str, int]
    answers: Mapping[str, int]


def suite(place: Place, latency: float, what: str, *options: str) -> Measured:
    """An audit by the suite."""
    with tempfile.TemporaryDirectory() as folder, slow_relay(place.endpoint, latency) as endpoint:
        snapshot = Path(folder, "estate.json")
        command = [
            sys.executable, str(ROOT / "reports" / "command.py"), f"--regions={','.join(place.regions)}",
            *place.options, f"--snapshot={snapshot}", "--tb=no", "-q", "-q", *options,
        ]  # fmt: skip
        _forget(place)
        seconds = _timed(command, place, endpoint, Path(folder))
        estate = json.loads(snapshot.read_bytes())["estate"]
        (results,) = Path(folder).glob("forwarder-runs/*/results.jsonl")
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    counted = _seen(place) or _by_service(estate["calls"])
    passed = Counter(line["check"] for line in lines if line["status"] == "PASSED")
    answers = {question: passed[check] for question, check in THREE_FACTS.items()}
    forwarders = len({line["subject"] for line in lines if line["forwarder"]})
    return Measured(what, seconds, sum(counted.values()), forwarders, counted, answers)


def script(place: Place, latency: float) -> Measured:
    """The sequential script."""
    with tempfile.TemporaryDirectory() as folder, slow_relay(place.endpoint, latency) as endpoint:
        told = Path(folder, "told.json")
        command = [
            sys.executable, str(ROOT / "benchmarks" / "sequential.py"),
            ",".join(place.accounts), ",".join(place.regions), place.role,
        ]  # fmt: skip
        _forget(place)
        seconds = _timed(command, place, endpoint, Path(folder), told)
        found = json.loads(told.read_bytes())
    counted = _seen(place)
    requests = sum(counted.values()) or found["requests"]
    return Measured("sequential boto3, three facts", seconds, requests, found["forwarders"], counted, found["answers"])


def _timed(command: list[str], place: Place, endpoint: str, folder: Path, told: Path | None = None) -> float:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment = {**kept, **place.environment, "AWS_ENDPOINT_URL": endpoint, "XDG_CACHE_HOME": str(place.cache)}
    before = time.perf_counter()
    with (told or folder / "told.txt").open("wb") as out, (folder / "errors.txt").open("wb") as err:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=out, stderr=err, check=False)
    seconds = time.perf_counter() - before
    if done.returncode not in _GREEN:
        said = "\n".join(path.read_text(encoding="utf-8")[-2000:] for path in folder.glob("*.txt"))
        raise RuntimeError(f"{command[1]} ended with {done.returncode}:\n{said}")
    return seconds


def _forget(place: Place) -> None:
    if place.request_log:
        with urllib.request.urlopen(urllib.request.Request(place.request_log, method="DELETE"), timeout=10):  # noqa: S310  our own engine
            pass


def _seen(place: Place) -> Counter[str]:
    if not place.request_log:
        return Counter()
    with urllib.request.urlopen(place.request_log, timeout=10) as answer:  # noqa: S310  our own engine
        entries = json.loads(answer.read())
    return Counter(entry["service"] for entry in entries if entry["access_key"])


def _by_service(calls: Mapping[str, int]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for action, number in calls.items():
        counted[action.partition(":")[0]] += number
    return counted
