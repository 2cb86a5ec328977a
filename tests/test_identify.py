"""Which stacks are forwarders, which only look like one, and which function is whose."""

import pytest

from fixtures.estate import Function, Stack, StackResource
from fixtures.identify import Kind, function_name, functions_by_stack, has_no_function, integration_of, sort_stacks
from tests.estates import a_function, a_stack

ENGLISH = (
    "This CloudFormation template deploys the SecureWorks TDR Lambda function for CloudTrail logs in an S3 bucket."
)
JAPANESE = "このCloudFormationテンプレートは、awsalbログ用のSecureWorks TDR Lambda関数をデプロイします。"
SHARED = {"SecretValue": "****", "TaegisRegion": "ctpx"}


def stack(name: str = "any", description: str = "", **parameters: str) -> Stack:
    return a_stack(name, description=description, parameters=parameters)


def function(name: str) -> Function:
    return a_function(name) if "-scwx-tdr-lambda-" in name else a_function("x", name=name)


# the stack, the functions of its target, what it is
KINDS = {
    "the-vendors-description": (stack(description=ENGLISH), (), Kind.FORWARDER),
    "in-capitals": (stack(description=ENGLISH.upper()), (), Kind.FORWARDER),
    "in-small-letters": (stack(description=ENGLISH.lower()), (), Kind.FORWARDER),
    "over-several-lines": (stack(description="SecureWorks\n  TDR\tLambda-function for\nALB"), (), Kind.FORWARDER),
    "half-japanese": (stack(description="SecureWorks TDR Lambda Functionです"), (), Kind.FORWARDER),
    "japanese": (stack(description=JAPANESE), (), Kind.FORWARDER),
    "any-name": (stack("q3-logging", description=ENGLISH), (), Kind.FORWARDER),
    "by-its-functions-name": (stack("logs"), ("logs-scwx-tdr-lambda-awsalb",), Kind.FORWARDER),
    "by-the-other-spelling": (stack("logs"), ("logs-scwx-tdr-lambda-for-awsalb",), Kind.FORWARDER),
    "its-name-holds-hyphens": (stack("a-b-c"), ("a-b-c-scwx-tdr-lambda-generic",), Kind.FORWARDER),
    "a-function-of-another-stack": (stack("logs"), ("other-scwx-tdr-lambda-awsalb",), Kind.OTHER),
    "a-function-of-a-longer-name": (stack("logs"), ("my-logs-scwx-tdr-lambda-awsalb",), Kind.OTHER),
    "shared": (a_stack("taegis-shared-resources", description="", parameters=SHARED), (), Kind.SHARED),
    "shared-under-any-name": (a_stack("q3", description="", parameters=SHARED), (), Kind.SHARED),
    "shared-although-it-describes-itself-as-a-forwarder": (
        a_stack("q3", description=ENGLISH, parameters=SHARED), (), Kind.SHARED),
    "shared-with-more-parameters": (a_stack("q3", description="", parameters={**SHARED, "Key": ""}), (), Kind.SHARED),
    "half-of-the-shared-parameters": (stack("q3", TaegisRegion="ctpx"), (), Kind.OTHER),
    "named-after-the-vendor": (stack("taegis-alarms"), (), Kind.LOOKALIKE),
    "describes-the-vendor": (stack(description="Alarms for Secureworks forwarders"), (), Kind.LOOKALIKE),
    "mentions-tdr": (stack("tdr-dashboards"), (), Kind.LOOKALIKE),
    "has-a-notification-bucket": (stack("x", NotificationBucket="logs"), (), Kind.LOOKALIKE),
    "tdr-inside-a-word": (stack("outdrive"), (), Kind.OTHER),
    "nothing-of-it": (stack("web"), (), Kind.OTHER),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_is_told_by_description_function_and_parameters(name: str) -> None:
    found, functions, kind = KINDS[name]
    sorted_ = sort_stacks([found], map(function, functions))
    assert [stack.name for stack in sorted_.forwarders] == ([found.name] if kind is Kind.FORWARDER else [])
    assert [stack.name for stack in sorted_.shared] == ([found.name] if kind is Kind.SHARED else [])
    assert [stack.name for stack in sorted_.lookalikes] == ([found.name] if kind is Kind.LOOKALIKE else [])


def test_stacks_keep_the_order_in_which_they_came() -> None:
    found = sort_stacks([stack("b", ENGLISH), stack("c", ENGLISH), stack("a", ENGLISH)], ())
    assert [stack.name for stack in found.forwarders] == ["b", "c", "a"]


FUNCTIONS = {
    "logs-scwx-tdr-lambda-awsalb": "logs",
    "logs-scwx-tdr-lambda-for-awsalb": "logs",
    "a-scwx-tdr-lambda-b-scwx-tdr-lambda-generic": "a-scwx-tdr-lambda-b",
    "scwx-tdr-lambda-awsalb": None,
    "-scwx-tdr-lambda-awsalb": None,
    "logs-scwx-tdr-lambda-": None,
    "logs-SCWX-TDR-LAMBDA-awsalb": None,
    "logs": None,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_name_holds_its_stacks(name: str) -> None:
    found = functions_by_stack([a_function("x", name=name)])
    assert list(found) == ([FUNCTIONS[name]] if FUNCTIONS[name] else [])


def test_a_stack_may_have_several_functions() -> None:
    names = ["logs-scwx-tdr-lambda-awsalb", "logs-scwx-tdr-lambda-awswaf"]
    assert [one.name for one in functions_by_stack(map(function, names))["logs"]] == names


def resource(physical_id: str | None, kind: str = "AWS::Lambda::Function") -> StackResource:
    return StackResource("Logical", physical_id, kind, "CREATE_COMPLETE")


FORWARDER = "logs-scwx-tdr-lambda-awsalb"
# resources of the stack `logs`, and the name of its forwarder's function
NAMES = {
    "none": ((), None),
    "no-function": ((resource("role", "AWS::IAM::Role"),), None),
    "one-of-any-name": ((resource("whatever"),), "whatever"),
    "one-by-its-arn": ((resource(f"arn:aws:lambda:us-east-1:111122223333:function:{FORWARDER}"),), FORWARDER),
    "one-without-a-physical-id": ((resource(None),), None),
    "a-helper-beside-it": ((resource("logs-cleanup"), resource(FORWARDER)), FORWARDER),
    "two-helpers": ((resource("a"), resource("b")), None),
    "two-forwarders": ((resource(FORWARDER), resource("logs-scwx-tdr-lambda-awswaf")), None),
    "a-helper-and-one-not-made-yet": ((resource("logs-cleanup"), resource(None)), None),
    "a-helper-beside-one-named-for-another-stack": ((resource("h"), resource("other-scwx-tdr-lambda-awsalb")), None),
    "several-by-their-arns": (
        (resource("arn:aws:lambda:us-east-1:111122223333:function:logs-cleanup"),
         resource(f"arn:aws:lambda:us-east-1:111122223333:function:{FORWARDER}")), FORWARDER),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_forwarders_function_is_told_from_the_stacks_others(name: str) -> None:
    resources, expected = NAMES[name]
    assert function_name("logs", resources) == expected


@pytest.mark.parametrize(
    ("resources", "expected"), [((resource("role", "AWS::IAM::Role"),), True), ((resource("f"),), False), ((), True)]
)
def test_a_stack_without_any_function_is_seen(resources: tuple[StackResource, ...], expected: bool) -> None:
    assert has_no_function(resources) is expected


@pytest.mark.parametrize(
    ("parameters", "name", "expected"),
    [
        ({"IntegrationType": "awswaf"}, "logs-scwx-tdr-lambda-awsalb", "awswaf"),
        ({"IntegrationType": ""}, "logs-scwx-tdr-lambda-awsalb", "awsalb"),
        ({}, "logs-scwx-tdr-lambda-for-awsalb", "awsalb"),
        ({}, "logs-scwx-tdr-lambda-for-okta", "okta"),
        ({}, "whatever", None),
        ({}, None, None),
    ],
)
def test_the_integration_is_the_parameter_else_the_slug(
    parameters: dict[str, str], name: str | None, expected: str | None
) -> None:
    assert integration_of(a_stack("logs", parameters=parameters), name) == expected
