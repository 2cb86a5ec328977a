"""A sandbox of a wanted size: every forwarder is plain, can be fixed, and stands where it was counted."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.sandbox import Outcome, Sandbox, SandboxSpec, run_sandbox_command, start_sandbox
from fixtures.sandbox.cases import defects_of
from fixtures.sandbox.demo import CHECK_OF, main, subject_of
from fixtures.sandbox.fleet import LARGEST, fleet_rows, rows_of
from tests.sandbox_engine import Engine
from tests.suite_runs import independently

ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("us-east-1", "eu-west-1")
SIZE = 10


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS, size=SIZE), tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.mark.parametrize(("accounts", "regions"), [(1, 1), (2, 2), (2, 1), (1, 2)])
def test_forwarders_are_spread_evenly_and_named_once(accounts: int, regions: int) -> None:
    rows = fleet_rows(ACCOUNTS[:accounts], REGIONS[:regions], 200)
    assert len({row.case.name for row in rows}) == len({row.bucket for row in rows}) == 200
    places = Counter((row.account, row.region) for row in rows)
    assert set(places.values()) == {200 // (accounts * regions)}
    kinds = Counter((row.account, row.region, row.case.integration) for row in rows)
    assert len(kinds) == 5 * accounts * regions


def test_all_of_a_fleet_can_be_fixed_and_the_largest_has_names_that_aws_allows() -> None:
    rows = fleet_rows(ACCOUNTS, ("ap-southeast-1",), LARGEST)
    assert {row.case.outcome for row in rows} == {Outcome.FIXED}
    assert max(len(row.case.function_name) for row in rows) <= 64
    assert max(len(row.bucket) for row in rows) <= 63


def test_without_a_size_it_is_the_legacy_estate_with_its_defects() -> None:
    outcomes = {row.case.outcome for row in rows_of(ACCOUNTS, REGIONS, None)}
    assert outcomes == set(Outcome)


def test_a_place_without_a_forwarder_lacks_nothing() -> None:
    defects = defects_of(fleet_rows(ACCOUNTS, REGIONS, 1), REGIONS)
    assert {(defect.account, defect.region) for defect in defects} == {(ACCOUNTS[0], REGIONS[0])}


def test_the_seeded_fleet_is_what_was_counted(fleet: Sandbox) -> None:
    seen = independently(fleet)
    rows = fleet_rows(ACCOUNTS, REGIONS, SIZE)
    for (account, region), place in seen.items():
        here = [row for row in rows if (row.account, row.region) == (account, region)]
        assert {one["FunctionName"]: one["Runtime"] for one in place["functions"]} == {
            row.case.function_name: "go1.x" for row in here
        }
        assert {row.bucket for row in here} <= set(place["documents"])
    assert sum(len(place["functions"]) for place in seen.values()) == SIZE


def test_each_of_the_fleet_was_called_once(fleet: Sandbox) -> None:
    assert Counter(one.forwarder for one in fleet.sent()) == Counter(
        row.case.name for row in fleet_rows(ACCOUNTS, REGIONS, SIZE)
    )
    clients = Engine(fleet._engine).clients
    for row in fleet_rows(ACCOUNTS, REGIONS, SIZE):
        place = clients.at(row.account, row.region)
        lines = place.call("logs", "filter_log_events", logGroupName=f"/aws/lambda/{row.case.function_name}")["events"]
        assert sum(one["message"].startswith("REPORT ") for one in lines) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [0, -1, LARGEST + 1])
def test_what_is_no_size_is_refused_before_anything_starts(tmp_path: Path, size: int) -> None:
    with pytest.raises(InputError, match=rf"sandbox size {size}: not a size; give a number of forwarders from 1 to"):
        start_sandbox(SandboxSpec(size=size), tmp_path / "sandbox")
    assert not (tmp_path / "sandbox").exists()


@pytest.mark.parametrize(("words", "said"), [
    (["--size=0"], "sandbox size 0: not a size"),
    (["--size=many"], "argument --size: invalid int value: 'many'"),
])  # fmt: skip
def test_the_command_takes_a_size(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sandbox_command(words) == 4
    assert said in capsys.readouterr().err


def test_the_judge_knows_a_fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"check": CHECK_OF[defect.wrong], "subject": subject_of(defect), "status": "FIXED"}
        | dict.fromkeys(("found", "reason", "remedy", "fix"), "")
        for defect in defects_of(fleet_rows(ACCOUNTS, REGIONS, SIZE), REGIONS)
    ]
    results = tmp_path / "results.jsonl"
    results.write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    assert main([str(results), f"--size={SIZE}"]) == 0
    assert main([str(results), f"--size={SIZE + 1}"]) == 1
    assert main([str(results), "--size=0"]) == 4
    assert "sandbox size 0" in capsys.readouterr().err
