"""Whether a pack holds: every file is the one that was written, none is missing or besides, and all is of one run."""

import stat
from collections.abc import Iterator
from pathlib import Path

from checks.verdict import count
from reports.evidence.coherence import coherent
from reports.evidence.manifest import FILE, BrokenManifestError, ListedFile, Manifest, digest_of, read_manifest
from reports.evidence.said import Said, fault, holds


def verified(folder: Path, digest: str | None = None) -> Iterator[Said]:
    """Everything that is checked of a pack, in order; what it says of itself first. Reads nothing but the folder.

    Args:
        folder: the pack.
        digest: the manifest's SHA-256 as it was kept elsewhere; None where it was not.

    Raises:
        InputError: the folder is no pack.
    """
    try:
        manifest = read_manifest(folder)
    except BrokenManifestError as broken:
        yield fault(str(broken))
        return
    yield from _manifest(folder, manifest, digest)
    yield from _files(folder, manifest)
    yield from coherent(folder, manifest)


def _manifest(folder: Path, manifest: Manifest, digest: str | None) -> Iterator[Said]:
    found = digest_of((folder / FILE).read_bytes())
    if digest is not None and digest.lower() != found:
        yield fault(f"{FILE}: its SHA-256 is {found}, and not the one that was given")
    else:
        yield holds(f"{FILE}: version {manifest.version}, SHA-256 {found}{', as given' if digest else ''}")
    silent = [name for name in manifest.parts if name not in manifest.told]
    for name in silent:
        yield fault(f"part {name}: neither there nor said to be absent")
    if not silent:
        told = count(len(manifest.absent), "piece") if manifest.absent else "nothing"
        yield holds(f"parts: all {len(manifest.parts)} told; {told} absent, each with its reason")


def _files(folder: Path, manifest: Manifest) -> Iterator[Said]:
    wanted = {file.path: file for file in manifest.files}
    if len(wanted) < len(manifest.files):
        yield fault(f"{FILE}: a file is listed twice")
    faults = 0
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if not _is_folder(path)}
    for name, file in wanted.items():
        problem = _problem(there[name], file) if name in there else "it is missing"
        if problem:
            faults += 1
            yield fault(f"{name}: {problem}")
    for name in sorted(there.keys() - wanted.keys() - {FILE}):
        faults += 1
        yield fault(f"{name}: it is not in the manifest")
    if not faults:
        size = sum(file.size for file in manifest.files)
        yield holds(f"files: {count(len(wanted), 'file')}, {size:,} bytes, each as it was written; none besides")


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _problem(path: Path, file: ListedFile) -> str:
    """Why this is not the file that was written; empty where it is."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return "it is a link or a device, not a file"
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if len(content) != file.size:
        return f"it has {len(content):,} bytes, the manifest says {file.size:,}"
    if digest_of(content) != file.sha256:
        return "it was changed: its SHA-256 is not the manifest's"
    return ""
