"""A fleet as its user audits it: an organization or a file, with accounts that cannot be entered among the others."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.seed_client import SeedClients
from fixtures.sandbox.seed_estate import switch_rules
from fixtures.sandbox.seed_foundation import LEGACY_KEY, legacy_bucket, seed_account, seed_region
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN, legacy_template
from fixtures.snapshot import read_snapshot
from tests.fake_aws import FakeAws, _Raw, jsonish, name_of, refusal
from tests.suite_runs import Ran, Suite, at, secrets_in

FIRST, SECOND = "us-east-1", "eu-west-1"
APART = "sa-east-1"  # where no other test looks: what stands there is added to the sandbox that all share
ONE, OFF = "111122223333", "444455556666"  # the accounts with a seeded estate
TWO, LOGS, DENIED, SUSPENDED = "222233334444", "333344445555", "555566667777", "666677778888"
CENTRAL, CENTRAL_BUCKET = "central-trail", f"central-logs-{LOGS}"
NARROW = f"--forwarders=cloudtrail-prod,alb-edge,{CENTRAL}"
ROW = {"Name": "an account", "State": "ACTIVE"}
PAGES: tuple[list[dict[str, str]], ...] = (
    [{**ROW, "Id": ONE}, {**ROW, "Id": SUSPENDED, "State": "SUSPENDED", "Status": "SUSPENDED"}],
    [],
    [{**ROW, "Id": account} for account in (DENIED, LOGS, OFF)],
    [{"Id": TWO}],
)  # fmt: skip
_KEY = re.compile(r"<AccessKeyId>(\w+)<")


class Fleet(FakeAws):
    """An organization of six accounts in front of an engine.

    One is suspended, one cannot be entered; one has a region switched off and is throttled by CloudWatch in the others.
    """

    def __init__(self, engine: str) -> None:
        super().__init__(engine)
        self.keys: dict[str, str] = {}
        self.assumed: Counter[str] = Counter()

    def answer(self, call: AwsCall, raw: _Raw) -> Answer:
        name = name_of(call)
        if name == "sts:AssumeRole":
            return self._assume(call, raw)
        if name == "organizations:ListAccounts":
            index = int(json.loads(call.body).get("NextToken") or 0)
            more = {"NextToken": str(index + 1)} if index + 1 < len(PAGES) else {}
            return jsonish({"Accounts": PAGES[index], **more})
        if name == "account:ListRegions":
            off = SECOND if self.keys.get(call.access_key) == OFF else "ap-east-1"
            rows = [
                (region, "DISABLED" if region == off else "ENABLED") for region in (FIRST, SECOND, APART, "ap-east-1")
            ]
            return jsonish({"Regions": [{"RegionName": region, "RegionOptStatus": state} for region, state in rows]})
        if name == "cloudwatch:GetMetricData" and self.keys.get(call.access_key) == OFF:
            return refusal("Throttling", "Rate exceeded", 400)(call)
        return super().answer(call, raw)

    def _assume(self, call: AwsCall, raw: _Raw) -> Answer:
        arn = call.form["RoleArn"]
        account = arn.split(":")[4]
        self.assumed[account] += 1
        if account == DENIED:
            text = f"User: arn:aws:iam::{ONE}:root is not authorized to perform: sts:AssumeRole on resource: {arn}"
            return refusal("AccessDenied", text, 403)(call)
        answer = super().answer(call, raw)
        found = _KEY.search(answer.text)
        assert found
        self.keys[found[1]] = account
        return answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The one that all share, and in a region apart a forwarder whose bucket is another account's."""
    clients = SeedClients(shared_sandbox.endpoint)
    for account in (TWO, LOGS):
        seed_account(clients.at(account, APART), 9)
    clients.at(LOGS, APART).make_bucket(CENTRAL_BUCKET)
    here = clients.at(ONE, APART)
    seed_region(here, shared=False)
    switch_rules(shared_sandbox.endpoint, {"blocked-runtime": False})
    here.make_stack(CENTRAL, legacy_template("CloudTrail", "awscloudtrail"), {
        "NotificationBucket": CENTRAL_BUCKET, "LegacyCodeBucket": legacy_bucket(ONE, APART),
        "LegacyCodeKey": LEGACY_KEY, "LegacyToken": CANARY_LEGACY_TOKEN,
    })  # fmt: skip
    switch_rules(shared_sandbox.endpoint, {"blocked-runtime": True})
    return shared_sandbox


@pytest.fixture(scope="module")
def fleet(sandbox: Sandbox) -> Iterator[Fleet]:
    server = Fleet(sandbox.endpoint)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def suite(sandbox: Sandbox, fleet: Fleet, folder: Path) -> Suite:
    return Suite({**sandbox.environment, "AWS_ENDPOINT_URL": fleet.endpoint}, folder / "cache")


@pytest.fixture(scope="module")
def options(sandbox: Sandbox, folder: Path) -> list[str]:
    """All but the accounts. What is kept makes the run leave its results."""
    regions = (FIRST, SECOND, APART)
    return [*at(sandbox, regions=regions, settings=folder / "forwarders.toml")[1:], NARROW, "--snapshot=kept.json"]


@pytest.fixture(scope="module")
def whole(suite: Suite, fleet: Fleet, folder: Path, options: list[str]) -> tuple[Ran, Counter[str]]:
    """The organization's audit, and how often each role was assumed."""
    fleet.assumed.clear()
    ran = suite.run(folder / "whole", "--accounts=organization", *options, "--html=report.html")
    ran.assert_no_crash()
    return ran, Counter(fleet.assumed)


@pytest.fixture(scope="module")
def healthy(suite: Suite, folder: Path, options: list[str]) -> Ran:
    """The same with nothing but accounts that can be entered."""
    ran = suite.run(folder / "healthy", f"--accounts={ONE},{TWO},{LOGS}", *options)
    ran.assert_no_crash()
    return ran


def told(ran: Ran, *accounts: str) -> list[tuple[str, ...]]:
    """All that is said of these accounts."""
    keys = ("check", "subject", "status", "expected", "found", "reason", "remedy", "advice")
    return sorted(tuple(re.sub(r"\d+ requests", "N requests", row[key]) for key in keys) for row in ran.results
                  if not accounts or row["account"] in accounts)  # fmt: skip


def summary(ran: Ran) -> list[str]:
    lines = ran.said.rpartition(" summary ===")[2].splitlines()
    return [line.partition("; looked at")[0].strip() for line in lines if line.startswith(("targets", "  not "))]


def test_what_cannot_be_entered_is_said_once_per_cause_and_counted(whole: tuple[Ran, Counter[str]]) -> None:
    ran, _ = whole
    first, *causes = summary(ran)
    assert first == "targets    15 asked, 11 reached, 1 partly seen, 4 not reached, 1 account not audited"
    role = "arn:aws:iam::<account>:role/TaegisForwarderAudit"
    closed = {f"{DENIED}/{region}" for region in (FIRST, SECOND, APART)}
    refused = f"User: arn:aws:iam::{ONE}:root is not authorized to perform: sts:AssumeRole on resource: {role}"
    off = "region <region> is not enabled in the account: enable it, or leave it out"
    assert causes == [
        f"not audited: SUSPENDED in the organization ({SUSPENDED} an account)",
        f"not reached: sts:AssumeRole denied: AccessDenied: {refused} ({', '.join(sorted(closed))})",
        f"not reached: account:ListRegions switched off: {off} ({OFF}/{SECOND})",
        f"not read: cloudwatch:GetMetricData throttled: Throttling: Rate exceeded ({OFF}/{FIRST})",
    ]
    unreached = {subject for check, subject in ran.of("FAILED") if check == "target-reached"}
    assert unreached == {*closed, f"{OFF}/{SECOND}"}
    assert SUSPENDED in ran.folder.joinpath("report.html").read_text(encoding="utf-8")
    assert ran.code == 1


def test_nothing_else_changes_by_them(whole: tuple[Ran, Counter[str]], healthy: Ran) -> None:
    assert told(whole[0], ONE, TWO, LOGS) == told(healthy, ONE, TWO, LOGS)
    assert {row["account"] for row in healthy.results} >= {ONE, TWO, LOGS}
    assert [row for row in whole[0].results if row["subject"].startswith(f"{OFF}/{FIRST}/")]


def test_each_role_is_assumed_once(whole: tuple[Ran, Counter[str]]) -> None:
    assert whole[1] == {ONE: 1, TWO: 1, OFF: 1, LOGS: 1, DENIED: 1}


def test_workers_say_the_same_of_a_fleet_and_enter_nothing(
    whole: tuple[Ran, Counter[str]], suite: Suite, fleet: Fleet, folder: Path, options: list[str]
) -> None:
    fleet.assumed.clear()
    ran = suite.run(folder / "two", "--accounts=organization", *options, "-n2")
    ran.assert_no_crash()
    assert (told(ran), summary(ran), ran.code) == (told(whole[0]), summary(whole[0]), whole[0].code)
    assert sum(fleet.assumed.values()) == 5


@pytest.fixture(scope="module")
def shards(suite: Suite, folder: Path, options: list[str]) -> Path:
    """The folder in which three shards left theirs: the organization in any of them, its accounts dealt."""
    for number in (1, 2, 3):
        ran = suite.run(folder / "shards" / str(number), "--accounts=organization", *options, f"--shard={number}/3")
        ran.assert_no_crash()
        assert f"shard {number} of 3 ..." in ran.said
    return folder / "shards"


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "two"])
def test_shards_are_merged_to_the_same_report(
    workers: tuple[str, ...], whole: tuple[Ran, Counter[str]], shards: Path, suite: Suite, folder: Path
) -> None:
    name = "-".join(("merged", *workers))
    ran = suite.run(folder / name, "merge", str(shards), *workers)
    ran.assert_no_crash()
    assert (told(ran), summary(ran), ran.code) == (told(whole[0]), summary(whole[0]), whole[0].code)
    assert ran.last_line == whole[0].last_line


def test_shards_that_are_not_there_are_not_reached_and_the_rest_is_told_as_ever(
    whole: tuple[Ran, Counter[str]], shards: Path, suite: Suite, folder: Path
) -> None:
    ran = suite.run(folder / "two-of-three", "merge", str(shards / "1"), str(shards / "3"))
    ran.assert_no_crash()
    gone = {row["account"] for row in ran.of("FAILED").values() if row["found"].startswith("shard 2 of 3 missing")}
    here = sorted({ONE, TWO, LOGS, OFF, DENIED} - gone)
    assert gone
    assert told(ran, *here) == told(whole[0], *here)
    (line,) = [line for line in summary(ran) if "shard 2 of 3 missing: no folder holds it" in line]
    assert all(account in line for account in gone)


def test_a_central_bucket_is_read_in_its_owners_name(whole: tuple[Ran, Counter[str]]) -> None:
    estate = read_snapshot(whole[0].folder / "kept.json")
    bucket = estate.buckets[CENTRAL_BUCKET]
    assert (bucket.owner, bucket.region) == (LOGS, APART)
    assert bucket.notification.rules == ()  # type: ignore[union-attr]
    assert {found.owner for name, found in estate.buckets.items() if name != CENTRAL_BUCKET} == {ONE, OFF}


def test_without_its_owner_among_the_accounts_a_central_bucket_is_not_read_and_said_to_be_so(
    suite: Suite, folder: Path, options: list[str]
) -> None:
    ran = suite.run(folder / "alone", f"--accounts={ONE},{TWO}", *options, "--checks=trigger-wired")
    ((_, subject), row), *others = ran.of("UNKNOWN").items()
    assert (subject, others) == (f"{ONE}/{APART}/{CENTRAL}", [])
    assert "s3:GetBucketNotification denied" in row["reason"]


FILE = f"""
[[account]]
id = "{ONE}"
tenant = "sandbox"
regions = ["{FIRST}"]
tags = {{ wave = "1" }}

[[account.forwarders]]
name = "cloudtrail-prod"
sns_topic = "arn:aws:sns:us-east-1:{ONE}:wished"

[[account]]
id = "{TWO}"
role = "TaegisForwarderFix"
tenant = "sandbox"
regions = ["{SECOND}"]
tags = {{ wave = "1" }}

[[account]]
id = "{LOGS}"
role = "nobody-has-it"
"""


def test_a_file_says_region_role_tenant_and_parameters_of_each_account(
    suite: Suite, sandbox: Sandbox, folder: Path, fleet: Fleet
) -> None:
    folder.joinpath("fleet.toml").write_text(FILE, encoding="utf-8")
    folder.joinpath("tenant.toml").write_text(
        f'[tenants.sandbox]\naccounts = []\nrelease = "{sandbox.release_dir}"\ntaegis_region = "ctpx"\n',
        encoding="utf-8",
    )
    before = len(fleet.seen)
    wave = f"--accounts={folder / 'fleet.toml'}:tag=wave=1"
    role, settings = f"--role={sandbox.role_name}", f"--settings={folder / 'tenant.toml'}"
    ran = suite.run(folder / "file", wave, "--regions=all", NARROW, role, settings, "--snapshot=kept.json")
    ran.assert_no_crash()
    assert {(row["account"], row["region"]) for row in ran.results if row["account"]} == {(ONE, FIRST), (TWO, SECOND)}
    roles = {call.form["RoleArn"] for call in fleet.seen[before:] if name_of(call) == "sts:AssumeRole"}
    assert roles == {f"arn:aws:iam::{ONE}:role/TaegisForwarderAudit", f"arn:aws:iam::{TWO}:role/TaegisForwarderFix"}
    assert ("release-package", "sandbox") in ran.of("PASSED")
    wished = [row for row in ran.results if ":wished" in json.dumps(row)]
    assert {row["subject"] for row in wished} == {f"{ONE}/{FIRST}/cloudtrail-prod"}


REFUSED = {
    "a-typo-in-the-file": f'[[account]]\nid = "{ONE}"\nrol = "x"',
    "a-duplicate": f'[[account]]\nid = "{ONE}"\n[[account]]\nid = "{ONE}"',
    "an-unknown-tenant": f'[[account]]\nid = "{ONE}"\ntenant = "nobody"',
    "two-partitions": f'[[account]]\nid = "{ONE}"\nregions = ["cn-north-1", "us-east-1"]',
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_in_the_file_is_exit_4_in_one_line_before_any_call(
    name: str, suite: Suite, sandbox: Sandbox, fleet: Fleet, folder: Path
) -> None:
    here = folder / name
    here.mkdir()
    here.joinpath("fleet.toml").write_text(REFUSED[name], encoding="utf-8")
    before = len(fleet.seen)
    ran = suite.run(here, "--accounts=fleet.toml", "--regions=all", f"--role={sandbox.role_name}")
    ran.assert_no_crash()
    assert (ran.code, len(ran.errors), len(fleet.seen)) == (4, 1, before), ran.said


def test_an_organization_that_may_not_be_listed_is_one_finding(
    suite: Suite, fleet: Fleet, folder: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "You don't have permissions to access this resource."
    denied = refusal("AccessDeniedException", text, 400)
    real = fleet.answer

    def answer(call: AwsCall, raw: _Raw) -> Answer:
        return denied(call) if call.service == "organizations" else real(call, raw)

    monkeypatch.setattr(fleet, "answer", answer)
    ran = suite.run(folder / "denied", "--accounts=organization", *options)
    ran.assert_no_crash()
    assert ran.code == 1
    assert [one for one in ran.of("FAILED") if one[0] == "target-reached"] == [
        ("target-reached", "the-organization/all")
    ]
    why = f"AccessDeniedException: {text}; only the management account and delegated administrators may list accounts"
    assert summary(ran) == [
        "targets    1 asked, 0 reached, 1 not reached",
        f"not reached: organizations:ListAccounts denied: {why} (the-organization/all)",
    ]


def test_no_secret_is_left_anywhere(whole: tuple[Ran, Counter[str]]) -> None:
    assert secrets_in(whole[0].folder) == []
