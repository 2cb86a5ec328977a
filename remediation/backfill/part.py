"""One forwarder's part of a backfill: may it be called, how fast, from where come its events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fixtures.answers import Malformed, number, part
from fixtures.aws import CallFailed
from fixtures.estate import Estate, Forwarder, Invocation, Target
from fixtures.estate import Function as LambdaFunction
from fixtures.fact import value
from fixtures.readers.functions import read_invocation
from remediation.backfill.obstacles import address_of, judged
from remediation.backfill.pace import Concurrency, Function
from remediation.backfill.watch import LogWatch
from remediation.preflight import Obstacle
from remediation.s3_event import Address
from remediation.writer import Writer

ACTIONS: Final = ("lambda:GetAccountSettings", "lambda:GetFunctionEventInvokeConfig")
_RETRIES: Final = 2  # Lambda's default
_SAMPLE: Final = timedelta(hours=1)  # of the log, to learn how long calls take


@dataclass(frozen=True, slots=True)
class Part:
    """A forwarder that is called again.

    Attributes:
        writer: what its target is written with.
        listed: its function, as Lambda shows it.
        function: what is called, and how fast.
        address: where its events come from.
        retries: how often Lambda repeats a call that failed.
        destination: where Lambda sends the record of a call that failed in every attempt, None for nowhere.
        notes: what a person should know.
    """

    writer: Writer = field(repr=False)
    forwarder: Forwarder
    listed: LambdaFunction
    function: Function
    address: Address
    retries: int
    destination: str | None
    notes: tuple[str, ...]

    @property
    def subject(self) -> str:
        """`111122223333/us-east-1/cloudtrail-prod`."""
        return str(self.forwarder)

    @property
    def where(self) -> Mapping[str, str]:
        """Account and region, as the journal names them."""
        target = self.forwarder.target
        return {"account": target.account, "region": target.region}

    def watch(self, since: datetime) -> LogWatch:
        """Who watches its calls from then on."""
        return LogWatch(self.writer, self.listed.log_group, since, self.retries)


@dataclass(frozen=True, slots=True)
class Refused:
    """A forwarder that is not called, and what a person must do."""

    subject: str
    target: Target
    obstacles: tuple[Obstacle, ...]


def part_of(forwarder: Forwarder, estate: Estate, writer: Writer, most: float | None) -> Part | Refused:
    """A forwarder's part, or why it has none; asks Lambda for concurrency and retries, and the log for durations."""
    found = judged(forwarder, estate)
    listed = value(forwarder.function)
    if found.obstacles or listed is None:
        return Refused(str(forwarder), forwarder.target, found.obstacles)
    concurrency = _concurrency(writer, listed)
    if isinstance(concurrency, Obstacle):
        return Refused(str(forwarder), forwarder.target, (concurrency,))
    retries, destination, told = _asynchronous(writer, listed.name)
    seconds = _seconds(writer, listed, retries)
    return Part(
        writer=writer,
        forwarder=forwarder,
        listed=listed,
        function=Function(listed.name, concurrency, seconds, most),
        address=address_of(forwarder, listed, estate),
        retries=retries,
        destination=destination,
        notes=(*found.notes, *told),
    )


def _concurrency(writer: Writer, function: LambdaFunction) -> Concurrency | Obstacle:
    if function.reserved_concurrency is not None:
        return Concurrency(function.reserved_concurrency, reserved=True)
    try:
        limits = part(writer.read("lambda", "GetAccountSettings"), "AccountLimit")
        free = number(limits, "UnreservedConcurrentExecutions")
    except (CallFailed, Malformed) as problem:
        return Obstacle(
            f"how many calls may run at a time cannot be told: {problem}", "grant lambda:GetAccountSettings"
        )
    if free <= 0:
        return Obstacle("the account has no unreserved concurrency left in the region", "raise or free some of it")
    return Concurrency(free, reserved=False)


def _asynchronous(writer: Writer, name: str) -> tuple[int, str | None, tuple[str, ...]]:
    """Retries, destination of failures, and what is not known of them."""
    answer = read_invocation(writer.aws, writer.region, name)
    if isinstance(answer, Invocation):
        return (_RETRIES if answer.retries is None else answer.retries), answer.destination, ()
    return _RETRIES, None, (f"how often failed calls are repeated cannot be told ({answer}): taken as twice",)


def _seconds(writer: Writer, function: LambdaFunction, retries: int) -> float | None:
    """How long its calls took lately, None where its log tells of none."""
    since = max(datetime.now(UTC) - _SAMPLE, function.last_modified or datetime.min.replace(tzinfo=UTC))
    watch = LogWatch(writer, function.log_group, since, retries, pages=1)
    watch.look()
    return watch.seconds
