"""Who agreed to what: the approved plan, the word before the first write, consents, and accepted findings."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from remediation.fix_run import APPROVED
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, json_file, kept_file

FILE = "approvals.json"
APPROVED_FILE = f"plan/{APPROVED}"


def approvals(material: Material) -> Iterator[Piece]:
    """What was agreed to, and the very plan that was approved by `--approved`."""
    approved = _approved(material)
    if approved:
        yield kept_file(APPROVED_FILE, approved, "the plan that was approved (--approved)")
    else:
        yield Lacking(
            "an approved plan", "none was named (--approved)" if not material.options.approved else "it was not kept"
        )
    waived = _waivers(material)
    if not (material.options.may_write or waived):
        yield Lacking("approvals", "nothing may be written, and no finding is waived (--waivers)")
        return
    content = {
        "applied": [_consent(entry.content) for entry in material.entries("consent")],
        "approved_plan": _plan_facts(approved) if approved else None,
        "consents": sorted(material.options.allow),
        "by": sorted(set(_owners(material))),
        "waivers": waived,
    }
    yield json_file(FILE, content, "by what word the plan was applied, consents, waivers with their owners")


def _approved(material: Material) -> Path | None:
    for path in (material.folder / APPROVED, material.options.approved):
        if path is not None and path.is_file():
            return path
    return None


def _plan_facts(path: Path) -> Mapping[str, object]:
    content = path.read_bytes()
    try:
        plan = json.loads(content)
    except ValueError:
        plan = {}
    known = plan if isinstance(plan, dict) else {}
    return {"sha256": hashlib.sha256(content).hexdigest(), "run": known.get("run"), "made": known.get("made")}


def _consent(content: Mapping[str, object]) -> Mapping[str, object]:
    names = ("time", "run", "given", "how", "forwarders", "allow", "approved")
    return {name: content.get(name) for name in names}


def _owners(material: Material) -> Iterator[str]:
    """`user@host` of whoever took the targets' locks."""
    for entry in material.entries("intent"):
        call = entry.content.get("call")
        parameters = call.get("parameters") if isinstance(call, Mapping) else None
        if not str(entry.content.get("step")).startswith("lock ") or not isinstance(parameters, Mapping):
            continue
        try:
            lock = json.loads(str(parameters.get("Body")))
        except ValueError:
            continue
        if isinstance(lock, dict) and "owner" in lock:
            yield str(lock["owner"])


def _waivers(material: Material) -> list[Mapping[str, object]]:
    if material.waivers is None:
        return []
    return [
        {"check": waiver.check, "subject": waiver.subject, "reason": waiver.reason, "owner": waiver.owner,
         "ticket": waiver.ticket, "expires": waiver.expires.isoformat(), "line": waiver.line}
        for waiver in material.waivers.entries
    ]  # fmt: skip
