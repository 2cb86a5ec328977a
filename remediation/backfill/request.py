"""What the verb `backfill` was asked for beside an audit's options: parsed and refused before anything is called."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fixtures.errors import InputError
from fixtures.estate import Forwarder, Target
from fixtures.ledger.span import Span, parse_span
from fixtures.verb_parser import VerbParser
from remediation.backfill.after_fix import OPTION, spans_after
from remediation.backfill.pace import FASTEST, SLOWEST, ErrorBudget, parse_budget

VERB = "taegis-forwarders backfill"


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """One backfill.

    Attributes:
        span: when the objects arrived; None for dead letters of any time, and for a run that is resumed.
        spans: where each forwarder has a span of its own, after a fix: theirs, and no other forwarder is asked.
        plan: only show what would be sent.
        yes: do not ask on a terminal.
        resume: id or folder of the run to go on with.
        dead_letters: take events out of the forwarders' dead-letter queues instead of listing buckets.
        certain: send only what is known not to have been delivered.
        again: send also what an earlier run sent and nobody saw fail.
        budget: how many objects may fail.
        rate: calls a second at most, for one forwarder; None for what its concurrency allows.
    """

    span: Span | None
    spans: Mapping[tuple[Target, str], Span] | None
    plan: bool
    yes: bool
    resume: str | None
    dead_letters: bool
    certain: bool
    again: bool
    budget: ErrorBudget
    rate: float | None

    def asks(self, forwarder: Forwarder) -> bool:
        """Whether the forwarder is one that this is about."""
        return self.spans is None or (forwarder.target, forwarder.name) in self.spans

    def span_of(self, forwarder: Forwarder) -> Span:
        """From when until when its objects arrived; not to be asked without a span."""
        span = self.span if self.spans is None else self.spans[forwarder.target, forwarder.name]
        assert span is not None
        return span


def parser() -> argparse.ArgumentParser:
    """The verb's own options; all others are an audit's."""
    made = VerbParser(
        prog=VERB,
        allow_abbrev=False,
        description="send forwarders the objects that they did not deliver, as S3 would have told them",
        epilog="Further: --regions, --accounts, --forwarders, --role, --external-id, --fix-role, --settings, "
        "--log-window, --proof-timeout as for an audit (taegis-forwarders options). Exit codes: 0 everything is "
        "proved to be delivered, 1 something is not, or was refused; with --plan: something would be sent; "
        "2 interrupted, 4 usage, 10 all was sent, and some of it was not seen to be delivered, 11 stopped after "
        "something had been sent.",
    )
    add = made.add_argument
    add("--since", metavar="T", help="from when objects arrived: 2026-11-01, 2026-11-01T06:00:00Z, or 7d, 36h ago")
    add("--until", metavar="T", help="until when; default: now. What arrives later is S3's own to announce")
    add(OPTION, metavar="RUN", help="what this fix left open: of each forwarder what arrived while it was changed, "
        "and since it was last seen to deliver")  # fmt: skip
    add("--plan", action="store_true", help="list, and show what would be sent and what it takes; sends nothing")
    add("--yes", action="store_true", help="do not ask on a terminal before the first call")
    add("--resume", metavar="RUN", help="go on with a backfill that was killed or stopped, with what is left of it")
    add("--from-dead-letter", action="store_true", help="send what is in the forwarders' dead-letter queues and "
        "on-failure destinations (SQS, or SQS behind SNS), and take it out of them")  # fmt: skip
    add("--only-certain", action="store_true", help="send only what is known not to have been delivered: nothing "
        "without evidence, so that nothing reaches XDR twice")  # fmt: skip
    add("--again", action="store_true", help="send also what an earlier backfill of this folder sent")
    add("--error-budget", metavar="N|N%", default="1%", help="stop a forwarder when more objects fail: a number, or a "
        "percentage of those that came to an end, at least 5 (default: 1%%)")  # fmt: skip
    add("--rate", metavar="N", help="calls a second at most, for one forwarder; default: what half of its reserved "
        "concurrency, or a tenth of the account's, can work off")  # fmt: skip
    return made


def parse_request(arguments: Sequence[str], now: datetime) -> tuple[BackfillRequest, list[str]]:
    """The request, and the arguments that are an audit's.

    Raises:
        InputError: a value cannot be used, or two options contradict each other.
    """
    given, rest = parser().parse_known_args(list(arguments))
    begins = given.since or given.until or given.after_fix
    pairs = (
        (given.after_fix and (given.since or given.until), OPTION, "that run says since when",
         "leave --since and --until out"),
        (given.resume and (begins or given.from_dead_letter), "--resume",
         "the run says what is sent", f"leave --since, --until, {OPTION} and --from-dead-letter out"),
        (given.resume and given.plan, "--resume", "it sends", "leave --plan out"),
        (given.resume and (given.only_certain or given.again), "--resume", "what is sent was fixed when the run began",
         "leave --only-certain and --again out"),
        (given.from_dead_letter and (given.only_certain or given.again), "--from-dead-letter",
         "what lies in a queue was not delivered", "leave --only-certain and --again out"),
        (given.from_dead_letter and begins, "--from-dead-letter",
         "a queue is emptied, whenever its events are of", f"leave --since, --until and {OPTION} out"),
        (given.until and not given.since, "--until", "there is no --since", "add --since"),
    )  # fmt: skip
    for wrong, option, reason, remedy in pairs:
        if wrong:
            raise InputError(option, reason, remedy)
    if given.yes:
        rest.append("--yes")
    for option in ("--fix", "--rollback", "--approved", "--shard", "--replay", "--merge", "--snapshot"):
        if any(word == option or word.startswith(f"{option}=") for word in rest):
            raise InputError(f"{VERB}: {option}", "it is for audits and fixes", "leave it out")
    spans = spans_after(given.after_fix) if given.after_fix is not None else None
    return (
        BackfillRequest(
            span=_whole(spans) if spans else _typed(given, now),
            spans=spans,
            plan=given.plan,
            yes=given.yes,
            resume=given.resume,
            dead_letters=given.from_dead_letter,
            certain=given.only_certain,
            again=given.again,
            budget=parse_budget(given.error_budget),
            rate=_rate(given.rate),
        ),
        rest,
    )


def _whole(spans: Mapping[tuple[Target, str], Span]) -> Span:
    return Span(min(span.since for span in spans.values()), max(span.until for span in spans.values()))


def _typed(given: argparse.Namespace, now: datetime) -> Span | None:
    return None if given.resume or given.from_dead_letter else parse_span(given.since, given.until, now)


def _rate(given: str | None) -> float | None:
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", given) or not SLOWEST <= float(given) <= FASTEST:
        raise InputError(f"--rate={given}", "not a rate", f"give calls a second, from {SLOWEST:g} to {FASTEST:g}")
    return float(given)
