from dataclasses import replace

import pytest

from checks.registry import check_functions
from fixtures.desired import Desired
from fixtures.estate import ArtifactBucket, Estate, SecretFacts, SharedStack, StoredObject
from fixtures.fact import NOT_READ, Absent, Fact
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    CODE_SHA256,
    HERE,
    LEGACY_DIGEST,
    LEGACY_SHA256,
    a_desired,
    a_forwarder,
    a_release,
    a_shared_stack,
    a_stack,
    an_arn,
    an_artifact_bucket,
    an_estate,
    denied,
)

CHECKS = check_functions()
ARN = an_arn("secretsmanager", "secret:TaegisCredentials-a1b2c3")
NO_STACKS, NO_SECRET = denied("cloudformation:DescribeStacks"), denied("secretsmanager:DescribeSecret")
NO_VALUE = denied("secretsmanager:GetSecretValue")


def sharing(*stacks: SharedStack) -> Estate:
    return an_estate(a_forwarder(), shared=stacks)


def named(name: str) -> SharedStack:
    return a_shared_stack(stack=replace(a_shared_stack().stack, name=name))


def in_region(taegis_region: str) -> SharedStack:
    parameters = {"SecretValue": "****", "TaegisRegion": taegis_region}
    return a_shared_stack(stack=replace(a_shared_stack().stack, parameters=parameters))


TWO = sharing(named("a"), named("b"))
HIDDEN = an_estate(a_forwarder(), shared=NO_STACKS)
WHICH = "UNKNOWN: which of a, b is the shared stack cannot be told"
ONE = "FAILED: expected exactly one shared stack (parameters SecretValue and TaegisRegion); found "
STACK = {
    "one": (sharing(a_shared_stack()), PASSED),
    "none": (sharing(), f"{ONE}none"),
    "two": (TWO, f"{ONE}a, b"),
    "not shown": (HIDDEN, f"UNKNOWN: {NO_STACKS}"),
    "no forwarders": (an_estate(shared=()), NOT_ASKED),
    "stuck": (sharing(a_shared_stack(stack=a_stack("s", status="UPDATE_ROLLBACK_FAILED", status_reason="why"))),
              "FAILED: expected a healthy stack; found s is UPDATE_ROLLBACK_FAILED why"),
}  # fmt: skip
TEMPLATE = {
    "the release's": (sharing(a_shared_stack()), PASSED),
    "another": (sharing(a_shared_stack(template=LEGACY_DIGEST)),
                "FAILED: expected the release's shared-resources template; found another template: "),
    "not kept": (sharing(a_shared_stack(template="0")), "UNKNOWN: the text of the stack's template was not kept"),
    "not shown": (sharing(a_shared_stack(template=denied("cloudformation:GetTemplate"))),
                  f"UNKNOWN: {denied('cloudformation:GetTemplate')}"),
    "none": (sharing(), NOT_ASKED),
    "two": (TWO, WHICH),
    "stacks are not shown": (HIDDEN, f"UNKNOWN: {NO_STACKS}"),
}  # fmt: skip
REGION = {
    "as desired": (sharing(in_region("ctpx")), PASSED),
    "another": (sharing(in_region("foxtrot")), "FAILED: expected TaegisRegion ctpx; found TaegisRegion foxtrot"),
    "in other letters": (sharing(in_region("CTPX")), "FAILED: expected TaegisRegion ctpx; found TaegisRegion CTPX"),
    "empty": (sharing(in_region("")), "FAILED: expected TaegisRegion ctpx; found TaegisRegion (empty)"),
    "masked": (sharing(in_region("****")), "UNKNOWN: TaegisRegion is masked"),
    "none": (sharing(), NOT_ASKED),
    "two": (TWO, WHICH),
    "stacks are not shown": (HIDDEN, f"UNKNOWN: {NO_STACKS}"),
}


def keeping(secret: Fact[SecretFacts]) -> Estate:
    return sharing(a_shared_stack(secret=secret))


SECRET = {
    "there": (sharing(a_shared_stack()), PASSED),
    "without a value": (keeping(SecretFacts(ARN, has_value=False, digest=NOT_READ)),
                        f"FAILED: expected a secret with a current version; found {ARN} has none"),
    "gone": (keeping(Absent("a secret in s")),
             "FAILED: expected the secret with the credentials; found a secret in s does not exist"),
    "not shown": (keeping(NO_SECRET), f"UNKNOWN: {NO_SECRET}"),
    "none": (sharing(), NOT_ASKED),
    "two": (TWO, WHICH),
    "stacks are not shown": (HIDDEN, f"UNKNOWN: {NO_STACKS}"),
}  # fmt: skip


def holding(digest: Fact[str]) -> Estate:
    return keeping(SecretFacts(ARN, has_value=True, digest=digest))


CREDENTIALS = {
    "the release's": (holding(a_release().credentials.digest), PASSED),
    "others": (holding("0" * 64), "FAILED: expected the credentials of the release; found other credentials"),
    "no value": (holding(Absent("value of secret s")),
                 "FAILED: expected a value in the secret; found value of secret s does not exist"),
    "not shown": (holding(NO_VALUE), f"UNKNOWN: {NO_VALUE}"),
    "not asked for": (holding(NOT_READ), NOT_ASKED),
    "the secret is not shown": (keeping(NO_SECRET), NOT_ASKED),
    "none": (sharing(), NOT_ASKED),
}  # fmt: skip
BUCKET = an_artifact_bucket().name
NO_HEAD, NO_OBJECT = denied("s3:ListBucket"), denied("s3:GetObject")
OLD = StoredObject(BUCKET, "taegis-lambda-amd64.zip", 9, LEGACY_SHA256)
NO_BUCKET = Absent(f"bucket {BUCKET}")


def storing(artifact: Fact[ArtifactBucket]) -> Estate:
    return an_estate(a_forwarder(), artifact=artifact)


GONE = storing(ArtifactBucket(BUCKET, NO_BUCKET, NO_BUCKET, NO_BUCKET))
FORBIDDEN = storing(ArtifactBucket(BUCKET, NO_HEAD, NO_HEAD, NO_HEAD))
PACKAGE = {
    "the release's": (storing(an_artifact_bucket()), PASSED),
    "an old one": (storing(an_artifact_bucket(package=OLD)),
                   f"FAILED: expected package {CODE_SHA256}; found package {LEGACY_SHA256}"),
    "none": (storing(an_artifact_bucket(package=Absent("object x"))),
             f"FAILED: expected the package in bucket {BUCKET}; found object x does not exist"),
    "not shown": (storing(an_artifact_bucket(package=NO_OBJECT)), f"UNKNOWN: {NO_OBJECT}"),
    "a bucket elsewhere": (storing(an_artifact_bucket(region="eu-west-1")),
                           "FAILED: expected a bucket in us-east-1; found it is in eu-west-1"),
    "no bucket": (GONE, f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"),
    "somebody else's bucket": (FORBIDDEN, f"UNKNOWN: {NO_HEAD}"),
    "nothing was read": (storing(NOT_READ), f"UNKNOWN: {NOT_READ}"),
    "no forwarders": (an_estate(), NOT_ASKED),
}  # fmt: skip
PRIVATE = {
    "private": (storing(an_artifact_bucket()), PASSED),
    "public": (storing(an_artifact_bucket(public=True)),
               f"FAILED: expected a bucket that is not public; found {BUCKET} is public"),
    "gone meanwhile": (storing(an_artifact_bucket(public=NO_BUCKET)),
                       f"FAILED: expected bucket {BUCKET}; found bucket {BUCKET} does not exist"),
    "not shown": (storing(an_artifact_bucket(public=NO_HEAD)), f"UNKNOWN: {NO_HEAD}"),
    "somebody else's bucket": (FORBIDDEN, f"UNKNOWN: {NO_HEAD}"),
    "no bucket": (GONE, NOT_ASKED),
    "no artifact bucket at all": (storing(Absent("bucket")), NOT_ASKED),
    "nothing was read": (storing(NOT_READ), NOT_ASKED),
    "not shown at all": (storing(NO_HEAD), f"UNKNOWN: {NO_HEAD}"),
}  # fmt: skip
USED = an_estate(a_forwarder("alb", bucket_name=BUCKET), a_forwarder("waf", bucket_name=BUCKET))
ITS_OWN = "FAILED: expected a bucket of its own"
APART = {
    "apart": (storing(an_artifact_bucket()), PASSED),
    "a notification bucket": (
        USED, f"{ITS_OWN}; found it is the notification bucket of {HERE}/alb, {HERE}/waf"),
    "somebody else's bucket": (FORBIDDEN, PASSED),
    "no bucket": (GONE, NOT_ASKED),
    "not shown at all": (storing(NO_HEAD), f"UNKNOWN: {NO_HEAD}"),
}  # fmt: skip
TABLES = {
    "shared-stack": STACK,
    "shared-stack-template": TEMPLATE,
    "shared-stack-region": REGION,
    "shared-stack-secret": SECRET,
    "shared-stack-credentials": CREDENTIALS,
    "artifact-package": PACKAGE,
    "artifact-private": PRIVATE,
    "artifact-apart": APART,
}
STATES = {f"{name}, {state}": (name, *row) for name, table in TABLES.items() for state, row in table.items()}


@pytest.mark.parametrize(("name", "estate", "answer"), STATES.values(), ids=STATES)
def test_what_forwarders_share(name: str, estate: Estate, answer: str) -> None:
    found = told(CHECKS[name], estate)

    assert found.startswith(answer) if answer.endswith(": ") else found == answer


def test_without_a_taegis_region_in_the_settings_there_is_nothing_to_compare() -> None:
    nowhere: Desired = a_desired(taegis_region=None)

    assert told(CHECKS["shared-stack-region"], sharing(in_region("ctpx")), desired=nowhere) == NOT_ASKED


def test_no_answer_shows_a_digest_of_the_credentials() -> None:
    answer = told(CHECKS["shared-stack-credentials"], holding("0" * 64), remedies=True)

    assert "0" * 64 not in answer
    assert a_release().credentials.digest not in answer
