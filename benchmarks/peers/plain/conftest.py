"""A compliance suite as most are written: pytest, boto3, a client made once, a call in the test that needs it.

It reads its estate from the environment: ACCOUNTS, REGIONS, ROLE, CODE_SHA256, TEMPLATE (a file). One thing is better
than in most: a forwarder's tests run one after another, and what one of them asked is not asked again by the next.
"""

import functools
import os
import re

import boto3  # noqa: TID251  this is what the suite is compared with
import pytest

NAME = re.compile(r"(?P<stack>.+)-scwx-tdr-lambda-(?:for-)?[a-z0-9_-]+")
ROLE = os.environ["ROLE"]


@functools.cache
def session(account):
    arn = f"arn:aws:iam::{account}:role/{ROLE}"
    given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="suite")["Credentials"]
    return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@functools.cache
def client(service, account, region):
    return session(account).client(service, region)


class Forwarder:
    """One forwarder; each answer is asked for once."""

    def __init__(self, account, region, stack, function):
        self.account, self.region, self.stack_name, self.name = account, region, stack, function

    def client(self, service):
        return client(service, self.account, self.region)

    @functools.cached_property
    def stack(self):
        return self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"][0]

    @functools.cached_property
    def parameters(self):
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack["Parameters"]}

    @functools.cached_property
    def template(self):
        return self.client("cloudformation").get_template(StackName=self.stack_name)["TemplateBody"]

    @functools.cached_property
    def function(self):
        return self.client("lambda").get_function(FunctionName=self.name)

    @property
    def configuration(self):
        return self.function["Configuration"]

    @functools.cached_property
    def policy(self):
        return self.client("lambda").get_policy(FunctionName=self.name)["Policy"]

    @property
    def bucket(self):
        return self.parameters["NotificationBucket"]

    @functools.cached_property
    def notification(self):
        return self.client("s3").get_bucket_notification_configuration(Bucket=self.bucket)


def pytest_generate_tests(metafunc):
    if "forwarder" not in metafunc.fixturenames:
        return
    found = []
    for account in os.environ["ACCOUNTS"].split(","):
        for region in os.environ["REGIONS"].split(","):
            for page in client("lambda", account, region).get_paginator("list_functions").paginate():
                for function in page["Functions"]:
                    match = NAME.fullmatch(function["FunctionName"])
                    if match:
                        found.append((account, region, match["stack"], function["FunctionName"]))
    # of module scope, so that pytest runs all tests of one forwarder before those of the next
    metafunc.parametrize("forwarder", found, ids=["/".join(one[:3]) for one in found], indirect=True, scope="module")


@pytest.fixture(scope="module")
def forwarder(request):
    return Forwarder(*request.param)
