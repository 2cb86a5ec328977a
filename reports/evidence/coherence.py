"""Whether what stands in a pack is of one run and fits together, whatever its manifest says of the files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from checks.verdict import count
from fixtures.errors import SuiteError
from fixtures.estate import Target
from fixtures.snapshot import read_snapshot, run_of_snapshot
from remediation.journal import read_journal
from remediation.journal_end import end_of_journal
from reports.evidence.manifest import Manifest, digest_of
from reports.evidence.parts import approvals, journal, plan, results, snapshots
from reports.evidence.planned import planned_steps
from reports.evidence.said import Said, fault, holds

Json = Mapping[str, object]


def coherent(folder: Path, manifest: Manifest) -> Iterator[Said]:
    """The journal's chain, and that plans, results, approvals and snapshots are those of the run."""
    listed = {file.path for file in manifest.files}
    there = {name for name in listed if (folder / name).is_file() and not (folder / name).is_symlink()}
    if journal.FILE in there:
        yield from _journal(folder / journal.FILE, manifest)
    plans = sorted(name for name in there if name.startswith(f"{plan.FOLDER}/plan") and name.endswith(".json"))
    targets: set[Target] = set()
    for name in plans:
        yield from _plan(folder, name, manifest.run, targets)
    if results.FILE in there:
        yield from _results(folder / results.FILE, manifest.run)
    if approvals.FILE in there:
        yield from _approvals(folder, there)
    for name in sorted(name for name in there if name.startswith(f"{snapshots.FOLDER}/")):
        yield from _snapshot(folder, name, manifest.run, targets)


def _journal(path: Path, manifest: Manifest) -> Iterator[Said]:
    try:
        entries = read_journal(path)
    except SuiteError as broken:
        yield fault(f"{journal.FILE}: {str(broken).removeprefix(f'{path}, ')}")
        return
    end = end_of_journal(path)
    if (end.lines, end.last) != (manifest.journal.lines, manifest.journal.last):
        yield fault(f"{journal.FILE}: it ends after {end.lines} lines, and ended after {manifest.journal.lines}; "
                    "or its last line is another one")  # fmt: skip
        return
    strangers = {str(run) for entry in entries if (run := entry.content.get("run")) is not None
                 if entry.kind != "settled" and not _is_of(run, manifest.run)}  # fmt: skip
    if strangers:
        yield fault(f"{journal.FILE}: it speaks of run {', '.join(sorted(strangers))}")
    else:
        yield holds(f"journal: {count(len(entries), 'line')}, each follows from the one before; last digest {end.last}")


def _plan(folder: Path, name: str, run: str, targets: set[Target]) -> Iterator[Said]:
    content = _json((folder / name).read_bytes())
    if not _is_of(content.get("run"), run):
        yield fault(f"{name}: it is of run {content.get('run')}")
        return
    targets.update(step.target for step in planned_steps(folder / name))
    yield holds(f"{name}: a plan of this run")


def _results(path: Path, run: str) -> Iterator[Said]:
    number = 0
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if _json(line).get("run") != run:
            yield fault(f"{results.FILE}, line {number}: it is of run {_json(line).get('run')}")
            return
    yield holds(f"results: {count(number, 'result')} of this run")


def _approvals(folder: Path, there: set[str]) -> Iterator[Said]:
    approved = _json((folder / approvals.FILE).read_bytes()).get("approved_plan")
    said = approved.get("sha256") if isinstance(approved, Mapping) else None
    kept = approvals.APPROVED_FILE
    if said is None and kept not in there:
        yield holds("approvals: no approved plan was named")
    elif kept in there and digest_of((folder / kept).read_bytes()) == said:
        yield holds(f"approvals: the approved plan is {kept}")
    else:
        yield fault(f"{kept}: it is not the plan that was approved, by {approvals.FILE}")


def _snapshot(folder: Path, name: str, run: str, targets: set[Target]) -> Iterator[Said]:
    path = folder / name
    try:
        estate, whose = read_snapshot(path), run_of_snapshot(path)
    except SuiteError as error:
        yield fault(f"{name}: {str(error).removeprefix(f'snapshot {path}: ')}")
        return
    missing = sorted(targets - {seen.target for seen in estate.targets}) if name != snapshots.SEEN else []
    if whose != run:
        yield fault(f"{name}: it is of run {whose or '(it names none)'}")
    elif missing:
        yield fault(f"{name}: it does not hold {', '.join(map(str, missing))}, where the plan has steps")
    else:
        held = f"{count(len(estate.targets), 'target')}, {count(len(estate.forwarders), 'forwarder')}"
        yield holds(f"{name}: loads; {held} at {estate.taken:%Y-%m-%d %H:%M:%S} UTC")


def _is_of(found: object, run: str) -> bool:
    """Whether it is the run's id, or that of one of its rounds or resumptions."""
    return isinstance(found, str) and (found == run or found.startswith(f"{run}-"))


def _json(content: bytes) -> Json:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
