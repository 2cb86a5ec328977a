"""With what a run was made: the packages that the suite needs, and a digest of its own code."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from fixtures.version import suite_version
from reports.environment import PACKAGES

_SUITE = "taegis-forwarders"
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("checks", "fixtures", "remediation", "reports")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def package_versions() -> Mapping[str, str]:
    """The suite and, of what it needs directly or by way of others, all that is installed; sorted by name."""
    found: dict[str, str] = {}
    waiting = [_SUITE, *PACKAGES]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
        waiting += _needs(name)
    found[_SUITE] = suite_version()
    return dict(sorted(found.items()))


def code_digest() -> str:
    """SHA-256 over the names and contents of the suite's own Python files: whoever changes one has another."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(_ROOT).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _needs(name: str) -> Iterator[str]:
    for line in requires(name) or ():
        requirement, _, marker = line.partition(";")
        match = _NAME.match(requirement)
        if match and "extra" not in marker:
            yield match[0].lower().replace("_", "-")
