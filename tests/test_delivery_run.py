"""Whole runs that tell somebody: what, when, and that nothing of it changes the verdict or gives a secret away."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fixtures.estate import Estate
from reports.delivery import notify  # here, so that a run in this process brings in none of its own
from tests.estates import a_forwarder, a_legacy_forwarder, an_estate
from tests.replayed import Ran, kept, run_suite
from tests.webhook_server import PATH, Reply, WebhookServer, webhook_server

pytest_plugins = ("pytester",)
SECRET = PATH.rpartition("/")[2]
CHECKS = "--checks=runtime-custom,trigger-wired"
HEALTHY = an_estate(a_forwarder("alb-edge"), a_forwarder("cloudtrail-prod"))
DRIFTED = an_estate(a_legacy_forwarder("alb-edge"), a_forwarder("cloudtrail-prod"))


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def address(server: WebhookServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the server is named on a command line."""
    monkeypatch.setenv("SOME_WEBHOOK", server.address)
    monkeypatch.setattr("reports.delivery.webhook.time.sleep", lambda _: None)
    return "--notify=env:SOME_WEBHOOK"


def night(pytester: pytest.Pytester, estate: Estate, *options: str, plugins: Sequence[object] = ()) -> Ran:
    history = f"--history={pytester.path}/fleet.sqlite"
    return run_suite(pytester, kept(pytester, estate), CHECKS, history, *options, plugins=plugins)


def told(ran: Ran) -> list[str]:
    return [line for line in ran.text.splitlines() if line.startswith(("notified", "imported"))]


def test_somebody_is_told_of_the_first_run_and_of_what_changes_and_of_nothing_else(
    pytester: pytest.Pytester, server: WebhookServer, address: str
) -> None:
    first = night(pytester, DRIFTED, address, "--report-url=https://reports.example.com/drift.html")
    assert told(first) == ["notified   webhook at 127.0.0.1 (env:SOME_WEBHOOK)"]
    assert "the first run" in first.text
    assert len(server.seen) == 1

    quiet = night(pytester, DRIFTED, address)
    assert told(quiet)[0].startswith("notified   nobody: nothing changed since ")
    assert len(server.seen) == 1

    healed = night(pytester, HEALTHY, address, "-n2", "--report-url=https://reports.example.com/drift.html")
    assert len(server.seen) == 2  # the workers tell nobody
    assert healed.code == 0
    document = server.documents[-1]
    changed = document["changed"]
    assert isinstance(changed, list)
    assert {(one["change"], one["check"], one["subject"]) for one in changed} == {
        ("fixed", "runtime-custom", "111122223333/us-east-1/alb-edge")
    }
    (one,) = changed
    assert one["link"] == "https://reports.example.com/drift.html#runtime-custom/111122223333/us-east-1/alb-edge"
    assert (document["code"], document["schema"], document["mode"]) == (0, 1, "audit of a snapshot")
    assert document["changes"] == {"fixed": 1}
    assert "fixed" in str(document["text"])


OCCASIONS = {
    "finding-and-one-is-open": (DRIFTED, "finding", 1),
    "finding-and-none-is": (HEALTHY, "finding", 0),
    "always": (HEALTHY, "always", 1),
}


@pytest.mark.parametrize("name", OCCASIONS)
def test_the_user_says_when(name: str, pytester: pytest.Pytester, server: WebhookServer, address: str) -> None:
    estate, occasion, messages = OCCASIONS[name]
    run_suite(pytester, kept(pytester, estate), CHECKS, address, f"--notify-on={occasion}")
    assert len(server.seen) == messages


@pytest.mark.parametrize(("estate", "code"), [(HEALTHY, 0), (DRIFTED, 1)])
def test_whoever_cannot_be_reached_changes_no_verdict_and_keeps_nobody_else_waiting(
    estate: Estate, code: int, pytester: pytest.Pytester, server: WebhookServer, address: str
) -> None:
    server.say(Reply(500, ""))
    with webhook_server() as other:
        ran = night(
            pytester, estate, address, f"--notify={other.address}", "--notify-on=always", "--snapshot=s.json.gz"
        )
        assert len(other.seen) == 1
    assert ran.code == code
    assert told(ran) == [
        "notified   webhook at 127.0.0.1",
        "notified   NOT webhook at 127.0.0.1 (env:SOME_WEBHOOK): answered 500 (4 attempts)",
    ]
    (record,) = pytester.path.glob("forwarder-runs/*/deliveries.jsonl")
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert [(line["to"], line["sent"], line["why"]) for line in lines] == [
        ("webhook at 127.0.0.1 (env:SOME_WEBHOOK)", False, "answered 500 (4 attempts)"),
        ("webhook at 127.0.0.1", True, ""),
    ]
    assert record.stat().st_mode & 0o077 == 0


def test_the_address_of_a_webhook_is_nowhere(
    pytester: pytest.Pytester, server: WebhookServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = pytester.path / "address.txt"
    holder.write_text(f"{server.address}\n", encoding="utf-8")
    server.say(Reply(404, PATH))
    given = f"--notify=json:{server.address}?x=1"  # not wise, and told no more than the others
    ran = night(pytester, DRIFTED, address, f"--notify=slack:file:{holder}", given, "-vv",
                "--html=r.html", "--junitxml=r.xml",
                "--export=r.md", "--export=r.csv", "--snapshot=s.json.gz", "--log-file=r.log",
                "--log-file-level=DEBUG", "--evidence=pack")  # fmt: skip
    assert len(server.seen) == 3
    assert [line for line in told(ran) if "NOT" in line] == told(ran)
    assert SECRET not in ran.text
    holder.unlink()
    monkeypatch.delenv("SOME_WEBHOOK")
    leaks = [path for path in pytester.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert leaks == []


def test_an_evidence_pack_holds_who_was_told(pytester: pytest.Pytester, server: WebhookServer, address: str) -> None:
    night(pytester, DRIFTED, address, "--evidence=pack")
    assert len(server.seen) == 1
    (line,) = pytester.path.joinpath("pack", "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["to"] == "webhook at 127.0.0.1 (env:SOME_WEBHOOK)"


REFUSED = {
    "no history": (["--notify=always:x"], "--notify: not somebody to notify"),
    "change without history": (["--notify=arn:aws:sns:us-east-1:111122223333:t"], "add --history=FILE, or say"),
    "no such name": (["--notify=ops", "--notify-on=always"], "--notify=ops: the settings have no target of that name"),
    "a snapshot into Security Hub": (["--security-hub"], "--security-hub: a snapshot is of another time"),
    "an occasion for nobody": (["--notify-on=always"], "--notify-on: nobody is notified"),
    "a role for nothing": (["--delivery-role=Deliver"], "--delivery-role: nothing is delivered"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_looked_at(name: str, pytester: pytest.Pytester) -> None:
    options, why = REFUSED[name]
    ran = run_suite(pytester, kept(pytester, HEALTHY), CHECKS, *options)
    assert ran.code == 4
    assert why in ran.text
    assert "observed" not in ran.text


def test_names_come_from_the_settings(pytester: pytest.Pytester, server: WebhookServer, address: str) -> None:
    assert address
    settings = pytester.path / "settings.toml"
    settings.write_text('[notify]\nchat = "slack:env:SOME_WEBHOOK"\n', encoding="utf-8")
    ran = night(pytester, DRIFTED, "--notify=chat", f"--settings={settings}")
    assert told(ran) == ["notified   webhook at 127.0.0.1 (env:SOME_WEBHOOK)"]
    assert server.documents[0].keys() == {"text"}


def test_a_history_that_could_not_be_written_is_news(
    pytester: pytest.Pytester, server: WebhookServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = night(pytester, HEALTHY, address)
    assert told(first) == ["notified   nobody: nothing is open, and this is the first run"]
    monkeypatch.setattr("reports.plugin.kept", lambda *_: (None, "database or disk is full"))
    ran = night(pytester, HEALTHY, address)
    assert ran.code == 0
    assert len(server.seen) == 1
    assert "What changed cannot be told: database or disk is full" in str(server.documents[-1]["text"])


def test_who_is_interrupted_while_telling_has_all_reports_and_the_verdict(
    pytester: pytest.Pytester, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        assert Path(pytester.path / "r.html").is_file()
        assert Path(pytester.path / "r.xml").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr(notify, "post", interrupted)
    ran = night(pytester, DRIFTED, address, "--html=r.html", "--junitxml=r.xml")
    assert ran.code == 1
    assert told(ran) == ["notified   NOT webhook at 127.0.0.1 (env:SOME_WEBHOOK): interrupted"]


def test_an_error_of_the_suite_in_telling_is_said_and_no_more(
    pytester: pytest.Pytester, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(notify, "post", broken)
    ran = night(pytester, HEALTHY, address, "--notify-on=always")
    assert ran.code == 0
    (line,) = told(ran)
    assert "an error of the suite, ZeroDivisionError at test_delivery_run.py:" in line
    assert SECRET not in ran.text


class Interrupting:
    """A run that is ended while its checks run."""

    def pytest_runtest_call(self) -> None:
        pytest.exit("enough")


def test_an_interrupted_run_tells_nobody(pytester: pytest.Pytester, server: WebhookServer, address: str) -> None:
    ran = night(pytester, HEALTHY, address, "--notify-on=always", plugins=(Interrupting(),))
    assert ran.code == 2
    assert server.seen == []
    assert told(ran) == ["notified   nobody: the run was interrupted"]
