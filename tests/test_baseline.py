"""The expected inventory: what is read, what is refused, and the verb that writes it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fixtures.baseline import baseline_text, read_baseline
from fixtures.errors import InputError
from fixtures.estate import Estate, Seen, Target
from fixtures.snapshot import write_snapshot
from fixtures.state import ESTATE, OPTIONS
from reports.baseline_command import DEFAULT_OUTPUT, _Inventory
from reports.command import ROOT
from tests.estates import HERE, OTHER_ACCOUNT, a_forwarder, a_seen, an_estate, an_unreached, denied
from tests.some_options import parsed, some_options

THERE = Target(OTHER_ACCOUNT, "eu-west-1")
ENTRY = '[[forwarder]]\naccount = "111122223333"\nregion = "us-east-1"\nname = "waf"\n'


def two_forwarders() -> Estate:
    return an_estate(a_forwarder("waf", THERE), a_forwarder("cloudtrail"))


class TestFile:
    def test_what_was_written_is_what_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "baseline.toml"
        path.write_text(baseline_text(two_forwarders()), encoding="utf-8")
        assert read_baseline(path) == ((HERE, "cloudtrail"), (THERE, "waf"))

    def test_the_text_is_sorted_and_says_when_it_was_written(self) -> None:
        lines = baseline_text(two_forwarders()).splitlines()
        assert "2026-11-24 04:15 UTC" in lines[1]
        assert [line for line in lines if line.startswith("name")] == ['name = "cloudtrail"', 'name = "waf"']

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "it names no forwarder; write it with: taegis-forwarders baseline"),
            ("[[forwarder]", "not TOML: "),
            ("forwarders = []", "forwarders: Extra inputs are not permitted"),
            (ENTRY + 'owner = "me"\n', "forwarder.0.owner: Extra inputs are not permitted"),
            ('[[forwarder]]\naccount = "111122223333"\nname = "waf"\n', "forwarder.0.region: Field required"),
            (ENTRY.replace("111122223333", "11112222333"), "forwarder.0.account: "),
            (ENTRY.replace('"111122223333"', "111122223333"), "forwarder.0.account: "),
            (ENTRY.replace("us-east-1", "useast"), "forwarder.0.region: "),
            (ENTRY.replace('"waf"', '"w a f"'), "forwarder.0.name: "),
            (ENTRY + ENTRY, "111122223333/us-east-1/waf stands in it twice; remove one of the two"),
        ],
        ids=str.strip,
    )
    def test_a_bad_file_gets_one_line(self, text: str, expected: str, tmp_path: Path) -> None:
        path = tmp_path / "baseline.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_baseline(path)
        assert str(caught.value).startswith(f"baseline {path}: ")
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No such file"):
            read_baseline(tmp_path / "baseline.toml")


class Asked:
    """What the verb gets to know of a run: its options and what was observed."""

    def __init__(self, estate: Estate | None = None, **given: object) -> None:
        self.given = {"output": DEFAULT_OUTPUT, "force": False, "partial": False, **given}
        self.stash = pytest.Stash()
        self.stash[OPTIONS] = some_options(regions=("us-east-1",))
        if estate:
            self.stash[ESTATE] = estate

    def getoption(self, name: str) -> object:
        return self.given[name]


def written(estate: Estate, **given: object) -> int:
    """The exit code of the verb for an estate."""
    inventory, asked = _Inventory(), cast("pytest.Config", Asked(estate, **given))
    inventory.pytest_configure(asked)
    inventory.pytest_forwarders_observed(asked)
    session = SimpleNamespace(exitstatus=pytest.ExitCode.NO_TESTS_COLLECTED)
    inventory.pytest_sessionfinish(cast("pytest.Session", session))
    return int(session.exitstatus)


class TestInventory:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_it_prints_where_it_is_told_to(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert written(two_forwarders(), output="-") == 0
        assert capsys.readouterr().out == baseline_text(two_forwarders())
        assert list(folder.iterdir()) == []

    def test_a_file_that_is_there_is_not_written_over(self, folder: Path) -> None:
        (folder / "baseline.toml").write_text(ENTRY, encoding="utf-8")
        with pytest.raises(pytest.UsageError, match=r"it is there already; .* or add --force"):
            written(two_forwarders())
        assert (folder / "baseline.toml").read_text(encoding="utf-8") == ENTRY

    def test_a_file_that_is_there_is_written_over_by_force(self, folder: Path) -> None:
        (folder / "baseline.toml").write_text(ENTRY, encoding="utf-8")
        assert written(two_forwarders(), force=True) == 0
        assert (folder / "baseline.toml").read_text(encoding="utf-8") == baseline_text(two_forwarders())

    @pytest.mark.parametrize(
        "unlisted",
        [
            an_unreached(THERE),
            a_seen(target=THERE, stacks=denied("cloudformation:DescribeStacks")),
            a_seen(target=THERE, functions=denied("lambda:ListFunctions")),
        ],
        ids=["not-reached", "stacks-not-listed", "functions-not-listed"],
    )
    def test_half_an_estate_is_written_only_on_request(
        self, unlisted: Seen, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        estate = an_estate(a_forwarder(), targets=[unlisted])
        assert written(estate) == 10
        assert "1 of 2 targets could not be listed, and nothing was written" in capsys.readouterr().err
        assert list(folder.iterdir()) == []
        assert written(estate, partial=True) == 0
        assert f"not listed, so not in it: {THERE}" in capsys.readouterr().err
        assert read_baseline(folder / "baseline.toml") == ((HERE, "cloudtrail-prod"),)

    def test_none_found_is_a_failure_and_no_file(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert written(an_estate()) == 1
        assert "no forwarder found" in capsys.readouterr().err
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("words", ["--fix", "--plan"])
    def test_it_only_looks(self, words: str) -> None:
        asked = Asked()
        asked.stash[OPTIONS] = parsed("--regions=us-east-1", words)
        with pytest.raises(pytest.UsageError, match="it only looks"):
            _Inventory().pytest_configure(cast("pytest.Config", asked))

    @pytest.mark.parametrize("place", ["no/baseline.toml", "."])
    def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(self, place: str) -> None:
        with pytest.raises(pytest.UsageError, match=r"there is no folder|a folder, not a file"):
            _Inventory().pytest_configure(cast("pytest.Config", Asked(output=place, force=True)))

    def test_a_run_that_broke_off_keeps_pytests_code(self) -> None:
        session = SimpleNamespace(exitstatus=pytest.ExitCode.INTERRUPTED)
        _Inventory().pytest_sessionfinish(cast("pytest.Session", session))
        assert session.exitstatus == pytest.ExitCode.INTERRUPTED


class TestVerb:
    """The verb in a process of its own, on a kept snapshot, so that nothing is asked of anybody."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "here"
        folder.mkdir()
        return folder

    def run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from reports.command import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=folder,
            env={**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_it_writes_what_is_there_and_a_run_held_to_it_misses_what_is_gone(self, folder: Path) -> None:
        kept = folder.parent / "estate.json"
        write_snapshot(two_forwarders(), kept)
        done = self.run(folder, "baseline", f"--replay={kept}")
        assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
        assert "wrote baseline.toml: 2 forwarders in 2 targets" in done.stderr
        assert [path.name for path in folder.iterdir()] == ["baseline.toml"]

        write_snapshot(an_estate(a_forwarder("waf", THERE), targets=[a_seen()]), kept)
        audit = self.run(folder, f"--replay={kept}", "--baseline=baseline.toml", "--checks=baseline-present")
        assert audit.returncode == 1
        assert "forwarder cloudtrail, as the baseline says" in audit.stdout
        assert "1 failed, 1 passed" in audit.stdout

    def test_bad_input_gets_one_line_and_exit_code_4(self, folder: Path) -> None:
        done = self.run(folder, "baseline")
        assert done.returncode == 4
        assert "ERROR: baseline: nothing to look at; add --regions=us-east-1, or --replay=FILE" in done.stderr
        assert "Traceback" not in done.stderr
