"""Telling SNS topics: in whose name, what exactly, and what is said when it fails (really: the nightly test)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from fixtures.accounts import Account
from fixtures.delivery import Delivery, DeliveryRole
from fixtures.errors import InputError
from fixtures.fact import Unreadable
from fixtures.notify_target import Target, Topic, Webhook, parse_target
from fixtures.options import Options
from fixtures.sandbox.aws_call import Answer, AwsCall
from reports.delivery.access import Access, refuse_fix_role
from reports.delivery.message import Message
from reports.delivery.needs import ACTIONS
from reports.delivery.notify import notify
from reports.delivery.topic import publish
from tests.fake_aws import DENIED, FakeAws, Script, garbage, refusal, xml
from tests.some_options import some_options
from tests.test_access import session

ACCOUNT, OTHER = "111122223333", "444455556666"
REGION = "eu-west-1"
TOPIC = Topic(f"arn:aws:sns:{REGION}:{ACCOUNT}:forwarders", REGION, ACCOUNT)
MESSAGE = Message(
    run="20261124T041530Z-9f3c",
    subject="Taegis forwarders: 2 new (exit 1).",
    text="**2 findings.**\n\n- new: [a \\*b\\* on c](https://r/x#a)\n",
    document={},
    attributes={"code": 1, "open": 2, "new": 2, "mode": "audit"},
)
TAKEN = xml("<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>")


def is_in(account: str) -> Answer:
    arn = f"arn:aws:sts::{account}:assumed-role/Deliver/taegis-forwarders"
    return xml(
        "<GetCallerIdentityResponse><GetCallerIdentityResult>"
        f"<Account>{account}</Account><Arn>{arn}</Arn><UserId>u</UserId>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )


@pytest.fixture
def aws(fake: FakeAws) -> FakeAws:
    fake.say("sts:GetCallerIdentity", is_in(ACCOUNT))
    fake.say("sts:AssumeRole", lambda _: session("AKIDDELIVER", 60))
    fake.say("sns:Publish", TAKEN)
    return fake


def options(deliver_as: DeliveryRole | None = None, **changes: object) -> Options:
    return some_options(delivery=Delivery((TOPIC,), role=deliver_as), regions=(REGION,), **changes)


def access(deliver_as: DeliveryRole | None = None, **changes: object) -> Access:
    return Access(options(deliver_as, **changes), None, REGION)


def calls(aws: FakeAws, operation: str) -> list[AwsCall]:
    return [call for call in aws.seen if call.operation == operation]


def published(aws: FakeAws) -> Mapping[str, str]:
    (call,) = calls(aws, "Publish")
    return {name: texts[0] for name, texts in parse_qs(call.body.decode(), keep_blank_values=True).items()}


class TestMessage:
    def test_a_topic_gets_plain_text_a_subject_and_attributes_to_filter_by(self, aws: FakeAws) -> None:
        assert not publish(TOPIC, MESSAGE, access())
        sent = published(aws)
        assert sent["TopicArn"] == TOPIC.arn
        assert sent["Subject"] == MESSAGE.subject
        assert sent["Message"] == "2 findings.\n\n- new: a *b* on c https://r/x#a\n"
        names = {text: name for name, text in sent.items() if name.endswith(".Name")}
        kinds = {name: sent[where.replace(".Name", ".Value.DataType")] for name, where in names.items()}
        assert kinds == {"code": "Number", "open": "Number", "new": "Number", "mode": "String"}

    def test_a_long_message_is_cut_where_sns_would_refuse_it_and_says_so(self, aws: FakeAws) -> None:
        long = replace(MESSAGE, text="ü" * 200_000)
        assert not publish(TOPIC, long, access())
        sent = published(aws)["Message"]
        assert sent.endswith("(cut here: SNS takes 256 KB)\n")
        assert 250_000 < len(sent.encode()) <= 256 * 1024

    def test_a_fifo_topic_gets_its_group_and_what_tells_doubles(self, aws: FakeAws) -> None:
        assert not publish(replace(TOPIC, arn=f"{TOPIC.arn}.fifo"), MESSAGE, access())
        sent = published(aws)
        assert (sent["MessageGroupId"], sent["MessageDeduplicationId"]) == ("taegis-forwarders", MESSAGE.run)


class TestName:
    def test_a_role_is_assumed_in_the_topics_account_and_may_deliver_and_nothing_else(self, aws: FakeAws) -> None:
        assert not publish(TOPIC, MESSAGE, access(DeliveryRole("Deliver"), external_id="x-1"))
        (entry,) = calls(aws, "AssumeRole")
        assert entry.form["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/Deliver"
        assert entry.form["ExternalId"] == "x-1"
        (statement,) = json.loads(entry.form["Policy"])["Statement"]
        assert statement["Action"] == sorted(ACTIONS)
        assert [call.access_key for call in calls(aws, "Publish")] == ["AKIDDELIVER"]

    def test_an_arn_names_one_role_for_topics_of_others(self, aws: FakeAws) -> None:
        aws.say("sts:GetCallerIdentity", is_in(OTHER))
        assert not publish(TOPIC, MESSAGE, access(DeliveryRole("path/Deliver", OTHER)))
        (entry,) = calls(aws, "AssumeRole")
        assert entry.form["RoleArn"] == f"arn:aws:iam::{OTHER}:role/path/Deliver"

    def test_nothing_is_sent_by_a_role_that_is_somebody_elses(self, aws: FakeAws) -> None:
        aws.say("sts:GetCallerIdentity", is_in(OTHER))
        told = publish(TOPIC, MESSAGE, access(DeliveryRole("Deliver")))
        assert f"credentials are of account {OTHER}" in told
        assert calls(aws, "Publish") == []

    def test_without_a_role_it_is_the_current_credentials(self, aws: FakeAws) -> None:
        assert not publish(TOPIC, MESSAGE, access(fix_role="Fix", role="Audit"))
        assert calls(aws, "AssumeRole") == []
        assert [call.access_key for call in calls(aws, "Publish")] == ["testing"]

    def test_an_account_is_entered_once(self, aws: FakeAws) -> None:
        door = access(DeliveryRole("Deliver"))
        notify([TOPIC, replace(TOPIC, arn=f"{TOPIC.arn}-2")], MESSAGE, lambda _: door)
        assert (len(calls(aws, "AssumeRole")), len(calls(aws, "Publish"))) == (1, 2)

    def test_security_hub_needs_the_very_account(self, aws: FakeAws) -> None:
        assert aws.seen == []
        refused = access().enter_own(OTHER)
        assert isinstance(refused, Unreadable)
        assert str(refused).endswith(f"the current credentials are of {ACCOUNT}: name a role with --delivery-role")
        aws.say("sts:GetCallerIdentity", is_in(ACCOUNT))
        refused = access(DeliveryRole("Deliver", ACCOUNT)).enter_own(OTHER)
        assert isinstance(refused, Unreadable)
        assert "name a role that every account has" in str(refused)

    def test_the_role_for_fixes_of_an_accounts_file_is_refused(self) -> None:
        fleet = (Account(ACCOUNT, fix_role="Fix"), Account(OTHER))
        with pytest.raises(InputError, match=f"in account {ACCOUNT} that is the role for fixes"):
            refuse_fix_role(options(DeliveryRole("Fix"), fleet=fleet))
        refuse_fix_role(options(DeliveryRole("Fix", OTHER), fleet=fleet))
        refuse_fix_role(options(DeliveryRole("Deliver"), fleet=fleet))


FAILS: Mapping[str, tuple[str, Script, str]] = {
    "denied": ("sns:Publish", DENIED, "sns:Publish denied: "),
    "no-such-topic": ("sns:Publish", refusal("NotFound", "Topic does not exist", 404), "Topic does not exist"),
    "throttled-for-ever": ("sns:Publish", refusal("Throttling"), "sns:Publish throttled: "),
    "a-server-error": ("sns:Publish", refusal("InternalError", status=500), "sns:Publish call failed: InternalError"),
    "no-answer-of-sns": ("sns:Publish", garbage(), "sns:Publish malformed answer"),
    "no-message-id": (
        "sns:Publish",
        xml("<PublishResponse><PublishResult/></PublishResponse>"),
        "MessageId is missing",
    ),
    "no-role": ("sts:AssumeRole", DENIED, "sts:AssumeRole denied: "),
    "odd-identity": ("sts:GetCallerIdentity", xml("<GetCallerIdentityResponse/>"), "sts:GetCallerIdentity malformed"),
}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", FAILS)
def test_what_goes_wrong_is_said_in_one_line(name: str, aws: FakeAws) -> None:
    call, answer, told = FAILS[name]
    aws.say(call, answer)
    said = publish(TOPIC, MESSAGE, access(DeliveryRole("Deliver")))
    assert told in said
    assert "\n" not in said


@pytest.mark.usefixtures("no_pauses")
def test_what_is_throttled_once_is_sent(aws: FakeAws) -> None:
    aws.say("sns:Publish", refusal("Throttling"), TAKEN)
    assert not publish(TOPIC, MESSAGE, access())


def test_who_has_no_credentials_is_told_and_the_others_are_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    posted: list[Target] = []
    monkeypatch.setattr("reports.delivery.notify.post", lambda target, _: posted.append(target) or "")
    hook = parse_target("json:http://127.0.0.1:9/x")
    assert isinstance(hook, Webhook)
    sent = notify([TOPIC, hook], MESSAGE, lambda region: Access(options(), None, region))
    assert "none found in environment, profile or instance" in sent[0].trouble
    assert (sent[1].trouble, posted) == ("", [hook])
