"""Each rule of the strict layer refuses what AWS refuses, and it is the rule that does: switched off, it does not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError  # noqa: TID251  what boto3 raises is what the rules are judged by

from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.seed_client import Place
from tests.sandbox_engine import ACCOUNT, OTHER_ACCOUNT, REGION, Engine, eventually, fresh, package

Act = Callable[[Engine, Place], None]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    process = EngineProcess(Path(tmp_path_factory.mktemp("sandbox")), None)
    yield Engine(process)
    process.stop()


def put(place: Place, bucket: str, rules: list[dict[str, object]], **more: object) -> None:
    document = {"LambdaFunctionConfigurations": rules}
    place.call("s3", "put_bucket_notification_configuration", Bucket=bucket, NotificationConfiguration=document, **more)


def rule(place: Place, function: str, prefix: str = "", suffix: str = "", *events: str) -> dict[str, object]:
    filters = [{"Name": name, "Value": text} for name, text in (("prefix", prefix), ("suffix", suffix)) if text]
    return {
        "LambdaFunctionArn": place.arn("lambda", f"function:{function}"),
        "Events": list(events) or ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": filters}},
    }


def callable_function(engine: Engine, place: Place, bucket: str) -> str:
    name = engine.function(place)
    engine.allow(place, name, bucket)
    return name


def overlapping(engine: Engine, place: Place) -> None:
    bucket = engine.bucket(place)
    name = callable_function(engine, place, bucket)
    put(place, bucket, [rule(place, name, "a/"), rule(place, name, "a/b/", "", "s3:ObjectCreated:Put")])


def missing_function(engine: Engine, place: Place) -> None:
    put(place, engine.bucket(place), [rule(place, "nobody")])


def no_permission(engine: Engine, place: Place) -> None:
    put(place, engine.bucket(place), [rule(place, engine.function(place))])


def permission_for_another_bucket(engine: Engine, place: Place) -> None:
    put(place, engine.bucket(place), [rule(place, callable_function(engine, place, "another-bucket"))])


def permission_for_another_account(engine: Engine, place: Place) -> None:
    bucket = engine.bucket(place)
    name = engine.function(place)
    engine.allow(place, name, bucket, SourceAccount=OTHER_ACCOUNT)
    put(place, bucket, [rule(place, name)])


def expected_another_owner(engine: Engine, place: Place) -> None:
    bucket = engine.bucket(place)
    place.call("s3", "get_bucket_notification_configuration", Bucket=bucket, ExpectedBucketOwner=OTHER_ACCOUNT)


def create_go(engine: Engine, place: Place) -> None:
    engine.function(place, "go1.x")


def assume_nobody(engine: Engine, place: Place) -> None:
    del engine
    place.call("sts", "assume_role", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/nobody", RoleSessionName="x")


def get_policy_of_none(engine: Engine, place: Place) -> None:
    place.call("lambda", "get_policy", FunctionName=engine.function(place))


TEMPLATE = """
Description: {description}
Parameters:
  Bucket: {{Type: String, Default: none}}
  Secret: {{Type: String, NoEcho: true, Default: default-secret}}
Resources:
  Topic: {{Type: AWS::SNS::Topic, Properties: {{DisplayName: !Ref Bucket}}}}
"""
WITH_ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
"""
WITH_CONDITION = """
Parameters: {Extra: {Type: String, Default: ""}}
Conditions: {Wanted: !Not [!Equals [!Ref Extra, ""]]}
Resources:
  Always: {Type: AWS::SNS::Topic, Properties: {DisplayName: SHOWN}}
  Sometimes: {Type: AWS::SNS::Topic, Condition: Wanted, Properties: {DisplayName: SHOWN}}
"""
GO_STACK = """
Resources:
  F: {Type: AWS::Lambda::Function, Properties: {Runtime: go1.x, Handler: main, Code: {ZipFile: x}, Role: r}}
"""


def stack(place: Place, description: str = "first", **parameters: str) -> str:
    name = fresh("stack")
    place.make_stack(name, TEMPLATE.format(description=description), parameters)
    return name


def change(place: Place, name: str, template: str, *parameters: dict[str, object], kind: str = "UPDATE") -> str:
    change_set = fresh("cs")
    place.call("cloudformation", "create_change_set", StackName=name, ChangeSetName=change_set, ChangeSetType=kind,
               TemplateBody=template, Parameters=list(parameters))  # fmt: skip
    return change_set


def previous_value_of_new_key(engine: Engine, place: Place) -> None:
    del engine
    template = TEMPLATE.format(description="x").replace("Secret:", "Other: {Type: String, Default: d}\n  Secret:")
    change(place, stack(place), template, {"ParameterKey": "Other", "UsePreviousValue": True})


def previous_value_and_value(engine: Engine, place: Place) -> None:
    del engine
    both = {"ParameterKey": "Bucket", "UsePreviousValue": True, "ParameterValue": "x"}
    change(place, stack(place), TEMPLATE.format(description="x"), both)


def previous_value_of_new_stack(engine: Engine, place: Place) -> None:
    del engine
    kept = {"ParameterKey": "Bucket", "UsePreviousValue": True}
    change(place, fresh("stack"), TEMPLATE.format(description="x"), kept, kind="CREATE")


def unknown_parameter(engine: Engine, place: Place) -> None:
    del engine
    change(place, stack(place), TEMPLATE.format(description="x"), {"ParameterKey": "Tpyo", "ParameterValue": "x"})


def role_without_capability(engine: Engine, place: Place) -> None:
    del engine
    place.call("cloudformation", "create_stack", StackName=fresh("stack"), TemplateBody=WITH_ROLE)


def change_set_on_unborn_stack(engine: Engine, place: Place) -> None:
    del engine
    name = fresh("stack")
    change(place, name, TEMPLATE.format(description="x"), kind="CREATE")
    change(place, name, TEMPLATE.format(description="y"), {"ParameterKey": "Bucket", "ParameterValue": "z"})


def other_region(engine: Engine, place: Place) -> None:
    bucket = engine.bucket(place)
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:x"
    put(place, bucket, [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}])


DESTINATION = "Unable to validate the following destination configurations"
REFUSALS = [
    ("overlapping-rules", overlapping, "InvalidArgument", "Configurations on the same bucket cannot share a common"),
    ("destination-permission", missing_function, "InvalidArgument", DESTINATION),
    ("destination-permission", no_permission, "InvalidArgument", DESTINATION),
    ("destination-permission", permission_for_another_bucket, "InvalidArgument", DESTINATION),
    ("destination-permission", permission_for_another_account, "InvalidArgument", DESTINATION),
    ("expected-owner", expected_another_owner, "AccessDenied", "Access Denied"),
    ("blocked-runtime", create_go, "InvalidParameterValueException", "go1.x is no longer supported for creating"),
    ("role-exists", assume_nobody, "AccessDenied", "is not authorized to perform: sts:AssumeRole"),
    ("policy-missing", get_policy_of_none, "ResourceNotFoundException", "does not exist"),
    ("previous-values", previous_value_of_new_key, "ValidationError", "not in the previous template"),
    ("previous-values", previous_value_and_value, "ValidationError", "as true and non empty value"),
    ("previous-values", previous_value_of_new_stack, "ValidationError", "when ChangeSetType is CREATE"),
    ("unknown-parameters", unknown_parameter, "ValidationError", "Parameters: \\[Tpyo\\] do not exist"),
    ("capabilities", role_without_capability, "InsufficientCapabilities", "Requires capabilities : \\[CAPABILITY_IAM"),
    ("stack-state", change_set_on_unborn_stack, "ValidationError", "is in REVIEW_IN_PROGRESS state and can not be"),
]


@pytest.mark.parametrize(("name", "act", "code", "text"), REFUSALS, ids=[act.__name__ for _, act, _, _ in REFUSALS])
def test_a_rule_refuses_as_aws_does_and_does_not_when_off(
    engine: Engine, name: str, act: Act, code: str, text: str
) -> None:
    place = engine.at()
    with pytest.raises(ClientError, match=text) as caught:
        act(engine, place)
    assert caught.value.response["Error"]["Code"].startswith(code)
    with engine.rule(name, how=False, afterwards=True):
        act(engine, place)


def test_a_destination_in_another_region_is_refused_with_the_text_of_s3(engine: Engine) -> None:
    with pytest.raises(ClientError, match="service region is not valid for the bucket location constraint"):
        other_region(engine, engine.at())
    with (
        engine.rule("destination-region", how=False, afterwards=True),
        engine.rule("destination-permission", how=False, afterwards=True),
        pytest.raises(ClientError) as caught,
    ):
        other_region(engine, engine.at())
    assert "location constraint" not in str(caught.value), "the engine refuses too, in words of its own"


def test_rules_that_do_not_overlap_are_accepted(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    name = callable_function(engine, place, bucket)
    put(place, bucket, [
        rule(place, name, "a/"),
        rule(place, name, "b/", ".gz"),
        rule(place, name, "b/", ".json"),
        rule(place, name, "a/", "", "s3:ObjectRemoved:*"),
    ])  # fmt: skip


def test_skipping_the_validation_lets_a_missing_function_through(engine: Engine) -> None:
    place = engine.at()
    put(place, engine.bucket(place), [rule(place, "nobody")], SkipDestinationValidation=True)


def test_a_permission_with_the_owner_as_source_account_is_enough(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    name = engine.function(place)
    engine.allow(place, name, bucket, SourceAccount=ACCOUNT)
    put(place, bucket, [rule(place, name)])


@pytest.mark.parametrize(("method", "query"), [("HEAD", ""), ("GET", "?notification"), ("PUT", "?notification")])
@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT])
def test_a_bucket_asked_through_another_region_answers_301_with_its_region(
    engine: Engine, method: str, query: str, account: str
) -> None:
    bucket = engine.bucket(engine.at())
    answer = engine.raw(method, f"/{bucket}{query}", "s3", account, "us-east-1")
    assert (answer.status, answer.bucket_region) == (301, REGION)
    if method != "HEAD":
        assert b"PermanentRedirect" in answer.body


def test_without_the_rule_a_foreign_bucket_in_another_region_is_denied_instead(engine: Engine) -> None:
    bucket = engine.bucket(engine.at())
    with engine.rule("wrong-region", how=False, afterwards=True):
        assert engine.raw("GET", f"/{bucket}?notification", "s3", OTHER_ACCOUNT, "us-east-1").status == 403


def test_filter_names_come_back_with_capitals(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    put(place, bucket, [rule(place, callable_function(engine, place, bucket), "a/", ".gz")])

    def names() -> list[str]:
        answer = place.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
        return [one["Name"] for one in answer["LambdaFunctionConfigurations"][0]["Filter"]["Key"]["FilterRules"]]  # type: ignore[index]

    assert names() == ["Prefix", "Suffix"]
    with engine.rule("filter-names", how=False, afterwards=True):
        assert names() == ["prefix", "suffix"]


def test_a_stale_read_shows_the_former_document_as_often_as_it_is_told(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    name = callable_function(engine, place, bucket)

    def read() -> int:
        answer = place.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
        return len(answer.get("LambdaFunctionConfigurations", []))  # type: ignore[arg-type]

    with engine.rule("stale-read", how={"on": True, "reads": 2, "seconds": 60}, afterwards=False):
        put(place, bucket, [rule(place, name)])
        assert [read(), read(), read()] == [0, 0, 1]
    put(place, bucket, [rule(place, name, "a/"), rule(place, name, "b/")])
    assert read() == 2


def test_a_refused_write_leaves_no_stale_read_behind(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    put(place, bucket, [rule(place, callable_function(engine, place, bucket))])
    with engine.rule("stale-read", how={"on": True, "reads": 9}, afterwards=False):
        with pytest.raises(ClientError):
            put(place, bucket, [rule(place, "nobody")])
        answer = place.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
        assert len(answer["LambdaFunctionConfigurations"]) == 1  # type: ignore[arg-type]


def test_a_stack_cannot_create_a_function_with_a_blocked_runtime(engine: Engine) -> None:
    place = engine.at()

    def status() -> str:
        name = fresh("stack")
        place.call("cloudformation", "create_stack", StackName=name, TemplateBody=GO_STACK)
        found = eventually(lambda: _settled(place, name))
        return str(found)

    assert status() == "ROLLBACK_COMPLETE"
    with engine.rule("blocked-runtime", how=False, afterwards=True):
        assert status() == "CREATE_COMPLETE"


def test_a_stack_cannot_create_a_function_whose_package_is_missing(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    code = f"{{S3Bucket: {bucket}, S3Key: no.zip}}"
    properties = f"{{Runtime: provided.al2, Handler: bootstrap, Code: {code}, Role: r}}"
    template = f"Resources: {{F: {{Type: AWS::Lambda::Function, Properties: {properties}}}}}"
    name = fresh("stack")
    place.call("cloudformation", "create_stack", StackName=name, TemplateBody=template)
    assert eventually(lambda: _settled(place, name)) == "ROLLBACK_COMPLETE"
    with engine.rule("code-must-exist", how=False, afterwards=True):
        place.make_stack(fresh("stack"), template, {})


def _settled(place: Place, name: str) -> str:
    status = place.call("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]["StackStatus"]  # type: ignore[index]
    return "" if status.endswith("_IN_PROGRESS") else status


CANARY = "canary-value-that-must-not-come-back"


def test_no_echo_values_come_back_nowhere(engine: Engine) -> None:
    place = engine.at()
    name = stack(place, Secret=CANARY)
    kept = {"ParameterKey": "Secret", "UsePreviousValue": True}
    made = change(
        place, name, TEMPLATE.format(description="x"), kept, {"ParameterKey": "Bucket", "ParameterValue": "b"}
    )
    described = place.call("cloudformation", "describe_change_set", StackName=name, ChangeSetName=made)
    assert {"ParameterKey": "Secret", "ParameterValue": "****"} in described["Parameters"]  # type: ignore[operator]
    everything = [
        described,
        place.call("cloudformation", "describe_stacks", StackName=name),
        place.call("cloudformation", "get_template_summary", StackName=name),
        place.call("cloudformation", "describe_stack_events", StackName=name),
    ]
    assert CANARY not in str(everything)
    assert "default-secret" not in str(everything)
    with engine.rule("no-echo-masked", how=False, afterwards=True):
        shown = place.call("cloudformation", "describe_change_set", StackName=name, ChangeSetName=made)
        assert CANARY in str(shown)


def test_a_refused_no_echo_value_is_not_in_the_error(engine: Engine) -> None:
    place = engine.at()
    name = fresh("stack")
    template = TEMPLATE.format(description="x").replace(
        "NoEcho: true,", "NoEcho: true, AllowedValues: [default-secret],"
    )
    place.make_stack(name, template, {})
    with pytest.raises(ClientError) as caught:
        change(place, name, template, {"ParameterKey": "Secret", "ParameterValue": CANARY})
    assert CANARY not in str(caught.value)


def test_descriptions_are_those_of_the_current_template(engine: Engine) -> None:
    place = engine.at()
    name = stack(place, "before")
    made = change(place, name, TEMPLATE.format(description="after"), {"ParameterKey": "Bucket", "ParameterValue": "b"})
    place.call("cloudformation", "execute_change_set", StackName=name, ChangeSetName=made)
    place.await_stack(name, "UPDATE_COMPLETE")

    def descriptions() -> tuple[object, object]:
        listed = place.call("cloudformation", "list_stacks")["StackSummaries"]
        summary = next(one for one in listed if one["StackName"] == name)  # type: ignore[attr-defined]
        described = place.call("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]  # type: ignore[index]
        return summary.get("TemplateDescription"), described["Description"]

    assert descriptions() == ("after", "after")
    with engine.rule("template-description", how=False, afterwards=True):
        assert descriptions() == (None, "before")


def test_a_change_set_leaves_out_what_its_condition_rules_out(engine: Engine) -> None:
    place = engine.at()
    name = fresh("stack")
    place.make_stack(name, WITH_CONDITION.replace("SHOWN", "one"), {})

    def changed(*parameters: dict[str, object]) -> list[tuple[str, str]]:
        made = change(place, name, WITH_CONDITION.replace("SHOWN", "two"), *parameters)
        described = place.call("cloudformation", "describe_change_set", StackName=name, ChangeSetName=made)
        changes = [one["ResourceChange"] for one in described["Changes"]]  # type: ignore[attr-defined]
        return [(one["Action"], one["LogicalResourceId"]) for one in changes]

    assert changed() == [("Modify", "Always")]
    assert changed({"ParameterKey": "Extra", "ParameterValue": "x"}) == [("Modify", "Always"), ("Add", "Sometimes")]
    with engine.rule("change-set-conditions", how=False, afterwards=True):
        assert ("Modify", "Sometimes") in changed()


@pytest.mark.parametrize("host", ["s3.eu-west-1.amazonaws.com", "s3.amazonaws.com"])
def test_a_template_is_found_at_a_virtual_hosted_address(engine: Engine, host: str) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    body = TEMPLATE.format(description="by address").encode()
    place.call("s3", "put_object", Bucket=bucket, Key="a/template.yaml", Body=body)
    url = f"https://{bucket}.{host}/a/template.yaml"
    assert place.call("cloudformation", "get_template_summary", TemplateURL=url)["Description"] == "by address"
    with engine.rule("template-address", how=False, afterwards=True), pytest.raises(ClientError):
        place.call("cloudformation", "get_template_summary", TemplateURL=url)


def test_listing_functions_does_not_tell_their_state(engine: Engine) -> None:
    place = engine.at(region="eu-central-1")
    engine.function(place)

    def fields() -> set[str]:
        return set(place.call("lambda", "list_functions")["Functions"][0])  # type: ignore[index]

    assert not fields() & {"State", "LastUpdateStatus"}
    with engine.rule("brief-listing", how=False, afterwards=True):
        assert {"State", "LastUpdateStatus"} <= fields()


def test_a_role_assumed_by_a_role_lasts_one_hour_at_most(engine: Engine) -> None:
    place = engine.at()
    role = fresh("role")
    place.call("iam", "create_role", RoleName=role, AssumeRolePolicyDocument="{}")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    ask = {"RoleArn": arn, "RoleSessionName": "x", "DurationSeconds": 7200}
    first = place.call("sts", "assume_role", **ask)["Credentials"]["AccessKeyId"]  # type: ignore[index]
    chained = engine.at(first)
    with pytest.raises(ClientError, match="1 hour session limit for roles assumed by role chaining"):
        chained.call("sts", "assume_role", **ask)
    chained.call("sts", "assume_role", **{**ask, "DurationSeconds": 3600})
    with engine.rule("role-chaining", how=False, afterwards=True):
        chained.call("sts", "assume_role", **ask)


@pytest.mark.parametrize(("service", "method", "code"), [
    ("lambda", "list_functions", "TooManyRequestsException"),
    ("logs", "describe_log_groups", "ThrottlingException"),
    ("cloudwatch", "describe_alarms", "Throttling"),
    ("cloudformation", "list_stacks", "Throttling"),
])  # fmt: skip
def test_calls_beyond_awss_rates_are_throttled(engine: Engine, service: str, method: str, code: str) -> None:
    place = engine.at()
    place.call(service, method)
    with (
        engine.rule("throttling", how={"on": True, "multiplier": 0.01}, afterwards=False),
        pytest.raises(ClientError) as caught,
    ):
        place.call(service, method)
    assert caught.value.response["Error"]["Code"] == code
    place.call(service, method)


def test_s3_does_not_call_a_function_whose_permission_was_withdrawn(engine: Engine) -> None:
    place = engine.at()
    bucket = engine.bucket(place)
    name = engine.function(place, code=package("nothing"))
    engine.allow(place, name, bucket)
    put(place, bucket, [rule(place, name)])
    statement = place.call("lambda", "get_policy", FunctionName=name)["Policy"]
    sid = str(statement).split('"Sid": "')[1].split('"')[0]
    place.call("lambda", "remove_permission", FunctionName=name, StatementId=sid)
    place.call("s3", "put_object", Bucket=bucket, Key="unseen", Body=b"")
    with engine.rule("delivery-permission", how=False, afterwards=True):
        place.call("s3", "put_object", Bucket=bucket, Key="seen", Body=b"")
        lines = eventually(lambda: _log(place, name))
    assert sum("START" in line for line in lines) == 1, "only the object put while the rule was off"  # type: ignore[attr-defined]


def test_a_missing_bootstrap_shows_in_the_log_as_lambda_words_it(engine: Engine) -> None:
    place = engine.at()
    name = engine.function(place, code=package("main"))
    eventually(lambda: place.call("lambda", "get_function_configuration", FunctionName=name)["State"] == "Active")
    answer = place.call("lambda", "invoke", FunctionName=name, Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    lines = eventually(lambda: _log(place, name))
    assert any("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]" in line for line in lines)  # type: ignore[attr-defined]


def _log(place: Place, function: str) -> list[str]:
    try:
        answer = place.call("logs", "filter_log_events", logGroupName=f"/aws/lambda/{function}")
    except ClientError:
        return []
    return [event["message"] for event in answer["events"]]  # type: ignore[attr-defined]


def test_the_request_log_names_account_region_operation_and_what_refused(engine: Engine) -> None:
    place = engine.at(OTHER_ACCOUNT, "eu-north-1")
    with pytest.raises(ClientError):
        create_go(engine, place)
    place.call("cloudwatch", "describe_alarms")
    mine = [one for one in engine.requests() if (one["account"], one["region"]) == (OTHER_ACCOUNT, "eu-north-1")]
    seen = {(one["service"], one["operation"], one["status"], one["write"], one["refused_by"]) for one in mine}
    assert ("lambda", "CreateFunction", 400, True, "blocked-runtime") in seen
    assert ("monitoring", "DescribeAlarms", 200, False, None) in seen
