import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from fixtures import calendar
from fixtures.calendar import Calendar, Lifecycle, Phase, is_custom_runtime, is_migrated, load_calendar

TABLE = Calendar(
    "a table",
    date(2026, 8, 22),
    {
        "go1.x": Lifecycle(date(2024, 1, 8), date(2024, 2, 8), date(2027, 3, 3)),
        "open": Lifecycle(None, None, None),
        "half": Lifecycle(date(2026, 11, 10), None, None),
    },
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    load_calendar.cache_clear()
    yield
    load_calendar.cache_clear()


@pytest.mark.parametrize(
    ("runtime", "today", "phase", "days"),
    [
        ("go1.x", date(2024, 1, 7), Phase.SUPPORTED, 1151),
        ("go1.x", date(2024, 1, 8), Phase.DEPRECATED, 1150),
        ("go1.x", date(2024, 2, 8), Phase.CREATE_BLOCKED, 1119),
        ("go1.x", date(2027, 3, 2), Phase.CREATE_BLOCKED, 1),
        ("go1.x", date(2027, 3, 3), Phase.UPDATE_BLOCKED, 0),
        ("go1.x", date(2027, 3, 4), Phase.UPDATE_BLOCKED, -1),
        ("open", date(2027, 3, 4), Phase.SUPPORTED, None),
        ("half", date(2027, 3, 4), Phase.DEPRECATED, None),
        ("custom", date(2024, 1, 1), Phase.UNKNOWN, None),
        ("", date(2024, 1, 1), Phase.UNKNOWN, None),
        (None, date(2024, 1, 1), Phase.UNKNOWN, None),
    ],
)
def test_a_runtime_s_phase_follows_its_dates(runtime: str | None, today: date, phase: Phase, days: int | None) -> None:
    assert TABLE.phase(runtime, today) is phase
    assert TABLE.days_until_update_block(runtime, today) == days


@pytest.mark.parametrize(
    ("runtime", "custom", "migrated"),
    [
        ("provided", True, False),
        ("provided.al2", True, True),
        ("provided.al2023", True, True),
        ("provided.al2030", True, True),
        ("provided.al1", True, False),
        ("provided.al2x", False, False),
        ("provided.", False, False),
        ("go1.x", False, False),
        ("python3.13", False, False),
        ("custom", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_the_vendor_s_runtime_or_a_better_one_counts_as_migrated(
    runtime: str | None, custom: bool, migrated: bool
) -> None:
    assert is_custom_runtime(runtime) is custom
    assert is_migrated(runtime) is migrated


def test_the_installed_cfn_lint_is_asked_first() -> None:
    loaded = load_calendar()
    assert "cfn-lint" in loaded.source
    assert loaded.lookup("python3.8") is not None
    assert str(loaded).endswith("(as of 2026-06-02)")


def test_the_shipped_table_and_the_one_it_was_written_from_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    if calendar.cfn_lint_version() != "1.58.0":
        pytest.skip("the dates are AWS's to move; compared only with the version they were taken from")
    installed = load_calendar()
    load_calendar.cache_clear()
    monkeypatch.setattr(calendar, "cfn_lint_version", lambda: None)
    shipped = load_calendar()
    assert shipped.as_of == date(2026, 8, 22)
    assert set(shipped.runtimes) == {"go1.x", "provided", "provided.al2", "provided.al2023"}
    assert all(installed.lookup(runtime) == lifecycle for runtime, lifecycle in shipped.runtimes.items())


@pytest.mark.parametrize("version", ["1.57.9", "0.99.0", "1.9.1"])
def test_an_older_cfn_lint_is_not_believed(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(calendar, "cfn_lint_version", lambda: version)
    assert load_calendar().as_of == date(2026, 8, 22)


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "{}", '{"go1.x": {}}', '{"go1.x": null}', '{"go1.x": {"deprecated": "soon"}}']
)
def test_a_cfn_lint_whose_table_is_not_what_it_was_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    package = tmp_path / "cfnlint"
    (package / "data" / "AdditionalSpecs").mkdir(parents=True)
    if content is not None:
        (package / "data" / "AdditionalSpecs" / "LmbdRuntimeLifecycle.json").write_text(content)

    class Spec:
        submodule_search_locations = (str(package),)

    monkeypatch.setattr(calendar, "find_spec", lambda _: Spec)
    assert load_calendar().as_of == date(2026, 8, 22)


def test_a_newer_cfn_lint_moves_the_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "AdditionalSpecs").mkdir(parents=True)
    moved = {
        "go1.x": {"deprecated": "2024-01-08", "create-block": None, "update-block": "2028-01-01", "successor": None}
    }
    (tmp_path / "data" / "AdditionalSpecs" / "LmbdRuntimeLifecycle.json").write_text(json.dumps(moved))

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(calendar, "find_spec", lambda _: Spec)
    monkeypatch.setattr(calendar, "cfn_lint_version", lambda: "1.60.0")
    assert load_calendar().phase("go1.x", date(2027, 12, 31)) is Phase.DEPRECATED
    assert load_calendar().phase("provided.al2", date(2027, 1, 1)) is Phase.UNKNOWN


def test_a_missing_cfn_lint_leaves_the_shipped_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "find_spec", lambda _: None)
    assert load_calendar().phase("go1.x", date(2026, 11, 24)) is Phase.CREATE_BLOCKED
