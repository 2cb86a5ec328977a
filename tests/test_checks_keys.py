import json
from collections.abc import Mapping

import pytest

from checks.registry import check_functions
from fixtures.estate import Encryption, Estate, KeyPolicy, Target
from fixtures.fact import Absent, Fact
from fixtures.readers.keys import parse_key_policy
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    ACCOUNT,
    HERE,
    OTHER_ACCOUNT,
    a_bucket,
    a_forwarder,
    a_function,
    a_parameter_set,
    a_stack,
    a_statement,
    an_arn,
    an_estate,
    denied,
)

CHECKS = check_functions()
decrypt, named = CHECKS["keys-decrypt"], CHECKS["keys-named"]
KEY, OTHER_KEY = an_arn("kms", "key/0a1b"), an_arn("kms", "key/9f9f")
PARAMETER = "NotificationBucketCustomerManagedKMSarn"
ALIAS = an_arn("kms", "alias/logs")
FOREIGN_KEY = an_arn("kms", "key/0a1b", Target(OTHER_ACCOUNT, HERE.region))
ROLE = a_function().role
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
NO_POLICY = denied("kms:GetKeyPolicy")


def a_stack_with(**parameters: str) -> Mapping[str, object]:
    return {"stack": a_stack(parameters=a_parameter_set(**parameters))}


def naming(key: str, policy: Fact[KeyPolicy] | None, **changes: object) -> Estate:
    """A forwarder whose stack names this key for its bucket."""
    wanted = a_stack_with(NotificationBucketCustomerManagedKMSarn=key)
    return an_estate(a_forwarder(**wanted, **changes), keys={} if policy is None else {key: policy})


def says(*statements: Mapping[str, object], key: str = KEY) -> Estate:
    """A key whose policy is parsed as the reader does."""
    document = json.dumps({"Statement": list(statements)})
    return naming(key, parse_key_policy(key, ACCOUNT, document))


def statement(
    principal: object, action: object = "kms:*", effect: str = "Allow", **more: object
) -> Mapping[str, object]:
    return {"Sid": "one", "Effect": effect, "Principal": {"AWS": principal}, "Action": action, **more}


def refused(key: str = KEY, whose: str = "") -> str:
    return (
        f"FAILED: expected a key policy that lets {ROLE} decrypt with {key}; "
        f"found the policy{whose} neither leaves it to the IAM of {ACCOUNT} nor names the role"
    )


OF_ANOTHER = f" of account {OTHER_ACCOUNT}"
CONDITIONAL = f"UNKNOWN: the policy of {KEY} has conditions: statement one"
DENYING = f"UNKNOWN: the policy of {KEY} denies decryption to somebody: statement one"
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
ELSEWHERE = "is an alias or of another account: its key's policy is not shown here"
DECRYPT = {
    "no key named": (an_estate(a_forwarder()), NOT_ASKED),
    "left to IAM": (says(statement(ROOT)), PASSED),
    "left to IAM by account id": (says(statement(ACCOUNT)), PASSED),
    "left to IAM for decryption": (says(statement(ROOT, ["kms:DescribeKey", "kms:Decrypt"])), PASSED),
    "left to IAM for something else": (says(statement(ROOT, "kms:Describe*")), refused()),
    "the role by name": (says(statement([ROLE, "arn:aws:iam::111122223333:role/admin"], "kms:Decrypt")), PASSED),
    "the role by name, with a wildcard action": (says(statement(ROLE, "kms:D*")), PASSED),
    "the role by name, for something else": (says(statement(ROLE, "kms:Encrypt")), refused()),
    "another role": (says(statement(f"{ROLE}-2", "kms:Decrypt")), refused()),
    "everybody": (says(statement("*")), PASSED),
    "everybody, under a condition": (says(statement("*", Condition=VIA_S3)), CONDITIONAL),
    "the role, under a condition": (says(statement(ROLE, Condition=VIA_S3)), CONDITIONAL),
    "left to IAM, and more under a condition": (says(statement(ROOT), statement("*", Condition=VIA_S3)), PASSED),
    "everybody but somebody": (
        says({"Sid": "one", "Effect": "Allow", "NotPrincipal": {"AWS": ROLE}, "Action": "kms:*"}), CONDITIONAL),
    "everything but something": (
        says({"Sid": "one", "Effect": "Allow", "Principal": {"AWS": ROOT}, "NotAction": "kms:Delete*"}), PASSED),
    "everything but decryption": (
        says({"Sid": "one", "Effect": "Allow", "Principal": {"AWS": ROOT}, "NotAction": "kms:Decrypt"}), refused()),
    "denied to somebody": (says(statement(ROOT), statement(ROLE, "kms:Decrypt", "Deny")), DENYING),
    "something else is denied": (says(statement(ROOT), statement("*", "kms:DeleteKey", "Deny")), PASSED),
    "a service only": (
        says({"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "kms:*"}), refused()),
    "another account's IAM": (says(statement(f"arn:aws:iam::{OTHER_ACCOUNT}:root")), refused()),
    "no statement": (says(), refused()),
    "another account's key, for its own IAM": (
        says(statement(f"arn:aws:iam::{OTHER_ACCOUNT}:root"), key=FOREIGN_KEY), refused(FOREIGN_KEY, OF_ANOTHER)),
    "another account's key, for this one's IAM": (says(statement(ROOT), key=FOREIGN_KEY), PASSED),
    "another account's key, for this account by id": (says(statement(ACCOUNT), key=FOREIGN_KEY), PASSED),
    "another account's key, for the role": (says(statement(ROLE), key=FOREIGN_KEY), PASSED),
    "gone": (naming(KEY, Absent(f"key {KEY}")),
             f"FAILED: expected the key that {PARAMETER} names; found key {KEY} does not exist"),
    "another account's key, not found from here": (
        naming(FOREIGN_KEY, Absent(f"key {FOREIGN_KEY}")), f"UNKNOWN: {FOREIGN_KEY} {ELSEWHERE}"),
    "an alias, not found": (naming(ALIAS, Absent(f"key {ALIAS}")), f"UNKNOWN: {ALIAS} {ELSEWHERE}"),
    "an id, not found": (naming("0a1b", Absent("key 0a1b")), f"UNKNOWN: 0a1b {ELSEWHERE}"),
    "not shown": (naming(KEY, NO_POLICY), f"UNKNOWN: key {KEY}: {NO_POLICY}"),
    "not read": (naming(KEY, None), f"UNKNOWN: key {KEY} was not read"),
    "masked": (naming("****", None), "UNKNOWN: key **** was not read"),
    "a function without a role": (
        naming(KEY, KeyPolicy(KEY, ACCOUNT, delegates=True, principals=()), listed=a_function(role="")),
        "UNKNOWN: Lambda does not say which role the function has"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), DECRYPT.values(), ids=DECRYPT)
def test_named_keys(estate: Estate, answer: str) -> None:
    assert told(decrypt, estate) == answer


def test_of_two_keys_the_finding_is_told_first() -> None:
    both = a_stack_with(NotificationBucketCustomerManagedKMSarn=KEY, LambdaEnvKMSarn=OTHER_KEY)
    bad = KeyPolicy(OTHER_KEY, ACCOUNT, delegates=False, principals=())
    good = KeyPolicy(KEY, ACCOUNT, delegates=True, principals=())

    assert told(decrypt, an_estate(a_forwarder(**both), keys={KEY: good, OTHER_KEY: bad})) == refused(OTHER_KEY)
    assert told(decrypt, an_estate(a_forwarder(**both), keys={KEY: NO_POLICY, OTHER_KEY: bad})) == refused(OTHER_KEY)
    assert told(decrypt, an_estate(a_forwarder(**both), keys={KEY: good, OTHER_KEY: NO_POLICY})) == (
        f"UNKNOWN: key {OTHER_KEY}: {NO_POLICY}"
    )


BUCKET = "cloudtrail-prod-logs"
EMPTY = (
    "FAILED: expected NotificationBucketCustomerManagedKMSarn to name the bucket's key; "
    f"found it is empty, and the bucket is encrypted with {KEY}"
)
LOGS = a_statement(principals=("logs.amazonaws.com",))


def encrypted(encryption: Fact[Encryption], parameter: str = "", **changes: object) -> Estate:
    wanted = a_stack_with(NotificationBucketCustomerManagedKMSarn=parameter)
    return an_estate(a_forwarder(**wanted, **changes), buckets=[a_bucket(BUCKET, encryption=encryption)])


def other(bucket: str, parameter: str) -> str:
    return (
        f"PASSED (the bucket is encrypted with {bucket} by default, "
        f"and NotificationBucketCustomerManagedKMSarn names {parameter})"
    )


NAMED = {
    "S3's own keys": (encrypted(Encryption("AES256", None)), PASSED),
    "S3's own keys, and one is named": (encrypted(Encryption("AES256", None), KEY), PASSED),
    "KMS without a key": (encrypted(Encryption("aws:kms", None)), PASSED),
    "the key that AWS manages": (encrypted(Encryption("aws:kms", an_arn("kms", "alias/aws/s3"))), PASSED),
    "a customer's key": (encrypted(Encryption("aws:kms", KEY)), EMPTY),
    "a customer's key, two layers": (encrypted(Encryption("aws:kms:dsse", KEY)), EMPTY),
    "a customer's key, named": (encrypted(Encryption("aws:kms", KEY), KEY), PASSED),
    "its id, named by ARN": (encrypted(Encryption("aws:kms", "0a1b"), KEY), PASSED),
    "another one is named": (encrypted(Encryption("aws:kms", KEY), OTHER_KEY), other(KEY, OTHER_KEY)),
    "an alias": (encrypted(Encryption("aws:kms", ALIAS), KEY), other(ALIAS, KEY)),
    "the parameter is unknown to an old template": (
        an_estate(a_forwarder(stack=a_stack(parameters={"NotificationBucket": BUCKET})),
                  buckets=[a_bucket(BUCKET, encryption=Encryption("aws:kms", KEY))]), EMPTY),
    "gone": (encrypted(Absent(f"bucket {BUCKET}")),
             f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"),
    "not shown": (encrypted(denied("s3:GetEncryptionConfiguration")),
                  f"UNKNOWN: {denied('s3:GetEncryptionConfiguration')}"),
    "no bucket": (an_estate(a_forwarder(bucket_name=None)), NOT_ASKED),
    "called by a log group": (
        encrypted(Encryption("aws:kms", KEY), policy=(LOGS,), integration="awscloudwatchlogs"), NOT_ASKED),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), NAMED.values(), ids=NAMED)
def test_the_buckets_key_is_named(estate: Estate, answer: str) -> None:
    assert told(named, estate) == answer
