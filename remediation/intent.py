"""How a run wants to fix, from its options."""

from datetime import date

from fixtures.aws import Clients
from fixtures.options import Options
from remediation.approval import ApprovedPlan
from remediation.context import Intent
from remediation.steps.event import read_payload


def intent_of(options: Options, run: str, clients: Clients, approved: ApprovedPlan | None, today: date) -> Intent:
    """The intent of one attempt, which is called `run`.

    Raises:
        InputError: the file of the test event cannot be read.
    """
    return Intent(
        run=run,
        allow=options.allow,
        rotate=options.rotate_credentials,
        test_event=options.send_test_event,
        payload=read_payload(options.test_event),
        limit=options.fix_limit,
        approved_shapes=approved.shapes if approved else frozenset(),
        showing=options.plan,
        url_suffix=clients.url_suffix,
        partition=clients.partition,
        today=today,
    )
