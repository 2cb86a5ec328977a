"""What a run was asked for, kept in its folder, so that resuming or undoing it needs nothing but its id."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fixtures.accounts import AccountsFile, Source, parse_source
from fixtures.errors import InputError
from fixtures.option_values import RingSize
from fixtures.options import Options
from fixtures.settings import DEFAULT_FILE
from fixtures.whole_file import write_whole

FILE = "run.json"


class RunRecord(BaseModel):
    """The options of a `--fix` run that decide where it looks, what it judges and what it may do. No secrets.

    `tests` are the node ids of the checks that were asked, whether by `-k`, `-m`, `--lf` or by name: a resumed run
    mends nothing that the run did not ask for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["taegis-forwarders run"] = "taegis-forwarders run"
    version: Literal[1] = 1
    regions: tuple[str, ...]
    accounts: tuple[str, ...]
    accounts_from: str | None = None
    forwarders: tuple[str, ...]
    checks: tuple[str, ...]
    tests: tuple[str, ...]
    role: str | None
    external_id: str | None
    fix_role: str | None
    release: Path | None
    settings: Path | None
    waivers: Path | None = None
    allow: frozenset[str]
    fix_limit: int
    rings: tuple[RingSize, ...]
    approved: Path | None
    rotate_credentials: bool
    send_test_event: bool
    test_event: Path | None
    log_window: timedelta
    proof_timeout: timedelta

    def applied_to(self, options: Options) -> Options:
        """`options` with where to look and what may be done taken from the earlier run, unless they are said again.

        A file or an organization is read again: its accounts may have other roles by now.
        """
        said_again = options.accounts or options.accounts_from
        return replace(
            options,
            regions=options.regions or self.regions,
            accounts=options.accounts if said_again else self.accounts,
            accounts_from=options.accounts_from if said_again else parse_source(self.accounts_from),
            forwarders=options.forwarders or self.forwarders,
            role=options.role or self.role,
            external_id=options.external_id or self.external_id,
            fix_role=options.fix_role or self.fix_role,
            release=options.release or self.release,
            settings=options.settings or self.settings,
            waivers=options.waivers or self.waivers,
            allow=options.allow or self.allow,
            rotate_credentials=options.rotate_credentials or self.rotate_credentials,
        )

    def undone(self, options: Options) -> Options:
        """`options` for undoing the run: that needs no release, so that one that is gone is left out."""
        applied = self.applied_to(options)
        gone = applied.release is not None and options.release is None and not applied.release.is_dir()
        return replace(applied, release=None) if gone else applied

    def resumed(self, options: Options) -> Options:
        """`options` for going on with the run: rings, limits and the approved plan are the run's, whatever is said."""
        return replace(
            self.applied_to(options),
            fix=True,
            checks=self.checks,
            fix_limit=self.fix_limit,
            rings=self.rings,
            approved=self.approved,
            send_test_event=self.send_test_event,
            test_event=self.test_event,
            log_window=self.log_window,
            proof_timeout=self.proof_timeout,
        )


def write_record(options: Options, folder: Path, tests: Iterable[str]) -> None:
    """Keep what was asked for; paths as absolute ones, so that it does not matter where the run is resumed."""
    settings = options.settings or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    record = RunRecord(
        regions=options.regions,
        accounts=() if options.accounts_from else options.accounts,
        accounts_from=_source(options.accounts_from),
        forwarders=options.forwarders,
        checks=options.checks,
        tests=tuple(tests),
        role=options.role,
        external_id=options.external_id,
        fix_role=options.fix_role,
        release=_absolute(options.release),
        settings=_absolute(settings),
        waivers=_absolute(options.waivers),
        allow=options.allow,
        fix_limit=options.fix_limit,
        rings=options.rings,
        approved=_absolute(options.approved),
        rotate_credentials=options.rotate_credentials,
        send_test_event=options.send_test_event,
        test_event=_absolute(options.test_event),
        log_window=options.log_window,
        proof_timeout=options.proof_timeout,
    )
    write_whole(folder / FILE, (record.model_dump_json(indent=2), "\n"))


def _source(source: Source | None) -> str | None:
    if isinstance(source, AccountsFile):
        source = replace(source, path=source.path.resolve())
    return str(source) if source else None


def _absolute(path: Path | None) -> Path | None:
    return path.resolve() if path else None


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
