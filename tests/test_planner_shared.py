"""The plan of what forwarders share: the package's bucket and the shared stack; somebody else's is never written."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.desired import Desires
from fixtures.estate import ArtifactBucket, SharedStack, StoredObject, Target
from fixtures.fact import NOT_READ, Absent, Fact
from fixtures.sandbox.synthetic_release import CANARIES, CANARY_CREDENTIAL, shared_template
from fixtures.secret import Secret
from fixtures.stack_facts import PendingChangeSet
from fixtures.template import parse_template
from remediation.plan import TargetPlan
from remediation.step import Step
from remediation.steps.artifact import PutArtifacts
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack
from tests.estates import (
    CODE_SHA256,
    HERE,
    a_forwarder,
    a_legacy_forwarder,
    a_shared_stack,
    a_stack,
    an_artifact_bucket,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import a_release_with, padded, target_plan, told

NAME = "cloudtrail-prod"
BUCKET = an_artifact_bucket().name
GONE = Absent(f"bucket {BUCKET}")
NO_BUCKET = ArtifactBucket(BUCKET, GONE, GONE, GONE)
EMPTY = an_artifact_bucket(package=Absent("object"))
CREATE = frozenset({"create-bucket"})
TEMPLATE = shared_template()
OTHER = TEMPLATE.replace("SYNTHETIC credentials", "SYNTHETIC older credentials")
PARAMETERS = {"SecretValue": "****", "TaegisRegion": "ctpx"}


def artifact_plan(
    artifact: Fact[ArtifactBucket], *, at: Target = HERE, allow: frozenset[str] = frozenset()
) -> TargetPlan:
    return target_plan(an_estate(a_forwarder(NAME, at), artifact=artifact), {"artifact": [""]}, at=at, allow=allow)


def only(plan: TargetPlan) -> Step:
    assert not plan.blocked, told(plan)
    (step,) = plan.steps
    return step


def test_a_missing_bucket_is_made_closed_and_filled_with_consent() -> None:
    step = only(artifact_plan(NO_BUCKET, allow=CREATE))
    assert isinstance(step, PutArtifacts)
    assert [call.operation for call in step.calls()] == ["CreateBucket", "PutPublicAccessBlock", "PutObject"]
    create, block, put = (call.parameters for call in step.calls())
    assert create == {"Bucket": BUCKET}
    assert set(dict(block["PublicAccessBlockConfiguration"]).values()) == {True}  # type: ignore[call-overload]
    assert block["ExpectedBucketOwner"] == put["ExpectedBucketOwner"] == HERE.account
    assert (put["Key"], put["IfNoneMatch"]) == ("taegis-lambda-amd64.zip", "*")
    assert put["ChecksumSHA256"] == CODE_SHA256
    assert step.makes_bucket
    assert step.shared


@pytest.mark.parametrize(
    ("region", "where"),
    [
        ("us-east-1", None),
        ("eu-west-1", "eu-west-1"),
        ("us-gov-west-1", "us-gov-west-1"),
        ("cn-north-1", "cn-north-1"),
    ],
)
def test_a_bucket_is_made_in_the_targets_region(region: str, where: str | None) -> None:
    target = Target(HERE.account, region)
    plan = artifact_plan(NO_BUCKET, at=target, allow=CREATE)
    create = only(plan).calls()[0].parameters
    assert create.get("CreateBucketConfiguration") == ({"LocationConstraint": where} if where else None)
    assert region in str(create["Bucket"])


def test_a_bucket_without_the_package_gets_it() -> None:
    step = only(artifact_plan(EMPTY))
    assert [call.operation for call in step.calls()] == ["PutObject"]
    assert not step.makes_bucket


def test_a_bucket_that_holds_the_package_needs_nothing() -> None:
    plan = artifact_plan(an_artifact_bucket())
    assert not plan.steps
    assert not plan.blocked


OBSTACLES = [
    pytest.param(NO_BUCKET, "does not exist", "allow it with --allow=create-bucket", id="missing-without-consent"),
    pytest.param(ArtifactBucket(BUCKET, denied("s3:ListBucket"), NOT_READ, NOT_READ), "could not be read",
                 "if somebody else owns it, name another", id="somebody-else's"),
    pytest.param(denied("s3:ListBucket"), "could not be read", "grant", id="not-read"),
    pytest.param(NOT_READ, "could not be read", "grant", id="not-asked"),
    pytest.param(an_artifact_bucket(region="eu-west-1"), "is in eu-west-1", "name one of this region", id="region"),
    pytest.param(an_artifact_bucket(package=denied("s3:GetObject")), "package could not be read", "grant", id="denied"),
    pytest.param(an_artifact_bucket(package=StoredObject(BUCKET, "taegis-lambda-amd64.zip", 3, "b3RoZXI=")),
                 "holds another package", "name another artifact_bucket", id="another-zip"),
    pytest.param(an_artifact_bucket(public=True), "is public", "Block Public Access", id="public"),
]  # fmt: skip


@pytest.mark.parametrize(("artifact", "reason", "to_do"), OBSTACLES)
def test_a_bucket_that_must_not_be_used_blocks_all_that_needs_it(
    artifact: Fact[ArtifactBucket], reason: str, to_do: str
) -> None:
    consent = frozenset() if "create" in to_do else CREATE
    estate = an_estate(a_legacy_forwarder(NAME), artifact=artifact)
    plan = target_plan(estate, {"artifact": [""], "forwarder-stack": [NAME], "trigger": [NAME]}, allow=consent)
    assert not plan.steps
    assert [blocked.subject for blocked in plan.blocked] == ["", NAME]
    for blocked in plan.blocked:
        assert any(reason in text for text in blocked.reasons)
        assert any(to_do in text for text in blocked.to_do)


def test_a_notification_bucket_is_no_place_for_the_package() -> None:
    estate = an_estate(a_legacy_forwarder(NAME, bucket_name=BUCKET))
    plan = target_plan(estate, {"forwarder-stack": [NAME]})
    assert "is a notification bucket" in told(plan)[0]


def shared_plan(
    shared: Fact[tuple[SharedStack, ...]],
    desires: Desires | None = None,
    templates: Mapping[str, str] | None = None,
    wanted: str = "shared-stack",
    *,
    rotate: bool = False,
) -> TargetPlan:
    estate = an_estate(a_forwarder(NAME), shared=shared)
    estate = replace(estate, templates={**estate.templates, **(templates or {})})
    names = [NAME] if wanted == "forwarder-stack" else [""]
    return target_plan(estate, {wanted: names}, desires, rotate=rotate)


def given(step: Step) -> dict[str, object]:
    parameters = step.calls()[0].parameters["Parameters"]
    assert isinstance(parameters, list)
    return {
        entry["ParameterKey"]: "(previous)" if entry.get("UsePreviousValue") else entry["ParameterValue"]
        for entry in parameters
    }


def test_a_missing_shared_stack_is_created_with_the_tenants_secret_and_region() -> None:
    step = only(shared_plan((), some_desires(taegis_region="foxtrot", shared_stack_name="acme-shared")))
    assert isinstance(step, CreateSharedStack)
    create = step.calls()[0].parameters
    assert create["StackName"] == "acme-shared"
    assert create["OnFailure"] == "DELETE"
    assert given(step)["TaegisRegion"] == "foxtrot"
    secret = given(step)["SecretValue"]
    assert isinstance(secret, Secret)
    assert CANARY_CREDENTIAL in secret.reveal()


def test_a_plan_says_what_a_shared_stack_that_is_made_holds_and_what_waits_for_it() -> None:
    legacy = an_estate(a_legacy_forwarder(NAME), shared=())
    create, update = target_plan(legacy, {"forwarder-stack": [NAME]}).steps
    assert create.notes() == (
        "predicted: Add TaegisCredentials (AWS::SecretsManager::Secret)",
        "predicted: export TaegisSharedRegion",
        "predicted: export TaegisSharedSecretArn",
    )
    assert [line.partition(",")[0] for line in update.unknown()] == ["TaegisSharedRegion", "TaegisSharedSecretArn"]
    (alone,) = target_plan(an_estate(a_legacy_forwarder(NAME)), {"forwarder-stack": [NAME]}).steps
    assert alone.unknown() == ()
    assert alone.fingerprint("run") == update.fingerprint("run"), "resumed once it is made, it is the step approved"


def test_no_plan_shows_the_secret() -> None:
    for plan in (shared_plan(()), shared_plan((a_shared_stack(),), rotate=True)):
        text = json.dumps([call.shown() for step in plan.steps for call in step.calls()])
        assert not [canary for canary in CANARIES if canary in text + repr(plan)]
        assert "****" in text


def test_a_shared_stack_as_it_should_be_is_left_alone() -> None:
    assert not shared_plan((a_shared_stack(),)).steps


def outdated(**changes: object) -> tuple[SharedStack, dict[str, str]]:
    digest = parse_template(OTHER, name="t").digest
    return a_shared_stack(template=digest, **changes), {digest: OTHER}


def test_an_outdated_one_is_updated_and_keeps_its_secret_by_reference() -> None:
    shared, templates = outdated()
    step = only(shared_plan((shared,), templates=templates))
    assert isinstance(step, UpdateSharedStack)
    assert given(step) == {"SecretValue": "(previous)", "TaegisRegion": "ctpx"}
    assert step.update.seen.before["parameters"] == PARAMETERS


def test_another_taegis_region_is_set_and_none_keeps_the_one_that_is_there() -> None:
    step = only(shared_plan((a_shared_stack(),), some_desires(taegis_region="delta")))
    assert given(step) == {"SecretValue": "(previous)", "TaegisRegion": "delta"}
    assert not shared_plan((a_shared_stack(),), some_desires(taegis_region=None)).steps
    shared, templates = outdated()
    kept = only(shared_plan((shared,), some_desires(taegis_region=None), templates))
    assert given(kept)["TaegisRegion"] == "(previous)"


def test_the_secret_is_written_over_only_when_it_is_to_be_rotated() -> None:
    step = only(shared_plan((a_shared_stack(),), rotate=True))
    assert isinstance(given(step)["SecretValue"], Secret)
    assert "****" not in [value for value in given(step).values() if isinstance(value, str)]


def test_a_stack_of_another_name_is_found_and_updated_under_its_name() -> None:
    shared, templates = outdated(stack=a_stack("handmade", parameters=PARAMETERS))
    assert only(shared_plan((shared,), templates=templates)).subject == "handmade"


REFUSED = [
    pytest.param(denied("cloudformation:DescribeStacks"), "could not be read", id="not-read"),
    pytest.param((a_shared_stack(), a_shared_stack()), "there are several shared stacks", id="two"),
    pytest.param((a_shared_stack(template=denied("cloudformation:GetTemplate")),), "template of", id="no-template"),
    pytest.param((a_shared_stack(stack=a_stack("taegis-shared-resources", status="UPDATE_ROLLBACK_FAILED",
                                               parameters=PARAMETERS)),), "is UPDATE_ROLLBACK_FAILED", id="state"),
]  # fmt: skip


@pytest.mark.parametrize("wanted", ["shared-stack", "forwarder-stack"])
@pytest.mark.parametrize(("shared", "reason"), REFUSED)
def test_a_shared_stack_that_cannot_be_judged_blocks_all_that_needs_it(
    shared: Fact[tuple[SharedStack, ...]], reason: str, wanted: str
) -> None:
    plan = shared_plan(shared, wanted=wanted)
    assert not plan.steps
    assert all(reason in " ".join(blocked.reasons) for blocked in plan.blocked)
    assert len(plan.blocked) == (2 if wanted == "forwarder-stack" else 1)


def test_a_missing_shared_stack_without_a_known_taegis_region_is_for_a_person() -> None:
    text = told(shared_plan((), some_desires(taegis_region=None)))[0]
    assert "it is not said which TaegisRegion this tenant has (ctpx, delta, echo, foxtrot, golf)" in text


def test_a_new_parameter_without_a_default_is_for_a_person(tmp_path: Path) -> None:
    body = TEMPLATE.replace("Parameters:\n", "Parameters:\n  Colour: {Type: String}\n", 1)
    desires = some_desires(release=a_release_with(tmp_path, shared_template=body))
    assert "wants a value for Colour" in told(shared_plan((), desires))[0]
    assert "wants a value for Colour" in told(shared_plan((a_shared_stack(),), desires))[0]


def test_a_value_that_is_kept_and_that_the_new_template_does_not_allow_is_for_a_person() -> None:
    kept = a_stack("taegis-shared-resources", parameters={"SecretValue": "****", "TaegisRegion": "alpha"})
    shared, templates = outdated(stack=kept)
    text = told(shared_plan((shared,), some_desires(taegis_region=None), templates))[0]
    assert "TaegisRegion: 'alpha' is not one of the allowed values (ctpx, delta, echo, foxtrot, golf)" in text


@pytest.mark.parametrize("shared", [(), (a_shared_stack(),)], ids=["created", "rotated"])
def test_credentials_that_the_template_would_not_take_are_not_sent(tmp_path: Path, shared: object) -> None:
    body = TEMPLATE.replace("    NoEcho: true", "    NoEcho: true\n    MaxLength: 3", 1)
    assert body != TEMPLATE
    desires = some_desires(release=a_release_with(tmp_path, shared_template=body))
    text = told(shared_plan(shared, desires, rotate=True))[0]  # type: ignore[arg-type]
    assert "the release's credentials.txt: SecretValue does not allow them" in text
    assert not [canary for canary in CANARIES if canary in text]


def test_outputs_that_change_are_told_and_are_an_update_by_themselves() -> None:
    step = only(shared_plan((a_shared_stack(),), some_desires(taegis_region="delta")))
    assert isinstance(step, UpdateSharedStack)
    assert not step.update.prediction
    assert step.changes() == ("output TaegisRegion: ctpx -> delta",)


def test_what_neither_resource_nor_output_reads_is_told_and_keeps_nobody_up(tmp_path: Path) -> None:
    """CloudFormation makes no change set for a parameter alone."""
    unread = TEMPLATE.replace("!Ref TaegisRegion", '"ctpx"')
    assert unread != TEMPLATE
    digest = parse_template(unread, name="t").digest
    desires = some_desires(release=a_release_with(tmp_path, shared_template=unread), taegis_region="delta")
    estate = an_estate(a_legacy_forwarder(NAME), shared=(a_shared_stack(template=digest),))
    estate = replace(estate, templates={**estate.templates, digest: unread})
    plan = target_plan(estate, {"shared-stack": [""], "forwarder-stack": [NAME]}, desires)
    assert [type(step).__name__ for step in plan.steps] == ["UpdateForwarderStack"]
    assert "CloudFormation updates no stack for the rest" in told(plan)[1]


THEIRS = (PendingChangeSet("theirs", "i", "AVAILABLE"),)


@pytest.mark.parametrize(("change_sets", "reason"), [
    pytest.param(THEIRS, "somebody's change set waits on taegis-shared-resources (theirs)", id="somebody's"),
    pytest.param(denied("cloudformation:ListChangeSets"), "could not be read", id="denied"),
    pytest.param((PendingChangeSet("theirs", "i", "FAILED"),), "", id="could-not-be-made"),
    pytest.param(NOT_READ, "", id="an-audits-snapshot"),
])  # fmt: skip
def test_change_sets_on_it_are_found_before_the_first_write(change_sets: object, reason: str) -> None:
    shared, templates = outdated(change_sets=change_sets)
    plan = shared_plan((shared,), templates=templates)
    assert bool(plan.steps) is not bool(reason)
    assert reason in "".join(told(plan))


def test_a_large_shared_template_is_uploaded_before_it_is_named(tmp_path: Path) -> None:
    release = a_release_with(tmp_path, shared_template=padded(TEMPLATE))
    desires = some_desires(release=release)
    plan = shared_plan((), desires, wanted="shared-stack")
    upload, create = plan.steps
    assert isinstance(upload, PutArtifacts)
    keys = [call.parameters["Key"] for call in upload.calls() if call.operation == "PutObject"]
    assert f"templates/{release.shared_template.digest}.yaml" in keys
    assert str(create.calls()[0].parameters["TemplateURL"]).endswith(f"/{keys[-1]}")


def test_shared_steps_come_before_those_of_the_forwarders() -> None:
    estate = an_estate(a_legacy_forwarder(NAME), shared=(), artifact=NO_BUCKET)
    plan = target_plan(estate, {"forwarder-stack": [NAME]}, allow=CREATE)
    assert [type(step).__name__ for step in plan.steps] == [
        "PutArtifacts", "CreateSharedStack", "UpdateForwarderStack",
    ]  # fmt: skip
    assert [step.shared for step in plan.steps] == [True, True, False]
