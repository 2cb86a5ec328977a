"""Which forwarders may be called again, and why not the others: the suite's own checks decide, on fresh facts.

A forwarder that does not deliver what S3 tells it now would not deliver what it is told again: `--fix` comes first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from checks.outcome import CannotTell, Finding, NoEvidence
from checks.test_code import test_function_is_ready, test_function_may_run
from checks.test_flow import test_logs_flow
from checks.test_keys import test_a_customer_key_of_the_bucket_is_named, test_named_keys_let_the_function_decrypt
from checks.test_runtime import test_runs_on_a_custom_runtime
from checks.test_trigger import test_new_objects_reach_the_forwarder, ways_in
from checks.wiring import has_s3_trigger, partition_of
from fixtures.estate import Estate, Forwarder, Function
from fixtures.fact import Absent, Unreadable, value
from remediation.preflight import Obstacle
from remediation.s3_event import Address

_FLOW: Final = "whether its logs flow"
_KEYS: Final = ("NotificationBucketCustomerManagedKMSarn", "LambdaEnvKMSarn")
# What the checks below read, and what the events are made from.
FACTS: Final = frozenset({
    "identity", "stacks", "functions", "listed", "function", "notification", "topic", "unwired_policy", "bucket_region",
    "encryption", "keys", "policy", "flow", "invocation", "artifact",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What the checks say of a forwarder: what stops a backfill, and what a person should know."""

    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...]


def judged(forwarder: Forwarder, estate: Estate) -> Judged:
    """Why a forwarder is not called again, and what is not known of it."""
    if not has_s3_trigger(forwarder, estate):
        no_bucket = Obstacle("no bucket calls it", "a log group's events cannot be sent again: they are no objects")
        return Judged((no_bucket,), ())
    gone = _gone(forwarder)
    if gone:
        return Judged((gone,), ())
    obstacles: list[Obstacle] = []
    notes: list[str] = []
    for name, ask, must_be_known in _questions(forwarder, estate):
        try:
            ask()
        except Finding as finding:
            obstacles.append(Obstacle(f"{name}: found {finding.found}", _to_do(name, finding.remedy)))
        except CannotTell as answer:
            if must_be_known:
                obstacles.append(Obstacle(f"{name} cannot be told: {answer.msg}", "grant the permission, run again"))
            else:
                notes.append(f"{name} cannot be told: {answer.msg}")
        except NoEvidence:
            continue  # a bucket that was quiet lately is what is to be expected of one whose trigger was broken
    return Judged(tuple(dict.fromkeys(obstacles)), tuple(notes))


def _to_do(name: str, remedy: str) -> str:
    if name == _FLOW:  # the first event goes alone all the same
        return f"{remedy}; if the cause is gone, give --log-window=15m or so, that older lines do not count"
    return f"{remedy}, or run --fix first" if remedy else "run --fix first"


def _gone(forwarder: Forwarder) -> Obstacle | None:
    for fact in (forwarder.listed, forwarder.function):
        if isinstance(fact, Absent):
            return Obstacle(f"{fact}", "deploy it again from the vendor's template, then run again")
        if isinstance(fact, Unreadable):
            return Obstacle(f"its function cannot be read ({fact})", "grant the permission, run again")
    return None


def _questions(forwarder: Forwarder, estate: Estate) -> Iterator[tuple[str, Callable[[], None], bool]]:
    """Each check with its name for people, and whether a backfill needs its answer."""

    def silent(_note: str) -> None:
        """A note on a passed check is for audits."""

    yield "its runtime", lambda: test_runs_on_a_custom_runtime(forwarder), True
    yield "whether it is ready", lambda: test_function_is_ready(forwarder), True
    yield "whether it may run", lambda: test_function_may_run(forwarder), True
    yield "its trigger", lambda: test_new_objects_reach_the_forwarder(forwarder, estate, silent), False
    if any(forwarder.stack.parameters.get(name) for name in _KEYS):
        yield "its keys", lambda: test_named_keys_let_the_function_decrypt(forwarder, estate), False
    yield "the bucket's key", lambda: test_a_customer_key_of_the_bucket_is_named(forwarder, estate, silent), False
    yield _FLOW, lambda: test_logs_flow(forwarder, silent), False


def address_of(forwarder: Forwarder, function: Function, estate: Estate) -> Address:
    """Where its events come from: its bucket, through a topic where only that reaches it."""
    bucket = estate.bucket_of(forwarder)
    topic = None
    try:
        ways = ways_in(forwarder, estate)
        topic = ways.through[0].arn if ways.through else None
    except (Finding, CannotTell):
        topic = forwarder.topic_arn
    return Address(
        bucket=forwarder.bucket_name or "",
        owner=bucket.owner if bucket else forwarder.target.account,
        region=(value(bucket.region) if bucket else None) or forwarder.target.region,
        partition=partition_of(function.arn),
        topic=topic,
    )
