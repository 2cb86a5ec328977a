"""Keeps in the run's folder what became of its deliveries: one JSON object a line (docs/notification.md)."""

import json
from collections.abc import Iterator
from typing import Final

from reports.delivery.outcome import Delivered

SCHEMA: Final = 1
FILE: Final = "deliveries.jsonl"


def delivery_records(delivered: Delivered, run: str) -> Iterator[str]:
    """A line for each message, one for nobody, one for Security Hub."""
    head = {"schema": SCHEMA, "run": run}
    lines: list[dict[str, object]] = [
        {"to": message.to, "sent": not message.trouble, "why": message.trouble} for message in delivered.messages
    ]
    if delivered.quiet:
        lines.append({"to": "", "sent": False, "why": delivered.quiet})
    if delivered.hub:
        hub = delivered.hub
        lines.append(
            {
                "to": "security hub", "sent": not hub.troubles, "imported": hub.imported, "archived": hub.archived,
                "suppressed": hub.suppressed, "reopened": hub.reopened, "left_out": hub.placeless,
                "why": [{"cause": trouble.cause, "where": list(trouble.where)} for trouble in hub.troubles],
            }
        )  # fmt: skip
    return (f"{json.dumps({**head, **line}, ensure_ascii=False)}\n" for line in lines)
