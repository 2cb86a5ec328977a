"""Which objects are a forwarder's to deliver, by its bucket's rules, and what it leaves behind when it does. Pure."""

from dataclasses import dataclass
from datetime import datetime

from checks.wiring import covers_every_creation, deliveries, former_filters
from fixtures.estate import Estate, Forwarder
from fixtures.fact import Absent, Unreadable, value
from fixtures.ledger.logged_object import KeyFilter

_DIGESTS = "/CloudTrail-Digest/"  # CloudTrail User Guide, "CloudTrail digest file structure"
_PACKAGE = "taegis-lambda-amd64.zip"  # the vendor's name of what the function is made of
_NO_SUBJECT = "it names no bucket: nothing in S3 calls it"


@dataclass(frozen=True, slots=True)
class LedgerScope:
    """What a ledger of one forwarder is about.

    Attributes:
        bucket: its bucket, `owner` the account that it belongs to, `region` where it is.
        filters: prefix and suffix of the rules that call it, or called it; every key where no rule says.
        function: the name of its function, None where the listing does not show it.
        log_group: where it logs.
        tags: whether EnableObjectTagging is on, `tags_since` since when that is certain: the stack's last update.
        dead_letters: ARN of its dead-letter queue or topic, None for none.
        notes: what of this is not certain, one sentence each.
    """

    bucket: str
    owner: str
    region: str
    filters: tuple[KeyFilter, ...]
    function: str | None
    log_group: str | None
    tags: bool
    tags_since: datetime | None
    dead_letters: str | None
    notes: tuple[str, ...]


def ledger_scope(forwarder: Forwarder, estate: Estate) -> LedgerScope | str:
    """The scope of a forwarder's ledger; why there is none, in one line, where there can be none."""
    bucket = estate.bucket_of(forwarder)
    if forwarder.bucket_name is None or bucket is None:
        return _NO_SUBJECT
    if isinstance(bucket.notification, Absent):
        return str(bucket.notification)
    function = value(forwarder.listed)
    filters, notes = _filters(forwarder, estate)
    if function is None:
        notes += (f"its function is not there or not shown ({forwarder.listed}): what called it is not known",)
    return LedgerScope(
        bucket=bucket.name,
        owner=bucket.owner,
        region=value(bucket.region) or forwarder.target.region,
        filters=filters,
        function=function.name if function else None,
        log_group=function.log_group if function else None,
        tags=is_tagging(forwarder),
        tags_since=forwarder.stack.changed if is_tagging(forwarder) else None,
        dead_letters=function.dead_letter_arn if function else None,
        notes=notes,
    )


def is_tagging(forwarder: Forwarder) -> bool:
    """Whether the forwarder tags what it has delivered, by its stack's parameter (the vendor's page on tagging)."""
    return forwarder.stack.parameters.get("EnableObjectTagging", "").casefold() == "true"


def _filters(forwarder: Forwarder, estate: Estate) -> tuple[tuple[KeyFilter, ...], tuple[str, ...]]:
    bucket = estate.bucket_of(forwarder)
    every = (KeyFilter(),)
    if bucket is None or isinstance(bucket.notification, Absent | Unreadable):
        why = bucket.notification if bucket else "it is not known"
        return every, (f"the notification document could not be read ({why}): every object of the bucket counts",)
    ways = deliveries(bucket.notification, [forwarder], estate)
    if not ways:
        former = tuple(KeyFilter(*found) for found in former_filters(forwarder, bucket.notification))
        told = "every object of the bucket counts" if former == every else "those of its former rule count"
        return former, (f"no rule of the bucket calls it now: {told}",)
    notes: tuple[str, ...] = ()
    if not covers_every_creation(way.rule for way in ways):
        events = ", ".join(sorted({event for way in ways for event in way.rule.events}))
        notes = (f"its rules fire for {events} only: how an object was made is in no listing, so all of them count",)
    return tuple(dict.fromkeys(KeyFilter(way.rule.prefix, way.rule.suffix) for way in ways)), notes


def left_out(key: str, size: int, own: frozenset[str]) -> str:
    """Why an object under a forwarder's rule is none of logs; empty where it is one. `own` are keys of this suite."""
    if key.endswith("/") and size == 0:
        return "folder marker"
    if _DIGESTS in f"/{key}":
        return "CloudTrail digest"
    if key in own or key.rpartition("/")[2] == _PACKAGE:
        return "package or lock of the forwarders themselves"
    return ""
