"""What a run leaves on this machine, judged without the suite's own readers: journal, files, words, request log."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.suite_runs import CRASHES, canaries_in, secrets_in

_INTERNAL = re.compile(r"internal error: \w+:[^\n]*")  # of the suite; S3 has one of its own
_SUITE_AGENT = "Botocore/"
_Entry = Mapping[str, object]
_Write = tuple[str, str, str]  # region, service, operation


def journal_of(folder: Path) -> list[dict]:
    """The journal's whole lines; a torn last line is what a kill leaves."""
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def broken_chain(folder: Path) -> list[str]:
    """Where a line does not follow from the one before it, by hand."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return ["there is no journal"]
    previous, found = "0" * 64, []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        entry = json.loads(line)
        if entry["previous"] != previous or entry["number"] != number:
            found.append(f"journal line {number} does not follow from the line before it")
        previous = hashlib.sha256(line).hexdigest()
    return found


def leaks(folder: Path, said: str) -> list[str]:
    """Secrets in any file below a folder, or in what was said."""
    return [*secrets_in(folder), *(f"said: {secret}" for secret in canaries_in(said.encode()))]


def crashes(said: str) -> list[str]:
    found = [f"{word} in what was said" for word in CRASHES if word in said]
    return [*found, *dict.fromkeys(_INTERNAL.findall(said))]


def unaccounted(journal: Sequence[_Entry], requests: Iterable[_Entry], lines: Sequence[str]) -> list[str]:
    """Writes that the engine saw and the journal does not know, and answered ones that the engine never saw.

    `lines` is what the launcher noted: a write that worked and was not answered, or not so that it can be read, is
    sent again by botocore, and one that CloudFormation lied about was never carried out.
    """
    intended = Counter(_intended(entry) for entry in journal if entry["kind"] == "intent")
    intents = {entry["number"]: entry for entry in journal if entry["kind"] == "intent"}
    answered = Counter(_intended(intents[entry["intent"]]) for entry in journal if entry["kind"] == "result")
    seen: Counter[_Write] = Counter()
    for request in requests:
        if str(request["agent"]).startswith(_SUITE_AGENT) and request["write"]:
            seen[str(request["region"]), str(request["service"]), str(request["operation"])] += 1
    again = Counter(_operation(line) for line in lines if "was not answered" in line)
    again += Counter(_operation(line) for line in lines if "nobody can parse" in line)  # S3's are repeated
    faked = Counter(_operation(line) for line in lines if "nothing was executed" in line)
    found = []
    for write in seen.keys() | intended.keys():
        spare = again[write[2]]
        if seen[write] > intended[write] + spare:
            found.append(f"{write}: the engine saw {seen[write]}, the journal intended {intended[write]}")
        if answered[write] > seen[write] + faked[write[2]]:
            found.append(f"{write}: the journal has {answered[write]} results, the engine saw {seen[write]}")
    return found


def joined(journals: Iterable[Sequence[_Entry]]) -> list[dict]:
    """Journals of several runs as one: each counts its lines from 1."""
    found: list[dict] = []
    for journal in journals:
        start = len(found)
        for entry in journal:
            more = {name: start + entry[name] for name in ("number", "intent") if isinstance(entry.get(name), int)}
            found.append({**entry, **more})
    return found


def intents_of(journal: Iterable[_Entry]) -> list[tuple[str, str, str]]:
    """Kind of step, operation and step of every write intended, in order."""
    return [(str(entry["step"]).partition(" ")[0], str(entry["call"]["operation"]), str(entry["step"]))
            for entry in journal if entry["kind"] == "intent"]  # fmt: skip


def _intended(entry: _Entry) -> _Write:
    call = entry["call"]
    return str(entry["region"]), str(call["service"]), str(call["operation"])


def _operation(line: str) -> str:
    return line.partition(":")[0].split(" ")[1]
