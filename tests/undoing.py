"""What tests of the rollback's planner start from: the journal that real steps leave, and what is there now."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fixtures.code_location import CodeLocation
from fixtures.estate import Estate, Forwarder, StoredObject, Target
from fixtures.fact import Fact
from remediation.call import shown
from remediation.journal import Entry, Journal, read_journal
from remediation.plan_undo import UndoPlan, plan_undo
from remediation.roll_back_look import Looked
from remediation.roll_back_parameters import GivenValues, read_given_values
from remediation.roll_back_record import done_by
from remediation.step import Step
from remediation.steps.trigger import MergeNotification
from remediation.undo_context import Past, Undoing
from tests.estates import HERE, LEGACY_SHA256, NOW, a_forwarder, a_stack
from tests.planning import RUN

NAME = "cloudtrail-prod"
LOGS = f"{NAME}-logs"
LEGACY_BUCKET = f"legacy-code-{HERE.account}-{HERE.region}"
KEY = "scwx-tdr-lambda.zip"
LATER = "20261125T080000Z-0b0b"
TOKEN = "canary-token-0123456789"
OLD_PACKAGE = (HERE, CodeLocation(LEGACY_BUCKET, KEY))


def journalled(folder: Path, steps: Iterable[Step], ends: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """The journal of a run that took these steps.

    Args:
        folder: where it is written.
        steps: real steps of a real plan.
        ends: how a call of an operation ended, where not with a result: `refused`, `lost` or `killed`.
    """
    journal = Journal(folder / f"journal-{len(list(folder.iterdir()))}.jsonl")
    journal.write("begin", run=RUN, steps=[])
    for step in steps:
        where = {"account": step.target.account, "region": step.target.region, "step": step.name}
        for call in step.calls():
            update = getattr(step, "update", None)
            before: object = update.seen.before if update and call.operation == "ExecuteChangeSet" else None
            if isinstance(step, MergeNotification) and call.operation.startswith("Put"):
                before = step.seen.document
            number = journal.write("intent", **where, call=call.shown(), before=shown(before))
            end = (ends or {}).get(call.operation, "done")
            if end == "done":
                journal.write("result", **where, intent=number, request_id="")
            elif end != "killed":
                refused = end == "refused"
                journal.write("failure", **where, intent=number, cause="denied", code="x", reason="no", refused=refused)
    journal.close()
    return read_journal(journal.path)


def migrated(forwarder: Forwarder) -> Forwarder:
    """The legacy forwarder after the fix."""
    done = a_forwarder(forwarder.name, forwarder.target)
    return replace(done, stack=a_stack(forwarder.name, forwarder.target, changed=NOW))


def undoing(
    before: Estate,
    entries: tuple[Entry, ...],
    now: Estate,
    *,
    packages: Mapping[tuple[Target, CodeLocation], Fact[StoredObject]] | None = None,
    buckets: Mapping[tuple[Target, str], Fact[str]] | None = None,
    given: GivenValues | None = None,
    **changes: object,
) -> Undoing:
    """Everything a rollback is planned from; the old package is where it was."""
    old = StoredObject(LEGACY_BUCKET, KEY, 1, LEGACY_SHA256)
    past = Past(run=RUN, journals={RUN: entries}, done=done_by(entries), before=before, after=None)
    made = Undoing(
        past=past,
        estate=now,
        looked=Looked({OLD_PACKAGE: old, **(packages or {})}, buckets or {}),
        given=given or GivenValues(),
        run=LATER,
        partition=lambda _: "aws",
        url_suffix=lambda _: "amazonaws.com",
        today=NOW.date(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def planned(found: Undoing) -> UndoPlan:
    return plan_undo(found, NOW)


def told(plan: UndoPlan) -> list[str]:
    """`do CLASS subject (forwarders)`, and `keep N subject: reasons`."""
    return [
        *(f"do {type(step).__name__} {step.subject} ({', '.join(step.forwarders)})" for step in plan.plan.steps),
        *(f"keep {one.count} {one.subject}: {'; '.join(o.reason for o in one.obstacles)}" for one in plan.kept),
    ]


def values_from(folder: Path, text: str) -> GivenValues:
    """The file of `--rollback-parameters`."""
    path = folder / "values.toml"
    path.write_text(text, encoding="utf-8")
    return read_given_values(path)
