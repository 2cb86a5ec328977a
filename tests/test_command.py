import re
import subprocess
import sys
from pathlib import Path

import pytest

from checks.registry import load_catalogue
from fixtures.option_groups import add_options
from reports.catalogue_text import catalogue_page
from reports.command import ROOT, VERBS, main, pytest_arguments
from reports.options_text import EXIT_CODES, options_page

NEAR = "ERROR: explain stack-helthy: no such check; did you mean stack-healthy?"


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command puts the suite's folder on the path; the next test must not inherit that."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run_from(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a shell would start it."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from reports.command import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.usefixtures("elsewhere")
def test_the_suites_configuration_and_checks_are_used_from_any_folder(tmp_path: Path) -> None:
    assert pytest_arguments(["--regions=us-east-1", "mine"]) == [
        f"--config-file={ROOT}/pyproject.toml",
        f"--rootdir={ROOT}",
        "-o",
        f"cache_dir={tmp_path}/cache/taegis-forwarders/pytest",
        f"{ROOT}/checks",
        "--regions=us-east-1",
        "mine",
    ]


@pytest.mark.usefixtures("elsewhere")
def test_a_node_id_from_a_report_runs_only_that_check() -> None:
    name = "checks/test_stack.py::test_x[111122223333/us-east-1/trail]"

    assert pytest_arguments(["--regions=us-east-1", name])[4:] == ["--regions=us-east-1", f"{ROOT}/{name}"]


def test_a_folder_of_the_users_own_is_never_mistaken_for_the_suites(elsewhere: Path) -> None:
    (elsewhere / "checks").mkdir()
    (elsewhere / "checks" / "test_stack.py").touch()

    assert pytest_arguments(["checks/test_stack.py"])[4:] == [f"{ROOT}/checks", "checks/test_stack.py"]


def test_without_a_place_for_a_cache_there_is_none(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere / "file"))

    assert pytest_arguments([])[2:4] == ["-p", "no:cacheprovider"]


def test_help_names_every_verb_and_where_the_options_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    told = capsys.readouterr().out
    assert [name for name in VERBS if f"  {name} " not in told] == []
    assert "taegis-forwarders options" in told


def test_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert re.fullmatch(r"taegis-forwarders \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["explian"], "ERROR: 'explian': neither a verb nor a file; did you mean explain?"),
        (["explain", "stack-helthy"], NEAR),
        (["explain", "zzz"], "ERROR: explain zzz: no such check; list them with: taegis-forwarders explain"),
        (["options", "--all"], "ERROR: options: '--all': it takes no arguments; leave it out"),
        (["catalogue", "x"], "ERROR: catalogue: 'x': it takes no arguments; leave it out"),
    ],
    ids=["verb", "check", "unlike any check", "options", "catalogue"],
)
@pytest.mark.usefixtures("elsewhere")
def test_a_typo_gets_one_line_and_exit_4(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 4

    told = capsys.readouterr()
    assert told.err == f"{line}\n"
    assert told.out == ""


def test_every_check_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for name, check in load_catalogue().items():
        assert main(["explain", name]) == 0
        told = capsys.readouterr().out
        assert told.startswith(f"{name}\n{check.title}\n")
        assert str(check.severity) in told


def test_explain_without_a_name_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0

    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(load_catalogue())


def test_the_pages_of_checks_and_options_are_up_to_date() -> None:
    pages = {"catalogue": ("checks.md", catalogue_page(load_catalogue())), "options": ("options.md", options_page())}
    stale = [
        f"python -m reports.command {verb} > docs/{name}"
        for verb, (name, text) in pages.items()
        if (ROOT / "docs" / name).read_text(encoding="utf-8") != text
    ]

    assert stale == []


def test_the_page_of_options_names_every_option(pytestconfig: pytest.Config) -> None:
    declared: list[str] = []

    class Parser:
        def getgroup(self, _: str) -> "Parser":
            return self

        def addoption(self, name: str, **_: object) -> None:
            declared.append(name)

    add_options(Parser())  # type: ignore[arg-type]
    page = options_page()

    assert "--regions" in declared
    assert [name for name in declared if f"`{name}" not in page] == []
    assert [code for code, _ in EXIT_CODES if f"| {code} |" not in page] == []
    assert pytestconfig.rootpath == ROOT


def test_a_stray_configuration_in_the_users_folder_changes_nothing(elsewhere: Path) -> None:
    (elsewhere / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")

    done = run_from(elsewhere)

    assert done.returncode == 4
    assert "--regions" in done.stdout + done.stderr
    assert "no-such-option" not in done.stdout + done.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["pytest.ini"]


def test_a_users_own_checks_run_beside_the_suites(elsewhere: Path) -> None:
    (elsewhere / "own").mkdir()
    (elsewhere / "own" / "test_own.py").write_text("def test_mine():\n    pass\n", encoding="utf-8")

    done = run_from(elsewhere, "own", "--collect-only", "-q", "-k", "test_mine")

    assert "test_own.py::test_mine" in done.stdout
