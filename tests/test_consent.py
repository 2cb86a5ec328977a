"""A person's word before the first write: on a terminal the number is asked for, elsewhere the flag is the consent."""

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fixtures.accounts import Organization
from fixtures.aws import Aws
from fixtures.desired import Desires
from fixtures.errors import InputError
from fixtures.settings import Settings
from fixtures.state import DESIRES, OPTIONS
from remediation import consent
from remediation.consent import alias_of, confirmed, refuse_unmapped_accounts
from remediation.journal import read_journal
from remediation.plan import Plan
from tests.aws_answers import REGION
from tests.estates import HERE, OTHER_ACCOUNT, a_forwarder, a_legacy_forwarder, a_tenant, an_estate, some_desires
from tests.fake_aws import DENIED, FakeAws, garbage, xml
from tests.planning import plan_of
from tests.sandbox_engine import requests_of
from tests.some_options import some_options
from tests.step_world import World, release
from tests.step_world import ready as ready  # noqa: PLC0414  a fixture

ROOT = Path(__file__).resolve().parent.parent
PLAN: Plan = plan_of(
    an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two")), {"forwarder-stack": ["one", "two"]}
)


def config(desires: Desires | None = None, **options: object) -> pytest.Config:
    """As much of pytest's configuration as consent looks at; pytest's capture is not among it."""
    stash = pytest.Stash()
    stash[OPTIONS] = some_options(**options)
    stash[DESIRES] = desires or some_desires()
    plugins = SimpleNamespace(get_plugin=lambda _: None)
    return cast("pytest.Config", SimpleNamespace(stash=stash, pluginmanager=plugins))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str | None], None]:
    """A terminal at which somebody types this; None is the end of input."""
    del capsys

    def types(answer: str | None) -> None:
        def typed(question: str) -> str:
            sys.stdout.write(question)
            if answer is None:
                raise EOFError
            return answer

        monkeypatch.setattr(consent, "input", typed, raising=False)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    return types


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [("2", True), (" 2 ", True), ("3", False), ("", False), ("yes", False), ("02", False), (None, False)],
)
def test_on_a_terminal_the_number_of_forwarders_is_asked_for(
    terminal: Callable[[str | None], None], capsys: pytest.CaptureFixture[str], answer: str | None, goes_on: bool
) -> None:
    terminal(answer)
    assert confirmed(config(fix=True), PLAN, lambda account: f"alias-of-{account}").given is goes_on
    asked = capsys.readouterr().out
    assert "--fix is about to change:" in asked
    assert f"{HERE.account} (alias-of-{HERE.account}): 2 forwarders" in asked
    assert "Type the number of forwarders (2) to go on" in asked


@pytest.mark.parametrize(("answer", "goes_on"), [("1", True), ("0", False)])
def test_a_plan_for_what_is_shared_alone_is_asked_for_by_its_steps(
    terminal: Callable[[str | None], None], capsys: pytest.CaptureFixture[str], answer: str, goes_on: bool
) -> None:
    plan = plan_of(an_estate(a_forwarder(), shared=()), {"shared-stack": [""]})
    terminal(answer)
    assert confirmed(config(fix=True), plan, lambda _: "x").given is goes_on
    asked = capsys.readouterr().out
    assert f"{HERE.account} (x): 0 forwarders, 1 steps on what they share" in asked
    assert "Type the number of steps (1) to go on" in asked


@pytest.mark.parametrize("option", ["yes", "sandbox"])
def test_yes_and_the_sandbox_are_asked_nothing(terminal: Callable[[str | None], None], option: str) -> None:
    terminal("wrong")
    options: dict[str, object] = {"fix": True, option: True}
    assert confirmed(config(None, **options), PLAN, lambda _: "x").given


@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_without_a_terminal_the_flag_is_the_consent(
    terminal: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    terminal("wrong")
    monkeypatch.setattr(f"sys.{missing}.isatty", lambda: False, raising=False)
    assert confirmed(config(fix=True), PLAN, lambda _: "x").given


def test_an_account_is_told_with_its_alias(fake: FakeAws, fake_account: Aws) -> None:
    for answer, alias in (
        (xml(ALIASES % "<member>acme-prod</member>"), "acme-prod"),
        (xml(ALIASES % ""), "no alias"),
        (DENIED, "alias not readable"),
        (garbage(), "alias not readable"),
    ):
        with fake.saying("iam:ListAccountAliases", answer):
            assert alias_of(fake_account, REGION) == alias


ALIASES = (
    "<ListAccountAliasesResponse><ListAccountAliasesResult><AccountAliases>%s</AccountAliases>"
    "</ListAccountAliasesResult></ListAccountAliasesResponse>"
)
MAPPED = Desires(Settings(), (a_tenant(name="acme", accounts=frozenset({HERE.account, OTHER_ACCOUNT})),))
TWO = (HERE.account, OTHER_ACCOUNT)
MANY = [
    pytest.param({"fix": True, "accounts": TWO}, None, "2 accounts", id="two-accounts"),
    pytest.param({"fix": True, "accounts_from": Organization(None)}, None, "an organization", id="an-organization"),
    pytest.param({"fix": True, "accounts": TWO}, MAPPED, "", id="two-that-are-mapped"),
    pytest.param({"fix": True, "accounts": TWO[:1]}, None, "", id="one-account"),
    pytest.param({"fix": True}, None, "", id="the-account-of-the-credentials"),
    pytest.param({"fix": False, "accounts": TWO}, None, "", id="an-audit-of-two"),
]


@pytest.mark.parametrize(("options", "desires", "refused"), MANY)
def test_several_accounts_are_fixed_only_when_it_is_said_whose_they_are(
    options: dict[str, object], desires: Desires | None, refused: str
) -> None:
    if refused:
        with pytest.raises(InputError, match=f"--fix with {refused}: .*map them in the settings"):
            refuse_unmapped_accounts(config(desires, **options))
    else:
        refuse_unmapped_accounts(config(desires, **options))


# the whole command, at a terminal


def at_a_terminal(world: World, folder: Path, answer: str, *options: str) -> tuple[int, str]:
    """Run the suite at a terminal of its own, type the answer when it is asked for, and return code and screen."""
    ours, theirs = os.openpty()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))},
        "AWS_ENDPOINT_URL": world.engine.endpoint, "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "TERM": "dumb", "COLUMNS": "200",
    }  # fmt: skip
    pytest_itself = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "checks")]
    where = [f"--regions={world.region}", f"--forwarders={world.name}", f"--release={release().directory}"]
    command = [
        *pytest_itself,
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--rootdir={ROOT}",
        *where,
        "--fix",
        *options,
    ]
    (folder / "forwarders.toml").write_text('taegis_region = "ctpx"\n', encoding="utf-8")
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as process:  # fmt: skip
        os.close(theirs)
        screen = ""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    screen += os.read(ours, 65536).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    break
                if "to go on, anything else to stop: " in screen and answer:
                    os.write(ours, f"{answer}\n".encode())
                    answer = ""
            elif process.poll() is not None:
                break
        else:
            process.kill()
        code = process.wait()
    os.close(ours)
    return code, screen


def results_in(folder: Path) -> dict[str, str]:
    (path,) = folder.glob("forwarder-runs/*/results.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["check"]: f"{row['status']} {row.get('reason', '')}" for row in rows}


def test_a_wrong_number_stops_before_the_first_write_and_says_so(ready: World, tmp_path: Path) -> None:
    bucket = f"{ready.name}-{ready.account}"
    gone = ready.foreign_function(f"{ready.name}-gone", bucket)
    rule = {"LambdaFunctionArn": gone, "Events": ["s3:ObjectRemoved:*"]}
    ready.put_document(bucket, {"LambdaFunctionConfigurations": [rule]})
    ready.place.call("lambda", "delete_function", FunctionName=gone)
    code, screen = at_a_terminal(ready, tmp_path, "7", "--allow=remove-stale-rules")
    assert "Type the number of forwarders (1) to go on" in screen
    assert f"{ready.account} (sandbox-" in screen
    assert code == 1
    results = results_in(tmp_path)
    assert results["code-current"].startswith("BLOCKED the plan was not confirmed")
    assert results["runtime-custom"].startswith("BLOCKED the plan was not confirmed")
    assert results["bucket-stale-rules"].startswith("BLOCKED the plan was not confirmed")
    assert ready.function(ready.function_name)["Runtime"] == "go1.x"
    assert not ready.written()


def test_the_right_number_goes_on(ready: World, tmp_path: Path) -> None:
    code, screen = at_a_terminal(ready, tmp_path, "1")
    assert "--fix is about to change:" in screen
    assert results_in(tmp_path)["code-current"].startswith("FIXED")
    assert ready.function(ready.function_name)["Runtime"] == "provided.al2"
    assert code == 0, screen
    (journal,) = tmp_path.glob("forwarder-runs/*/journal.jsonl")
    calls = [entry.content["call"] for entry in read_journal(journal) if entry.kind == "intent"]
    journalled = Counter(f"{call['service']}:{call['operation']}" for call in calls if isinstance(call, dict))
    assert ready.written() == journalled
    ready.asked_before = len(requests_of(ready.engine.endpoint))  # they are in the run's journal, not in a bench's
