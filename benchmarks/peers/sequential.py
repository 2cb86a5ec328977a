"""The script that one writes on a first afternoon: plain boto3, one call after another, three facts.

    sequential.py ACCOUNT,... REGION,... ROLE [--listings]

Whether the runtime is a custom one, whether the stack is healthy, whether the bucket calls the function. A client is
made once for each account, region and service. Without `--listings` it asks for each fact by name, as such scripts
do; with it, functions and stacks come from listings, and only the bucket is asked for itself: nobody can ask less one
after another. Prints JSON.
"""

import json
import re
import sys
from collections.abc import Iterator

import boto3  # noqa: TID251  this is what the suite is compared with

NAME = re.compile(r"(?P<stack>.+)-scwx-tdr-lambda-(?:for-)?[a-z0-9_-]+")
HEALTHY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}


class Script:
    """One account in one region."""

    def __init__(self, session: boto3.Session, region: str, *, listings: bool) -> None:
        self.listings = listings
        self.stacks = session.client("cloudformation", region)
        self.functions = session.client("lambda", region)
        self.s3 = session.client("s3", region)

    def forwarders(self) -> Iterator[dict[str, bool]]:
        stacks = {}
        if self.listings:
            pages = self.stacks.get_paginator("describe_stacks").paginate()
            stacks = {stack["StackName"]: stack for page in pages for stack in page["Stacks"]}
        for page in self.functions.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                match = NAME.fullmatch(function["FunctionName"])
                if match:
                    yield self.judged(match["stack"], function, stacks)

    def judged(self, name: str, function: dict, stacks: dict[str, dict]) -> dict[str, bool]:
        if not self.listings:
            function = self.functions.get_function_configuration(FunctionName=function["FunctionName"])
        stack = stacks.get(name) or self.stacks.describe_stacks(StackName=name)["Stacks"][0]
        given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        document = self.s3.get_bucket_notification_configuration(Bucket=given["NotificationBucket"])
        called = [one["LambdaFunctionArn"] for one in document.get("LambdaFunctionConfigurations", [])]
        return {
            "runtime": function["Runtime"].startswith("provided.al2"),
            "stack": stack["StackStatus"] in HEALTHY,
            "notification": function["FunctionArn"] in called,
        }


def main(accounts: list[str], regions: list[str], role: str, *, listings: bool) -> None:
    sts = boto3.client("sts")
    found = []
    for account in accounts:
        arn = f"arn:aws:iam::{account}:role/{role}"
        given = sts.assume_role(RoleArn=arn, RoleSessionName="script")["Credentials"]
        session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        for region in regions:
            found += Script(session, region, listings=listings).forwarders()
    print(json.dumps({question: sum(one[question] for one in found) for question in found[0]}))


if __name__ == "__main__":
    main(sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3], listings="--listings" in sys.argv)
