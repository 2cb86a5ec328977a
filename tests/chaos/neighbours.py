"""Other people with access to the same account: they write notification documents and lose packages. Plain boto3."""

import os

import boto3  # noqa: TID251  it must not go through the suite's own writers
from botocore.config import Config  # noqa: TID251  same

MARK = "another-writer-"


def client(service: str, region: str, account: str = ""):  # noqa: ANN201  untyped in boto3
    """Signs as the root of an account, the run's own by default, and is known by its agent in the engine's log."""
    account = account or os.environ["AWS_ACCESS_KEY_ID"]
    session = boto3.Session(account, "neighbour", region_name=region)
    return session.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=Config(user_agent="neighbour"))


def document_of(bucket: str) -> dict[str, object]:
    answer = client("s3", _region(bucket)).get_bucket_notification_configuration(Bucket=bucket)
    return {name: part for name, part in answer.items() if name != "ResponseMetadata"}


def add_rule(bucket: str, name: str, document: dict[str, object] | None = None) -> None:
    """Put one more rule into the document: into what stands there, or into an old copy of theirs."""
    found = document_of(bucket) if document is None else document
    region = _region(bucket)
    account = os.environ["AWS_ACCESS_KEY_ID"]
    rule = {
        "Id": MARK + name,
        "QueueArn": f"arn:aws:sqs:{region}:{account}:neighbours",
        "Events": ["s3:ObjectRestore:Completed"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{name}/"}]}},
    }
    queues = [*found.get("QueueConfigurations", []), rule]
    client("s3", region).put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={**found, "QueueConfigurations": queues}
    )


def lose_object(bucket: str, key: str, region: str) -> None:
    client("s3", region).delete_object(Bucket=bucket, Key=key)


def delete_change_set(stack: str, name: str, region: str, account: str) -> None:
    client("cloudformation", region, account).delete_change_set(StackName=stack, ChangeSetName=name)


def _region(bucket: str) -> str:
    """Buckets of the sandbox end with their region."""
    return "-".join(bucket.split("-")[-3:])
