"""What readers make of S3's answers: documents, encryption, public access, packages."""

import base64
import hashlib
import json
from collections.abc import Mapping

import pytest

from fixtures.aws import Aws
from fixtures.estate import Encryption, Rule, StoredObject
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_encryption, read_notification, read_package, read_public
from fixtures.sandbox.aws_call import Answer
from tests.aws_answers import (
    ACCOUNT,
    FUNCTION_ARN,
    REGION,
    TOPIC_ARN,
    Data,
    in_words,
)
from tests.fake_aws import FakeAws, refusal, xml

CREATED = "s3:ObjectCreated:*"


class TestNotification:
    def read(self, fake: FakeAws, aws: Aws, inside: str) -> object:
        fake.say("s3:GetBucketNotificationConfiguration", xml(f"<NotificationConfiguration>{inside}"
                                                              "</NotificationConfiguration>"))  # fmt: skip
        return read_notification(aws, REGION, "logs", ACCOUNT)

    def rule(self, inside: str = "", event: str = CREATED) -> str:
        arn = f"<CloudFunction>{FUNCTION_ARN}</CloudFunction>"
        return f"<CloudFunctionConfiguration>{arn}<Event>{event}</Event>{inside}</CloudFunctionConfiguration>"

    def filtered(self, *pairs: tuple[str, str]) -> str:
        rules = "".join(f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>" for name, value in pairs)
        return self.rule(f"<Filter><S3Key>{rules}</S3Key></Filter>")

    @pytest.mark.parametrize("names", [("Prefix", "Suffix"), ("prefix", "suffix"), ("PREFIX", "SUFFIX")], ids=str)
    def test_filter_names_are_read_in_any_case(self, names: tuple[str, str], fake: FakeAws, fake_account: Aws) -> None:
        found = self.read(fake, fake_account, self.filtered((names[0], "in/"), (names[1], ".gz")))
        assert found.rules == (Rule("function", FUNCTION_ARN, (CREATED,), "in/", ".gz"),)  # type: ignore[attr-defined]

    @pytest.mark.parametrize("inside", ["", "<Filter/>", "<Filter><S3Key/></Filter>"])
    def test_a_rule_without_filter_or_id_is_for_every_object(
        self, inside: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        found = self.read(fake, fake_account, self.rule(inside))
        assert found.rules == (Rule("function", FUNCTION_ARN, (CREATED,)),)  # type: ignore[attr-defined]
        assert found.rules[0].id is None  # type: ignore[attr-defined]

    def test_rules_of_all_kinds_are_told_apart_and_eventbridge_is_seen(self, fake: FakeAws, fake_account: Aws) -> None:
        event = f"<Event>{CREATED}</Event>"
        found = self.read(fake, fake_account,
            f"<TopicConfiguration><Id>t</Id><Topic>{TOPIC_ARN}</Topic>{event}</TopicConfiguration>"
            f"<QueueConfiguration><Queue>arn:q</Queue>{event}</QueueConfiguration>"
            f"{self.rule()}<EventBridgeConfiguration/>")  # fmt: skip
        kinds = [(rule.kind, rule.arn) for rule in found.rules]  # type: ignore[attr-defined]
        assert sorted(kinds) == [("function", FUNCTION_ARN), ("queue", "arn:q"), ("topic", TOPIC_ARN)]
        assert found.eventbridge  # type: ignore[attr-defined]
        document = json.loads(found.document)  # type: ignore[attr-defined]
        assert set(document) == {"TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations",
                                 "EventBridgeConfiguration"}  # fmt: skip
        assert document["TopicConfigurations"][0]["Id"] == "t"

    def test_a_document_without_rules_is_one(self, fake: FakeAws, fake_account: Aws) -> None:
        found = self.read(fake, fake_account, "")
        assert (found.rules, found.eventbridge, found.document) == ((), False, "{}")  # type: ignore[attr-defined]

    @pytest.mark.parametrize("namespace", ['xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ""])
    def test_a_namespace_makes_no_difference(self, namespace: str, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("s3:GetBucketNotificationConfiguration",
                 xml(f"<NotificationConfiguration {namespace}>{self.rule()}</NotificationConfiguration>"))  # fmt: skip
        found = read_notification(fake_account, REGION, "logs", ACCOUNT)
        assert not isinstance(found, Absent | Unreadable)
        assert len(found.rules) == 1

    def test_a_filter_that_is_neither_prefix_nor_suffix_is_unreadable(self, fake: FakeAws, fake_account: Aws) -> None:
        found = self.read(fake, fake_account, self.filtered(("size", "9")))
        assert isinstance(found, Unreadable)
        assert "'size' is neither prefix nor suffix" in found.reason

    def test_events_are_sorted_so_that_rules_compare(self, fake: FakeAws, fake_account: Aws) -> None:
        more = "<Event>s3:ObjectCreated:Copy</Event>"
        found = self.read(fake, fake_account, self.rule(more, event="s3:ObjectCreated:Put"))
        assert found.rules[0].events == ("s3:ObjectCreated:Copy", "s3:ObjectCreated:Put")  # type: ignore[attr-defined]

    def test_the_owner_is_named_so_that_a_strangers_bucket_is_refused(self, fake: FakeAws, fake_account: Aws) -> None:
        self.read(fake, fake_account, "")
        assert fake.seen[0].headers["x-amz-expected-bucket-owner"] == ACCOUNT


class TestBucket:
    @pytest.mark.parametrize("code", ["ServerSideEncryptionConfigurationNotFoundError"])
    def test_a_bucket_without_a_configuration_has_s3s_own_key(
        self, code: str, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("s3:GetBucketEncryption", refusal(code, "none", 404))
        assert read_encryption(fake_account, REGION, "logs", ACCOUNT) == Encryption("AES256", None)

    def test_an_empty_list_of_rules_is_unreadable(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("s3:GetBucketEncryption", in_words("s3:GetBucketEncryption", {"Rule": [{"BucketKeyEnabled": "true"}]}))
        assert isinstance(read_encryption(fake_account, REGION, "logs", ACCOUNT), Unreadable)

    # block: (RestrictPublicBuckets, IgnorePublicAcls) or an error; policy: IsPublic or an error; what is said
    PUBLIC: Mapping[str, tuple[tuple[str, str] | str, str, object]] = {
        "blocked": (("true", "true"), "never asked", False),
        "blocked-for-policies-only": (("true", "false"), "false", False),
        "half-blocked-and-public": (("false", "true"), "true", True),
        "no-block-and-public": ("NoSuchPublicAccessBlockConfiguration", "true", True),
        "no-block-and-private": ("NoSuchPublicAccessBlockConfiguration", "false", False),
        "no-block-and-no-policy": ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy", False),
        "no-bucket": ("NoSuchBucket", "never asked", Absent("bucket logs")),
    }

    @pytest.mark.parametrize("name", PUBLIC)
    def test_a_bucket_is_public_by_policy_unless_blocked(self, name: str, fake: FakeAws, fake_account: Aws) -> None:
        block, policy, expected = self.PUBLIC[name]
        if isinstance(block, str):
            fake.say("s3:GetPublicAccessBlock", refusal(block, "no", 404))
        else:
            flags: dict[str, Data] = {"RestrictPublicBuckets": block[0], "IgnorePublicAcls": block[1]}
            fake.say("s3:GetPublicAccessBlock", in_words("s3:GetPublicAccessBlock", flags))
        if policy in {"true", "false"}:
            fake.say("s3:GetBucketPolicyStatus", in_words("s3:GetBucketPolicyStatus", {"IsPublic": policy}))
        else:
            fake.say("s3:GetBucketPolicyStatus", refusal(policy, "no", 404))
        assert read_public(fake_account, REGION, "logs", ACCOUNT) == expected
        assert ("s3:GetBucketPolicyStatus" in fake.counted()) is (policy != "never asked")


class TestPackage:
    BODY = b"a zip"
    DIGEST = base64.b64encode(hashlib.sha256(BODY).digest()).decode()

    def head(self, checksum: str | None) -> Answer:
        pairs = ((b"x-amz-checksum-sha256", checksum.encode()),) if checksum else ()
        return Answer(200, pairs, self.BODY)

    @pytest.mark.parametrize(("checksum", "reads"), [("c3RvcmVk", 0), (None, 1), ("c3RvcmVk-3", 1)],
                             ids=["stored", "none", "of-parts"])  # fmt: skip
    def test_the_digest_is_s3s_else_that_of_the_body(
        self, checksum: str | None, reads: int, fake: FakeAws, fake_account: Aws
    ) -> None:
        fake.say("s3:HeadObject", self.head(checksum))
        fake.say("s3:GetObject", Answer(200, (), self.BODY))
        found = read_package(fake_account, REGION, "logs", "a.zip", ACCOUNT)
        digest = self.DIGEST if reads else checksum
        assert found == StoredObject("logs", "a.zip", len(self.BODY), str(digest))
        assert fake.counted()["s3:GetObject"] == reads
        assert {call.headers["x-amz-expected-bucket-owner"] for call in fake.seen} == {ACCOUNT}
        assert fake.seen[0].headers["x-amz-checksum-mode"] == "ENABLED"

    def test_an_object_that_goes_away_while_it_is_read_is_unreadable(self, fake: FakeAws, fake_account: Aws) -> None:
        fake.say("s3:HeadObject", self.head(None))
        fake.say("s3:GetObject", refusal("NoSuchKey", "gone", 404))
        found = read_package(fake_account, REGION, "logs", "a.zip")
        assert isinstance(found, Unreadable)
        assert found.action == "s3:GetObject"
