"""Was an object delivered? What each kind of evidence proves, and what it does not (docs/ledger.md). Pure.

DELIVERED takes something that names the object. NOT DELIVERED takes something that excludes it: a dead letter that
names it, only failed requests that name it, no call at all for as long as Lambda would have tried, or no tag where
tags are seen to be set. Everything else is NO EVIDENCE; what could not be read is never anything else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fixtures.fact import Absent, Fact, Unreadable
from fixtures.ledger.calls import Calls, silence_of
from fixtures.ledger.entry import Delivery, Entry, EvidenceKind
from fixtures.ledger.log_names import Named
from fixtures.ledger.logged_object import LoggedObject

# S3's events take seconds, rarely a minute or more (S3 User Guide, "Amazon S3 Event Notifications"); the tag is set
# asynchronously (vendor), and log lines may lag five to ten minutes (Lambda Developer Guide).
GRACE = timedelta(minutes=15)
# Lambda gives an asynchronous call up after six hours at the latest (PutFunctionEventInvokeConfig).
LONGEST_TRY = timedelta(hours=6)
# After a function's error it tries twice more, a minute and two minutes later (Lambda Developer Guide).
_TRIES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What speaks of all objects of a ledger.

    Attributes:
        now: when it was looked, in UTC.
        calls: when the function was called, by each source that could be read.
        log_is_whole: whether the log of the span was read to its end.
        tags_since: since when the forwarder is known to have tagged what it delivers: its stack's last update, at which
            EnableObjectTagging was on or turned on. None where it is not known.
    """

    now: datetime
    calls: tuple[Calls, ...]
    log_is_whole: bool
    tags_since: datetime | None = None

    def tagged(self, arrived: datetime) -> bool:
        """Whether the forwarder tagged what it delivered when an object arrived."""
        return self.tags_since is not None and arrived >= self.tags_since


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks of one object.

    Attributes:
        tag: whether it bears the forwarder's tag; `Unreadable` where it was not asked for, or not shown.
        tag_is_asked: whether EnableObjectTagging is on, so that the tag says something.
        tags_work: whether another object of the ledger bears it.
        named: what requests that name its key say; None where none does.
        dead_letter: whether a dead letter names it.
    """

    tag: Fact[bool]
    tag_is_asked: bool = False
    tags_work: bool = False
    named: Named | None = None
    dead_letter: bool = False


def judged(logged: LoggedObject, evidence: Evidence, witnesses: Witnesses) -> Entry:
    """The verdict on one object."""
    entry = _proof(logged, evidence) or _refutation(logged, evidence, witnesses)
    return entry or _unknown(logged, evidence, witnesses)


def _proof(logged: LoggedObject, evidence: Evidence) -> Entry | None:
    if evidence.tag is True:
        return Entry(logged, Delivery.DELIVERED, EvidenceKind.TAG, "it bears TaegisProcessed=true")
    if evidence.named and evidence.named.well:
        reason = "a request that names it uploaded and ended well"
        return Entry(logged, Delivery.DELIVERED, EvidenceKind.LOG_LINE, reason)
    return None


def _refutation(logged: LoggedObject, evidence: Evidence, witnesses: Witnesses) -> Entry | None:
    """Why it was certainly not delivered; None where that is not certain."""
    if evidence.tag_is_asked and isinstance(evidence.tag, Unreadable):
        return None  # the tag might say that it was
    named = _named_against(evidence, witnesses)
    found = named or _excluded(logged.modified, evidence, witnesses)
    return Entry(logged, Delivery.NOT_DELIVERED, *found) if found else None


def _named_against(evidence: Evidence, witnesses: Witnesses) -> tuple[EvidenceKind, str] | None:
    if evidence.dead_letter:
        return EvidenceKind.DEAD_LETTER, "a dead letter names it"
    failed = evidence.named.failed if evidence.named else None
    if failed and witnesses.log_is_whole and witnesses.now - failed > _TRIES:
        return EvidenceKind.LOG_LINE, "requests that name it failed, and none ended well"
    return None


def _excluded(arrived: datetime, evidence: Evidence, witnesses: Witnesses) -> tuple[EvidenceKind, str] | None:
    if witnesses.now - arrived < GRACE:
        return None
    if _silence(arrived, witnesses, LONGEST_TRY) and not _may_wait(arrived, witnesses):
        return EvidenceKind.SILENCE, "the forwarder was not called from its arrival on"
    missing = evidence.tag is False and evidence.tags_work and witnesses.tagged(arrived)
    if missing and not _may_wait(arrived, witnesses):
        return EvidenceKind.TAG, "it does not bear the tag that the forwarder sets on what it delivers"
    return None


def _unknown(logged: LoggedObject, evidence: Evidence, witnesses: Witnesses) -> Entry:
    likely = _adds_up(logged.modified, witnesses)
    kind = EvidenceKind.INVOCATION if likely else EvidenceKind.NONE
    return Entry(logged, Delivery.NO_EVIDENCE, kind, _why_unknown(logged, evidence, witnesses, likely), likely)


def _why_unknown(logged: LoggedObject, evidence: Evidence, witnesses: Witnesses, likely: bool) -> str:
    """The first that applies."""
    arrived = logged.modified
    unshown = evidence.tag.cause if evidence.tag_is_asked and isinstance(evidence.tag, Unreadable) else None
    reasons = (
        (unshown is not None, f"its tags could not be read ({unshown})"),
        (isinstance(evidence.tag, Absent), "it was deleted while it was looked at"),
        (witnesses.now - arrived < GRACE, "it arrived less than 15 minutes ago and may be on its way"),
        (bool(evidence.named and evidence.named.failed), "a request that names it failed, and may be tried again"),
        (_may_wait(arrived, witnesses), "calls were throttled since: Lambda may try it for six hours"),
        (
            _silence(arrived, witnesses, GRACE),
            "the forwarder was not called within 15 minutes of its arrival, and was later",
        ),
        (evidence.tag is False and witnesses.tagged(arrived), "tagging is on, and it does not bear the tag"),
        (evidence.tag is False, "it does not bear the tag, and whether tagging was on when it arrived is not known"),
        (_is_idle(arrived, witnesses), "the forwarder was called around its arrival and logged no upload"),
        (likely, "the forwarder was called around its arrival and nothing failed, which names no object"),
    )
    return next((reason for applies, reason in reasons if applies), "nothing speaks for its delivery")


def _silence(arrived: datetime, witnesses: Witnesses, length: timedelta) -> bool:
    """Whether nothing called the function for that long after an arrival, or until now, by every source that counts."""
    until = min(arrived + length, witnesses.now)
    told = [calls for calls in witnesses.calls if calls.any]
    silences = [silence_of(calls, arrived, min(until, calls.span.until)) for calls in told]
    # a source that was not read for long enough says nothing of silence, and yet may show a call
    whole = [found for found in silences if found is not None]
    seen_to_end = any(calls.covers(arrived, until) for calls in told)
    return seen_to_end and bool(whole) and all(arrived + found >= until for found in whole)


def _may_wait(arrived: datetime, witnesses: Witnesses) -> bool:
    """Whether Lambda may still hold the call back: it is young enough, and others are throttled."""
    if witnesses.now - arrived >= LONGEST_TRY:
        return False
    return any(calls.between(arrived, witnesses.now).throttles for calls in witnesses.calls)


def _is_idle(arrived: datetime, witnesses: Witnesses) -> bool:
    """Whether calls around an arrival ended well and without the upload line."""
    return any(calls.between(arrived, arrived + GRACE).idle for calls in witnesses.calls)


def _adds_up(arrived: datetime, witnesses: Witnesses) -> bool:
    """Whether the function was called soon after an arrival, with nothing failed, throttled or lost around it."""
    around = [calls.between(arrived, arrived + GRACE) for calls in witnesses.calls if calls.any]
    return any(found.calls for found in around) and all(found.went_well for found in around)
