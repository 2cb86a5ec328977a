"""Whole audits that import their findings: into each account and region, by a role, and what their terminal says.

The estate is the sandbox's. Security Hub stands before it, as its documentation has it: no engine here keeps its rules.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox
from tests.fake_aws import FakeAws
from tests.fake_hub import FakeHub
from tests.suite_runs import Ran, Suite, at

ACCOUNT, REGIONS = "111122223333", ("us-east-1", "eu-west-1")
HERE = f"{ACCOUNT}/us-east-1"
WAIVED = ("runtime-custom", f"{HERE}/umbrella-dns")
WAIVER = """
[[waiver]]
check = "runtime-custom"
subject = "{subject}"
reason = "until the vendor takes the patch"
owner = "jane@example.com"
ticket = "SEC-42"
expires = {day}
"""


class World:
    """A sandbox behind a Security Hub that is enabled in one of two regions."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.server = FakeAws(sandbox.endpoint)
        self.hub = FakeHub(ACCOUNT, REGIONS[0])
        self.hub.play(self.server)
        self.sandbox, self.folder = sandbox, folder
        self.suite = Suite({**sandbox.environment, "AWS_ENDPOINT_URL": self.server.endpoint}, folder / "cache")

    def night(self, name: str, *options: str) -> Ran:
        where = at(self.sandbox, accounts=(ACCOUNT,), regions=REGIONS, settings=self.folder / "forwarders.toml")
        role = f"--delivery-role={self.sandbox.role_name}"
        checks = "--checks=runtime-custom,trigger-wired,function-concurrency,target-reached"
        return self.suite.run(self.folder / name, *where, checks, "--security-hub", role, "--export=r.jsonl", *options)


@pytest.fixture(scope="module")
def world(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(shared_sandbox, tmp_path_factory.mktemp("hub"))
    yield found
    found.server.stop()


def open_findings(ran: Ran) -> set[tuple[str, str]]:
    rows = [json.loads(line) for line in ran.folder.joinpath("r.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["check"], row["subject"]) for row in rows
            if row["region"] == REGIONS[0] and row["status"] in {"FAILED", "BLOCKED", "WAIVED", "UNKNOWN"}}  # fmt: skip


def test_two_nights(world: World) -> None:
    first = world.night("first")
    found = open_findings(first)
    assert first.code == 1
    assert WAIVED in found
    assert {tuple(name.split("/", 1)) for name in world.hub.active(REGIONS[0])} == found
    (line,) = [line for line in first.said.splitlines() if line.startswith("imported")]
    assert line == f"imported   {len(found)} findings into Security Hub in 1 target"
    (trouble,) = [line for line in first.said.splitlines() if "NOT:" in line]
    assert trouble.strip() == (
        f"NOT: Security Hub is not enabled: enable it there, or leave --security-hub out ({ACCOUNT}/{REGIONS[1]})"
    )
    entered = [call for call in world.server.seen if call.operation == "AssumeRole" and "securityhub" in str(call.form)]
    assert len(entered) == 1
    imports = [call for call in world.server.seen if call.operation == "BatchImportFindings"]
    assert len({call.access_key for call in imports}) == 1

    waivers = world.folder / "waivers.toml"
    day = datetime.now(UTC).date() + timedelta(days=30)
    waivers.write_text(WAIVER.format(subject=WAIVED[1], day=day), encoding="utf-8")
    second = world.night("second", f"--waivers={waivers}")
    assert f"{len(found)} findings into Security Hub in 1 target, 1 suppressed" in second.said
    assert world.hub.active(REGIONS[0])["/".join(WAIVED)] == ("FAILED", "SUPPRESSED")

    narrow = world.night("third", "--forwarders=access-logs")
    assert len(world.hub.active(REGIONS[0])) == len(found), "a narrow look closed what it did not look at"
    assert narrow.code == 1
