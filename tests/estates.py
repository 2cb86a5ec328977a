"""Hand-made facts, healthy until a test changes them: what the tables of states start from.

`a_forwarder(function=Absent("function"))` is a healthy forwarder but for that one fact; `an_estate(...)` puts
forwarders into their targets, with their buckets beside them. Everything fits together: names, ARNs, digests.
"""

import functools
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fixtures.desired import SINGLE, Desired, Desires, Tenant
from fixtures.estate import (
    ArtifactBucket,
    Bucket,
    Encryption,
    Estate,
    Forwarder,
    Function,
    Identity,
    Invocation,
    KeyPolicy,
    LogFlow,
    Metrics,
    Notification,
    Rule,
    SecretFacts,
    Seen,
    SharedStack,
    Stack,
    StackResource,
    Statement,
    StoredObject,
    Target,
    Topic,
)
from fixtures.fact import NOT_READ, Cause, Fact, Unreadable
from fixtures.release import Release, read_release
from fixtures.sandbox.synthetic_release import (
    PACKAGE,
    artifact_bucket,
    current_package,
    lambda_template,
    legacy_package,
    legacy_template,
    shared_template,
    write_release,
)
from fixtures.settings import Settings
from fixtures.stack_facts import Drift
from fixtures.template import parse_template

NOW = datetime(2026, 11, 24, 4, 15, 30, tzinfo=UTC)
CHANGED = NOW - timedelta(days=2)
ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "us-east-1"
HERE = Target(ACCOUNT, REGION)
CREATED = "s3:ObjectCreated:*"

CODE_SHA256 = current_package().code_sha256
LEGACY_SHA256 = legacy_package().code_sha256
LAMBDA_DIGEST = parse_template(lambda_template(), name="lambda").digest
SHARED_DIGEST = parse_template(shared_template(), name="shared").digest
LEGACY_TEMPLATE = legacy_template("CloudTrail", "awscloudtrail")
LEGACY_DIGEST = parse_template(LEGACY_TEMPLATE, name="legacy").digest
TEMPLATES: Mapping[str, str] = {
    LAMBDA_DIGEST: lambda_template(),
    SHARED_DIGEST: shared_template(),
    LEGACY_DIGEST: LEGACY_TEMPLATE,
}


def denied(action: str) -> Unreadable:
    """A fact that AWS would not show."""
    return Unreadable(action, Cause.DENIED, "AccessDenied: not authorized")


def an_arn(service: str, resource: str, target: Target = HERE) -> str:
    return f"arn:aws:{service}:{target.region}:{target.account}:{resource}"


def a_function(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: object) -> Function:
    """The function of the forwarder `name`, as GetFunction shows it."""
    full = name if "-scwx-tdr-lambda-" in name else f"{name}-scwx-tdr-lambda-awscloudtrail"
    function = Function(
        name=full,
        arn=an_arn("lambda", f"function:{full}", target),
        runtime="provided.al2",
        handler="bootstrap",
        package_type="Zip",
        architectures=("x86_64",),
        code_sha256=CODE_SHA256,
        code_size=len(current_package().content),
        state="Active",
        state_reason="",
        last_update="Successful",
        last_update_reason="",
        last_modified=CHANGED,
        role=f"arn:aws:iam::{target.account}:role/{name}-role",
        environment_names=("INTEGRATION_TYPE", "TAEGIS_SECRET_ARN"),
        kms_key_arn=None,
        dead_letter_arn=None,
        log_group=f"/aws/lambda/{full}",
        timeout=300,
        memory=512,
        reserved_concurrency=None,
    )
    return replace(function, **changes)  # type: ignore[arg-type]


def a_stack(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: object) -> Stack:
    """The forwarder's stack, made from the release's template."""
    stack = Stack(
        name=name,
        id=an_arn("cloudformation", f"stack/{name}/0a1b2c3d", target),
        status="UPDATE_COMPLETE",
        status_reason="",
        description="This CloudFormation template deploys the SecureWorks TDR Lambda function for AWS logs stored in "
        "an S3 bucket. SYNTHETIC: made by the taegis-forwarders sandbox, not by the vendor.",
        parameters=a_parameter_set(name, target),
        role_arn=None,
        termination_protection=False,
        changed=CHANGED,
    )
    return replace(stack, **changes)  # type: ignore[arg-type]


def a_parameter_set(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: str) -> Mapping[str, str]:
    """The parameters of a migrated forwarder's stack."""
    return {
        "IntegrationType": "awscloudtrail",
        "NotificationBucket": f"{name}-logs",
        "SNSNotificationarn": "",
        "NotificationBucketCustomerManagedKMSarn": "",
        "TaegisLambdaS3BucketName": artifact_bucket(target.account, target.region),
        "LambdaEnvKMSarn": "",
        "EnableObjectTagging": "false",
        **changes,
    }


def a_statement(bucket: str = "cloudtrail-prod-logs", target: Target = HERE, /, **changes: object) -> Statement:
    """What lets S3 call the function."""
    statement = Statement(
        sid="s3",
        allow=True,
        principals=("s3.amazonaws.com",),
        actions=("lambda:InvokeFunction",),
        source_arns=(f"arn:aws:s3:::{bucket}",),
        source_accounts=(target.account,),
    )
    return replace(statement, **changes)  # type: ignore[arg-type]


def a_rule(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: object) -> Rule:
    """The notification rule that calls the forwarder `name` for every new object."""
    rule = Rule("function", a_function(name, target).arn, (CREATED,), id=f"{name}-rule")
    return replace(rule, **changes)  # type: ignore[arg-type]


def a_notification(*rules: Rule, eventbridge: bool = False) -> Notification:
    """A notification document; its text is what S3 would have returned for these rules."""
    names = {"function": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
             "queue": ("QueueConfigurations", "QueueArn"), "topic": ("TopicConfigurations", "TopicArn")}  # fmt: skip
    document: dict[str, object] = {}
    for rule in rules:
        part, arn_name = names[rule.kind]
        filters = [{"Name": key, "Value": text} for key, text in (("Prefix", rule.prefix), ("Suffix", rule.suffix))
                   if text]  # fmt: skip
        entry: dict[str, object] = {"Events": list(rule.events), arn_name: rule.arn}
        if rule.id:
            entry["Id"] = rule.id
        if filters:
            entry["Filter"] = {"Key": {"FilterRules": filters}}
        found = document.setdefault(part, [])
        assert isinstance(found, list)
        found.append(entry)
    if eventbridge:
        document["EventBridgeConfiguration"] = {}
    return Notification(rules, eventbridge, json.dumps(document, sort_keys=True))


def a_bucket(name: str, *rules: Rule, target: Target = HERE, **changes: object) -> Bucket:
    """A notification bucket with these rules, encrypted with S3's own key."""
    bucket = Bucket(name, target.account, target.region, a_notification(*rules), Encryption("AES256", None))
    return replace(bucket, **changes)  # type: ignore[arg-type]


def a_flow(**changes: object) -> LogFlow:
    """A log that proves one upload."""
    group = "/aws/lambda/cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"
    flow = LogFlow(group, NOW - timedelta(days=1), NOW, requests=3, uploads=3, proved=3,
                   last_proved=NOW - timedelta(minutes=5), errors=(), complete=True)  # fmt: skip
    return replace(flow, **changes)  # type: ignore[arg-type]


def some_resources(name: str = "cloudtrail-prod", function: str = "") -> tuple[StackResource, ...]:
    """What the forwarder's stack owns."""
    full = function or f"{name}-scwx-tdr-lambda-awscloudtrail"
    return (
        StackResource("BucketPermission", f"{name}-permission", "AWS::Lambda::Permission", "CREATE_COMPLETE"),
        StackResource("TaegisLambdaFunction", full, "AWS::Lambda::Function", "UPDATE_COMPLETE"),
        StackResource("TaegisLambdaRole", f"{name}-role", "AWS::IAM::Role", "CREATE_COMPLETE"),
    )


def a_forwarder(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: object) -> Forwarder:
    """A healthy, migrated forwarder. Its bucket is `<name>-logs`; `an_estate` adds it with the rule that calls it."""
    function = a_function(name, target)
    bucket = f"{name}-logs"
    forwarder = Forwarder(
        target=target,
        name=name,
        integration="awscloudtrail",
        bucket_name=bucket,
        topic_arn=None,
        stack=a_stack(name, target),
        template=LAMBDA_DIGEST,
        resources=some_resources(name),
        listed=replace(function, state=None, last_update=None),
        function=function,
        policy=(a_statement(bucket, target),),
        invocation=Invocation(None, None),
        flow=a_flow(group=function.log_group),
        metrics=Metrics(invocations=3.0, errors=0.0, throttles=0.0, async_dropped=None),
        code_source=StoredObject(
            artifact_bucket(target.account, target.region), PACKAGE, function.code_size, CODE_SHA256
        ),
        change_sets=(),
        drift=Drift("IN_SYNC", ()),
    )
    return replace(forwarder, **changes)  # type: ignore[arg-type]


def a_legacy_forwarder(name: str = "cloudtrail-prod", target: Target = HERE, /, **changes: object) -> Forwarder:
    """A forwarder before its migration: go1.x, the old template, the old package."""
    function = a_function(name, target, runtime="go1.x", handler="main", code_sha256=LEGACY_SHA256,
                          code_size=len(legacy_package().content))  # fmt: skip
    old = {"NotificationBucket": f"{name}-logs", "SNSNotificationarn": "",
           "NotificationBucketCustomerManagedKMSarn": "", "LegacyToken": "****",
           "LegacyCodeBucket": f"legacy-code-{target.account}-{target.region}",
           "LegacyCodeKey": "scwx-tdr-lambda.zip"}  # fmt: skip
    legacy = a_forwarder(
        name,
        target,
        stack=a_stack(name, target, status="CREATE_COMPLETE", parameters=old),
        template=LEGACY_DIGEST,
        listed=replace(function, state=None, last_update=None),
        function=function,
        code_source=StoredObject(
            old["LegacyCodeBucket"], old["LegacyCodeKey"], function.code_size, function.code_sha256
        ),
    )
    return replace(legacy, **changes)  # type: ignore[arg-type]


def a_shared_stack(target: Target = HERE, /, **changes: object) -> SharedStack:
    """The shared stack, made from the release's template."""
    name = "taegis-shared-resources"
    arn = an_arn("secretsmanager", "secret:TaegisCredentials-a1b2c3", target)
    shared = SharedStack(
        stack=a_stack(
            name,
            target,
            description="This CloudFormation template deploys the resources shared by all SecureWorks TDR Lambda "
            "functions of an AWS Region.",
            parameters={"SecretValue": "****", "TaegisRegion": "ctpx"},
        ),
        template=SHARED_DIGEST,
        resources=(StackResource("TaegisCredentials", arn, "AWS::SecretsManager::Secret", "CREATE_COMPLETE"),),
        secret=SecretFacts(arn, has_value=True, digest=NOT_READ),
    )
    return replace(shared, **changes)  # type: ignore[arg-type]


def an_artifact_bucket(target: Target = HERE, /, **changes: object) -> ArtifactBucket:
    """The artifact bucket with the release's package."""
    name = artifact_bucket(target.account, target.region)
    package = StoredObject(name, PACKAGE, len(current_package().content), CODE_SHA256)
    return replace(ArtifactBucket(name, target.region, package, public=False), **changes)  # type: ignore[arg-type]


def an_identity(account: str = ACCOUNT) -> Identity:
    return Identity(account, f"arn:aws:sts::{account}:assumed-role/Audit/taegis-forwarders", "aws")


def a_seen(*forwarders: Forwarder, target: Target = HERE, **changes: object) -> Seen:
    """A target that was reached, with these forwarders and what they share."""
    listed = tuple(f.listed for f in forwarders if isinstance(f.listed, Function))
    seen = Seen(
        target=target,
        identity=an_identity(target.account),
        stacks=len(forwarders) + 1,
        functions=tuple(sorted(listed, key=lambda function: function.name)),
        forwarders=forwarders,
        shared=(a_shared_stack(target),),
        artifact=an_artifact_bucket(target),
        lookalikes=(),
        orphans=(),
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def an_unreached(target: Target = HERE, why: Unreadable | None = None) -> Seen:
    """A target that could not be entered."""
    reason = why or denied("sts:AssumeRole")
    return Seen(target, reason, reason, reason, (), reason, reason, (), reason)


def an_estate(
    *forwarders: Forwarder,
    targets: Iterable[Seen] = (),
    buckets: Iterable[Bucket] = (),
    topics: Iterable[Topic] = (),
    keys: Mapping[str, Fact[KeyPolicy]] | None = None,
    taken: datetime = NOW,
    **changes: object,
) -> Estate:
    """An estate of these forwarders: one `a_seen` for each of their targets, one bucket with its rules for each name.

    `targets` and `buckets` given here take the place of the made ones, or come beside them. Further keywords are
    fields of `Seen` for the made targets: `an_estate(a_forwarder(), shared=())`.
    """
    given = {seen.target: seen for seen in targets}
    places = sorted({f.target for f in forwarders} | ({HERE} if not given and not forwarders else set()))
    for place in places:
        given.setdefault(place, a_seen(*(f for f in forwarders if f.target == place), target=place, **changes))
    made: dict[str, Bucket] = {}
    for name in sorted({f.bucket_name for f in forwarders if f.bucket_name}):
        users = [f for f in forwarders if f.bucket_name == name]
        made[name] = a_bucket(name, *(a_rule(f.name, f.target) for f in users), target=users[0].target)
    made.update({bucket.name: bucket for bucket in buckets})
    return Estate(
        taken=taken,
        targets=tuple(given[place] for place in sorted(given)),
        buckets=made,
        topics={topic.arn: topic for topic in topics},
        keys=keys or {},
        templates=dict(TEMPLATES),
        calls={},
    )


@functools.cache
def a_release(version: str = "") -> Release:
    """The synthetic release, read once per process; `version` gives another package."""
    with tempfile.TemporaryDirectory(prefix="taegis-release-") as folder:
        return read_release(write_release(Path(folder) / "release", version))


def a_tenant(**changes: object) -> Tenant:
    tenant = Tenant(SINGLE, None, a_release(), "ctpx", "taegis-shared-resources",
                    "taegis-forwarders-{account}-{region}-{digest}")  # fmt: skip
    return replace(tenant, **changes)  # type: ignore[arg-type]


def a_desired(settings: Settings | None = None, **changes: object) -> Desired:
    """What should be true of every account: the synthetic release, TaegisRegion ctpx; `changes` are the tenant's."""
    return Desired(a_tenant(**changes), settings or Settings())


def some_desires(settings: Settings | None = None, **changes: object) -> Desires:
    """The same for a whole run."""
    return Desires(settings or Settings(), (a_tenant(**changes),))
