"""The plan of one forwarder's stack: a way back before the way forward, and everything kept that a rollback needs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.estate import Estate, Forwarder, Function, StoredObject, Target
from fixtures.fact import NOT_READ, Absent, Fact
from fixtures.sandbox.synthetic_release import CANARIES, lambda_template, legacy_template
from fixtures.settings import parse_settings
from fixtures.template import parse_template
from remediation.plan import TargetPlan
from remediation.shape import predicted_shape
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.old_package import SecureOldPackage
from tests.estates import (
    CODE_SHA256,
    HERE,
    LEGACY_DIGEST,
    LEGACY_SHA256,
    a_forwarder,
    a_legacy_forwarder,
    a_parameter_set,
    a_stack,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import RUN, a_release_with, padded, target_plan, told

NAME = "cloudtrail-prod"
LIST = {"forwarder-stack": [NAME]}
LEGACY_BUCKET = f"legacy-code-{HERE.account}-{HERE.region}"
KEY = "scwx-tdr-lambda.zip"
OTHER_SHA256 = "b3RoZXIgY29kZSBvdGhlciBjb2RlIG90aGVyIGNvZGU="


def update_of(plan: TargetPlan) -> UpdateForwarderStack:
    assert plan.steps, told(plan)
    step = plan.steps[-1]
    assert isinstance(step, UpdateForwarderStack), told(plan)
    return step


def stored(sha256: str) -> StoredObject:
    return StoredObject(LEGACY_BUCKET, KEY, 1, sha256)


def test_a_legacy_forwarder_is_updated_in_place_through_a_change_set_of_this_run() -> None:
    plan = target_plan(an_estate(a_legacy_forwarder()), LIST)
    step = update_of(plan)
    assert not plan.blocked
    create, execute = (call.parameters for call in step.calls())
    assert [call.operation for call in step.calls()] == ["CreateChangeSet", "ExecuteChangeSet"]
    assert create["ChangeSetType"] == "UPDATE"
    assert create["ChangeSetName"] == execute["ChangeSetName"] == f"taegis-forwarders-{RUN}"
    assert create["Capabilities"] == ["CAPABILITY_IAM"]
    assert create["TemplateBody"] == lambda_template()
    assert execute["DisableRollback"] is False
    assert step.code_sha256 == CODE_SHA256
    assert step.function == f"{NAME}-scwx-tdr-lambda-awscloudtrail"
    assert (step.update.seen.status, step.update.seen.changed) == ("CREATE_COMPLETE", "2026-11-22T04:15:30+00:00")


def test_what_a_rollback_needs_is_in_the_step_without_secrets() -> None:
    step = update_of(target_plan(an_estate(a_legacy_forwarder()), LIST))
    before = step.update.seen.before
    assert before == {"template": LEGACY_DIGEST, "parameters": {**a_legacy_forwarder().stack.parameters}}
    text = json.dumps([call.shown() for call in step.calls()]) + json.dumps(before)
    assert not [canary for canary in CANARIES if canary in text]


def test_the_function_keeps_its_name_and_nothing_is_lost_in_the_prediction() -> None:
    step = update_of(target_plan(an_estate(a_legacy_forwarder()), LIST))
    function = next(c for c in step.update.prediction if c.resource_type == "AWS::Lambda::Function")
    assert (function.action, function.replacement) == ("Modify", "False")
    assert {"Code", "Runtime", "Handler"} <= set(function.properties)
    assert any(line.startswith("predicted: Modify TaegisLambdaFunction") for line in step.notes())


WAYS_BACK = [
    pytest.param(stored(LEGACY_SHA256), "go1.x", "stands", id="the-old-package-stands-there"),
    pytest.param(Absent("object s3://b/k"), "go1.x", "secure", id="nothing-stands-there"),
    pytest.param(stored(OTHER_SHA256), "go1.x", "refuse: does not hold the package that runs now", id="other-code"),
    pytest.param(stored(""), "go1.x", "refuse: does not hold the package that runs now", id="an-empty-digest"),
    pytest.param(stored(CODE_SHA256), "go1.x", "refuse: does not hold", id="the-new-zip-over-the-old-at-go1.x"),
    pytest.param(stored(CODE_SHA256), "provided.al2", "stands", id="the-release's-own-at-a-custom-runtime"),
    pytest.param(denied("s3:GetObject"), "go1.x", "refuse: a rollback could fail (s3:GetObject denied", id="denied"),
    pytest.param(NOT_READ, "go1.x", "refuse: a rollback could fail", id="not-read"),
]


@pytest.mark.parametrize(("source", "runtime", "wanted"), WAYS_BACK)
def test_the_way_back_stands_or_is_made_or_the_forwarder_is_not_touched(
    source: Fact[StoredObject], runtime: str, wanted: str
) -> None:
    forwarder = a_legacy_forwarder(code_source=source)
    assert isinstance(forwarder.function, Function)
    function = replace(forwarder.function, runtime=runtime)
    plan = target_plan(an_estate(replace(forwarder, function=function, listed=function)), LIST)
    kinds = [type(step) for step in plan.steps]
    if wanted == "stands":
        assert kinds == [UpdateForwarderStack]
    elif wanted == "secure":
        assert kinds == [SecureOldPackage, UpdateForwarderStack]
    else:
        assert not kinds
        assert wanted.removeprefix("refuse: ") in told(plan)[0]


def test_the_old_package_is_put_where_the_old_template_points_and_never_over_anything() -> None:
    forwarder = a_legacy_forwarder(code_source=Absent("object"))
    secure, update = target_plan(an_estate(forwarder), LIST).steps
    assert isinstance(secure, SecureOldPackage)
    assert (secure.bucket, secure.key, secure.code_sha256) == (LEGACY_BUCKET, KEY, LEGACY_SHA256)
    (call,) = secure.calls()
    assert call.parameters["IfNoneMatch"] == "*"
    assert call.parameters["ExpectedBucketOwner"] == HERE.account
    assert secure.name != update.name


def test_a_template_that_hides_its_package_is_for_a_person() -> None:
    body = legacy_template("CloudTrail", "awscloudtrail").replace("!Ref LegacyCodeKey", "!ImportValue Somewhere")
    digest = parse_template(body, name="t").digest
    forwarder = a_legacy_forwarder(template=digest, code_source=Absent("object"))
    estate = an_estate(forwarder)
    plan = target_plan(replace(estate, templates={**estate.templates, digest: body}), LIST)
    assert "its template does not say where its package is" in told(plan)[0]


def test_a_template_that_does_not_parse_is_for_a_person() -> None:
    estate = an_estate(a_legacy_forwarder(template="odd"))
    plan = target_plan(replace(estate, templates={**estate.templates, "odd": "Resources: ["}), LIST)
    assert told(plan) == [f"refuse {NAME} forwarder-stack+trigger: its template does not parse"]


def owning() -> tuple[Estate, str]:
    """A forwarder whose legacy stack owns a secret and a role, and the digest of its template."""
    body = legacy_template("WAF", "awscloudtrail", owns_secret=True)
    digest = parse_template(body, name="t").digest
    estate = an_estate(a_legacy_forwarder(template=digest))
    return replace(estate, templates={**estate.templates, digest: body}), digest


def test_what_an_update_removes_is_accepted_by_a_person_first() -> None:
    estate, _ = owning()
    plan = target_plan(estate, LIST)
    assert "the update removes or replaces: Remove OwnedRole" in told(plan)[0]
    shown = target_plan(estate, LIST, showing=True)
    step = update_of(shown)
    assert step.accepts == predicted_shape(step.update.prediction).id
    assert any(f"accepts shape {step.accepts}" in note for note in step.notes())
    in_settings = some_desires(parse_settings({"accept_shapes": [step.accepts]}, "t"))
    for accepted in (
        target_plan(estate, LIST, approved_shapes=frozenset({step.accepts})),
        target_plan(estate, LIST, in_settings),
    ):
        assert step.accepts in update_of(accepted).update.accepted_shapes
    other = target_plan(estate, LIST, approved_shapes=frozenset({"0123456789ab"}))
    assert not other.steps


def test_a_type_that_renames_the_function_is_refused_even_where_a_person_asked_for_it() -> None:
    settings = parse_settings({"forwarders": [{"name": "*", "integration_type": "generic"}]}, "t")
    plan = target_plan(an_estate(a_legacy_forwarder()), LIST, some_desires(settings))
    assert not plan.steps
    assert "the update would lose TaegisLambdaFunction" in told(plan)[0]


def test_everything_that_blocks_is_told_at_once_and_with_its_remedies() -> None:
    forwarder = a_legacy_forwarder(stack=a_stack(status="UPDATE_ROLLBACK_FAILED", parameters=a_parameter_set()),
                                   code_source=denied("s3:GetObject"))  # fmt: skip
    plan = target_plan(an_estate(forwarder), LIST)
    (blocked,) = plan.blocked
    assert len(blocked.reasons) == 2
    assert len(blocked.to_do) == 2
    assert blocked.fixes == {"forwarder-stack", "trigger"}


def test_a_refused_forwarder_is_touched_by_no_step_and_the_others_go_on() -> None:
    broken = a_legacy_forwarder("broken", code_source=denied("s3:GetObject"), policy=())
    estate = an_estate(a_legacy_forwarder(), broken)
    plan = target_plan(estate, {"forwarder-stack": [NAME, "broken"], "trigger": ["broken"]})
    assert [step.forwarders for step in plan.steps] == [(NAME,)]
    assert [blocked.subject for blocked in plan.blocked] == ["broken"]


def test_a_large_template_goes_by_the_url_of_the_object_that_is_uploaded_first(tmp_path: Path) -> None:
    release = a_release_with(tmp_path, padded(lambda_template()))
    desires = some_desires(release=release)
    plan = target_plan(an_estate(a_legacy_forwarder()), LIST, desires)
    upload, update = plan.steps
    create = update.calls()[0].parameters
    key = f"templates/{release.lambda_template.digest}.yaml"
    bucket = desires.of(HERE.account).tenant.artifact_bucket(HERE.account, HERE.region)
    assert create["TemplateURL"] == f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"
    assert "TemplateBody" not in create
    assert key in {call.parameters.get("Key") for call in upload.calls()}
    assert len(release.lambda_template.body.encode()) > 51_200


def test_a_template_of_exactly_the_limit_goes_inline(tmp_path: Path) -> None:
    body = lambda_template()
    body += "#" * (51_200 - len(body.encode()))
    desires = some_desires(release=a_release_with(tmp_path, body))
    assert (
        "TemplateBody" in update_of(target_plan(an_estate(a_legacy_forwarder()), LIST, desires)).calls()[0].parameters
    )


def test_in_china_addresses_are_of_china(tmp_path: Path) -> None:
    target = Target(HERE.account, "cn-north-1")
    desires = some_desires(release=a_release_with(tmp_path, padded(lambda_template())))
    estate = an_estate(chinese(a_legacy_forwarder(NAME, target)))
    plan = target_plan(estate, LIST, desires, at=target, url_suffix=lambda _: "amazonaws.com.cn",
                       partition=lambda _: "aws-cn")  # fmt: skip
    create = update_of(plan).calls()[0].parameters
    assert str(create["TemplateURL"]).startswith("https://s3.cn-north-1.amazonaws.com.cn/")


def chinese(forwarder: Forwarder) -> Forwarder:
    return replace(forwarder, code_source=StoredObject(f"legacy-code-{HERE.account}-cn-north-1", KEY, 1, LEGACY_SHA256))


def test_tokens_are_the_same_when_sent_again_and_of_one_stack_alone() -> None:
    estate = an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two"))
    plan = target_plan(estate, {"forwarder-stack": ["one", "two"]})
    tokens = [call.parameters.get("ClientToken") or call.parameters["ClientRequestToken"]
              for step in plan.steps for call in step.calls()]  # fmt: skip
    assert len(tokens) == 4
    assert len(set(tokens)) == 2
    assert all(len(str(token)) <= 128 and str(token).replace("-", "").isalnum() for token in tokens)


def test_a_migrated_forwarder_with_an_old_package_gets_the_new_address() -> None:
    old = a_stack(parameters=a_parameter_set(TaegisLambdaS3BucketName="old-bucket"))
    source = StoredObject("old-bucket", "taegis-lambda-amd64.zip", 1, CODE_SHA256)
    forwarder = a_forwarder(stack=old, code_source=source)
    step = update_of(target_plan(an_estate(forwarder), LIST))
    sent = {entry["ParameterKey"]: entry.get("ParameterValue") for entry in step.update.parameters}
    bucket = some_desires().of(HERE.account).tenant.artifact_bucket(HERE.account, HERE.region)
    assert sent["TaegisLambdaS3BucketName"] == bucket
    assert bucket
    assert bucket.endswith(some_desires().tenants[0].release.package.sha256_hex[:8])  # type: ignore[union-attr]
