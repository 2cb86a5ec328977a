"""What a backfill leaves for the one that resumes it: the command's words, and how it sends."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.errors import InputError
from fixtures.whole_file import write_whole
from remediation.backfill.earlier import RECORD
from remediation.backfill.pace import parse_budget
from remediation.backfill.request import BackfillRequest


class BackfillRecord(BaseModel):
    """A run's own. No secrets; an external id is none, and AWS wants it again.

    `arguments` are an audit's options as they were given: paths in them count from the folder that the run stands in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["taegis-forwarders backfill"] = "taegis-forwarders backfill"
    version: Literal[1] = 1
    arguments: tuple[str, ...]
    dead_letters: bool
    error_budget: str
    rate: float | None

    @classmethod
    def of(cls, request: BackfillRequest, arguments: Sequence[str]) -> Self:
        """What is kept of a request."""
        budget = f"{request.budget.number:g}{'%' if request.budget.percent else ''}"
        return cls(
            arguments=tuple(arguments), dead_letters=request.dead_letters, error_budget=budget, rate=request.rate
        )

    def applied_to(self, request: BackfillRequest) -> BackfillRequest:
        """A request to go on with the run: what it sends, and how, is the run's."""
        return replace(
            request,
            dead_letters=self.dead_letters,
            budget=parse_budget(self.error_budget),
            rate=request.rate or self.rate,
        )


def write_record(folder: Path, record: BackfillRecord) -> None:
    """Keep it in the run's folder."""
    write_whole(folder / RECORD, (record.model_dump_json(indent=2), "\n"))


def read_record(folder: Path) -> BackfillRecord:
    """What the run in `folder` was asked for.

    Raises:
        InputError: there is none, or it is not a backfill's.
    """
    path = folder / RECORD
    try:
        return BackfillRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"run {folder.name}", f"no backfill ({why})", "name the run of a backfill") from None
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise InputError(f"run {folder.name}", f"{path.name} is no record ({where})", "name another run") from None
