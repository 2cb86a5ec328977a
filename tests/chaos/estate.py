"""The estate that every case starts from: the sandbox's, with whatever else the suite can have to write about."""

import json
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from fixtures.sandbox.cases import placed_cases
from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.log_source import LogSource
from fixtures.sandbox.sandbox import Sandbox
from fixtures.sandbox.seed_client import SECRET_KEY, Place, SeedClients
from fixtures.sandbox.seed_estate import seed_estate
from fixtures.sandbox.seed_foundation import LEGACY_KEY, SHARED_STACK, legacy_bucket
from fixtures.sandbox.synthetic_release import credentials, shared_template, write_release

ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-west-1")
# One with a trigger missing, one with foreign rules, one in the region without bucket and shared stack, whose bucket
# has a stale rule: together they need every kind of write.
FORWARDERS = ("alb-silent", "flow-core", "waf-public")
BUCKET = f"{FORWARDERS[0]}-{ACCOUNT}-{REGIONS[0]}"  # whose notification document is written first
SEEDED = "seeded"
_QUEUE = "neighbours"


class ChaosEstate:
    """A running engine, seeded once, that goes back to its seeded state before each case."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        release = write_release(directory / "release")
        self.settings = directory / "forwarders.toml"
        self.settings.write_text(
            f'[tenants.sandbox]\naccounts = ["{ACCOUNT}"]\nrelease = "{release}"\ntaegis_region = "ctpx"\n',
            encoding="utf-8",
        )
        self._engine = EngineProcess(directory, None, server="tests.chaos.engine")
        self.endpoint = self._engine.endpoint
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            rows = placed_cases((ACCOUNT,), REGIONS)
            seed_estate(self.endpoint, (ACCOUNT,), REGIONS, rows, LogSource(self.endpoint, rows))
            self._vary()
            self.keep(SEEDED)
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell holds: credentials and where AWS is; nothing of the suite."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def options(self) -> tuple[str, ...]:
        """The command line of every first run."""
        return (
            f"--regions={','.join(REGIONS)}",
            f"--accounts={ACCOUNT}",
            f"--forwarders={','.join(FORWARDERS)}",
            f"--role={Sandbox.role_name}",
            f"--fix-role={Sandbox.fix_role_name}",
            f"--settings={self.settings}",
            "--fix",
            "--yes",
            "--allow=create-bucket,remove-stale-rules",
            "--rings=1,100%",
            "--send-test-event",
            "--proof-timeout=5s",
        )

    def keep(self, state: str) -> None:
        """Remember everything as it is now, under a name."""
        self._post(f"/_chaos/keep/{state}")

    def restore(self, state: str = SEEDED) -> None:
        """Everything as it was seeded, or as it was kept under another name, and an empty request log."""
        self._post(f"/_chaos/restore/{state}")
        self._ask("DELETE", "/_sandbox/requests")

    def requests(self) -> list[dict[str, object]]:
        """What was asked of the engine since."""
        return json.loads(self._ask("GET", "/_sandbox/requests"))

    def writes(self) -> list[dict[str, object]]:
        """The suite's own among them that may have changed something; seeds, neighbours and judges are boto3's."""
        return [one for one in self.requests() if one["write"] and str(one["agent"]).startswith("Botocore/")]

    def stop(self) -> None:
        self._engine.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _post(self, path: str) -> None:
        self._ask("POST", path)

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}{path}", b"" if method == "POST" else None, method=method)  # noqa: S310  loopback
        with self._opener.open(request, timeout=30) as answer:
            return answer.read()

    def _vary(self) -> None:
        """What the plain estate does not have: an old shared stack, a lost package, a neighbour's rule."""
        clients = SeedClients(self.endpoint)
        first, second = (clients.at(ACCOUNT, region) for region in REGIONS)
        old = shared_template().replace("UpdateReplacePolicy: Delete", "UpdateReplacePolicy: Retain")
        first.call(
            "cloudformation", "update_stack", StackName=SHARED_STACK, TemplateBody=old, Parameters=[
                {"ParameterKey": "SecretValue", "ParameterValue": credentials()},
                {"ParameterKey": "TaegisRegion", "UsePreviousValue": True},
            ],
        )  # fmt: skip
        first.await_stack(SHARED_STACK, "UPDATE_COMPLETE")
        second.call("s3", "delete_object", Bucket=legacy_bucket(ACCOUNT, REGIONS[1]), Key=LEGACY_KEY)
        _neighbours_rule(first, BUCKET)
        _take_permissions_away(first, f"{FORWARDERS[0]}-scwx-tdr-lambda-awsalb")


def _neighbours_rule(place: Place, bucket: str) -> None:
    arn = place.arn("sqs", _QUEUE)
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
         "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                       "StringEquals": {"aws:SourceAccount": place.account}}},
    ]}  # fmt: skip
    place.call("sqs", "create_queue", QueueName=_QUEUE, Attributes={"Policy": json.dumps(policy)})
    rule = {"Id": "neighbours", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    place.call("s3", "put_bucket_notification_configuration", Bucket=bucket,
               NotificationConfiguration={"QueueConfigurations": [rule], "EventBridgeConfiguration": {}})  # fmt: skip


def _take_permissions_away(place: Place, function: str) -> None:
    policy = json.loads(str(place.call("lambda", "get_policy", FunctionName=function)["Policy"]))
    for statement in policy["Statement"]:
        place.call("lambda", "remove_permission", FunctionName=function, StatementId=statement["Sid"])
