"""A bucket with somebody else's rule and a forwarder's function that nothing calls yet: where merges are tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from fixtures.estate import Rule
from fixtures.readers.buckets import parse_notification
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.synthetic_release import legacy_package
from remediation.engine import Outcome, State
from remediation.steps.trigger import MergeNotification, Wiring, grant_for
from tests.fake_aws import refusal
from tests.step_world import World
from tests.step_world import world as world  # noqa: PLC0414  a fixture

CREATED = "s3:ObjectCreated:*"
PUT, GET = "s3:PutBucketNotificationConfiguration", "s3:GetBucketNotificationConfiguration"
ADD, POLICY = "lambda:AddPermission", "lambda:GetPolicy"
ERROR_500 = refusal("InternalError", status=500)
CONFLICT = refusal("OperationAborted", "A conflicting conditional operation is currently in progress", 409)
INVALID = refusal("InvalidArgument", "Unable to validate the following destination configurations")
FORBIDDEN = refusal("AccessDenied", "Access Denied", 403)


@dataclass
class Scene:
    """A bucket with somebody else's rule, and a forwarder's function that nothing calls yet."""

    world: World
    bucket: str
    function: str
    theirs: str

    @property
    def arn(self) -> str:
        return self.world.place.arn("lambda", f"function:{self.function}")

    @property
    def rule(self) -> Rule:
        return Rule("function", self.arn, (CREATED,), "AWSLogs/", id="taegis-forwarders-x")

    def foreign(self, prefix: str = "reports/", arn: str = "") -> dict[str, object]:
        """An entry of a document, by default for the function of somebody else."""
        return {
            "Id": f"mark-{prefix}",
            "LambdaFunctionArn": arn or self.theirs,
            "Events": [CREATED],
            "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": prefix}]}},
        }

    def put(self, *entries: Mapping[str, object], eventbridge: bool = True) -> None:
        more: dict[str, object] = {"EventBridgeConfiguration": {}} if eventbridge else {}
        self.world.put_document(self.bucket, {"LambdaFunctionConfigurations": list(entries), **more})

    def step(self, *rules: Rule, remove: Sequence[Rule] = ()) -> MergeNotification:
        """The step as planned from the document of now."""
        wanted = rules or (self.rule,)
        grant = grant_for(self.arn, self.bucket, self.world.account)
        return MergeNotification(self.world.target, self.bucket, ("x",), (Wiring("x", wanted, grant),), tuple(remove),
                                 parse_notification(self.world.document(self.bucket)), self.world.account)  # fmt: skip

    def rules(self) -> list[tuple[str, str]]:
        """Who is called for which prefix."""
        found = parse_notification(self.world.document(self.bucket))
        return sorted((rule.arn.rpartition(":")[2], rule.prefix) for rule in found.rules)

    @property
    def both(self) -> list[tuple[str, str]]:
        return sorted([(self.function, "AWSLogs/"), ("report-indexer", "reports/")])


@pytest.fixture
def scene(world: World) -> Scene:
    bucket = f"logs-{world.account}"
    world.place.make_bucket(bucket)
    name = "x-scwx-tdr-lambda-awsalb"
    code = {"ZipFile": legacy_package().content}
    world.place.call("lambda", "create_function", FunctionName=name, Runtime="provided.al2", Handler="bootstrap",
                     Role=f"arn:aws:iam::{world.account}:role/any", Code=code)  # fmt: skip
    made = Scene(world, bucket, name, world.foreign_function("report-indexer", bucket))
    made.put(made.foreign())
    return made


def ended(outcome: Outcome, state: State) -> str:
    """How the one step ended, which must be so."""
    assert [o.state for o in outcome.steps] == [state], [o.told for o in outcome.steps]
    return f"{outcome.steps[0].told}; {outcome.steps[0].to_do}"


def after(act: Callable[[], object], answer: Callable[[AwsCall], Answer]) -> Callable[[AwsCall], Answer]:
    """An answer that comes right after something else has happened; the call itself is not carried out."""

    def told(call: AwsCall) -> Answer:
        act()
        return answer(call)

    return told
