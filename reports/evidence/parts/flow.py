"""That logs flow: for each forwarder the request that proves it with its line, or why nothing does."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from checks.outcome import Status
from checks.result import Result
from fixtures.estate import Forwarder, LogFlow
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, json_file, text_file

FOLDER = "flow"
_CHECK = "logs-flow"
PROVED, NO_EVIDENCE, NOT_PROVED, UNKNOWN = "PROVED", "NO EVIDENCE", "NOT PROVED", "UNKNOWN"
_ASKED_AFTER_A_FIX = {True: PROVED, False: NOT_PROVED, None: NO_EVIDENCE}
_ASKED = {Status.PASSED: PROVED, Status.FIXED: PROVED, Status.NO_EVIDENCE: NO_EVIDENCE, Status.UNKNOWN: UNKNOWN}


@dataclass(frozen=True, slots=True)
class FlowEvidence:
    """What is known of one forwarder; `at` (UTC, ISO 8601), `request` and `line` where it is proved."""

    forwarder: str
    evidence: str
    when: str
    told: str
    group: str | None
    at: str | None
    request: str | None
    line: str | None


def flow(material: Material) -> Iterator[Piece]:
    """Each forwarder with its evidence: what was waited for after a fix, else what was seen when it was looked at."""
    found = flows_of(material)
    if not found:
        yield Lacking("proof of flow", "no forwarder was seen")
        return
    yield json_file(f"{FOLDER}/flow.json", [asdict(one) for one in found], "for each forwarder the request, its time "
                    "and its line in the log that prove that logs flow, or why nothing proves it")  # fmt: skip
    yield text_file(f"{FOLDER}/flow.txt", _lines(found), "the same for people")


def flows_of(material: Material) -> tuple[FlowEvidence, ...]:
    """The evidence, sorted by forwarder."""
    results = {result.subject: result for result in material.summary.run.results if result.check == _CHECK}
    known = {}
    for forwarder in material.estate.forwarders if material.estate else ():
        known[str(forwarder)] = _looked(forwarder, results.get(str(forwarder)))
    for entry in material.entries("proof"):
        facts = entry.content.get("facts")
        if isinstance(facts, Mapping):
            proof = _proof(facts)
            known[proof.forwarder] = proof
    return tuple(known[name] for name in sorted(known))


def _proof(facts: Mapping[str, object]) -> FlowEvidence:
    def text(name: str) -> str | None:
        found = facts.get(name)
        return found if isinstance(found, str) else None

    holds = facts.get("holds")
    return FlowEvidence(
        forwarder=f"{facts.get('account')}/{facts.get('region')}/{facts.get('forwarder')}",
        evidence=_ASKED_AFTER_A_FIX[holds if isinstance(holds, bool) else None],
        when="after it was changed",
        told=text("told") or "",
        group=text("group"),
        at=text("at"),
        request=text("request"),
        line=text("line"),
    )


def _looked(forwarder: Forwarder, result: Result | None) -> FlowEvidence:
    """What was seen of one that was not changed; its verdict is the check's, where that was asked."""
    fact = forwarder.flow
    known = fact if isinstance(fact, LogFlow) else None
    proved = known if known and known.proved else None
    if result is None:
        evidence, told = (PROVED, "") if proved else (UNKNOWN, f"{_CHECK} was not asked ({known or fact})")
        told = "" if known else told
    else:
        evidence, told = _ASKED.get(result.status, NOT_PROVED), result.reason or result.found
    at = proved.last_proved if proved else None
    return FlowEvidence(
        forwarder=str(forwarder),
        evidence=evidence,
        when="as it was looked at, unchanged",
        told=told,
        group=known.group if known else None,
        at=at.isoformat(timespec="milliseconds") if at else None,
        request=proved.last_request if proved else None,
        line=proved.last_line if proved else None,
    )


def _lines(found: tuple[FlowEvidence, ...]) -> Iterator[str]:
    for one in found:
        yield f"{one.evidence:<11}  {one.forwarder} ({one.when})"
        if one.request or one.line:
            yield f"             {one.at} request {one.request or 'without an id'}: {one.line}"
        elif one.told:
            yield f"             {one.told}"
