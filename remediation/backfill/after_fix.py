"""What a fix left open, as its ledger says: for each forwarder the span of its outage and of the change."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.errors import InputError
from fixtures.estate import Target
from fixtures.ledger.span import Span
from fixtures.run_folder import ROOT
from remediation.cutover_ledger import FILE

OPTION = "--after-fix"


class _Open(BaseModel):
    model_config = ConfigDict(frozen=True)
    open: int


class _Row(BaseModel):
    """One forwarder of a run's ledger (`remediation.cutover_ledger.CutoverLedger.facts`), as far as it matters here."""

    model_config = ConfigDict(frozen=True)
    account: str
    region: str
    forwarder: str
    begun: datetime
    ended: datetime
    outage_since: datetime | None
    meanwhile: _Open
    before: _Open
    complete: bool

    @property
    def is_open(self) -> bool:
        """Whether something arrived that is not proved to be delivered, or may have."""
        return bool(self.meanwhile.open or self.before.open or not self.complete)


def spans_after(run: str) -> Mapping[tuple[Target, str], Span]:
    """The spans of the forwarders with open objects; there is at least one.

    Raises:
        InputError: there is no such fix below the user's folder, it is no ledger of ours, or nothing is open.
    """
    path = _ledger(run)
    try:
        with path.open(encoding="utf-8") as lines:
            rows = [_Row.model_validate(row) for row in map(json.loads, lines) if row["kind"] == "forwarder"]
    except (OSError, ValueError, LookupError, TypeError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a run's ledger"
        raise InputError(f"{OPTION}={run}", f"{path}: {why}", "name another run, or give --since") from None
    found = {
        (Target(row.account, row.region), row.forwarder): Span(row.outage_since or row.begun, row.ended)
        for row in rows
        if row.is_open
    }
    if not found:
        raise InputError(f"{OPTION}={run}", "its ledger leaves nothing open", "there is nothing to send")
    return found


def _ledger(run: str) -> Path:
    for folder in (ROOT / run, Path(run)):
        if (folder / FILE).is_file():
            return folder / FILE
    raise InputError(f"{OPTION}={run}", f"no fix with a ledger below {ROOT}", "give its id, or the path of its folder")
