"""What a backfill needs of IAM beside an audit: the policy for its role is made from this (`policy backfill`)."""

from typing import Final

from remediation import consent, lock
from remediation.backfill import dead_letters, lane, listing, metric_watch, part, sendable, watch
from remediation.policy import ALWAYS, Need

LETTERS: Final = "dead-letters"
BACKFILL_NEEDS: Final = (
    Need("consent", consent.ACTIONS, ALWAYS),
    Need("lock", lock.ACTIONS, ALWAYS),
    Need("backfill.lane", lane.ACTIONS, ALWAYS),
    Need("backfill.listing", listing.ACTIONS, ALWAYS),
    Need("backfill.metric_watch", metric_watch.ACTIONS, ALWAYS),
    Need("backfill.part", part.ACTIONS, ALWAYS),
    Need("backfill.sendable", sendable.ACTIONS, ALWAYS),
    Need("backfill.watch", watch.ACTIONS, ALWAYS),
    Need("backfill.dead_letters", dead_letters.ACTIONS, LETTERS),
)
