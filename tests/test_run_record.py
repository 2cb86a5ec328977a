"""What run.json keeps of the accounts of a run, so that it is resumed or undone by its id alone."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures.accounts import AccountsFile, Organization, Tag
from fixtures.options import Options
from remediation.run_record import FILE, read_record, write_record
from tests.some_options import some_options

ONE, TWO = "111122223333", "444455556666"
UNIT = "ou-abcd-11111111"


def again(asked: Options, folder: Path, **said_again: object) -> Options:
    write_record(asked, folder, ())
    return read_record(folder).resumed(some_options(resume="RUN", **said_again))


def test_ids_are_kept(tmp_path: Path) -> None:
    options = again(some_options(accounts=(ONE, TWO)), tmp_path)
    assert (options.accounts, options.accounts_from) == ((ONE, TWO), None)


@pytest.mark.parametrize(
    "source",
    [Organization(), Organization(UNIT), Organization(UNIT, Tag("env", "a:b=c")), Organization(None, Tag("e", ""))],
)
def test_an_organization_is_asked_again(source: Organization, tmp_path: Path) -> None:
    assert again(some_options(accounts_from=source), tmp_path).accounts_from == source


def test_a_file_is_read_again_from_wherever_the_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = some_options(accounts_from=AccountsFile(Path("fleet.toml"), Tag("wave", "1")), accounts=(ONE, TWO))
    options = again(asked, tmp_path)
    assert options.accounts_from == AccountsFile(tmp_path / "fleet.toml", Tag("wave", "1"))
    assert options.accounts == ()


SAID_AGAIN: Mapping[str, dict[str, object]] = {
    "ids": {"accounts": (TWO,)},
    "file": {"accounts_from": AccountsFile(Path("other.toml"))},
    "organization": {"accounts_from": Organization()},
}


@pytest.mark.parametrize("name", SAID_AGAIN)
@pytest.mark.parametrize(
    "before", [{"accounts": (ONE,)}, {"accounts_from": Organization(UNIT)}], ids=["ids-before", "organization-before"]
)
def test_what_is_said_again_replaces_all_of_it(name: str, before: dict[str, object], tmp_path: Path) -> None:
    options = again(some_options(**before), tmp_path, **SAID_AGAIN[name])
    expected = {"accounts": (), "accounts_from": None, **SAID_AGAIN[name]}
    assert {field: getattr(options, field) for field in expected} == expected


def test_a_record_from_before_there_were_files_is_still_read(tmp_path: Path) -> None:
    write_record(some_options(accounts=(ONE,)), tmp_path, ())
    content = json.loads(tmp_path.joinpath(FILE).read_text(encoding="utf-8"))
    del content["accounts_from"]
    tmp_path.joinpath(FILE).write_text(json.dumps(content), encoding="utf-8")
    assert read_record(tmp_path).accounts == (ONE,)
