"""Which targets a run has, and what a user is told who cannot get in."""

import functools
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.accounts import Account
from fixtures.aws import Clients
from fixtures.entrances import (
    audit_sessions,
    enter,
    fix_sessions,
    home_region,
    refuse_bad_region_names,
)
from fixtures.errors import InputError
from fixtures.estate import Identity, Target
from fixtures.fact import Cause, Unreadable
from fixtures.observe import Entrance
from fixtures.reading import CALLER, READERS
from fixtures.sandbox.aws_call import Answer, AwsCall
from tests.conftest import point_at
from tests.fake_aws import DENIED, FakeAws, garbage, jsonish, refusal, xml
from tests.some_options import some_options

HOME = "111122223333"
OTHER = "444455556666"
KEY = "AKIDHOME"
ON = ("us-east-1", "eu-west-1", "eu-central-1")


def identity_of(call: AwsCall) -> Answer:
    account = HOME if call.access_key == KEY else call.access_key.removeprefix("ASIA")
    arn = f"arn:aws:sts::{account}:assumed-role/Audit/x"
    return xml(f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><Account>{account}</Account>"
               "</GetCallerIdentityResult></GetCallerIdentityResponse>")  # fmt: skip


def assume(*, refused: Iterable[str] = (), wrong: str = "") -> Callable[[AwsCall], Answer]:
    def answer(call: AwsCall) -> Answer:
        account = call.form["RoleArn"].split(":")[4]
        if account in refused:
            return refusal("AccessDenied", f"not authorized to perform: sts:AssumeRole in {account}", 403)(call)
        until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        return xml(
            f"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{wrong or account}</AccessKeyId>"
            f"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{until}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )

    return answer


def regions(on: Iterable[str] = ON, off: Iterable[str] = ("ap-east-1",)) -> Answer:
    rows = [*((name, "ENABLED_BY_DEFAULT") for name in on), *((name, "DISABLED") for name in off)]
    return jsonish({"Regions": [{"RegionName": name, "RegionOptStatus": state} for name, state in rows]})


def ec2_regions(**opt_in: str) -> Answer:
    rows = "".join(f"<item><regionName>{name.replace('_', '-')}</regionName><optInStatus>{state}</optInStatus></item>"
                   for name, state in opt_in.items())  # fmt: skip
    return xml(f"<DescribeRegionsResponse><regionInfo>{rows}</regionInfo></DescribeRegionsResponse>")


@pytest.fixture
def aws(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """An AWS where everything goes well."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    fake.say("sts:GetCallerIdentity", identity_of)
    fake.say("sts:AssumeRole", assume())
    fake.say("account:ListRegions", regions())
    return fake


@functools.cache
def clients_for(*_: str | None) -> Clients:
    """One set of clients for each endpoint and configuration: making them is most of such a test's time."""
    return Clients()


def clients() -> Clients:
    return clients_for(*(os.environ.get(f"AWS_{name}") for name in ("ENDPOINT_URL", "PROFILE", "CONFIG_FILE")))


def entered(**options: object) -> tuple[Entrance, ...]:
    chosen = some_options(**options)
    return enter(audit_sessions(clients(), chosen), chosen)


def told(**options: object) -> str:
    """What the user is told instead."""
    with pytest.raises(InputError) as caught:
        entered(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestWaysIn:
    @pytest.mark.usefixtures("aws")
    def test_without_accounts_the_credentials_own_account_is_entered(self) -> None:
        found = entered(regions=("us-east-1", "eu-west-1"))
        assert [entrance.target for entrance in found] == [Target(HOME, "eu-west-1"), Target(HOME, "us-east-1")]
        assert all(isinstance(entrance.identity, Identity) and entrance.aws for entrance in found)

    @pytest.mark.usefixtures("aws")
    def test_each_account_is_entered_by_its_role_and_targets_are_sorted(self) -> None:
        found = entered(regions=("us-east-1",), accounts=(OTHER, HOME), role="Audit")
        assert [entrance.target.account for entrance in found] == [HOME, OTHER]
        assert [entrance.identity.account for entrance in found if isinstance(entrance.identity, Identity)] == [
            HOME,
            OTHER,
        ]

    def test_a_role_is_entered_with_the_readers_actions_and_nothing_else(self, aws: FakeAws) -> None:
        entered(regions=("us-east-1",), accounts=(OTHER,), role="Audit", external_id="x-1")
        (call,) = (call for call in aws.seen if call.operation == "AssumeRole")
        (statement,) = json.loads(call.form["Policy"])["Statement"]
        in_accounts = (reader for reader in READERS.values() if reader.optional != CALLER)
        assert set(statement["Action"]) == {action for reader in in_accounts for action in reader.actions}
        assert call.form["ExternalId"] == "x-1"

    def test_writes_enter_by_the_fix_role_without_that_policy(self, aws: FakeAws) -> None:
        options = some_options(regions=("us-east-1",), accounts=(OTHER,), role="Audit", fix_role="Fix")
        fix_sessions(clients(), options).open(OTHER).call("us-east-1", "sts", "GetCallerIdentity")
        (call,) = (call for call in aws.seen if call.operation == "AssumeRole")
        assert (call.form["RoleArn"], "Policy" in call.form) == (f"arn:aws:iam::{OTHER}:role/Fix", False)

    def test_all_regions_are_those_that_are_on_in_each_account(self, aws: FakeAws) -> None:
        def of_account(call: AwsCall) -> Answer:
            return regions(on=("us-east-1",) if call.access_key.endswith(OTHER) else ON)

        aws.say("account:ListRegions", of_account)
        found = entered(regions=("all",), accounts=(HOME, OTHER), role="Audit")
        assert [str(entrance.target) for entrance in found] == [
            f"{HOME}/eu-central-1",
            f"{HOME}/eu-west-1",
            f"{HOME}/us-east-1",
            f"{OTHER}/us-east-1",
        ]

    @pytest.mark.parametrize(
        "refused",
        [DENIED, refusal("NotImplemented", status=501), garbage(), regions((), ())],
        ids=["denied", "not-there", "nonsense", "none"],
    )
    def test_where_regions_may_not_be_listed_ec2_is_asked(self, refused: Answer, aws: FakeAws) -> None:
        aws.say("account:ListRegions", refused)
        aws.say("ec2:DescribeRegions", ec2_regions(us_east_1="opt-in-not-required", ap_east_1="not-opted-in",
                                                   af_south_1="opted-in"))  # fmt: skip
        assert [entrance.target.region for entrance in entered(regions=("all",))] == ["af-south-1", "us-east-1"]

    def test_account_wide_calls_go_to_the_partitions_home_whatever_region_was_asked_for(self, aws: FakeAws) -> None:
        entered(regions=("eu-west-1", "eu-central-1"))
        assert {call.region for call in aws.seen} == {"us-east-1"}


class TestFleet:
    """Accounts of which more is known than their id."""

    FLEET = (
        Account(HOME),
        Account(OTHER, role="security/Own", fix_role="OwnFix", external_id="own-1", regions=("eu-west-1",)),
    )

    def assumed(self, aws: FakeAws) -> dict[str, tuple[str, str | None, bool]]:
        """Of each account: the role, the external id, and whether a session policy came along."""
        calls = [call for call in aws.seen if call.operation == "AssumeRole"]
        return {call.form["RoleArn"].split(":")[4]: (call.form["RoleArn"].partition("role/")[2],
                call.form.get("ExternalId"), "Policy" in call.form) for call in calls}  # fmt: skip

    def test_an_account_is_entered_by_its_own_role_and_the_others_by_that_of_all(self, aws: FakeAws) -> None:
        entered(regions=("all",), fleet=self.FLEET, role="Audit", external_id="all-1")
        assert self.assumed(aws) == {HOME: ("Audit", "all-1", True), OTHER: ("security/Own", "own-1", True)}
        assert aws.counted()["sts:AssumeRole"] == 2

    def test_an_own_role_alone_is_enough_beside_the_credentials_own_account(self, aws: FakeAws) -> None:
        found = entered(regions=("eu-west-1",), fleet=self.FLEET)
        assert [entrance.aws is not None for entrance in found] == [True, True]
        assert self.assumed(aws) == {OTHER: ("security/Own", "own-1", True)}

    def test_an_account_without_any_role_is_refused(self) -> None:
        with pytest.raises(InputError, match=f"--accounts: {OTHER}: the credentials are of {HOME}; name a role"):
            entered(regions=("eu-west-1",), fleet=(Account(HOME, role="Own"), Account(OTHER)))

    @pytest.fixture(autouse=True)
    def _everything_goes_well(self, aws: FakeAws) -> None:
        """Also for tests that look at no call."""

    @pytest.mark.parametrize(
        ("options", "role"),
        [
            ({"role": "Audit"}, "OwnFix"),
            ({"role": "Audit", "fix_role": "Fix"}, "OwnFix"),
        ],
    )
    def test_writes_enter_by_the_accounts_own_role_for_fixes(
        self, options: dict[str, object], role: str, aws: FakeAws
    ) -> None:
        chosen = some_options(regions=("eu-west-1",), fleet=self.FLEET, **options)
        fix_sessions(Clients(), chosen).open(OTHER).call("eu-west-1", "sts", "GetCallerIdentity")
        assert self.assumed(aws) == {OTHER: (role, "own-1", False)}

    @pytest.mark.parametrize(
        ("options", "role"), [({"role": "Audit"}, "Own"), ({"role": "Audit", "fix_role": "Fix"}, "Fix"), ({}, "Own")]
    )
    def test_without_one_by_the_role_for_fixes_of_all_else_by_its_audit_role(
        self, options: dict[str, object], role: str, aws: FakeAws
    ) -> None:
        chosen = some_options(regions=("eu-west-1",), fleet=(Account(OTHER, role="Own"),), **options)
        fix_sessions(Clients(), chosen).open(OTHER).call("eu-west-1", "sts", "GetCallerIdentity")
        assert self.assumed(aws) == {OTHER: (role, None, False)}

    @pytest.mark.parametrize(
        ("asked", "own", "expected"),
        [
            (("all",), ("eu-west-1",), ["eu-west-1"]),
            (("us-east-1", "eu-west-1"), ("eu-west-1", "eu-central-1"), ["eu-west-1"]),
            (("us-east-1", "eu-west-1"), (), ["eu-west-1", "us-east-1"]),
            (("all",), (), ["eu-central-1", "eu-west-1", "us-east-1"]),
        ],
    )
    def test_an_accounts_own_regions_narrow_those_asked_for(
        self, asked: tuple[str, ...], own: tuple[str, ...], expected: list[str]
    ) -> None:
        found = entered(regions=asked, fleet=(Account(OTHER, regions=own),), role="Audit")
        assert [entrance.target.region for entrance in found] == expected

    def test_a_region_of_the_file_that_is_off_is_said_to_be_so(self) -> None:
        fleet = (Account(OTHER, regions=("ap-east-1", "eu-west-1")),)
        off, on = entered(regions=("all",), fleet=fleet, role="Audit")
        assert str(off.identity).startswith("account:ListRegions switched off: region ap-east-1 is not enabled")
        assert on.aws is not None

    def test_a_region_of_the_file_that_does_not_exist_is_refused_with_the_near_ones(self) -> None:
        with pytest.raises(InputError, match="'eu-wset-1': there is no such region; did you mean eu-west-1"):
            entered(regions=("all",), fleet=(Account(OTHER, regions=("eu-wset-1",)),), role="Audit")

    def test_many_accounts_are_entered_through_one_client_and_every_call_is_counted(self, aws: FakeAws) -> None:
        chosen = some_options(regions=("eu-west-1",), role="Audit",
                              accounts=tuple(f"{number:012}" for number in range(1, 9)))  # fmt: skip
        clients = Clients()
        assert len(enter(audit_sessions(clients, chosen), chosen)) == 8
        assert [service for service, *_ in clients._clients if service == "sts"] == ["sts"]
        assert clients.calls["sts:AssumeRole"] == aws.counted()["sts:AssumeRole"] == 8


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"),
     ("us-iso-east-1", "aws-iso")],
)  # fmt: skip
def test_a_role_is_of_the_regions_partition(region: str, partition: str, aws: FakeAws) -> None:
    aws.say("account:ListRegions", regions(on=[region]))
    (found,) = entered(regions=(region,), accounts=(OTHER,), role="Audit")
    assert found.aws is not None
    (call,) = (call for call in aws.seen if call.operation == "AssumeRole")
    assert call.form["RoleArn"] == f"arn:{partition}:iam::{OTHER}:role/Audit"


def test_regions_of_two_partitions_are_refused_before_any_call(aws: FakeAws) -> None:
    assert told(regions=("cn-north-1", "us-east-1")).startswith("--regions: cn-north-1 and us-east-1: they are in diff")
    assert "cn-north-1" in told(regions=("all",), fleet=(Account(HOME, regions=("cn-north-1", "eu-west-1")),))
    assert aws.seen == []


@pytest.mark.parametrize(
    ("asked", "ambient", "home"),
    [
        (("ap-east-1",), "", "us-east-1"),
        (("us-esat-1", "eu-west-1"), "", "us-east-1"),
        (("cn-north-1",), "us-east-1", "cn-northwest-1"),
        (("us-gov-east-1",), "", "us-gov-west-1"),
        (("all",), "", "us-east-1"),
        (("all",), "eu-west-1", "us-east-1"),
        (("all",), "us-gov-east-1", "us-gov-west-1"),
        (("all",), "nowhere", "us-east-1"),
    ],
)
def test_the_home_region_is_that_of_the_partition(
    asked: tuple[str, ...], ambient: str, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(monkeypatch, {"AWS_DEFAULT_REGION": ambient, "AWS_CONFIG_FILE": "/dev/null"})
    assert home_region(some_options(regions=asked)) == home


class TestNotReached:
    def reason(self, found: Entrance) -> Unreadable:
        assert found.aws is None
        assert isinstance(found.identity, Unreadable)
        return found.identity

    def test_a_role_that_cannot_be_assumed_stops_only_its_account(self, aws: FakeAws) -> None:
        aws.say("sts:AssumeRole", assume(refused=[HOME]))
        first, second = entered(regions=("us-east-1",), accounts=(HOME, OTHER), role="Audit")
        reason = self.reason(first)
        assert (reason.action, reason.cause) == ("sts:AssumeRole", Cause.DENIED)
        assert HOME in reason.reason
        assert second.aws is not None

    def test_credentials_of_another_account_are_not_used(self, aws: FakeAws) -> None:
        aws.say("sts:AssumeRole", assume(wrong="999988887777"))
        (found,) = entered(regions=("us-east-1",), accounts=(OTHER,), role="Audit")
        assert "of account 999988887777" in self.reason(found).reason
        assert "account:ListRegions" not in aws.counted()

    @pytest.mark.usefixtures("aws")
    def test_a_region_that_is_off_is_not_entered_and_the_others_are(self) -> None:
        off, on = entered(regions=("us-east-1", "ap-east-1"))
        assert off.target.region == "ap-east-1"
        assert "not enabled in the account" in self.reason(off).reason
        assert on.aws is not None

    def test_all_regions_of_an_account_that_shows_none_are_one_target_not_reached(self, aws: FakeAws) -> None:
        aws.say("account:ListRegions", DENIED)
        aws.say("ec2:DescribeRegions", refusal("UnauthorizedOperation", "no", 403))
        (found,) = entered(regions=("all",))
        assert str(found.target) == f"{HOME}/all"
        assert self.reason(found).action == "ec2:DescribeRegions"

    def test_named_regions_are_entered_even_where_regions_cannot_be_listed(self, aws: FakeAws) -> None:
        aws.say("account:ListRegions", DENIED)
        aws.say("ec2:DescribeRegions", DENIED)
        (found,) = entered(regions=("eu-west-1",))
        assert found.aws is not None


class TestAskedForRegions:
    def test_one_account_tells_for_all_where_the_named_regions_are_always_on(self, aws: FakeAws) -> None:
        found = entered(regions=("us-east-1", "eu-west-1"), accounts=(HOME, OTHER), role="Audit")
        assert len([entrance for entrance in found if entrance.aws]) == 4
        assert aws.counted()["account:ListRegions"] == 1

    @pytest.mark.parametrize("named", ["all", "me-south-1"])
    def test_each_account_is_asked_where_they_may_differ(self, named: str, aws: FakeAws) -> None:
        rows = [("us-east-1", "ENABLED_BY_DEFAULT"), ("me-south-1", "ENABLED")]
        switched = jsonish({"Regions": [{"RegionName": name, "RegionOptStatus": state} for name, state in rows]})
        off = regions(on=["us-east-1"], off=["me-south-1"])
        aws.say("account:ListRegions", lambda call: off if call.access_key == f"ASIA{OTHER}" else switched)
        found = entered(regions=(named,), accounts=(HOME, OTHER), role="Audit")
        inside = {str(entrance.target) for entrance in found if entrance.aws}
        assert f"{HOME}/me-south-1" in inside
        assert f"{OTHER}/me-south-1" not in inside


class TestRefused:
    @pytest.mark.usefixtures("aws")
    def test_a_region_that_does_not_exist_is_refused_with_the_near_ones(self) -> None:
        assert told(regions=("us-esat-1",)).startswith(
            "--regions: 'us-esat-1': there is no such region; did you mean us-east-1"
        )

    @pytest.mark.usefixtures("aws")
    def test_a_region_of_no_partition_is_refused(self) -> None:
        assert "'xx-nowhere-1': there is no such region" in told(regions=("xx-nowhere-1",))

    @pytest.mark.parametrize(
        "region", ["US-EAST-1", "us east 1", "useast1", "us-east", "us-east-1a", "*", "us-east-1\n", "us-east-\u0661"]
    )
    def test_what_is_no_regions_name_is_refused_before_any_call(self, region: str) -> None:
        with pytest.raises(InputError, match="not a region name"):
            refuse_bad_region_names([region])

    def test_other_accounts_without_a_role_are_refused(self, aws: FakeAws) -> None:
        assert told(regions=("us-east-1",), accounts=(HOME, OTHER)) == (
            f"--accounts: {OTHER}: the credentials are of {HOME}; name a role to assume with --role=NAME"
        )
        assert set(aws.counted()) == {"sts:GetCallerIdentity"}

    def test_no_credentials_are_refused_with_three_ways_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        point_at(monkeypatch, {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                               "AWS_EC2_METADATA_DISABLED": "true"})  # fmt: skip
        message = told(regions=("us-east-1",))
        assert message.startswith("AWS credentials: none found")
        assert all(word in message for word in ("aws sso login", "AWS_PROFILE", "--sandbox"))

    def test_a_profile_that_does_not_exist_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "prdo")
        assert told(regions=("us-east-1",)) == (
            "AWS profile: The config profile (prdo) could not be found; set AWS_PROFILE to one of your profiles"
        )

    def test_a_configuration_that_does_not_parse_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "config"
        broken.write_text("[default\nregion=", encoding="utf-8")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
        assert f"AWS configuration: Unable to parse config file: {broken}" in told(regions=("us-east-1",))

    @pytest.mark.parametrize("accounts", [(), (HOME,), (HOME, OTHER)])
    @pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"])
    def test_credentials_that_sts_does_not_take_reach_nothing(
        self, code: str, accounts: tuple[str, ...], aws: FakeAws
    ) -> None:
        aws.say("sts:GetCallerIdentity", refusal(code, "no good", 403))
        role = "Audit" if len(accounts) > 1 else None
        found = entered(regions=("us-east-1", "eu-west-1"), accounts=accounts, role=role)
        assert {entrance.target.account for entrance in found} == set(accounts or ("the-credentials",))
        assert len(found) == 2 * max(len(accounts), 1)
        told = {str(entrance.identity) for entrance in found}
        assert told == {f"sts:GetCallerIdentity credentials expired: {code}: no good"}
        assert {entrance.aws for entrance in found} == {None}

    def test_other_accounts_without_a_role_are_not_reached_either_where_nobody_says_whose_the_credentials_are(
        self, aws: FakeAws
    ) -> None:
        aws.say("sts:GetCallerIdentity", refusal("AccessDenied", "an explicit deny", 403))
        found = entered(regions=("us-east-1",), accounts=(HOME, OTHER))
        assert [str(entrance.identity) for entrance in found] == [
            "sts:GetCallerIdentity denied: AccessDenied: an explicit deny"
        ] * 2

    @pytest.mark.parametrize(
        "script",
        [garbage(), xml("<a/>"), refusal("NotImplemented", status=501), garbage(500)],
        ids=["page", "other-xml", "not-there", "error-page"],
    )
    def test_an_endpoint_that_is_no_aws_is_told_from_bad_credentials(self, script: Answer, aws: FakeAws) -> None:
        aws.say("sts:GetCallerIdentity", script)
        message = told(regions=("us-east-1",))
        assert message.startswith("AWS: sts:GetCallerIdentity")
        assert "AWS_ENDPOINT_URL" in message

    @pytest.mark.usefixtures("no_pauses")
    def test_an_endpoint_where_nobody_listens_is_told_from_bad_credentials(self) -> None:
        message = told(regions=("us-east-1",))
        assert "Could not connect" in message
        assert "AWS_ENDPOINT_URL" in message
