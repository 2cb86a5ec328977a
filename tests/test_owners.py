"""What belongs to another account of the run is read in that account's name; the others are asked only if needed."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.aws import Aws, Clients
from fixtures.desired import read_desires
from fixtures.estate import Bucket, Estate, Identity, Notification, Target
from fixtures.fact import Cause, Unreadable
from fixtures.observe import Entrance, Question, observe
from fixtures.owners import Owners
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.settings import Settings
from tests.aws_answers import KEY_ARN, REGION, good, in_words
from tests.fake_aws import DENIED, FakeAws, jsonish
from tests.some_options import some_options

ONE, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
BUCKET = "logs"
FACTS = frozenset({"stacks", "functions", "bucket_region", "notification", "encryption", "keys"})
READS = ("s3:HeadBucket", "s3:GetBucketNotificationConfiguration", "s3:GetBucketEncryption")
HEAD = Answer(200, ((b"x-amz-bucket-region", REGION.encode()),))


def of_owner(owner: str, answer: Answer) -> Callable[[AwsCall], Answer]:
    """S3's answer to the owner, if the owner is also expected; to everybody else a refusal."""

    def say(call: AwsCall) -> Answer:
        if call.access_key == owner == call.headers.get("x-amz-expected-bucket-owner"):
            return answer
        return Answer(403) if call.method == "HEAD" else DENIED(call)

    return say


def only_in(account: str, name: str, empty: Answer) -> Callable[[AwsCall], Answer]:
    return lambda call: good(name) if call.access_key == account else empty


def listing(owner: str) -> Callable[[AwsCall], Answer]:
    def say(call: AwsCall) -> Answer:
        name = BUCKET if call.access_key == owner else f"of-{call.access_key}"
        return in_words("s3:ListBuckets", {"Buckets": {"Bucket": [{"Name": name}]}})

    return say


class World:
    """One forwarder in `ONE` whose bucket is another account's."""

    def __init__(self, fake: FakeAws) -> None:
        self.fake = fake
        self.clients = Clients()
        self.owned_by(OTHER)
        none = in_words("cloudformation:DescribeStacks", {"Stacks": []})
        fake.say("cloudformation:DescribeStacks", only_in(ONE, "cloudformation:DescribeStacks", none))
        fake.say("lambda:ListFunctions", only_in(ONE, "lambda:ListFunctions", jsonish({"Functions": []})))
        fake.say("kms:GetKeyPolicy", good("kms:GetKeyPolicy"))

    def owned_by(self, owner: str) -> None:
        for name in READS:
            self.fake.say(name, of_owner(owner, HEAD if name == "s3:HeadBucket" else good(name)))
        self.fake.say("s3:ListBuckets", listing(owner))

    def entrance(self, account: str) -> Entrance:
        aws = Aws(self.clients, Credentials(account, "secret"), account)
        return Entrance(Target(account, REGION), Identity(account, f"arn:aws:iam::{account}:root", "aws"), aws)

    def look(self, *accounts: str, owners: Owners | None = None, facts: frozenset[str] = FACTS) -> Estate:
        entrances = [self.entrance(account) for account in accounts]
        desires = read_desires(some_options(), Settings())
        return observe(self.clients, entrances, Question(facts), desires, datetime.now(UTC), owners=owners)

    def bucket(self, *accounts: str, owners: Owners | None = None) -> Bucket:
        return self.look(*accounts, owners=owners).buckets[BUCKET]

    @property
    def asked(self) -> Counter[str]:
        """Who was asked for all of its buckets, and how often."""
        return Counter(call.access_key for call in self.fake.seen if call.operation == "ListBuckets")


@pytest.fixture
def world(fake: FakeAws) -> World:
    return World(fake)


def test_a_bucket_of_another_account_of_the_run_is_read_in_its_name(world: World) -> None:
    bucket = world.bucket(ONE, OTHER, THIRD)
    assert (bucket.owner, bucket.region) == (OTHER, REGION)
    assert isinstance(bucket.notification, Notification)
    assert not isinstance(bucket.encryption, Unreadable)
    assert world.asked == {ONE: 1, OTHER: 1, THIRD: 1}


def test_every_read_of_a_bucket_expects_its_owner(world: World, fake: FakeAws) -> None:
    world.bucket(ONE, OTHER)
    expected = [(call.access_key, call.headers.get("x-amz-expected-bucket-owner")) for call in fake.seen
                if call.bucket == BUCKET]  # fmt: skip
    assert sorted(set(expected)) == [(ONE, ONE), (OTHER, OTHER)]


def test_no_other_account_is_asked_while_every_bucket_is_its_own_accounts(world: World) -> None:
    world.owned_by(ONE)
    assert world.bucket(ONE, OTHER, THIRD).owner == ONE
    assert world.asked == {ONE: 1}


def test_no_other_account_is_asked_where_one_is_all_there_is(world: World) -> None:
    bucket = world.bucket(ONE)
    assert isinstance(bucket.notification, Unreadable)
    assert bucket.notification.cause is Cause.DENIED
    assert world.asked == {ONE: 1}


def test_where_the_listing_says_the_region_no_bucket_is_asked_for_it(world: World, fake: FakeAws) -> None:
    world.owned_by(ONE)
    shown = in_words("s3:ListBuckets", {"Buckets": {"Bucket": [{"Name": BUCKET, "BucketRegion": "eu-west-3"}]}})
    fake.say("s3:ListBuckets", shown)
    assert world.bucket(ONE).region == "eu-west-3"
    assert "s3:HeadBucket" not in fake.counted()


def test_a_region_is_asked_of_the_bucket_where_buckets_may_not_be_listed(world: World, fake: FakeAws) -> None:
    world.owned_by(ONE)
    fake.say("s3:ListBuckets", DENIED)
    assert world.bucket(ONE).region == REGION


def test_a_bucket_of_no_account_of_the_run_stays_unread(world: World) -> None:
    bucket = world.bucket(ONE, THIRD)
    assert (bucket.owner, str(bucket.notification).partition(":")[0]) == (ONE, "s3")
    assert isinstance(bucket.notification, Unreadable)


def test_an_own_bucket_that_is_denied_stays_unread(world: World, fake: FakeAws) -> None:
    world.owned_by(ONE)
    fake.say("s3:GetBucketNotificationConfiguration", DENIED)
    bucket = world.bucket(ONE, OTHER)
    assert (bucket.owner, bucket.region) == (ONE, REGION)
    assert isinstance(bucket.notification, Unreadable)


def test_an_account_that_may_not_list_its_buckets_does_not_hide_another(world: World, fake: FakeAws) -> None:
    may = listing(OTHER)
    fake.say("s3:ListBuckets", lambda call: DENIED(call) if call.access_key == THIRD else may(call))
    assert world.bucket(ONE, OTHER, THIRD).owner == OTHER


def test_a_second_look_at_one_target_still_knows_the_owner_and_asks_nobody_again(world: World) -> None:
    owners = Owners(entrance.aws for account in (ONE, OTHER) if (entrance := world.entrance(account)).aws)
    assert world.bucket(ONE, OTHER, owners=owners).owner == OTHER
    first = world.asked[OTHER]
    assert world.bucket(ONE, owners=owners).owner == OTHER
    assert (world.asked[OTHER] - first, world.asked[ONE]) == (1, 2)  # each where its bucket's region is, once a look


def test_facts_that_nobody_asked_for_make_nobody_asked_for_buckets(world: World, fake: FakeAws) -> None:
    world.look(ONE, OTHER, facts=frozenset({"stacks", "functions"}))
    assert not [call for call in fake.seen if call.service == "s3"]


@pytest.mark.parametrize(("entered", "by"), [((ONE, OTHER), OTHER), ((ONE,), ONE)], ids=["entered", "not-entered"])
def test_a_key_is_asked_for_by_its_own_account_where_that_is_entered(
    entered: tuple[str, ...], by: str, world: World, fake: FakeAws
) -> None:
    stack = good("cloudformation:DescribeStacks").text.replace(
        "</Parameters>",
        "<member><ParameterKey>NotificationBucketCustomerManagedKMSarn</ParameterKey>"
        f"<ParameterValue>{KEY_ARN.replace(ONE, OTHER)}</ParameterValue></member></Parameters>",
    )
    none = in_words("cloudformation:DescribeStacks", {"Stacks": []})
    fake.say("cloudformation:DescribeStacks", lambda call: none.with_text(stack) if call.access_key == ONE else none)
    world.look(*entered)
    assert {
        call.access_key for call in fake.seen if call.operation == "GetKeyPolicy" and OTHER in call.body.decode()
    } == {by}
