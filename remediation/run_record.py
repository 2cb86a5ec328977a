"""What a run was asked for, kept in its folder, so that resuming or undoing it needs nothing but its id."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.errors import InputError
from fixtures.options import Options
from fixtures.run_folder import write_private

FILE = "run.json"


class RunRecord(BaseModel):
    """The options of a `--fix` run that decide where it looks and what it may do. No secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["taegis-forwarders run"] = "taegis-forwarders run"
    version: Literal[1] = 1
    regions: tuple[str, ...]
    accounts: tuple[str, ...]
    forwarders: tuple[str, ...]
    role: str | None
    external_id: str | None
    fix_role: str | None
    release: Path | None
    settings: Path | None
    allow: frozenset[str]
    rotate_credentials: bool

    def applied_to(self, options: Options) -> Options:
        """`options` with everything that the user did not say again taken from the earlier run."""
        return replace(
            options,
            regions=options.regions or self.regions,
            accounts=options.accounts or self.accounts,
            forwarders=options.forwarders or self.forwarders,
            role=options.role or self.role,
            external_id=options.external_id or self.external_id,
            fix_role=options.fix_role or self.fix_role,
            release=options.release or self.release,
            settings=options.settings or self.settings,
            allow=options.allow or self.allow,
            rotate_credentials=options.rotate_credentials or self.rotate_credentials,
        )


def write_record(options: Options, folder: Path) -> None:
    """Keep what was asked for; paths as absolute ones."""
    record = RunRecord(
        regions=options.regions,
        accounts=options.accounts,
        forwarders=options.forwarders,
        role=options.role,
        external_id=options.external_id,
        fix_role=options.fix_role,
        release=options.release.resolve() if options.release else None,
        settings=options.settings.resolve() if options.settings else None,
        allow=options.allow,
        rotate_credentials=options.rotate_credentials,
    )
    write_private(folder / FILE, record.model_dump_json(indent=2) + "\n")


def read_record(folder: Path) -> RunRecord:
    """What the run in `folder` was asked for.

    Raises:
        InputError: it cannot be read, or is of another version.
    """
    path = folder / FILE
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"run {folder.name}", str(error), "name a run of this suite") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InputError(
            f"run {folder.name}", f"{path.name} is not a run's record ({where})", "name another run"
        ) from None
