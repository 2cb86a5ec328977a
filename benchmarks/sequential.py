"""What the suite is compared with: the script that one writes on a first afternoon. Plain boto3, one call at a time.

It answers three questions for each forwarder: is the runtime a custom one, does the bucket (or the topic) call the
function and may it, was an upload logged in the last day. It lists where there is a listing, shares its clients
within an account and region, and asks nothing twice, so that the comparison is fair. It prints JSON.
"""

import json
import re
import sys
import time
from collections import Counter

import boto3  # noqa: TID251  this is what the suite is compared with
from botocore.config import Config  # noqa: TID251  same
from botocore.exceptions import ClientError  # noqa: TID251  same

NAME = re.compile(r"(?P<stack>.+)-scwx-tdr-lambda-(?:for-)?[a-z0-9_-]+")


class Script:
    """One account in one region."""

    def __init__(self, session: boto3.Session, region: str, requests: Counter[str]) -> None:
        config = Config(s3={"addressing_style": "path"})
        names = ("cloudformation", "lambda", "s3", "sns", "logs")
        self.clients = {name: session.client(name, region, config=config) for name in names}
        for client in self.clients.values():
            client.meta.events.register("before-send", lambda **_: requests.update(["sent"]))

    def forwarders(self) -> list[dict[str, bool]]:
        stacks = {}
        for page in self.clients["cloudformation"].get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                given = {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])}
                stacks[stack["StackName"]] = given
        found = []
        for page in self.clients["lambda"].get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                match = NAME.fullmatch(function["FunctionName"])
                if match and match["stack"] in stacks:
                    found.append(self.judged(function, stacks[match["stack"]]))
        return found

    def judged(self, function: dict, given: dict[str, str]) -> dict[str, bool]:
        return {
            "custom": bool(re.fullmatch(r"provided\.al2\w*", function.get("Runtime", ""))),
            "wired": bool(given.get("NotificationBucket")) and self.wired(function["FunctionArn"], given),
            "flows": self.flows(function["FunctionName"]),
        }

    def wired(self, function: str, given: dict[str, str]) -> bool:
        bucket, topic = given["NotificationBucket"], given.get("SNSNotificationarn")
        document = self.clients["s3"].get_bucket_notification_configuration(Bucket=bucket)
        try:
            policy = self.clients["lambda"].get_policy(FunctionName=function)["Policy"]
        except ClientError:
            policy = ""
        named = [one["LambdaFunctionArn"] for one in document.get("LambdaFunctionConfigurations", [])]
        if topic and topic in [one["TopicArn"] for one in document.get("TopicConfigurations", [])]:
            subscriptions = self.clients["sns"].list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            named += [one["Endpoint"] for one in subscriptions]
        return function in named and ("s3.amazonaws.com" in policy or "sns.amazonaws.com" in policy)

    def flows(self, name: str) -> bool:
        since = int((time.time() - 86400) * 1000)
        try:
            pages = self.clients["logs"].get_paginator("filter_log_events")
            found = [
                event["message"]
                for page in pages.paginate(logGroupName=f"/aws/lambda/{name}", startTime=since)
                for event in page["events"]
            ]
        except ClientError:
            return False
        return any("Uploading data to s3" in message for message in found)


def main(accounts: list[str], regions: list[str], role: str) -> None:
    requests: Counter[str] = Counter()
    verdicts = []
    for account in accounts:
        session = boto3.Session()
        if role:
            requests.update(["sent"])
            arn = f"arn:aws:iam::{account}:role/{role}"
            given = session.client("sts").assume_role(RoleArn=arn, RoleSessionName="script")["Credentials"]
            session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        for region in regions:
            verdicts += Script(session, region, requests).forwarders()
    answers = {question: sum(one[question] for one in verdicts) for question in ("custom", "wired", "flows")}
    print(json.dumps({"forwarders": len(verdicts), "requests": requests["sent"], "answers": answers}))


if __name__ == "__main__":
    main(sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3])
