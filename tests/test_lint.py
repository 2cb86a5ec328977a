import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fixtures import lint as lint_module
from fixtures.lint import CannotLint, Linted, default_cache_dir, lint
from fixtures.template import Template, parse_template
from tests.template_pair import CURRENT

GOOD = parse_template("Resources: {Topic: {Type: AWS::SNS::Topic}}", name="good")
BAD = parse_template("Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n    Properties: {Bogus: 1}\n", name="bad")
UNUSED = parse_template("Parameters: {P: {Type: String}}\n" + GOOD.body, name="unused")
DEAD_RUNTIME = parse_template(CURRENT.replace("provided.al2", "go1.x"), name="dead")


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a child process was started")

    monkeypatch.setattr(subprocess, "run", refuse)


def child_that(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(lint_module, "_CODE", textwrap.dedent(code))


def linted(verdict: Linted | CannotLint) -> Linted:
    assert isinstance(verdict, Linted)
    return verdict


def test_cfn_lint_judges_all_templates_in_one_child_and_never_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "not-a-region")  # cfn-lint would judge by it
    calls = []
    run = subprocess.run

    def count(*args: object, **kwargs: object) -> object:
        calls.append(args)
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "run", count)
    templates = [GOOD, BAD, UNUSED, DEAD_RUNTIME, GOOD]
    good, bad, unused, dead, again = map(linted, lint(templates, cache_dir=tmp_path))
    assert (good.findings, again.findings) == ((), ())
    assert [(found.rule, found.line) for found in bad.errors] == [("E3002", 4)]
    assert (unused.errors, [found.rule for found in unused.warnings]) == ((), ["W2001"])
    assert not {found.rule for found in dead.findings} & {"E2531", "E2533", "W2531"}
    assert lint(templates, cache_dir=tmp_path) == (good, bad, unused, dead, again)
    assert len(calls) == 1


def write_cache(folder: Path, template: Template, content: str) -> None:
    installed = lint_module.cfn_lint_version()
    assert installed is not None
    lint_module._file(folder, template, installed).write_text(content)


FINDING = {"level": "error", "rule": "E1", "message": "m", "line": 1}


@pytest.mark.usefixtures("no_child")
def test_a_cached_verdict_needs_no_child(tmp_path: Path) -> None:
    write_cache(tmp_path, GOOD, json.dumps({"digest": GOOD.digest, "findings": [FINDING]}))
    assert [str(found) for found in linted(lint([GOOD], cache_dir=tmp_path)[0]).errors] == ["line 1: E1 m"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"findings": []}',
        '{"findings": 7}',
        json.dumps({"digest": BAD.digest, "findings": []}),
        json.dumps({"digest": GOOD.digest, "findings": [{"level": "error"}]}),
        json.dumps({"digest": GOOD.digest, "findings": [FINDING | {"line": "x"}]}),
    ],
)
def test_an_odd_file_in_the_cache_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    write_cache(tmp_path, GOOD, content)
    child_that(monkeypatch, "raise SystemExit(1)")
    assert isinstance(lint([GOOD], cache_dir=tmp_path)[0], CannotLint)


def answering(*entries: object, code: int) -> str:
    return f"print({json.dumps(json.dumps(list(entries)))}); raise SystemExit({code})"


ENTRY = {"Filename": "0.yaml", "Level": "Error", "Message": "a\nb", "Rule": {"Id": "E9"}}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(1)", "ended with code 1: it said nothing"),
        ("raise SystemExit(32)", "ended with code 32"),
        ("raise SystemExit(3)", "ended with code 3"),
        ("raise ValueError('no luck')", "ended with code 1: ValueError: no luck"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with code -9"),
        ("print('all is well')", "not JSON"),
        ("print('{}')", "another form"),
        ("print('[1]'); raise SystemExit(2)", "another form"),
        ("raise SystemExit(2)", "code 2 and 0 findings"),
        (answering(ENTRY, code=3), "ended with code 3"),
        (answering(ENTRY, code=34), "ended with code 34"),
        (answering(ENTRY, code=0), "code 0 and 1 findings"),
        (answering(ENTRY | {"Filename": "x.yaml"}, code=2), "was not given"),
        (answering(ENTRY | {"Rule": {"Id": "E0002"}}, code=2), "cfn-lint broke: a b"),
    ],
)
def test_a_cfn_lint_that_breaks_is_never_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    child_that(monkeypatch, code)
    verdict = lint([GOOD], cache_dir=tmp_path)[0]
    assert isinstance(verdict, CannotLint)
    assert reason in verdict.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [2, 4, 6, 8, 10, 12, 14])
def test_every_exit_code_that_stands_for_findings_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    child_that(monkeypatch, answering(ENTRY, code=code))
    assert [str(found) for found in linted(lint([GOOD], cache_dir=tmp_path)[0]).findings] == ["line 0: E9 a b"]


def test_a_cfn_lint_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child_that(monkeypatch, "import threading; threading.Event().wait()")
    verdict = lint([GOOD], cache_dir=tmp_path, timeout=0.2)[0]
    assert verdict == CannotLint("cfn-lint did not finish within 0.2 seconds")


def test_a_cache_that_cannot_be_written_to_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    child_that(monkeypatch, "print('[]')")
    assert linted(lint([GOOD], cache_dir=tmp_path / "file" / "below")[0]).findings == ()


def test_a_missing_cfn_lint_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_module, "cfn_lint_version", lambda: None)
    assert lint([GOOD, BAD]) == (CannotLint("cfn-lint is not installed"),) * 2


def test_the_child_gets_no_credentials_and_nobody_s_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".cfnlintrc").write_text("ignore_templates: ['**/*.yaml']\ninclude_checks: [I]\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [found.rule for found in linted(lint([BAD], cache_dir=tmp_path / "cache")[0]).findings] == ["E3002"]
    child_that(monkeypatch, f"import os, pathlib; pathlib.Path({str(tmp_path / 'seen')!r}).write_text(str(os.environ))")
    lint([GOOD], cache_dir=tmp_path / "cache")
    assert "canary" not in (tmp_path / "seen").read_text()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("/var/cache/me", "/var/cache/me/taegis-forwarders/cfn-lint"), ("rel", "~"), ("", "~")],
)
def test_the_cache_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    home = str(Path.home() / ".cache" / "taegis-forwarders" / "cfn-lint")
    assert str(default_cache_dir()) == (home if expected == "~" else expected)


def test_importing_the_linter_does_not_import_cfn_lint() -> None:
    code = "import sys; from fixtures.calendar import load_calendar; load_calendar(); print('cfnlint' in sys.modules)"
    root = str(Path(lint_module.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": root}, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "False"
