"""What a fix left open: objects that arrived meanwhile, or in an outage before, without evidence of their delivery."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.verdict import count
from fixtures.ledger.entry import Delivery
from fixtures.ledger.stream import Counts
from remediation.cutover import CutoverLedger
from reports.commands import Commands, Scope


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """One forwarder with open objects, in words, and the command that sends them; empty where it is not known."""

    subject: str
    told: str
    command: str


def in_all(ledgers: Iterable[CutoverLedger]) -> str:
    """What arrived at all changed forwarders meanwhile, in one line; empty where nothing was read."""
    known = [one for one in ledgers if one.complete or one.meanwhile.total or one.before.total]
    if not known:
        return ""
    counts = Counts()
    for one in known:
        counts.objects.update(one.meanwhile.objects)
        counts.likely += one.meanwhile.likely
    where = count(len(known), "changed forwarder")
    if not counts.total:
        return f"nothing arrived at {where} meanwhile"
    at_least = "" if all(one.complete for one in known) else "at least "
    parts = [f"{number:,} {str(kind).lower()}" for kind in Delivery if (number := counts.objects[kind])]
    likely = f" ({counts.likely:,} of them likely delivered)" if counts.likely else ""
    return f"{at_least}{count(counts.total, 'object')} at {where} meanwhile: {', '.join(parts)}{likely}"


def open_questions(ledgers: Iterable[CutoverLedger], commands: Commands | None) -> tuple[OpenQuestion, ...]:
    """The forwarders with open objects, those with most first.

    What arrived while a forwarder was changed and was likely delivered is counted with the rest, and is no question.
    """
    behind = [one for one in ledgers if _is_question(one)]
    behind.sort(key=lambda one: (-one.before.open - one.meanwhile.open, one.target, one.forwarder))
    return tuple(
        OpenQuestion(f"{one.target}/{one.forwarder}", "; ".join(_told(one)), _command(one, commands)) for one in behind
    )


def _is_question(one: CutoverLedger) -> bool:
    return bool(one.before.open or one.meanwhile.open > one.meanwhile.likely or not one.complete)


def _told(one: CutoverLedger) -> Iterator[str]:
    at_least = "" if one.complete else "at least "
    if one.outage and one.before.open:
        objects = count(one.before.open, "object")
        yield (
            f"{at_least}{objects} since {one.outage.since:%Y-%m-%d %H:%M} UTC without evidence of delivery "
            f"({one.outage.source})"
        )
    if one.meanwhile.open:
        yield f"{at_least}{count(one.meanwhile.open, 'object')} that arrived while it was changed without evidence"
    if one.why_not:
        yield f"not counted to the end: {one.why_not}"


def _command(one: CutoverLedger, commands: Commands | None) -> str:
    if commands is None or not (one.before.open or one.meanwhile.open):
        return ""
    scope = Scope((one.target.account,), (one.target.region,), forwarders=(one.forwarder,))
    return commands.backfill(scope, one.open_span.options)
