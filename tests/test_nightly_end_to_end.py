"""Three nights of `examples/nightly.sh` on an emulated AWS: the day's drift is new in every report, nothing else is.

The topic is the emulated SNS's, read by way of a queue; the drift is done by a script that knows nothing of the suite.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import boto3  # noqa: TID251 - an observer of its own
import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from tests.suite_runs import COMMAND, ROOT, Suite, at, html_rows
from tests.webhook_server import PATH, WebhookServer, webhook_server

ACCOUNT, REGION = "111122223333", "us-east-1"
WHERE = f"{ACCOUNT}/{REGION}"
DRIFT = {("function-concurrency", f"{WHERE}/umbrella-dns"), ("trigger-wired", f"{WHERE}/cloudtrail-prod")}
URL = "https://reports.example.com/drift.html"
Found = set[tuple[str, str]]


@dataclass(frozen=True)
class Night:
    """One night: how it ended, what the script said, and its folder."""

    code: int
    said: str
    folder: Path

    @cached_property
    def terminal(self) -> str:
        return self.folder.joinpath("said.txt").read_text(encoding="utf-8")

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.folder.joinpath("drift.jsonl").read_text("utf-8").splitlines()]

    @cached_property
    def ocsf(self) -> list[dict[str, object]]:
        return list(json.loads(self.folder.joinpath("drift.ocsf.json").read_text(encoding="utf-8")))

    def line(self, beginning: str) -> str:
        (line,) = [line for line in self.terminal.splitlines() if line.startswith(beginning)]
        return line


@dataclass(frozen=True)
class Nights:
    sandbox: Sandbox
    queue: str
    server: WebhookServer
    nights: tuple[Night, ...]

    @cached_property
    def mails(self) -> list[Mapping[str, object]]:
        """What came to the queue, in its order."""
        client = client_of(self.sandbox, "sqs")
        found: list[Mapping[str, object]] = []
        while batch := client.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            for one in batch:
                found.append(json.loads(one["Body"]))
                client.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return found


def client_of(sandbox: Sandbox, service: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - boto3 makes its classes
    session = boto3.Session(ACCOUNT, "secret", region_name=REGION)
    return session.client(service, endpoint_url=sandbox.endpoint)


def a_topic(sandbox: Sandbox) -> tuple[str, str]:
    """A topic and the queue that listens to it; and the role that may deliver."""
    topic = client_of(sandbox, "sns").create_topic(Name="forwarders")["TopicArn"]
    queue = client_of(sandbox, "sqs").create_queue(QueueName="listener")["QueueUrl"]
    arn = client_of(sandbox, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    client_of(sandbox, "sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    client_of(sandbox, "iam").create_role(
        RoleName="Deliver", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    return topic, queue


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("nightly")
    home = folder / "home"
    with (
        webhook_server() as server,
        start_sandbox(SandboxSpec((ACCOUNT,), (REGION,)), folder / "sandbox") as sandbox,
    ):
        topic, queue = a_topic(sandbox)
        options = at(sandbox, settings=home / "forwarders.toml")
        program = folder / "taegis-forwarders"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{COMMAND}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        variables = {"TAEGIS_FORWARDERS": str(program), "SOME_WEBHOOK": server.address}
        suite = Suite({**sandbox.environment, **variables}, folder / "cache")

        def night() -> Night:
            words = [
                *(word for word in options if not word.startswith("--settings")), "--export=drift.ocsf.json",
                f"--notify={topic}", "--notify=env:SOME_WEBHOOK", "--delivery-role=Deliver", f"--report-url={URL}",
            ]  # fmt: skip
            command = ["sh", str(ROOT / "examples" / "nightly.sh"), str(home), *words]
            done = subprocess.run(
                command, env=suite.environment, capture_output=True, text=True, check=False, timeout=100
            )
            latest = (home / "nights" / "latest").resolve()
            (home / "drift.ocsf.json").rename(latest / "drift.ocsf.json")
            return Night(done.returncode, done.stdout + done.stderr, latest)

        first = night()
        drift = [sys.executable, str(Path(__file__).with_name("drift_by_hand.py")), sandbox.endpoint, ACCOUNT, REGION]
        subprocess.run(drift, check=True, timeout=60)
        yield Nights(sandbox, queue, server, (first, night(), night()))


def test_each_night_ends_as_the_audit_did_and_says_how_in_short(nights: Nights) -> None:
    assert [night.code for night in nights.nights] == [1, 1, 1]
    assert all(night.said.rstrip().splitlines()[-1] == night.terminal.splitlines()[-1] for night in nights.nights)
    assert len({night.folder for night in nights.nights}) == 3


def test_the_terminal_says_what_is_new_and_nothing_else(nights: Nights) -> None:
    first, second, third = nights.nights
    assert "the first run, nothing to compare with" in first.terminal
    assert re.search(r": 2 new, \d+ still$", second.line("changes "))
    told = ", ".join(f"{check} on {subject}" for check, subject in sorted(DRIFT))
    assert second.line("  new: ") == f"  new: {told}"
    assert re.search(r": \d+ still$", third.line("changes "))


def test_the_page_names_what_is_new_and_nothing_else(nights: Nights) -> None:
    page = nights.nights[1].folder.joinpath("drift.html").read_text(encoding="utf-8")
    part = page[page.index('id="changes"') :].partition("</section>")[0]
    assert {(check, subject) for check, subject in DRIFT if f'href="#{check}/{subject}"' in part} == DRIFT
    assert part.count("<li class=") - len(re.findall(r'<li class="change-', part)) == len(DRIFT)
    rows = html_rows(nights.nights[1].folder / "drift.html")
    assert {key for key in rows if key in DRIFT} == DRIFT
    third = nights.nights[2].folder.joinpath("drift.html").read_text(encoding="utf-8")
    part = third[third.index('id="changes"') :].partition("</section>")[0]
    assert "href" not in part


def test_the_json_lines_say_what_is_new_and_nothing_else(nights: Nights) -> None:
    def new(night: Night) -> Found:
        return {(row["check"], row["subject"]) for row in night.rows if row["change"] == "new"}

    assert [new(night) for night in nights.nights[1:]] == [DRIFT, set()]
    assert {row["status"] for row in nights.nights[1].rows if row["change"] == "new"} == {"FAILED"}


def test_ocsf_creates_what_is_new_and_nothing_else(nights: Nights) -> None:
    def new(night: Night) -> Found:
        found = set()
        for one in night.ocsf:
            unmapped = one.get("unmapped")
            if isinstance(unmapped, dict) and unmapped.get("change") == "new":
                assert one["activity_name"] == "Create"
                name = str(one["finding_info"]["uid"])  # type: ignore[index]
                check, _, subject = name.removeprefix("taegis-forwarders/").partition("/")
                found.add((check, subject))
        return found

    assert [new(night) for night in nights.nights[1:]] == [DRIFT, set()]


def test_the_topic_and_the_webhook_are_told_of_it_and_not_again(nights: Nights) -> None:
    first, second = nights.mails
    assert str(first["Subject"]).startswith("Taegis forwarders: ")
    assert str(second["Subject"]).startswith("Taegis forwarders: 2 new (exit 1). ")
    text = str(second["Message"])
    named = set(re.findall(r"^- (\w+): ([a-z-]+) on (\S+)", text, re.MULTILINE))
    assert named == {("new", check, subject) for check, subject in DRIFT}
    assert all(f"{URL}#{check}/{subject}" in text for check, subject in DRIFT)
    assert ACCOUNT in text.partition("Who must act")[2]

    hooked = nights.server.documents
    assert len(hooked) == 2
    changed = hooked[1]["changed"]
    assert isinstance(changed, list)
    assert {(one["change"], one["check"], one["subject"]) for one in changed} == {("new", *one) for one in DRIFT}
    assert "nothing changed since" in nights.nights[2].line("notified ")


def test_the_address_of_the_webhook_is_in_no_file_of_the_night(nights: Nights) -> None:
    home = nights.nights[0].folder.parents[1]
    secret = PATH.rpartition("/")[2].encode()
    assert [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()] == []
