"""The parts of a pack, one module each, in the order in which a reader wants them.

A new part is one module with one function that gives files or says why there are none, and one line in `PARTS`.
"""

from reports.evidence.parts.approvals import approvals
from reports.evidence.parts.change_sets import change_sets
from reports.evidence.parts.deliveries import deliveries
from reports.evidence.parts.flow import flow
from reports.evidence.parts.journal import journal
from reports.evidence.parts.ledger import ledger
from reports.evidence.parts.notifications import notifications
from reports.evidence.parts.plan import plan
from reports.evidence.parts.policies import policies
from reports.evidence.parts.release import release
from reports.evidence.parts.results import results
from reports.evidence.parts.run import run
from reports.evidence.parts.shards import shards
from reports.evidence.parts.snapshots import snapshots
from reports.evidence.piece import Part

PARTS = (
    Part("results", results),
    Part("plan", plan),
    Part("approvals", approvals),
    Part("change-sets", change_sets),
    Part("notifications", notifications),
    Part("flow", flow),
    Part("ledger", ledger),
    Part("journal", journal),
    Part("snapshots", snapshots),
    Part("policies", policies),
    Part("release", release),
    Part("run", run),
    Part("shards", shards),
    Part("deliveries", deliveries),
)
