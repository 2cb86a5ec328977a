"""What the run was asked for, with what it was made, and who it was in each account."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from urllib.parse import urlsplit

from fixtures.estate import Identity
from reports.evidence.material import Material
from reports.evidence.piece import Piece, json_file
from reports.evidence.versions import code_digest, package_versions

FOLDER = "run"
_NOT_SHOWN = "(given, not shown)"
_SECRET = frozenset({"external_id"})


def run(material: Material) -> Iterator[Piece]:
    """Options, versions and identities."""
    yield json_file(f"{FOLDER}/options.json", _options(material), "every option of the run; external ids and secrets "
                    "are left out")  # fmt: skip
    yield json_file(f"{FOLDER}/versions.json", _versions(), "the suite, Python and every package that it needs")
    yield json_file(f"{FOLDER}/identities.json", identities(material), "in whose name each account was read and "
                    "written to")  # fmt: skip


def identities(material: Material) -> Mapping[str, Mapping[str, object]]:
    """By account: the ARN that reads, and those that wrote; a reason where one could not be told."""
    found: dict[str, dict[str, object]] = {}
    for seen in material.estate.targets if material.estate else ():
        arn = seen.identity.arn if isinstance(seen.identity, Identity) else f"not entered: {seen.identity}"
        found.setdefault(seen.target.account, {"reads": arn, "writes": []})
    for entry in material.entries("identity"):
        account = str(entry.content.get("account"))
        told = entry.content.get("arn") or f"not told: {entry.content.get('reason')}"
        writes = found.setdefault(account, {"reads": "not looked at", "writes": []})["writes"]
        if isinstance(writes, list) and told not in writes:
            writes.append(told)
    return found


def _options(material: Material) -> Mapping[str, object]:
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    return {
        "mode": material.summary.run.mode,
        "selection": dict(material.selection),
        "endpoint": endpoint.hostname and f"{endpoint.scheme}://{endpoint.hostname}:{endpoint.port or ''}",
        "options": _shown(material.options),
    }


def _versions() -> Mapping[str, object]:
    return {
        "packages": package_versions(),
        "code_sha256": code_digest(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
    }


def _shown(found: object) -> object:
    """A value as JSON. A secret prints as a mask, and so does what is called one."""
    if is_dataclass(found) and not isinstance(found, type):
        if type(found).__str__ is not object.__str__:
            return str(found)  # it knows how it may be told
        known = {field.name: getattr(found, field.name) for field in fields(found)}
        return {name: _NOT_SHOWN if name in _SECRET and value else _shown(value) for name, value in known.items()}
    if isinstance(found, Mapping):
        return {str(name): _shown(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_shown(value) for value in found]
    if isinstance(found, frozenset | set):
        return sorted(str(value) for value in found)
    return found if isinstance(found, bool | int | float | None) else str(found)
