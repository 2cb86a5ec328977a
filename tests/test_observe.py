"""One observation of the sandbox: every fact of every case, nothing more than was asked, and one refusal at a time."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from checks.registry import FACTS
from fixtures.aws import Aws, Clients, iam_action
from fixtures.desired import Desires, read_desires
from fixtures.estate import Estate, Forwarder, Function, Identity, Metrics, Seen, Target
from fixtures.fact import NOT_READ, Absent, Cause, Unreadable, value
from fixtures.observe import Entrance, Question, merged, observe
from fixtures.sandbox import Feature, Kind, Placed, Sandbox, Trigger, placed_cases
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.seed_client import SECRET_KEY
from fixtures.sandbox.synthetic_release import (
    CANARIES,
    current_package,
    lambda_template,
    legacy_package,
    legacy_template,
)
from fixtures.settings import Settings, parse_settings
from fixtures.snapshot import read_snapshot, write_snapshot
from tests.aws_answers import FUNCTION, GOOD, REGION, UNTIL, Data, first_of, good, in_words
from tests.conftest import point_at
from tests.fake_aws import DENIED, FakeAws, refusal
from tests.some_options import some_options

ONE, OTHER = "111122223333", "444455556666"
FIRST, SECOND = "us-east-1", "eu-west-1"
EVERYTHING = Question(FACTS, depth=frozenset({"plan"}))
# One forwarder of each kind that has a fact of its own: a bucket, a topic, a key; the others only cost time.
SOME = dataclasses.replace(EVERYTHING, forwarders=("cloudtrail-*", "umbrella-dns", "alb-edge"))


class Looker:
    """An observer of the sandbox, through a server that can be told to answer otherwise."""

    def __init__(self, proxy: FakeAws, sandbox: Sandbox) -> None:
        self.proxy = proxy
        self.sandbox = sandbox
        self.clients = Clients()
        self.now = datetime.now(UTC)
        settings = parse_settings(sandbox.settings, "the sandbox")
        self.desires: Desires = read_desires(some_options(), settings)

    def entrance(self, account: str = ONE, region: str = FIRST) -> Entrance:
        identity = Identity(account, f"arn:aws:iam::{account}:root", "aws")
        aws = Aws(self.clients, Credentials(account, SECRET_KEY), account)  # on the engine, that key is the account
        return Entrance(Target(account, region), identity, aws)

    def look(self, question: Question = SOME, *entrances: Entrance) -> Estate:
        self.proxy.seen.clear()
        self.clients.calls.clear()
        asked = entrances or (self.entrance(ONE, SECOND), self.entrance(ONE, FIRST))
        return observe(self.clients, asked, question, self.desires, self.now)


@pytest.fixture(scope="module")
def proxy(shared_sandbox: Sandbox) -> Iterator[FakeAws]:
    server = FakeAws(shared_sandbox.endpoint)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def _looker(proxy: FakeAws, shared_sandbox: Sandbox) -> Looker:
    return Looker(proxy, shared_sandbox)


@pytest.fixture
def looker(_looker: Looker, no_pauses: None, monkeypatch: pytest.MonkeyPatch) -> Looker:  # noqa: ARG001  wanted for what it does
    point_at(monkeypatch, {**_looker.sandbox.environment, "AWS_ENDPOINT_URL": _looker.proxy.endpoint})
    _looker.proxy.forget()
    return _looker


@pytest.fixture(scope="module")
def estate(_looker: Looker, proxy: FakeAws) -> Estate:
    """Everything, of both accounts and both regions."""
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch, {**_looker.sandbox.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        places = [(account, region) for account in (ONE, OTHER) for region in (FIRST, SECOND)]
        return _looker.look(EVERYTHING, *(_looker.entrance(*place) for place in places))


Facts = dict[tuple[str, ...], object]


def facts(estate: Estate) -> Facts:
    """Every fact of an estate by where it stands; the last part is the field's name."""
    found: Facts = {}
    for seen in estate.targets:
        found |= facts_of_target(seen)
        for forwarder in seen.forwarders:
            found |= fields_of(forwarder, str(forwarder), leave_out="stack")
    for bucket in estate.buckets.values():
        found |= fields_of(bucket, f"bucket {bucket.name}")
    for topic in estate.topics.values():
        found |= fields_of(topic, f"topic {topic.arn}")
    return found | {(f"key {key}", "policy"): policy for key, policy in estate.keys.items()}


def facts_of_target(seen: Seen) -> Facts:
    at = str(seen.target)
    found: Facts = {(at, name): getattr(seen, name) for name in ("identity", "stacks", "functions", "orphans")}
    found[at, "shared"] = seen.shared if isinstance(seen.shared, Unreadable) else len(value(seen.shared) or ())
    for shared in value(seen.shared) or ():
        found |= fields_of(shared, at, "shared", leave_out="stack")
    artifact = value(seen.artifact)
    return found | (fields_of(artifact, at, "artifact") if artifact else {})


def fields_of(subject: object, *where: str, leave_out: str = "") -> Facts:
    fields = dataclasses.fields(subject)  # type: ignore[arg-type]
    return {(*where, field.name): getattr(subject, field.name) for field in fields if field.name != leave_out}


def of_case(estate: Estate, row: Placed) -> Forwarder:
    found = estate.forwarder(Target(row.account, row.region), row.case.name)
    assert found is not None, row
    return found


ROWS = [row for row in placed_cases((ONE, OTHER), (FIRST, SECOND)) if row.case.kind is Kind.FORWARDER]


class TestEverything:
    def test_the_forwarders_are_those_of_the_estates_table(self, estate: Estate) -> None:
        expected = {(row.account, row.region, row.case.name) for row in ROWS}
        assert {(f.target.account, f.target.region, f.name) for f in estate.forwarders} == expected

    def test_forwarders_and_targets_are_sorted(self, estate: Estate) -> None:
        for seen in estate.targets:
            assert [f.name for f in seen.forwarders] == sorted(f.name for f in seen.forwarders)

    def test_every_fact_was_read(self, estate: Estate) -> None:
        unread = {where: str(found) for where, found in facts(estate).items()
                  if isinstance(found, Unreadable) and where[-1] != "drift"}  # fmt: skip
        assert unread == {}

    def test_runtime_and_code_are_those_of_the_case(self, estate: Estate) -> None:
        for row in ROWS:
            function = of_case(estate, row).function
            assert isinstance(function, Function)
            assert function.name == row.case.function_name
            assert function.runtime == ("provided.al2" if Feature.MIGRATED in row.case.features else "go1.x")
            new = Feature.MIGRATED in row.case.features and Feature.OLD_PACKAGE not in row.case.features
            assert function.code_sha256 == (current_package() if new else legacy_package()).code_sha256
            assert of_case(estate, row).listed == dataclasses.replace(
                function, state=None, last_update=None, last_update_reason="", reserved_concurrency=None
            )

    def test_the_package_a_rollback_needs_is_the_one_that_runs(self, estate: Estate) -> None:
        for row in ROWS:
            source, function = value(of_case(estate, row).code_source), value(of_case(estate, row).function)
            assert source is not None
            assert function is not None
            assert source.sha256 == function.code_sha256
            assert row.account in source.bucket
            assert row.region in source.bucket

    def test_buckets_and_triggers_are_those_of_the_case(self, estate: Estate) -> None:
        for row in ROWS:
            forwarder = of_case(estate, row)
            assert forwarder.bucket_name == (row.bucket or None)
            assert (forwarder.topic_arn is not None) is (row.case.trigger is Trigger.TOPIC)
            bucket = estate.bucket_of(forwarder)
            if bucket is None:
                continue
            document = value(bucket.notification)
            assert document is not None
            rules = [rule for rule in document.rules if rule.arn.endswith(f":{row.case.function_name}")]
            assert len(rules) == (row.case.trigger is Trigger.RULE)
            assert [(rule.prefix, rule.suffix) for rule in rules] == [(row.case.prefix, row.case.suffix)] * len(rules)
            assert (bucket.owner, bucket.region) == (row.account, row.region)

    def test_an_account_and_region_are_never_mixed_with_another(self, estate: Estate) -> None:
        for forwarder in estate.forwarders:
            function = value(forwarder.function)
            assert function is not None
            for arn in (function.arn, forwarder.stack.id):
                assert arn.split(":")[3:5] == [forwarder.target.region, forwarder.target.account]
            assert forwarder.target.account in function.role

    def test_keys_and_topics_that_the_stacks_name_were_read(self, estate: Estate) -> None:
        assert {arn.split(":")[4] for arn in estate.keys} == {ONE, OTHER}
        assert all(policy.delegates for found in estate.keys.values() if (policy := value(found)))
        for topic in estate.topics.values():
            reached = value(topic.lambda_endpoints)
            if "umbrella" in topic.arn:
                assert reached
                assert reached[0].endswith(":umbrella-dns-scwx-tdr-lambda-ciscoumbrella")

    def test_shared_stack_and_artifact_bucket_are_in_the_first_region_only(self, estate: Estate) -> None:
        for seen in estate.targets:
            shared, artifact = value(seen.shared), value(seen.artifact)
            assert artifact is not None
            if seen.target.region == FIRST:
                assert [stack.stack.name for stack in shared or ()] == ["taegis-shared-resources"]
                package = value(artifact.package)
                assert package is not None
                assert (package.sha256, artifact.public) == (current_package().code_sha256, False)
            else:
                assert shared == ()
                assert isinstance(artifact.region, Absent)

    def test_lookalikes_and_orphans_are_told_from_forwarders(self, estate: Estate) -> None:
        for seen in estate.targets:
            assert ("tdr-dashboards" in seen.lookalikes) is (seen.target.region == SECOND)
            retired = ("retired-scwx-tdr-lambda-awswaf",) if seen.target.region == FIRST else ()
            assert seen.orphans == retired

    def test_the_log_of_a_healthy_forwarder_proves_an_upload_and_that_of_a_dead_runtime_does_not(
        self, estate: Estate
    ) -> None:
        flows = {f.name: value(f.flow) for f in estate.forwarders if f.target == Target(ONE, FIRST)}
        assert (found := flows["cloudtrail-prod"]) is not None
        assert found.proved >= 1
        assert all(flow.proved == 0 for name, flow in flows.items() if flow and name == "flow-core")

    def test_secret_parameters_are_masked_and_others_are_not(self, estate: Estate) -> None:
        for forwarder in estate.forwarders:
            parameters = forwarder.stack.parameters
            assert parameters.get("LegacyToken", "****") == "****"
            assert (parameters["NotificationBucket"] or None) == forwarder.bucket_name

    def test_no_secret_is_in_the_snapshot_and_it_comes_back_whole(self, estate: Estate, tmp_path: Path) -> None:
        path = tmp_path / "estate.json"
        write_snapshot(estate, path)
        text = path.read_text(encoding="utf-8")
        forbidden = (*CANARIES, "X-Amz-Signature", "client_secret")
        assert [word for word in forbidden if word in text] == []
        assert read_snapshot(path) == estate

    def test_environment_values_are_not_kept(self, estate: Estate) -> None:
        function = value(of_case(estate, ROWS[0]).function)
        assert function is not None
        assert "TAEGIS_SECRET_ARN" in function.environment_names
        assert all("arn:" not in name for name in function.environment_names)


class TestCost:
    @pytest.mark.parametrize("region", [FIRST, SECOND])
    def test_calls_are_those_of_the_cost_model(self, region: str, looker: Looker) -> None:
        seen = looker.look(EVERYTHING, looker.entrance(ONE, region))
        buckets = {f.bucket_name for f in seen.forwarders if f.bucket_name}
        shared = len(value(seen.targets[0].shared) or ())
        artifact = region == FIRST  # elsewhere the bucket is missing, which one call shows
        dashboards = region == SECOND  # a stack that describes itself as a forwarder's until its resources are seen
        asked = len(seen.forwarders) + dashboards
        calls = looker.proxy.counted()
        assert calls == Counter({
            "cloudformation:DescribeStacks": 1,
            "lambda:ListFunctions": 1,
            "cloudformation:GetTemplate": asked + shared,
            "cloudformation:ListStackResources": asked + shared,
            "cloudformation:ListChangeSets": asked,
            "lambda:GetFunction": len(seen.forwarders),
            "lambda:GetPolicy": len(seen.forwarders),
            "lambda:GetFunctionEventInvokeConfig": len(seen.forwarders),
            "logs:FilterLogEvents": len(seen.forwarders),
            "cloudwatch:GetMetricData": 1,
            "s3:HeadBucket": len(buckets) + 1,
            "s3:GetBucketNotificationConfiguration": len(buckets),
            "s3:GetBucketEncryption": len(buckets),
            "s3:GetPublicAccessBlock": int(artifact),
            "s3:HeadObject": len(seen.forwarders) + artifact,
            "s3:GetObject": calls["s3:GetObject"],  # only where S3 keeps no checksum
            "sns:ListSubscriptionsByTopic": len(seen.topics),
            "kms:GetKeyPolicy": len(seen.keys),
            "secretsmanager:DescribeSecret": shared,
        })  # fmt: skip
        assert Counter(seen.calls) == calls
        assert (len(buckets) < len(seen.forwarders)) is (region == SECOND)  # two of them share one there

    def test_a_second_look_at_the_same_things_costs_the_same(self, looker: Looker) -> None:
        looker.look(SOME)
        first = looker.proxy.counted()
        looker.look(SOME)
        assert looker.proxy.counted() == first

    @pytest.mark.parametrize(
        ("asked", "calls"),
        [
            ({"listed"}, set()),
            ({"policy"}, {"lambda:GetPolicy"}),
            ({"notification"}, {"s3:GetBucketNotificationConfiguration"}),
            ({"flow"}, {"logs:FilterLogEvents"}),
            ({"shared"}, {"cloudformation:GetTemplate", "cloudformation:ListStackResources",
                          "secretsmanager:DescribeSecret"}),
            ({"keys", "topic"}, {"kms:GetKeyPolicy", "sns:ListSubscriptionsByTopic"}),
        ],
        ids=lambda names: "-".join(sorted(names)),
    )  # fmt: skip
    def test_only_what_a_selected_check_needs_is_read(self, asked: set[str], calls: set[str], looker: Looker) -> None:
        places = (looker.entrance(ONE, FIRST), looker.entrance(OTHER, SECOND))
        known = Question(frozenset(asked), forwarders=("c*", "umbrella-dns"))  # whose functions are told by their names
        estate = looker.look(known, *places)
        assert set(looker.proxy.counted()) == {"cloudformation:DescribeStacks", "lambda:ListFunctions"} | calls
        unread = {name for (_, name), found in facts_of_forwarders(estate).items() if found == NOT_READ}
        assert "drift" in unread
        assert not unread & asked

    def test_only_selected_forwarders_are_read(self, looker: Looker) -> None:
        estate = looker.look(Question(FACTS, forwarders=("cloudtrail-prod",)), looker.entrance(ONE, FIRST))
        assert [forwarder.name for forwarder in estate.forwarders] == ["cloudtrail-prod"]
        assert looker.proxy.counted()["lambda:GetFunction"] == 1
        assert estate.targets[0].orphans == ("retired-scwx-tdr-lambda-awswaf",)

    def test_a_target_without_forwarders_costs_two_listings(self, looker: Looker) -> None:
        empty = looker.entrance(ONE, looker.sandbox.empty_region)
        estate = looker.look(EVERYTHING, empty)
        assert looker.proxy.counted() == {"cloudformation:DescribeStacks": 1, "lambda:ListFunctions": 1}
        assert (estate.targets[0].stacks, estate.targets[0].functions, estate.targets[0].shared) == (0, (), ())

    def test_a_target_that_was_not_entered_costs_nothing(self, looker: Looker) -> None:
        why = Unreadable("sts:AssumeRole", Cause.DENIED, "no")
        outside = Entrance(Target("999900001111", FIRST), why, None)
        estate = looker.look(SOME, outside)
        assert looker.proxy.counted() == Counter()
        seen = estate.targets[0]
        assert {seen.stacks, seen.functions, seen.shared, seen.orphans, seen.identity} == {why}
        assert not seen.reached

    def test_nothing_is_written(self, looker: Looker, estate: Estate) -> None:
        assert estate.forwarders
        looker.look(EVERYTHING)
        reads = ("Describe", "List", "Get", "Head", "Filter")
        assert [call.name for call in looker.proxy.seen if not call.operation.startswith(reads)] == []


def facts_of_forwarders(estate: Estate) -> Mapping[tuple[str, str], object]:
    names = {str(forwarder) for forwarder in estate.forwarders}
    return {(where[0], where[-1]): found for where, found in facts(estate).items() if where[0] in names}


# operation, and the facts that cannot be read without it: nothing else may change
LOSSES = {
    "cloudformation:GetTemplate": {"template", "code_source"},
    "cloudformation:ListChangeSets": {"change_sets"},
    "cloudformation:ListStackResources": {"resources", "secret"},
    "cloudwatch:GetMetricData": {"metrics"},
    "kms:GetKeyPolicy": {"policy"},
    "lambda:GetFunction": {"function"},
    "lambda:GetFunctionEventInvokeConfig": {"invocation"},
    "lambda:GetPolicy": {"policy"},
    "lambda:ListFunctions": {"functions", "listed", "orphans"},
    "logs:FilterLogEvents": {"flow"},
    "s3:GetBucketEncryption": {"encryption"},
    "s3:GetBucketNotificationConfiguration": {"notification"},
    "s3:GetObject": {"code_source"},
    "s3:GetPublicAccessBlock": {"public"},
    "s3:HeadBucket": {"region", "package", "public"},
    "s3:HeadObject": {"package", "code_source"},
    "secretsmanager:DescribeSecret": {"secret"},
    "sns:ListSubscriptionsByTopic": {"lambda_endpoints"},
}
TELLING = {"cloudformation:DescribeStacks"}  # without it there are no forwarders to lose facts of


@pytest.fixture(scope="module")
def whole(_looker: Looker, proxy: FakeAws) -> dict[tuple[str, ...], object]:
    """The facts where nothing is refused."""
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch, {**_looker.sandbox.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        proxy.forget()
        found = facts(_looker.look())
    assert set(proxy.counted()) == set(LOSSES) | TELLING, "an operation is missing in the table"
    return found


class TestOneRefusal:
    @pytest.mark.parametrize("operation", LOSSES)
    def test_a_denied_operation_makes_its_facts_unreadable_and_everything_else_goes_on(
        self, operation: str, looker: Looker, whole: dict[tuple[str, ...], object]
    ) -> None:
        with looker.proxy.saying(operation, DENIED):
            found = facts(looker.look())
        assert found.keys() == whole.keys()
        changed = {where: fact for where, fact in found.items() if fact != whole[where]}
        assert {where[-1] for where in changed} == LOSSES[operation]
        for where, fact in changed.items():
            assert isinstance(fact, Unreadable), where
            assert (fact.action, fact.cause) == (iam_action(*operation.split(":")), Cause.DENIED), where

    @pytest.mark.parametrize("operation", ["lambda:GetPolicy", "cloudformation:DescribeStacks", "s3:HeadObject"])
    def test_an_operation_that_works_at_the_second_attempt_loses_nothing(
        self, operation: str, proxy: FakeAws, looker: Looker, whole: dict[tuple[str, ...], object]
    ) -> None:
        failing = refusal("InternalError", status=500)
        with_retry = Counter[str]()

        def once(call: AwsCall) -> Answer | None:
            with_retry[call.headers["amz-sdk-invocation-id"]] += 1
            return failing(call) if with_retry[call.headers["amz-sdk-invocation-id"]] == 1 else None

        proxy.say(operation, once)
        assert facts(looker.look()) == whole
        assert set(with_retry.values()) == {2}

    def test_stacks_that_may_not_be_listed_in_one_target_hide_only_that_target(
        self, looker: Looker, estate: Estate
    ) -> None:
        def elsewhere(call: AwsCall) -> Answer | None:
            return DENIED(call) if (call.access_key, call.region) == (ONE, SECOND) else None

        looker.proxy.say("cloudformation:DescribeStacks", elsewhere)
        found = looker.look(SOME, looker.entrance(ONE, SECOND), looker.entrance(ONE, FIRST))
        hidden, seen = found.targets
        for fact in (hidden.stacks, hidden.shared, hidden.orphans):
            assert isinstance(fact, Unreadable)
            assert (fact.action, fact.cause) == ("cloudformation:DescribeStacks", Cause.DENIED)
        assert hidden.forwarders == ()
        assert hidden.reached  # its functions were listed
        assert not isinstance(hidden.functions, Unreadable)
        assert [forwarder.name for forwarder in seen.forwarders] == ["cloudtrail-prod", "umbrella-dns"]
        assert estate.forwarders

    def test_without_any_listing_a_target_was_not_reached(self, looker: Looker) -> None:
        looker.proxy.say("cloudformation:DescribeStacks", DENIED)
        looker.proxy.say("lambda:ListFunctions", DENIED)
        (seen,) = looker.look(SOME, looker.entrance()).targets
        assert not seen.reached

    def test_a_function_is_named_by_its_stacks_resources_where_functions_may_not_be_listed(
        self, looker: Looker
    ) -> None:
        looker.proxy.say("lambda:ListFunctions", DENIED)
        estate = looker.look(SOME, looker.entrance(ONE, FIRST))
        found = {f.name: value(f.function) for f in estate.forwarders}
        assert (function := found["cloudtrail-prod"]) is not None
        assert function.name == "cloudtrail-prod-scwx-tdr-lambda-awscloudtrail"

    def test_a_function_that_cannot_be_named_is_unreadable_for_the_reason_that_resources_are(
        self, looker: Looker
    ) -> None:
        looker.proxy.say("lambda:ListFunctions", DENIED)
        looker.proxy.say("cloudformation:ListStackResources", DENIED)
        estate = looker.look(SOME, looker.entrance(ONE, FIRST))
        assert [f.name for f in estate.forwarders] == ["cloudtrail-prod", "umbrella-dns"]
        for forwarder in estate.forwarders:
            for fact in (forwarder.function, forwarder.policy, forwarder.flow, forwarder.invocation):
                assert isinstance(fact, Unreadable)
                assert (fact.action, fact.cause) == ("cloudformation:ListStackResources", Cause.DENIED)
        assert "lambda:GetFunction" not in looker.proxy.counted()

    def test_secrets_stay_masked_where_the_template_that_names_them_cannot_be_read(
        self, looker: Looker, tmp_path: Path
    ) -> None:
        looker.proxy.say("cloudformation:GetTemplate", DENIED)
        estate = looker.look(SOME)
        write_snapshot(estate, tmp_path / "estate.json")
        text = (tmp_path / "estate.json").read_text(encoding="utf-8")
        assert [canary for canary in CANARIES if canary in text] == []
        for forwarder in estate.forwarders:
            hidden = {name for name, shown in forwarder.stack.parameters.items() if shown == "****"}
            assert {"NotificationBucket", "IntegrationType"} & hidden == set()


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


def test_a_bug_in_a_reader_is_not_taken_for_a_refusal(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("fixtures.readers.functions.parse_policy", broken)
    with pytest.raises(ZeroDivisionError):
        looker.look(SOME)


def test_a_second_look_takes_the_place_of_the_first_for_its_targets(estate: Estate) -> None:
    before, *others = estate.targets
    after = dataclasses.replace(before, forwarders=())
    again = dataclasses.replace(estate, targets=(after,), buckets={}, taken=estate.taken + timedelta(minutes=5))
    found = merged(estate, again)
    assert found.targets == (after, *others)
    assert found.buckets == estate.buckets
    assert found.taken == again.taken
