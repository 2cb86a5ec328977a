"""Plans putting one bucket's former notification document back, and taking permissions back. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from checks.test_bucket import stale_rules
from fixtures.answers import as_answer, optional_text, text
from fixtures.estate import Notification, Rule, Seen
from fixtures.fact import Absent, Unreadable, value
from fixtures.readers.buckets import parse_notification
from remediation.notification_merge import Merge
from remediation.preflight import Obstacle
from remediation.roll_back_record import TriggerChange, Write
from remediation.steps.undo_trigger import GivenPermission, UndoTrigger, differences, same
from remediation.undo_context import Kept, Undoing

_BY_HAND = "look at it, then put it right by hand"


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """A step, and what of the change cannot be undone."""

    step: UndoTrigger | None
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    """The document to put back, None where there is nothing to write; what cannot be; whether rules of the run stay."""

    former: Notification | None
    written: tuple[Notification, ...]
    obstacles: tuple[Obstacle, ...]
    stays: bool


def plan_trigger(change: TriggerChange, undoing: Undoing) -> TriggerPlan:
    """The way back for one bucket."""
    seen = undoing.seen(change.target)
    bucket = undoing.estate.buckets.get(change.bucket)
    if seen is None or bucket is None:
        reason = Obstacle("it was not looked at", "leave --accounts, --regions, --forwarders out")
        return TriggerPlan(None, _kept(change, [reason], documents=True, grants=len(change.grants)))
    if isinstance(bucket.notification, Absent | Unreadable):
        reason = Obstacle(f"its notification document could not be read ({bucket.notification})", "grant it, run again")
        return TriggerPlan(None, _kept(change, [reason], documents=True, grants=len(change.grants)))
    document = _document(change, bucket.notification, undoing)
    kept = list(_kept(change, document.obstacles, documents=True, grants=0)) if document.obstacles else []
    grants: list[GivenPermission] = []
    for write in change.grants:
        given = _given(write)
        obstacle = _stays(given) if document.stays else _against(given, seen)
        if obstacle:
            kept += _kept(change, [obstacle], documents=False, grants=1)
        elif _there(given, seen):
            grants.append(given)
    if document.former is None and not grants:
        return TriggerPlan(None, tuple(kept))
    owner = next((write.text("ExpectedBucketOwner") for write in change.documents), bucket.owner)
    step = UndoTrigger(
        change.target, change.bucket, _forwarders(document, grants, seen),
        former=document.former, written=document.written, grants=tuple(grants), owner=owner,
    )  # fmt: skip
    return TriggerPlan(step, tuple(kept))


def _document(change: TriggerChange, now: Notification, undoing: Undoing) -> _Document:
    if not change.documents:
        return _Document(None, (), (), stays=False)
    former = parse_notification(as_answer(json.loads(str(change.documents[0].before)), "before"))
    written = tuple(map(_written, _last_ones(change.documents)))
    if same(now, former):
        return _Document(None, written, (), stays=False)
    gone, _ = stale_rules(former.rules, undoing.estate)
    goal = parse_notification(Merge((), gone).document(former)) if gone else former
    dropped = tuple(
        Obstacle(
            f"its rule for {rule.arn.rpartition(':')[2]} is not put back: that function is gone, and S3 refuses it", ""
        )
        for rule in gone
    )
    if same(now, goal):
        return _Document(None, written, dropped, stays=False)
    if any(same(now, one) for one in written):
        return _Document(goal, written, dropped, stays=False)
    changes = "; ".join(differences(written[-1], now))
    obstacle = Obstacle(f"its document was changed since the run: {changes}", _BY_HAND)
    return _Document(None, written, (obstacle,), stays=True)


def _last_ones(writes: tuple[Write, ...]) -> tuple[Write, ...]:
    """The last write that was certainly made, and those after it that may have been."""
    sure = [number for number, write in enumerate(writes) if write.certain]
    return writes[sure[-1] :] if sure else writes


def _written(write: Write) -> Notification:
    return parse_notification(as_answer(write.parameters.get("NotificationConfiguration"), "NotificationConfiguration"))


def _given(write: Write) -> GivenPermission:
    return GivenPermission(
        function=text(write.parameters, "FunctionName"),
        sid=text(write.parameters, "StatementId"),
        action=text(write.parameters, "Action"),
        principal=text(write.parameters, "Principal"),
        source_arn=text(write.parameters, "SourceArn"),
        source_account=optional_text(write.parameters, "SourceAccount") or "",
    )


def _there(given: GivenPermission, seen: Seen) -> bool:
    policy = next((value(f.policy) for f in seen.forwarders if _is(given, value(f.listed))), None) or ()
    return any(statement.sid == given.sid for statement in policy)


def _against(given: GivenPermission, seen: Seen) -> Obstacle | None:
    """What speaks against taking a permission back; nothing if it is as it was given, or not there any more."""
    for forwarder in seen.forwarders:
        if not _is(given, value(forwarder.listed)):
            continue
        if isinstance(forwarder.policy, Absent | Unreadable):
            return Obstacle(f"the policy of {given.function} could not be read ({forwarder.policy})", "grant it")
        for statement in forwarder.policy:
            if statement.sid == given.sid and not given.is_it(statement):
                return Obstacle(f"statement {given.sid} of {given.function} was changed since the run", _BY_HAND)
        return None
    return Obstacle(f"function {given.function} is not among those that were looked at", _BY_HAND)


def _is(given: GivenPermission, function: object) -> bool:
    return getattr(function, "name", None) == given.function


def _stays(given: GivenPermission) -> Obstacle:
    return Obstacle(f"the rule for {given.function} stays, and so does the permission it needs", "")


def _forwarders(document: _Document, grants: Iterable[GivenPermission], seen: Seen) -> tuple[str, ...]:
    """The forwarders whose trigger is taken back."""
    rules: set[Rule] = set()
    if document.former:
        rules = set(document.written[-1].rules) ^ set(document.former.rules)
    functions = {rule.arn.split(":")[6] for rule in rules if rule.kind == "function" and rule.arn.count(":") > 5}
    functions |= {grant.function for grant in grants}
    found = [f.name for f in seen.forwarders if (listed := value(f.listed)) and listed.name in functions]
    return tuple(sorted(found))


def _kept(change: TriggerChange, obstacles: Iterable[Obstacle], *, documents: bool, grants: int) -> tuple[Kept, ...]:
    count = bool(change.documents and documents) + grants
    return (Kept(change.target, change.bucket, count, tuple(obstacles)),)
