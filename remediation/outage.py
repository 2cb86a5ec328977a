"""Since when a forwarder is not seen to deliver, and who says so: its metrics, its log, or nobody."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from checks.delivery import GRACE
from fixtures.estate import Forwarder, Target
from fixtures.fact import Absent, Unreadable, value
from fixtures.ledger.calls import Calls
from fixtures.ledger.changes import Change, about
from fixtures.ledger.span import LOOKBACK, Span
from fixtures.readers.timelines import read_timeline
from fixtures.readers.trails import EVENTS, read_changes
from remediation.cutover_ledger import Outage
from remediation.engine import side_by_side
from remediation.ledger import Sources

_NEAR = timedelta(hours=1)  # a change that ends deliveries comes shortly after the last one


def date_outage(sources: Sources, forwarder: Forwarder, begun: datetime, changes: Sequence[Change]) -> Outage | None:
    """The outage that a repair which began then may have ended; None where it delivered until shortly before.

    `forwarder` is what was seen before the repair. That a bucket was quiet is no outage: that shows in its objects.
    """
    found = _by_metrics(sources, forwarder, begun) or _by_log(forwarder)
    if found is None:
        days = LOOKBACK.days
        return Outage(begun - LOOKBACK, f"no call without an error and no upload is seen in the {days} days before")
    if begun - found.since <= GRACE:
        return None
    function = value(forwarder.listed)
    mine = about(changes, forwarder.bucket_name or "", function.name if function else "")
    after = [change for change in mine if found.since - _NEAR <= change.at < begun]
    if not after:
        return found
    return Outage(found.since, f"{found.source}; then {after[0]}")


def changes_in(sources: Sources, forwarder: Forwarder) -> tuple[Change, ...]:
    """What CloudTrail shows of a forwarder's region lately; nothing where it may not be read."""
    aws = sources.access.get(forwarder.target.account)
    if aws is None:
        return ()
    span = Span(sources.now - LOOKBACK, sources.now)
    asked = (read_changes(aws, forwarder.target.region, event, span, sources.now) for event in EVENTS)
    found: list[Change] = []
    for answer in asked:
        if isinstance(answer, Unreadable):
            return ()  # the next one would be refused as well
        found += answer
    return tuple(found)


def outages_of(
    sources: Sources, forwarders: Sequence[Forwarder], begun: Mapping[tuple[Target, str], datetime]
) -> Mapping[tuple[Target, str], Outage | None]:
    """Each forwarder's outage before its own time; CloudTrail is asked once for each target."""
    by_target = {forwarder.target: forwarder for forwarder in forwarders if forwarder.bucket_name}
    stop = threading.Event()
    looked_up = side_by_side(lambda forwarder: changes_in(sources, forwarder), by_target.values(), stop)
    changes = dict(zip(by_target, looked_up, strict=True))

    def date(forwarder: Forwarder) -> Outage | None:
        if not forwarder.bucket_name:
            return None
        return date_outage(sources, forwarder, begun[forwarder.target, forwarder.name], changes[forwarder.target])

    found = side_by_side(date, forwarders, stop)
    return {(one.target, one.name): outage for one, outage in zip(forwarders, found, strict=True)}


def _by_metrics(sources: Sources, forwarder: Forwarder, begun: datetime) -> Outage | None:
    function, aws = value(forwarder.listed), sources.access.get(forwarder.target.account)
    if function is None or aws is None:
        return None
    calls = read_timeline(aws, forwarder.target.region, function.name, Span(begun - LOOKBACK, begun), sources.now)
    if not isinstance(calls, Calls):
        return None
    good = Calls(calls.source, calls.span, calls.period, {
        begin: found for begin, found in calls.counted.items() if found.calls > found.errors
    }, complete=True)  # fmt: skip
    last = good.last_call(begun)
    return Outage(last, "CloudWatch counts the last call without an error then") if last else None


def _by_log(forwarder: Forwarder) -> Outage | None:
    flow = forwarder.flow
    if isinstance(flow, Absent | Unreadable) or flow.last_proved is None:
        return None
    return Outage(flow.last_proved, "its log shows the last upload then")
