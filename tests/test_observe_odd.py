"""Odd answers of a whole account: secrets in clear, stacks without functions, functions without stacks."""

import json
from datetime import timedelta

import pytest

from fixtures.aws import Aws
from fixtures.desired import read_desires
from fixtures.estate import Estate, Identity, Metrics, Target
from fixtures.fact import Absent, Cause, Unreadable
from fixtures.observe import Entrance, observe
from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.synthetic_release import (
    lambda_template,
    legacy_template,
)
from fixtures.settings import Settings
from tests.aws_answers import FUNCTION, GOOD, REGION, UNTIL, Data, first_of, good, in_words
from tests.fake_aws import DENIED, FakeAws, refusal
from tests.looking import EVERYTHING
from tests.some_options import some_options


class TestOddAnswers:
    """An account of one stack and one function, as the server is told to show it."""

    STACK = "cloudtrail-prod"

    @pytest.fixture(autouse=True)
    def _healthy(self, fake: FakeAws) -> None:
        for call in GOOD:
            fake.say(call, good(call))
        self.show(fake, "cloudformation:GetTemplate", {"TemplateBody": lambda_template()})
        fake.say("s3:HeadBucket", Answer(200, ((b"x-amz-bucket-region", REGION.encode()),)))

    def show(self, fake: FakeAws, call: str, content: dict[str, Data]) -> None:
        fake.say(call, in_words(call, content))

    def look(self, aws: Aws) -> Estate:
        entrance = Entrance(Target(aws.account, REGION), Identity(aws.account, "arn:aws:iam::1:role/r", "aws"), aws)
        return observe(aws.clients, [entrance], EVERYTHING, read_desires(some_options(), Settings()), UNTIL)

    def test_a_healthy_account_has_one_forwarder(self, fake_account: Aws) -> None:
        (forwarder,) = self.look(fake_account).forwarders
        assert (forwarder.name, forwarder.bucket_name) == (self.STACK, "logs")

    @pytest.mark.parametrize("template", [True, False], ids=["with-its-template", "without"])
    def test_a_secret_that_the_engine_shows_in_clear_is_masked(
        self, template: bool, fake: FakeAws, fake_account: Aws
    ) -> None:
        stack = first_of("cloudformation:DescribeStacks", "Stacks")
        given: list[Data] = [{"ParameterKey": name, "ParameterValue": "CANARY"} for name in ("LegacyToken", "Other")]
        self.show(fake, "cloudformation:DescribeStacks", {"Stacks": [{**stack, "Parameters": given}]})
        body = legacy_template("CloudTrail", "awscloudtrail")
        if template:
            self.show(fake, "cloudformation:GetTemplate", {"TemplateBody": body})
        else:
            fake.say("cloudformation:GetTemplate", DENIED)
        (forwarder,) = self.look(fake_account).forwarders
        shown = {name for name, text in forwarder.stack.parameters.items() if text == "CANARY"}
        assert shown == ({"Other"} if template else set())

    def test_a_template_that_does_not_parse_is_unreadable_and_hides_what_may_be_secret(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        self.show(fake, "cloudformation:GetTemplate", {"TemplateBody": "Resources: ["})
        stack = first_of("cloudformation:DescribeStacks", "Stacks")
        given: list[Data] = [{"ParameterKey": "Other", "ParameterValue": "CANARY"}]
        self.show(fake, "cloudformation:DescribeStacks", {"Stacks": [{**stack, "Parameters": given}]})
        (forwarder,) = self.look(fake_account).forwarders
        assert isinstance(forwarder.template, Unreadable)
        assert forwarder.template.cause is Cause.MALFORMED
        assert forwarder.stack.parameters == {"Other": "****"}

    def test_a_stack_without_a_function_is_a_lookalike_and_the_function_with_its_name_an_orphan(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        resource = first_of("cloudformation:ListStackResources", "StackResourceSummaries")
        role: dict[str, Data] = {**resource, "ResourceType": "AWS::IAM::Role"}
        self.show(fake, "cloudformation:ListStackResources", {"StackResourceSummaries": [role]})
        (seen,) = self.look(fake_account).targets
        assert (seen.forwarders, seen.lookalikes, seen.orphans) == ((), (self.STACK,), (FUNCTION,))

    def test_the_function_that_the_stack_owns_is_read_and_one_that_only_bears_its_name_is_an_orphan(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        resource = first_of("cloudformation:ListStackResources", "StackResourceSummaries")
        other = {**resource, "PhysicalResourceId": "named-otherwise"}
        self.show(fake, "cloudformation:ListStackResources", {"StackResourceSummaries": [other]})
        (seen,) = self.look(fake_account).targets
        assert seen.orphans == (FUNCTION,)
        assert "/2015-03-31/functions/named-otherwise" in {call.path for call in fake.seen}

    def test_several_functions_with_the_stacks_name_are_told_apart_by_its_resources(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        row = first_of("lambda:ListFunctions", "Functions")
        second = f"{self.STACK}-scwx-tdr-lambda-generic"
        self.show(fake, "lambda:ListFunctions", {"Functions": [row, {**row, "FunctionName": second}]})
        (seen,) = self.look(fake_account).targets
        assert (seen.forwarders[0].integration, seen.orphans) == ("awscloudtrail", (second,))

    def test_functions_of_a_stack_whose_resources_are_hidden_are_nobodys_orphans(
        self, fake: FakeAws, fake_account: Aws
    ) -> None:
        row = first_of("lambda:ListFunctions", "Functions")
        second = f"{self.STACK}-scwx-tdr-lambda-generic"
        self.show(fake, "lambda:ListFunctions", {"Functions": [row, {**row, "FunctionName": second}]})
        fake.say("cloudformation:ListStackResources", DENIED)
        (seen,) = self.look(fake_account).targets
        assert seen.orphans == ()
        assert isinstance(seen.forwarders[0].function, Unreadable)

    def test_logs_count_from_the_last_update(self, fake: FakeAws, fake_account: Aws) -> None:
        row = first_of("lambda:ListFunctions", "Functions")
        updated = UNTIL - timedelta(hours=2)
        self.show(fake, "lambda:ListFunctions", {"Functions": [{**row, "LastModified": updated.isoformat()}]})
        (forwarder,) = self.look(fake_account).forwarders
        (asked,) = (json.loads(call.body) for call in fake.seen if call.operation == "FilterLogEvents")
        assert asked["startTime"] == int(updated.timestamp() * 1000)
        assert asked["logGroupName"] == "/forwarders/all"
        assert forwarder.metrics == Metrics(None, None, None, None)  # its only datapoint is older

    def test_a_function_that_is_gone_leaves_no_evidence_of_its_own(self, fake: FakeAws, fake_account: Aws) -> None:
        self.show(fake, "lambda:ListFunctions", {"Functions": []})
        fake.say("lambda:GetFunction", refusal("ResourceNotFoundException", "gone", 404))
        (forwarder,) = self.look(fake_account).forwarders
        for fact in (forwarder.listed, forwarder.function, forwarder.flow, forwarder.metrics):
            assert isinstance(fact, Absent)
