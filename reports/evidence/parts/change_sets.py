"""What CloudFormation said that each update would do, beside what was predicted, and what the gate made of it."""

from collections.abc import Iterator, Mapping, Sequence

from fixtures.answers import texts
from remediation.journal import Entry
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, json_file, text_file

FOLDER = "change-sets"


def change_sets(material: Material) -> Iterator[Piece]:
    """Each change set of the run, as described, predicted and judged, and whether it was executed."""
    found = [_change_set(entry, material.journal) for entry in material.entries("change-set")]
    if not found:
        yield Lacking("change sets", _why_none(material))
        return
    yield json_file(f"{FOLDER}/change-sets.json", found, "each change set as CloudFormation described it, as it was "
                    "predicted, and as the gate judged it; no values that are NoEcho")  # fmt: skip
    yield text_file(f"{FOLDER}/change-sets.txt", _lines(found), "the same for people")


def _why_none(material: Material) -> str:
    if material.options.may_write:
        return "no stack was updated through one"
    return "none was asked for (--plan --change-sets, --fix); what is predicted stands in the plan, where there is one"


def _change_set(entry: Entry, entries: Sequence[Entry]) -> dict[str, object]:
    content = entry.content
    facts = content.get("facts")
    return {
        "time": content.get("time"),
        "account": content.get("account"),
        "region": content.get("region"),
        "step": content.get("step"),
        "line": entry.number,
        "became": _became(entry, entries),
        **(facts if isinstance(facts, Mapping) else {}),
    }


def _became(entry: Entry, entries: Sequence[Entry]) -> str:
    """What was asked of CloudFormation next for that step."""
    step = entry.content.get("step")
    for later in entries[entry.number :]:
        if later.kind != "intent" or later.content.get("step") != step:
            continue
        call = later.content.get("call")
        operation = call.get("operation") if isinstance(call, Mapping) else None
        if operation == "ExecuteChangeSet":
            return f"executed (line {later.number})"
        if operation == "DeleteChangeSet":
            return f"deleted, not executed (line {later.number})"
    return "nothing further was asked: the run was stopped"


def _lines(found: Sequence[Mapping[str, object]]) -> Iterator[str]:
    if any(one.get("on_aws") is False for one in found):
        yield "described by an emulator, which compares expressions: what evaluates to the same is no replacement"
    for one in found:
        where = f"{one['account']}/{one['region']} stack {one.get('stack')}"
        yield f"{where}: the gate says {one.get('gate')}; {one['became']}"
        yield from (f"  predicted  {line}" for line in texts(one, "predicted"))
        yield from (f"  described  {line}" for line in texts(one, "told"))
        yield from (f"  refused    {line}" for line in texts(one, "reasons"))
