"""When the forwarders of a run were changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from fixtures.estate import Target
from fixtures.ledger.span import Span
from remediation.engine import Outcome
from remediation.journal import Entry
from remediation.proof import changed_by


@dataclass
class Cutovers:
    """When each forwarder of a run was changed: from before the first write until it was proved, or not."""

    spans: dict[tuple[Target, str], Span] = field(default_factory=dict)

    def add(self, outcome: Outcome, begun: datetime, ended: datetime) -> None:
        """One part of a plan was carried out in that time."""
        for lane in changed_by(outcome):
            for name in lane.forwarders:
                before = self.spans.get((lane.target, name))
                self.spans[lane.target, name] = Span(min(begun, before.since) if before else begun, ended)

    def behind(self, earlier: Iterable[Entry]) -> "Cutovers":
        """The same, of a run that goes on with one that was stopped, by its journal.

        What that one had proved is in it, and what this one did again began when that one began to write.
        """
        begun: datetime | None = None
        first: datetime | None = None
        spans: dict[tuple[Target, str], Span] = {}
        for entry in earlier:
            time, facts = entry.content.get("time"), entry.content.get("facts")
            at = datetime.fromisoformat(time) if isinstance(time, str) else None
            if entry.kind == "begin":
                begun = at
                first = first or at
            elif entry.kind == "proof" and begun and at and isinstance(facts, dict):
                target = Target(str(facts.get("account")), str(facts.get("region")))
                spans[target, str(facts.get("forwarder"))] = Span(begun, at)
        for where, span in self.spans.items():
            spans[where] = Span(min(first or span.since, span.since), span.until)
        return Cutovers(spans)
