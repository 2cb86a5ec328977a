"""One observation of the sandbox: every fact of every case."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.estate import Estate, Forwarder, Function, Target
from fixtures.fact import Absent, Unreadable, value
from fixtures.observe import merged
from fixtures.sandbox import Feature, Kind, Placed, Trigger, placed_cases
from fixtures.sandbox.synthetic_release import (
    CANARIES,
    current_package,
    legacy_package,
)
from fixtures.snapshot import read_snapshot, write_snapshot
from tests.looking import FIRST, ONE, OTHER, SECOND, facts


@pytest.fixture
def estate(sandbox_estate: Estate) -> Estate:
    """Everything, of both accounts and both regions."""
    return sandbox_estate


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


def test_a_second_look_takes_the_place_of_the_first_for_its_targets(estate: Estate) -> None:
    before, *others = estate.targets
    after = dataclasses.replace(before, forwarders=())
    again = dataclasses.replace(estate, targets=(after,), buckets={}, taken=estate.taken + timedelta(minutes=5))
    found = merged(estate, again)
    assert found.targets == (after, *others)
    assert found.buckets == estate.buckets
    assert found.taken == again.taken
