"""What AWS Organizations lists, as the accounts of a run."""

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from fixtures.accounts import Organization, Tag
from fixtures.accounts_organization import UNLISTED, Found, find_accounts
from fixtures.aws import Aws, Clients
from fixtures.entrances import audit_sessions
from fixtures.errors import InputError
from fixtures.fact import Cause
from fixtures.fleet import with_organization
from fixtures.sandbox.aws_call import Answer, AwsCall
from tests.fake_aws import DENIED, FakeAws, jsonish, refusal
from tests.some_options import some_options
from tests.test_entrances import KEY, identity_of

HOME = "us-east-1"
ONE, TWO, THREE, FOUR = "111122223333", "444455556666", "777788889999", "999900001111"
UNIT, BELOW = "ou-abcd-11111111", "ou-abcd-22222222"
Row = Mapping[str, str]


def row(account: str, **more: str) -> Row:
    return {"Id": account, "Name": f"name of {account}", **more}


def asked(call: AwsCall) -> Mapping[str, object]:
    found = json.loads(call.body)
    assert isinstance(found, dict)
    return found


def pages(*rows: Sequence[Row], part: str = "Accounts") -> Callable[[AwsCall], Answer]:
    """One page for each list of rows, in order of their tokens."""

    def answer(call: AwsCall) -> Answer:
        token = asked(call).get("NextToken")
        index = int(str(token)) if token else 0
        more = {"NextToken": str(index + 1)} if index + 1 < len(rows) else {}
        return jsonish({part: list(rows[index]), **more})

    return answer


def by_parent(part: str, **rows: Sequence[Row]) -> Callable[[AwsCall], Answer]:
    return lambda call: jsonish({part: list(rows.get(str(asked(call)["ParentId"]).replace("-", "_"), ()))})


def found(aws: Aws, source: Organization | None = None) -> Found:
    return find_accounts(aws, HOME, source or Organization())


def ids(answer: Found) -> list[str]:
    return [account.id for account in answer.accounts]


STATES: Mapping[str, tuple[Mapping[str, str], bool]] = {
    "state-wins": ({"State": "SUSPENDED", "Status": "ACTIVE"}, False),
    "status-alone": ({"Status": "SUSPENDED"}, False),
    "active-status-alone": ({"Status": "ACTIVE"}, True),
    "neither": ({}, True),
}
TAGS: Mapping[str, Mapping[str, str]] = {ONE: {"env": "prod"}, TWO: {"env": "test"}, THREE: {"env": "prod"}, FOUR: {}}


class TestListed:
    def test_every_active_account_is_asked_for_with_its_name(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("organizations:ListAccounts", pages([row(TWO, State="ACTIVE"), row(ONE, State="ACTIVE")]))
        answer = found(fake_account)
        assert [(account.id, account.alias) for account in answer.accounts] == [
            (ONE, f"name of {ONE}"), (TWO, f"name of {TWO}")
        ]  # fmt: skip
        assert (answer.left_out, answer.unreached) == ((), {})

    def test_pages_of_twenty_are_asked_for_and_an_empty_page_is_not_the_end(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("organizations:ListAccounts", pages([row(ONE)], [], [], [row(TWO)]))
        assert ids(found(fake_account)) == [ONE, TWO]
        assert {asked(call)["MaxResults"] for call in fake.seen} == {20}
        assert len(fake.seen) == 4

    @pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "PENDING_ACTIVATION", "CLOSED", "WHAT-IS-NEXT"])
    def test_an_account_that_is_not_active_is_left_out_with_its_state(
        self, state: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("organizations:ListAccounts", pages([row(ONE, State="ACTIVE"), row(TWO, State=state)]))
        answer = found(fake_account)
        assert ids(answer) == [ONE]
        assert [(one.account, one.reason) for one in answer.left_out] == [(TWO, f"{state} in the organization")]

    @pytest.mark.parametrize("name", STATES)
    def test_state_goes_before_the_retiring_status_and_a_missing_one_is_tolerated(
        self, name: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        fields, active = STATES[name]
        fake.say("organizations:ListAccounts", pages([row(ONE, **fields)]))
        assert (ids(found(fake_account)) == [ONE]) is active


class TestUnits:
    @pytest.fixture(autouse=True)
    def _tree(self, fake: FakeAws) -> None:
        below = [row(TWO), row(THREE, State="SUSPENDED")]
        accounts = by_parent("Accounts", ou_abcd_11111111=[row(ONE)], ou_abcd_22222222=below)
        fake.say("organizations:ListAccountsForParent", accounts)
        fake.say("organizations:ListOrganizationalUnitsForParent", by_parent(
            "OrganizationalUnits", ou_abcd_11111111=[{"Id": BELOW}], ou_abcd_22222222=[{"Id": UNIT}]))  # fmt: skip

    def test_a_unit_holds_the_accounts_of_the_units_below_it(self, fake_account: Aws) -> None:
        answer = found(fake_account, Organization(UNIT))
        assert ids(answer) == [ONE, TWO]
        assert [one.account for one in answer.left_out] == [THREE]

    def test_a_unit_is_asked_for_once_even_if_the_tree_bites_its_tail(self, fake: FakeAws, fake_account: Aws) -> None:
        found(fake_account, Organization(UNIT))
        assert set(fake.counted().values()) == {2}

    def test_a_unit_that_may_not_be_listed_lists_nothing_in_part(self, fake: FakeAws, fake_account: Aws) -> None:
        first = by_parent("Accounts", ou_abcd_11111111=[row(ONE)])
        fake.say("organizations:ListAccountsForParent", first, DENIED)
        answer = found(fake_account, Organization(UNIT))
        assert ids(answer) == []
        assert answer.unreached[UNLISTED].action == "organizations:ListAccountsForParent"


class TestTags:
    def tags(self, call: AwsCall) -> Answer:
        tags = TAGS[str(asked(call)["ResourceId"])]
        return jsonish({"Tags": [{"Key": key, "Value": text} for key, text in tags.items()]})

    @pytest.fixture(autouse=True)
    def _tagged(self, fake: FakeAws) -> None:
        rows = [row(ONE), row(TWO), row(THREE, State="SUSPENDED"), row(FOUR)]
        fake.say("organizations:ListAccounts", pages(rows))
        fake.say("organizations:ListTagsForResource", self.tags)

    def test_only_accounts_with_the_tag_are_asked_for_also_of_those_that_are_left_out(self, fake_account: Aws) -> None:
        answer = found(fake_account, Organization(tag=Tag("env", "prod")))
        assert (ids(answer), [one.account for one in answer.left_out]) == ([ONE], [THREE])

    def test_an_account_whose_tags_cannot_be_read_is_not_reached_and_the_others_are(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        denied = refusal("AccessDeniedException", "no", 400)
        fake.say("organizations:ListTagsForResource", lambda call: (
            denied(call) if asked(call)["ResourceId"] == TWO else self.tags(call)
        ))  # fmt: skip
        answer = found(fake_account, Organization(tag=Tag("env", "prod")))
        assert ids(answer) == [ONE]
        assert {account: why.action for account, why in answer.unreached.items()} == {
            TWO: "organizations:ListTagsForResource"
        }

    @pytest.mark.parametrize(
        ("tag", "near"), [(Tag("env", "prd"), "did you mean prod?"), (Tag("en", "prod"), "did you mean env?")]
    )
    def test_a_tag_that_nobody_bears_is_refused_with_the_near_ones(
        self, tag: Tag, near: str, fake_account: Aws
    ) -> None:
        with pytest.raises(InputError, match="no account of the organization bears it") as caught:
            found(fake_account, Organization(tag=tag))
        assert str(caught.value).endswith(near)


class TestRefused:
    @pytest.mark.parametrize(
        ("code", "cause"),
        [
            ("AccessDeniedException", Cause.DENIED),
            ("AWSOrganizationsNotInUseException", Cause.FAILED),
            ("TooManyRequestsException", Cause.THROTTLED),
        ],
    )
    def test_an_organization_that_may_not_be_listed_is_one_target_not_reached(
        self, code: str, cause: Cause, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        fake.say("sts:GetCallerIdentity", identity_of)
        fake.say("organizations:ListAccounts", refusal(code, "You don't have permissions", 400))
        options = some_options(accounts_from=Organization(), regions=("all",), role="Audit")
        chosen, left_out, unreached = with_organization(audit_sessions(Clients(), options), options)
        assert (chosen.fleet, left_out) == ((), ())
        (entrance,) = unreached
        assert (str(entrance.target), entrance.aws) == ("the-organization/all", None)
        assert entrance.identity.cause is cause  # type: ignore[union-attr]
        assert ("delegated administrators" in str(entrance.identity)) is (cause is Cause.DENIED)
        assert "\n" not in str(entrance.identity)

    def test_an_organization_without_active_accounts_is_said_to_be_so(
        self, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        fake.say("sts:GetCallerIdentity", identity_of)
        fake.say("organizations:ListAccounts", pages([row(ONE, State="SUSPENDED")]))
        options = some_options(accounts_from=Organization(), regions=("all",), role="Audit")
        with pytest.raises(InputError, match="no active account is in it"):
            with_organization(audit_sessions(Clients(), options), options)

    def test_it_is_asked_with_the_runs_own_credentials_and_in_the_partitions_home(
        self, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        fake.say("sts:GetCallerIdentity", identity_of)
        fake.say("organizations:ListAccounts", pages([row(ONE)]))
        options = some_options(accounts_from=Organization(), regions=("us-gov-east-1",), role="Audit")
        with_organization(audit_sessions(Clients(), options), options)
        (call,) = (call for call in fake.seen if call.service == "organizations")
        assert (call.access_key, call.region) == (KEY, "us-gov-west-1")
