"""With IAM enforced: the role of `policy deliver` tells its topic, no other, and can do nothing else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.aws import Aws, CallFailed
from fixtures.delivery import Delivery, DeliveryRole
from fixtures.fact import Cause
from fixtures.notify_target import Topic
from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place as SeedPlace
from fixtures.sandbox.seed_client import SeedClients, policy_document
from remediation.policy import policy_of
from remediation.policy_document import Place, document
from reports.delivery.access import Access
from reports.delivery.message import Message
from reports.delivery.needs import DELIVERY_NEEDS
from reports.delivery.topic import publish
from tests.conftest import point_at
from tests.some_options import some_options

ACCOUNT, REGION, ROLE = "111122223333", "us-east-1", "TaegisForwarderDelivery"
MESSAGE = Message("20261124T041530Z-9f3c", "2 new", "**2 new**\n", {}, {"code": 1})


@dataclass
class World:
    sandbox: Sandbox
    root: SeedPlace
    topic: Topic
    other: Topic
    queue: str

    @property
    def access(self) -> Access:
        given = Delivery((self.topic,), role=DeliveryRole(ROLE))
        return Access(some_options(delivery=given, regions=(REGION,)), None, REGION)

    def came(self) -> list[str]:
        """The messages that came to the topic's queue since somebody last looked."""
        answer = self.root.call("sqs", "receive_message", QueueUrl=self.queue, MaxNumberOfMessages=10)
        found = answer.get("Messages", [])
        assert isinstance(found, list)
        for one in found:
            self.root.call("sqs", "delete_message", QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return [json.loads(one["Body"])["Message"] for one in found]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    spec = SandboxSpec((ACCOUNT,), (REGION,), enforce_iam=True, size=1)
    with (
        start_sandbox(spec, Path(tmp_path_factory.mktemp("sandbox"))) as sandbox,
        pytest.MonkeyPatch.context() as patch,
    ):
        point_at(patch, dict(sandbox.environment))
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        topics = [Topic(str(root.call("sns", "create_topic", Name=name)["TopicArn"]), REGION, ACCOUNT)
                  for name in ("forwarders", "others")]  # fmt: skip
        queue = str(root.call("sqs", "create_queue", QueueName="listener")["QueueUrl"])
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:listener"
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                     "Resource": arn}  # fmt: skip
        let_in = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        root.call("sqs", "set_queue_attributes", QueueUrl=queue, Attributes={"Policy": let_in})
        root.call("sns", "subscribe", TopicArn=topics[0].arn, Protocol="sqs", Endpoint=arn)
        trust = policy_document(Action="sts:AssumeRole", Principal={"AWS": ACCOUNT})
        root.call("iam", "create_role", RoleName=ROLE, AssumeRolePolicyDocument=trust)
        policy = document(policy_of(DELIVERY_NEEDS, ("topic",)), Place("aws", ACCOUNT, topics=(topics[0].arn,)))
        root.call("iam", "put_role_policy", RoleName=ROLE, PolicyName="deliver", PolicyDocument=json.dumps(policy))
        yield World(sandbox, root, topics[0], topics[1], queue)


@pytest.fixture(autouse=True)
def _at_the_sandbox(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(monkeypatch, dict(world.sandbox.environment))


def test_its_topic_is_told(world: World) -> None:
    assert publish(world.topic, MESSAGE, world.access) == ""
    assert world.came() == ["2 new\n"]


def test_another_topic_is_not(world: World) -> None:
    told = publish(world.other, MESSAGE, world.access)
    assert told.startswith("sns:Publish denied: ")
    assert world.came() == []


@pytest.mark.parametrize("call", [("lambda", "ListFunctions"), ("cloudformation", "ListStacks"), ("s3", "ListBuckets")])
def test_it_can_do_nothing_else(call: tuple[str, str], world: World) -> None:
    aws = world.access.enter(ACCOUNT)
    assert isinstance(aws, Aws)
    with pytest.raises(CallFailed) as caught:
        aws.call(REGION, *call)
    assert caught.value.cause is Cause.DENIED
