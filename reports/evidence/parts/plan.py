"""What was to be done, before it was done: as people read it, and every call with its parameters."""

from collections.abc import Iterator

from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, kept_file

FOLDER = "plan"


def plan(material: Material) -> Iterator[Piece]:
    """The plan of each round, also of those before a run was resumed, as text and as JSON."""
    found = sorted(material.folder.glob("plan*.json"))
    if not found:
        yield Lacking("the plan", _why_none(material))
    for path in found:
        round_of = path.stem.removeprefix("plan").removeprefix("-")
        which = f"round {round_of}" if round_of else "the first round"
        yield kept_file(f"{FOLDER}/{path.name}", path, f"{which}: every call with its parameters, secrets masked")
        text = path.with_suffix(".txt")
        if text.is_file():
            yield kept_file(f"{FOLDER}/{text.name}", text, f"{which}, for people")
        else:
            yield Lacking(f"{FOLDER}/{text.name}", "the plan was made by a version that kept none for people")


def _why_none(material: Material) -> str:
    if material.options.may_write or material.options.plan:
        return "the run ended before it had planned"
    return "an audit plans nothing (--plan, --fix)"
