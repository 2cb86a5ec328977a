"""What the emulated CloudFormation answers."""

from collections.abc import Iterator
from functools import cache
from xml.sax.saxutils import escape

from benchmarks.estate import INTEGRATION, SHARED_STACK, TAEGIS_REGION, Forwarder, Target, shared_body, template_of
from benchmarks.reply import Reply, of_query, refused
from benchmarks.request import Request

_PAGE = 100  # stacks in one DescribeStacks answer: AWS documents only "1 MB", and about a hundred are seen
_CREATED = "2023-11-15T19:27:19.000Z"
_UPDATED = "2026-10-01T08:00:00.000Z"
_DESCRIBED = (
    "This CloudFormation template deploys the SecureWorks TDR Lambda function for AWS logs stored in an S3 bucket."
)


def answer(request: Request, target: Target) -> Reply | None:
    """The answer, None for an operation that nobody should need."""
    match request.operation:
        case "DescribeStacks":
            return _described(request, target)
        case "ListStackResources":
            return _listed(request, target)
        case "GetTemplate":
            return _template(request, target)
    return None


def _described(request: Request, target: Target) -> Reply:
    wanted = request.form.get("StackName")
    begin = int(request.form.get("NextToken", "0"))
    stacks = tuple(_stacks(target, wanted))
    if wanted and not stacks:
        return refused("cloudformation", "ValidationError", f"Stack with id {wanted} does not exist", 400)
    more = f"<NextToken>{begin + _PAGE}</NextToken>" if len(stacks) > begin + _PAGE else ""
    return of_query("DescribeStacks", f"<Stacks>{''.join(stacks[begin : begin + _PAGE])}</Stacks>{more}")


def _stacks(target: Target, wanted: str | None) -> Iterator[str]:
    if wanted in {None, SHARED_STACK}:
        given = {"SecretValue": "****", "TaegisRegion": TAEGIS_REGION}
        described = "This CloudFormation template deploys the resources shared by all SecureWorks TDR Lambda functions."
        yield _stack(target, SHARED_STACK, "CREATE_COMPLETE", described, given)
    for forwarder in target.forwarders:
        if wanted in {None, forwarder.stack}:
            given = _parameters(target, forwarder)
            yield _stack(target, forwarder.stack, forwarder.stack_status, _DESCRIBED, given)


def _stack(target: Target, name: str, status: str, described: str, given: dict[str, str]) -> str:
    parameters = "".join(
        f"<member><ParameterKey>{key}</ParameterKey><ParameterValue>{text}</ParameterValue></member>"
        for key, text in given.items()
    )
    return (
        f"<member><StackId>{_id(target, name)}</StackId><StackName>{name}</StackName>"
        f"<Description>{described}</Description><Parameters>{parameters}</Parameters>"
        f"<CreationTime>{_CREATED}</CreationTime><LastUpdatedTime>{_UPDATED}</LastUpdatedTime>"
        f"<StackStatus>{status}</StackStatus><DisableRollback>false</DisableRollback><NotificationARNs/>"
        "<Capabilities><member>CAPABILITY_IAM</member></Capabilities><Outputs/><Tags/>"
        "<EnableTerminationProtection>false</EnableTerminationProtection>"
        "<DriftInformation><StackDriftStatus>NOT_CHECKED</StackDriftStatus></DriftInformation></member>"
    )


def _parameters(target: Target, forwarder: Forwarder) -> dict[str, str]:
    common = {
        "NotificationBucket": forwarder.bucket,
        "SNSNotificationarn": "",
        "NotificationBucketCustomerManagedKMSarn": "",
    }
    if forwarder.is_legacy:
        legacy = {
            "LegacyCodeBucket": f"legacy-{target.account}-{target.region}",
            "LegacyCodeKey": "scwx-tdr-lambda.zip",
        }
        return common | legacy | {"LegacyToken": "****"}
    current = {"IntegrationType": INTEGRATION, "TaegisLambdaS3BucketName": target.artifacts, "LambdaEnvKMSarn": ""}
    return common | current | {"EnableObjectTagging": "false"}


def _listed(request: Request, target: Target) -> Reply:
    name = request.form["StackName"]
    owned = {"TaegisCredentials": ("AWS::SecretsManager::Secret", target.secret)}
    for forwarder in target.forwarders:
        if forwarder.stack == name:
            owned = {
                "TaegisLambdaRole": ("AWS::IAM::Role", f"{name}-TaegisLambdaRole-1A2B3C4D5E6F"),
                "TaegisLambdaFunction": ("AWS::Lambda::Function", forwarder.function),
                "BucketPermission": ("AWS::Lambda::Permission", f"{name}-BucketPermission-1A2B3C4D5E6F"),
            }
    members = "".join(
        f"<member><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>"
        f"<ResourceType>{kind}</ResourceType><LastUpdatedTimestamp>{_UPDATED}</LastUpdatedTimestamp>"
        "<ResourceStatus>UPDATE_COMPLETE</ResourceStatus>"
        "<DriftInformation><StackResourceDriftStatus>NOT_CHECKED</StackResourceDriftStatus></DriftInformation></member>"
        for logical, (kind, physical) in owned.items()
    )
    return of_query("ListStackResources", f"<StackResourceSummaries>{members}</StackResourceSummaries>")


def _template(request: Request, target: Target) -> Reply:
    name = request.form["StackName"]
    legacy = next((forwarder.is_legacy for forwarder in target.forwarders if forwarder.stack == name), None)
    return _body(None if name == SHARED_STACK else legacy)


@cache
def _body(legacy: bool | None) -> Reply:
    body = shared_body() if legacy is None else template_of(legacy=legacy)
    stages = "<StagesAvailable><member>Original</member><member>Processed</member></StagesAvailable>"
    return of_query("GetTemplate", f"<TemplateBody>{escape(body)}</TemplateBody>{stages}")


def _id(target: Target, name: str) -> str:
    return f"arn:aws:cloudformation:{target.region}:{target.account}:stack/{name}/1a2b3c4d-0000-0000-0000-000000000000"
