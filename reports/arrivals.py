"""What a fix left open: objects that arrived meanwhile, or in an outage before, without evidence of their delivery."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from checks.verdict import count
from fixtures.ledger.entry import Delivery
from fixtures.ledger.stream import Counts
from remediation.backfill.after_fix import OPTION
from remediation.cutover_ledger import CutoverLedger
from reports.commands import Commands, Scope


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """Forwarders of which the same is open for the same reason: what, in words, and their subjects."""

    told: str
    subjects: tuple[str, ...]


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


def open_questions(ledgers: Iterable[CutoverLedger]) -> tuple[OpenQuestion, ...]:
    """What is open, once for each reason, that with most objects first.

    What arrived while a forwarder was changed and was likely delivered is counted with the rest, and is no question.
    """
    groups: dict[tuple[str, str], list[CutoverLedger]] = {}
    for one in filter(_is_question, ledgers):
        source = one.outage.source if one.outage and one.before.open else ""
        groups.setdefault((source, one.why_not), []).append(one)
    members = sorted(groups.items(), key=lambda pair: (-sum(map(_open, pair[1])), pair[0]))
    return tuple(
        OpenQuestion("; ".join(_told(*reasons, found)), tuple(sorted(f"{one.target}/{one.forwarder}" for one in found)))
        for reasons, found in members
    )


def sending(ledgers: Iterable[CutoverLedger], run: str, commands: Commands | None) -> str:
    """The command that sends what is open; empty where nothing is, and in a sandbox, which ends with its run."""
    behind = [one for one in ledgers if _is_question(one)]
    if commands is None or commands.options.sandbox or not behind:
        return ""
    scope = Scope(
        tuple(sorted({one.target.account for one in behind})), tuple(sorted({one.target.region for one in behind}))
    )
    return commands.backfill(scope, (f"{OPTION}={run}",))


def _is_question(one: CutoverLedger) -> bool:
    return bool(one.before.open or one.meanwhile.open > one.meanwhile.likely or not one.complete)


def _open(one: CutoverLedger) -> int:
    return one.before.open + one.meanwhile.open


def _told(source: str, why_not: str, found: Sequence[CutoverLedger]) -> Iterator[str]:
    at_least = "" if all(one.complete for one in found) else "at least "
    before, meanwhile = sum(one.before.open for one in found), sum(one.meanwhile.open for one in found)
    where = count(len(found), "forwarder")
    earliest = min((one.outage.since for one in found if one.outage), default=None)
    if source and earliest:
        since = f"{earliest:%Y-%m-%d %H:%M} UTC{' or later' if len(found) > 1 else ''}"
        yield f"{at_least}{count(before, 'object')} of {where} since {since} without evidence of delivery ({source})"
    if meanwhile:
        whose = f"{count(meanwhile, 'object')} of {where} that arrived" if not source else f"{meanwhile:,} that arrived"
        yield f"{at_least}{whose} while {'it was' if len(found) == 1 else 'they were'} changed, without evidence"
    if why_not:
        yield f"not counted to the end: {why_not}"
