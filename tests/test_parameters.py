"""Which parameters an update passes: nothing is lost, nothing is guessed, no secret is written back."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from fixtures.estate import Forwarder
from fixtures.release import Release, deployed_function
from fixtures.sandbox.synthetic_release import lambda_template
from fixtures.settings import Settings, parse_settings
from fixtures.template import Template, parse_template
from remediation.parameters import Parameters, package_key, update_parameters
from tests.estates import (
    LEGACY_TEMPLATE,
    a_desired,
    a_forwarder,
    a_function,
    a_legacy_forwarder,
    a_parameter_set,
    a_release,
    a_stack,
    an_arn,
    denied,
)

BUCKET = "taegis-forwarders-111122223333-us-east-1-0a1b2c3d"
TYPES = "awscloudtrail, awscloudwatchlogs, awsalb, awsvpcflowlogs, awswaf, ciscoumbrella, awss3accesslogs, generic"


@cache
def template(body: str) -> Template:
    return parse_template(body, name="t")


LEGACY = template(LEGACY_TEMPLATE)
CURRENT = template(lambda_template())


def parameters(
    forwarder: Forwarder,
    old: Template = LEGACY,
    settings: Mapping[str, object] | None = None,
    release: Release | None = None,
) -> Parameters:
    tables = [{"name": "*", **settings}] if settings else []
    wanted = parse_settings({"forwarders": tables}, "test") if settings else Settings()
    return update_parameters(forwarder, old, release or a_release(), a_desired(wanted), BUCKET)


def sent(found: Parameters) -> dict[str, object]:
    """What is passed, by key; `(previous)` for UsePreviousValue."""
    return {
        str(entry["ParameterKey"]): "(previous)" if entry.get("UsePreviousValue") else entry["ParameterValue"]
        for entry in found.given
    }


def problems(found: Parameters) -> list[str]:
    return [f"{obstacle.reason}; {obstacle.to_do}" for obstacle in found.problems]


def legacy(function: str | None = None, **given: str) -> Forwarder:
    forwarder = a_legacy_forwarder()
    stack = replace(forwarder.stack, parameters={**forwarder.stack.parameters, **given})
    named = replace(a_function(), name=function) if function else forwarder.function
    return replace(forwarder, stack=stack, listed=named, function=named)


def test_a_legacy_stack_keeps_its_values_and_gets_what_the_release_needs() -> None:
    found = parameters(legacy())
    assert not found.problems
    assert sent(found) == {
        "IntegrationType": "awscloudtrail",
        "NotificationBucket": "(previous)",
        "SNSNotificationarn": "(previous)",
        "NotificationBucketCustomerManagedKMSarn": "(previous)",
        "TaegisLambdaS3BucketName": BUCKET,
    }
    assert found.values == {
        "IntegrationType": "awscloudtrail",
        "NotificationBucket": "cloudtrail-prod-logs",
        "SNSNotificationarn": "",
        "NotificationBucketCustomerManagedKMSarn": "",
        "TaegisLambdaS3BucketName": BUCKET,
        "LambdaEnvKMSarn": "",
        "EnableObjectTagging": "false",
    }


def test_parameters_that_the_new_template_dropped_are_not_sent() -> None:
    assert not {"LegacyToken", "LegacyCodeBucket", "LegacyCodeKey"} & sent(parameters(legacy())).keys()


def test_every_previous_value_of_a_migrated_stack_is_kept_and_asked_for() -> None:
    key, topic = an_arn("kms", "key/1"), an_arn("sns", "logs")
    mine = a_parameter_set(NotificationBucketCustomerManagedKMSarn=key, SNSNotificationarn=topic,
                           EnableObjectTagging="true", LambdaEnvKMSarn=key)  # fmt: skip
    found = parameters(a_forwarder(stack=a_stack(parameters=mine)), CURRENT)
    assert sent(found) == {
        **dict.fromkeys(mine, "(previous)"),
        "IntegrationType": "awscloudtrail",
        "TaegisLambdaS3BucketName": BUCKET,
    }
    assert found.values == {**mine, "TaegisLambdaS3BucketName": BUCKET}


def test_a_previous_value_is_never_asked_of_a_key_that_the_old_template_lacks() -> None:
    kept = {key for key, how in sent(parameters(legacy())).items() if how == "(previous)"}
    assert kept <= LEGACY.parameters.keys()
    # the stack's answer names it, its template does not: CloudFormation would refuse UsePreviousValue
    odd = legacy(EnableObjectTagging="true")
    assert "EnableObjectTagging" not in sent(parameters(odd))


def test_settings_win_over_previous_values() -> None:
    wanted = {"sns_topic": an_arn("sns", "t"), "bucket_key": an_arn("kms", "key/2"), "object_tagging": True,
              "environment_key": an_arn("kms", "key/3"), "integration_type": "generic"}  # fmt: skip
    found = parameters(a_forwarder(), CURRENT, wanted)
    assert sent(found) == {
        "IntegrationType": "generic",
        "NotificationBucket": "(previous)",
        "SNSNotificationarn": wanted["sns_topic"],
        "NotificationBucketCustomerManagedKMSarn": wanted["bucket_key"],
        "TaegisLambdaS3BucketName": BUCKET,
        "LambdaEnvKMSarn": wanted["environment_key"],
        "EnableObjectTagging": "true",
    }


def test_a_noecho_value_is_kept_by_reference_and_never_written_back() -> None:
    body = lambda_template().replace(
        "Parameters:\n", "Parameters:\n  LegacyToken: {Type: String, NoEcho: true, AllowedPattern: '[A-Z]+'}\n", 1
    )
    found = parameters(legacy(), release=changed(body))
    assert sent(found)["LegacyToken"] == "(previous)"
    assert found.values["LegacyToken"] == "****"  # what a person sees; the pattern is not held against the mask
    assert not found.problems
    assert "****" not in [entry.get("ParameterValue") for entry in found.given]


RESOLUTION = [
    pytest.param(None, None, None, "awscloudtrail", id="the-function's-slug"),
    pytest.param("awsalb", None, None, "awsalb", id="the-current-value-before-the-slug"),
    pytest.param("awsalb", "generic", None, "generic", id="the-setting-before-both"),
    pytest.param("awselb", None, None, "awscloudtrail", id="a-current-value-that-is-not-allowed-any-more"),
    pytest.param(None, None, "lab-scwx-tdr-lambda-for-awswaf", "awswaf", id="the-other-spelling-of-the-name"),
    pytest.param(None, None, "a-scwx-tdr-lambda-b-scwx-tdr-lambda-awswaf", "awswaf", id="a-stack-named-like-one"),
    pytest.param(None, None, "lab-scwx-tdr-lambda-okta", "okta", id="an-unknown-slug"),
    pytest.param("okta", None, "lab-scwx-tdr-lambda-okta", "okta", id="an-unknown-value-and-slug"),
    pytest.param(None, "okta", None, "okta!", id="a-setting-that-is-not-allowed"),
    pytest.param(None, None, "handmade", "nothing", id="a-name-without-a-slug"),
]


@pytest.mark.parametrize(("current", "setting", "function", "wanted"), RESOLUTION)
def test_the_integration_type_is_resolved_or_refused_and_never_guessed(
    current: str | None, setting: str | None, function: str | None, wanted: str
) -> None:
    given = {"IntegrationType": current} if current else {}
    found = parameters(legacy(function, **given), settings={"integration_type": setting} if setting else None)
    if wanted.strip("!") in TYPES.split(", "):
        assert sent(found)["IntegrationType"] == wanted
        assert not found.problems
    elif setting:
        assert "okta" in problems(found)[0]
        assert "settings" in problems(found)[0]
    else:
        assert "IntegrationType" not in sent(found)
        (problem,) = problems(found)
        assert problem.startswith(f"IntegrationType: '{wanted}' is not one that the template allows")
        assert TYPES in problem
        assert "set integration_type for this forwarder in the settings" in problem


def test_an_unresolved_type_is_not_taken_over_from_the_old_template_behind_a_persons_back() -> None:
    found = parameters(a_forwarder(stack=a_stack(parameters=a_parameter_set(IntegrationType="okta")),
                                   listed=denied("lambda:ListFunctions"), function=denied("lambda:GetFunction")),
                       CURRENT)  # fmt: skip
    assert found.problems


def test_a_function_that_was_only_listed_or_only_asked_for_gives_its_slug_too() -> None:
    for unread in ({"listed": denied("lambda:ListFunctions")}, {"function": denied("lambda:GetFunction")}):
        assert sent(parameters(replace(legacy(), **unread)))["IntegrationType"] == "awscloudtrail"  # type: ignore[arg-type]


def test_a_value_that_the_new_template_does_not_allow_any_more_is_refused() -> None:
    body = lambda_template().replace(
        "    Description: Bucket whose new", "    MaxLength: 5\n    Description: Bucket", 1
    )
    (problem,) = problems(parameters(legacy(), release=changed(body)))
    assert "NotificationBucket" in problem
    assert problem.endswith("set another value for this forwarder in the settings")


def test_a_new_parameter_without_a_default_is_refused() -> None:
    body = lambda_template().replace("Parameters:\n", "Parameters:\n  Colour: {Type: String}\n", 1)
    assert problems(parameters(legacy(), release=changed(body))) == [
        "the template wants a value for Colour; update this stack by hand"
    ]


def test_a_template_without_integration_types_is_not_asked_for_one() -> None:
    body = lambda_template().replace("${IntegrationType}", "awscloudtrail").replace("!Ref IntegrationType", "x")
    body = body.replace(body[body.index("  IntegrationType:") : body.index("  NotificationBucket:")], "", 1)
    found = parameters(legacy("handmade"), release=changed(body))
    assert not found.problems
    assert "IntegrationType" not in sent(found)


def test_a_key_parameter_gets_the_digest_so_that_a_new_zip_has_a_new_address() -> None:
    body = lambda_template().replace("S3Key: taegis-lambda-amd64.zip", "S3Key: !Ref CodeKey")
    body = body.replace(
        "Parameters:\n", "Parameters:\n  CodeKey: {Type: String, Default: taegis-lambda-amd64.zip}\n", 1
    )
    release = changed(body)
    key = f"taegis-lambda-amd64-{release.package.sha256_hex[:8]}.zip"
    assert sent(parameters(legacy(), release=release))["CodeKey"] == key
    assert package_key(release) == key
    assert package_key(a_release()) == "taegis-lambda-amd64.zip"


def test_a_bucket_parameter_of_another_name_gets_the_bucket() -> None:
    body = lambda_template().replace("TaegisLambdaS3BucketName", "CodeBucket")
    found = parameters(legacy(), release=changed(body))
    assert sent(found)["CodeBucket"] == BUCKET
    assert "TaegisLambdaS3BucketName" not in sent(found)


def changed(body: str) -> Release:
    """The release with another Lambda template."""
    new = template(body)
    return replace(a_release(), lambda_template=new, function=deployed_function(new))
