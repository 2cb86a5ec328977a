"""Which properties make CloudFormation replace a resource, for the types that forwarder stacks are made of.

From the resource types' own schemas ("createOnlyProperties"), as cfn-lint 1.58.0 carries them; a test holds the table
to the installed ones. A type that is not here may be replaced by any change, as far as this suite knows.
"""

from collections.abc import Mapping
from typing import Final

CREATE_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "AWS::CloudWatch::Alarm": frozenset({"AlarmName"}),
    "AWS::Events::Rule": frozenset({"Name", "EventBusName"}),
    "AWS::IAM::ManagedPolicy": frozenset({"ManagedPolicyName", "Description", "Path"}),
    "AWS::IAM::Policy": frozenset(),
    "AWS::IAM::Role": frozenset({"RoleName", "Path"}),
    "AWS::IAM::RolePolicy": frozenset({"PolicyName", "RoleName"}),
    "AWS::KMS::Alias": frozenset({"AliasName"}),
    "AWS::KMS::Key": frozenset(),
    "AWS::Lambda::EventInvokeConfig": frozenset({"FunctionName", "Qualifier"}),
    "AWS::Lambda::EventSourceMapping": frozenset(
        {"EventSourceArn", "SelfManagedEventSource", "StartingPosition", "StartingPositionTimestamp"}
    ),
    "AWS::Lambda::Function": frozenset({"FunctionName", "PackageType", "TenancyConfig", "DurableConfig"}),
    "AWS::Lambda::Permission": frozenset(
        {
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        }
    ),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::Logs::MetricFilter": frozenset({"FilterName", "LogGroupName"}),
    "AWS::Logs::SubscriptionFilter": frozenset({"FilterName", "LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::S3::BucketPolicy": frozenset({"Bucket"}),
    "AWS::SNS::Subscription": frozenset({"Endpoint", "Protocol", "TopicArn", "Region"}),
    "AWS::SNS::Topic": frozenset({"TopicName", "FifoTopic"}),
    "AWS::SNS::TopicPolicy": frozenset(),
    "AWS::SQS::Queue": frozenset({"QueueName", "FifoQueue"}),
    "AWS::SQS::QueuePolicy": frozenset(),
    "AWS::SSM::Parameter": frozenset({"Name"}),
    "AWS::SecretsManager::ResourcePolicy": frozenset({"SecretId"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}

# Never removed or replaced by this suite, whoever accepts it: a rule points at them, or they hold what cannot be made
# again (design, section 4). A function on a blocked runtime cannot be created a second time.
NEVER_LOST: Final = frozenset(
    {
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::Logs::LogGroup",
        "AWS::KMS::Key",
    }
)

# Every property of it forces a replacement, and a statement that is made anew is the same statement (domain 4.1).
HARMLESS: Final = frozenset({"AWS::Lambda::Permission"})


# Attributes (Fn::GetAtt) that name a resource: they change only when it is replaced. From the types' documentation,
# "Return values"; `Ref` is such a one for every type.
IDENTITY: Final[Mapping[str, frozenset[str]]] = {
    "AWS::IAM::Role": frozenset({"Arn", "RoleId"}),
    "AWS::KMS::Key": frozenset({"Arn", "KeyId"}),
    "AWS::Lambda::Function": frozenset({"Arn"}),
    "AWS::Logs::LogGroup": frozenset({"Arn"}),
    "AWS::S3::Bucket": frozenset({"Arn"}),
    "AWS::SecretsManager::Secret": frozenset({"Id"}),
    "AWS::SNS::Topic": frozenset({"TopicArn", "TopicName"}),
    "AWS::SQS::Queue": frozenset({"Arn", "QueueName"}),
}


def forces_replacement(resource_type: str, property_name: str) -> bool | None:
    """Whether a change of that property replaces the resource; None when the type is not known here."""
    names = CREATE_ONLY.get(resource_type)
    return None if names is None else property_name in names
