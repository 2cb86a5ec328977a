"""Whom to notify, on the command line and in the settings: every form, every refusal, and no address told."""

import os
from pathlib import Path

import pytest

from fixtures.delivery import Delivery, DeliveryRole, Occasion, resolved
from fixtures.errors import InputError
from fixtures.notify_target import Named, Shape, Topic, Webhook, parse_target
from fixtures.settings import parse_settings
from tests.some_options import parsed

SECRET = "T0000/B0000/xoxcanary"
SLACK = f"https://hooks.slack.com/services/{SECRET}"
ARN = "arn:aws-cn:sns:cn-north-1:111122223333:for_warders-1.fifo"
ALWAYS = "--notify-on=always"


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", SLACK)
    monkeypatch.setenv("PLAIN", f" https://example.com/{SECRET}\n")
    monkeypatch.setenv("TWO", f"{SLACK} {SLACK}")
    monkeypatch.setenv("HTTP", f"http://example.com/{SECRET}")
    monkeypatch.setenv("EMPTY", " ")
    monkeypatch.delenv("UNSET", raising=False)


FORMS = {
    "env:SLACK": ("webhook at hooks.slack.com (env:SLACK)", Shape.SLACK),
    "json:env:SLACK": ("webhook at hooks.slack.com (env:SLACK)", Shape.JSON),
    "env:PLAIN": ("webhook at example.com (env:PLAIN)", Shape.JSON),
    "slack:env:PLAIN": ("webhook at example.com (env:PLAIN)", Shape.SLACK),
    "https://example.com:8443/hook?x=1": ("webhook at example.com", Shape.JSON),
    "slack:https://chat.example.com/hook": ("webhook at chat.example.com", Shape.SLACK),
    "http://localhost:8080/hook": ("webhook at localhost", Shape.JSON),
    "http://[::1]:8080/hook": ("webhook at ::1", Shape.JSON),
}


@pytest.mark.parametrize("given", FORMS)
def test_a_webhook_is_told_by_its_host_alone(given: str) -> None:
    found = parse_target(given)
    assert isinstance(found, Webhook)
    assert (str(found), found.shape) == FORMS[given]
    assert SECRET not in repr(found) + str(found)
    assert found.address.reveal().startswith("http")


def test_an_address_may_stand_in_a_file(tmp_path: Path) -> None:
    holder = tmp_path / "hook"
    holder.write_text(f"{SLACK}\n", encoding="utf-8")
    found = parse_target(f"file:{holder}")
    assert isinstance(found, Webhook)
    assert (found.address.reveal(), found.host) == (SLACK, "hooks.slack.com")


def test_a_topic_is_of_its_account_and_region() -> None:
    assert parse_target(ARN) == Topic(ARN, "cn-north-1", "111122223333")
    assert Topic(ARN, "cn-north-1", "111122223333").is_fifo


REFUSED = {
    SLACK: "--notify: an address at hooks.slack.com: whoever sees it can write there",
    "https://acme.webhook.office.com/webhookb2/xoxcanary": "an address at acme.webhook.office.com: whoever sees it",
    "http://example.com/xoxcanary": "example.com is spoken to without encryption; use https",
    "https://user:xoxcanary@example.com/": "a name and a password in an address",
    "https://example.com:99999/xoxcanary": "--notify: not an address",
    "ftp://example.com/xoxcanary": "--notify: not an https address",
    "https:///xoxcanary": "--notify: not an https address",
    "https://example.com/xox canary": "--notify: there is no address in it",
    "env:UNSET": "--notify=env:UNSET: that variable is not set",
    "env:EMPTY": "--notify=env:EMPTY: that variable is not set",
    "env:1X": "env: takes the name of a variable",
    "env:TWO": "--notify=env:TWO: there is no address in it",
    "env:HTTP": "--notify=env:HTTP: example.com is spoken to without encryption",
    "file:/nowhere/hook": "--notify=file:/nowhere/hook: No such file or directory",
    f"file:{os.devnull}": f"--notify=file:{os.devnull}: there is no address in it",
    "arn:aws:sqs:us-east-1:111122223333:q": "not the ARN of an SNS topic",
    "arn:aws:sns:us-east-1:1111:q": "not the ARN of an SNS topic",
    "": "--notify: not somebody to notify",
    "some body": "--notify: not somebody to notify",
    "slack:ops": "--notify: not somebody to notify",
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_cannot_be_notified_is_refused_without_telling_the_address(given: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(f"--notify={given}", ALWAYS)
    assert REFUSED[given] in str(caught.value)
    assert "xoxcanary" not in str(caught.value)
    assert caught.value.__cause__ is None or "xoxcanary" not in repr(caught.value.__cause__)


class TestNames:
    def test_a_name_is_looked_up_in_the_settings_and_nobody_is_told_twice(self) -> None:
        settings = parse_settings({"notify": {"ops": ARN, "chat": "slack:env:PLAIN"}}, "s.toml")
        given = Delivery(targets=(Named("ops"), Named("chat"), Topic(ARN, "cn-north-1", "111122223333")))
        assert list(map(str, resolved(given, settings.notify))) == [ARN, "webhook at example.com (env:PLAIN)"]

    def test_an_unknown_name_is_refused_with_the_near_ones(self) -> None:
        with pytest.raises(InputError, match=r"--notify=chta: .* did you mean chat\?"):
            resolved(Delivery(targets=(Named("chta"),)), {"chat": "env:SLACK"})

    @pytest.mark.parametrize("text", [SLACK, "https://example.com/xoxcanary", "ops", "", "slack:arn:aws:sns:x:1:y"])
    def test_the_settings_hold_no_address(self, text: str) -> None:
        with pytest.raises(InputError, match="an address is a secret") as caught:
            parse_settings({"notify": {"chat": text}}, "s.toml")
        assert "xoxcanary" not in str(caught.value)

    def test_a_variable_of_the_settings_is_looked_for_only_when_it_is_used(self) -> None:
        assert parse_settings({"notify": {"chat": "env:UNSET"}}, "s.toml").notify == {"chat": "env:UNSET"}

    def test_a_targets_name_is_a_word(self) -> None:
        with pytest.raises(InputError, match="'a b' is no name of a target"):
            parse_settings({"notify": {"a b": "env:SLACK"}}, "s.toml")


class TestOptions:
    def test_all_together(self) -> None:
        words = ("--notify=env:SLACK", f"--notify={ARN}", "--history=h.sqlite", "--security-hub", "--regions=us-east-1",
                 "--delivery-role=Deliver", "--report-url=https://x.example.com/drift.html#top")  # fmt: skip
        given = parsed(*words).delivery
        assert [str(target) for target in given.targets] == ["webhook at hooks.slack.com (env:SLACK)", ARN]
        assert (given.occasion, given.role, given.security_hub) == (Occasion.CHANGE, DeliveryRole("Deliver"), True)
        assert given.report_url == "https://x.example.com/drift.html"
        assert given.delivers
        assert SECRET not in repr(parsed(*words))

    def test_a_plain_run_delivers_nothing(self) -> None:
        assert not parsed("--regions=us-east-1").delivery.delivers

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (("--notify=env:SLACK",), "what changed is told by a history, and there is none; add --history=FILE"),
            (("--notify=env:SLACK", "--notify-on=somewhen"), "--notify-on=somewhen: no such occasion"),
            ((ALWAYS,), "--notify-on: nobody is notified"),
            (("--delivery-role=X",), "--delivery-role: nothing is delivered"),
            (("--delivery-role=arn:aws:iam::1:role/X", "--security-hub"), "not a role"),
            (("--delivery-role=X", "--fix-role=X", "--security-hub"), "that is the role for fixes"),
            (("--shard=1/2", "--regions=all", "--notify=env:SLACK", ALWAYS), "give them to taegis-forwarders merge"),
            (("--shard=1/2", "--regions=all", "--security-hub"), "give them to taegis-forwarders merge"),
            (("--replay=x", "--security-hub"), "--security-hub: a snapshot is of another time"),
            (("--sandbox", "--regions=us-east-1", "--security-hub"), "--security-hub: the emulated AWS has none"),
            (("--sandbox", "--regions=us-east-1", "--notify=env:SLACK", ALWAYS), "nothing of a sandbox leaves"),
            (("--report-url=drift.html",), "not an address of the web"),
            (("--report-url=javascript:alert(1)",), "not an address of the web"),
            (("--report-url=https://x.example.com/a b",), "not an address of the web"),
        ],
    )  # fmt: skip
    def test_what_cannot_stand_together_is_refused(self, words: tuple[str, ...], why: str) -> None:
        with pytest.raises(InputError) as caught:
            parsed(*words)
        assert why in str(caught.value)

    def test_a_sandbox_may_tell_its_own_topics_and_this_machine(self) -> None:
        parsed("--sandbox", "--regions=us-east-1", f"--notify={ARN}", "--notify=http://127.0.0.1:1/x", ALWAYS)
