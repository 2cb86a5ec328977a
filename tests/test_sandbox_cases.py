"""The table of the seeded estate holds every row that the sandbox promises, wherever it is spread."""

import re

import pytest

from fixtures.sandbox.cases import (
    CASES,
    Case,
    Feature,
    Kind,
    Outcome,
    Trigger,
    Wrong,
    cases_of,
    empty_region,
    expected_defects,
    placed_cases,
)

ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1", "sa-east-1")
BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def rows(**wanted: object) -> list[Case]:
    return [case for case in CASES if all(getattr(case, name) == value for name, value in wanted.items())]


def test_all_six_integrations_and_generic_are_there() -> None:
    found = {case.integration for case in rows(kind=Kind.FORWARDER)}
    vendor = {"awscloudtrail", "awscloudwatchlogs", "awsalb", "awsvpcflowlogs", "awswaf", "ciscoumbrella", "generic"}
    assert vendor <= found


@pytest.mark.parametrize("feature", list(Feature))
def test_every_feature_has_a_row(feature: Feature) -> None:
    assert [case.name for case in CASES if feature in case.features]


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_kind_of_trigger_has_a_row(trigger: Trigger) -> None:
    assert rows(trigger=trigger, kind=Kind.FORWARDER)


@pytest.mark.parametrize("wrong", list(Wrong))
def test_everything_that_can_be_wrong_is_wrong_somewhere(wrong: Wrong) -> None:
    assert [defect for defect in expected_defects(ACCOUNTS, REGIONS) if defect.wrong is wrong]


def test_two_rows_share_a_bucket_under_prefixes_of_their_own() -> None:
    shared = [case for case in CASES if case.bucket]
    assert len({case.prefix for case in shared}) == len(shared) == 2
    assert len({case.bucket_name(ACCOUNTS[0], REGIONS[0]) for case in shared}) == 1


def test_what_is_not_fixed_says_why_and_what_is_fixed_has_something_wrong() -> None:
    offenders = [
        case.name
        for case in CASES
        if bool(case.reason) != (case.outcome in {Outcome.BLOCKED, Outcome.UNTOUCHED})
        or (case.outcome is Outcome.FIXED and not case.wrong)
        or (case.outcome is Outcome.PASSED and case.wrong)
    ]
    assert offenders == []


def test_names_fit_into_what_aws_allows() -> None:
    placed = placed_cases(ACCOUNTS, ("ap-southeast-1",))
    assert [row.case.name for row in placed if len(row.case.function_name) > 64] == []
    assert [row.bucket for row in placed if row.bucket and not BUCKET.fullmatch(row.bucket)] == []


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_region_gets_a_forwarder_and_no_row_is_lost(count: int) -> None:
    placed = cases_of(REGIONS[:count])
    assert {region for region, case in placed if case.kind is Kind.FORWARDER} == set(REGIONS[:count])
    assert len(placed) >= len(CASES)


def test_more_regions_than_rows_are_filled_with_plain_forwarders() -> None:
    many = tuple(f"xx-test-{number}" for number in range(30))
    filled = {region for region, case in cases_of(many) if case.kind is Kind.FORWARDER}
    assert filled == set(many)


def test_rows_of_the_current_template_stand_where_the_shared_stack_is() -> None:
    placed = cases_of(REGIONS)
    assert {region for region, case in placed if Feature.MIGRATED in case.features} == {REGIONS[0]}


def test_expected_defects_name_every_wrong_thing_of_every_account() -> None:
    defects = expected_defects(ACCOUNTS, REGIONS)
    of_targets = len(ACCOUNTS) * 2 * (len(REGIONS) - 1)
    assert len(defects) == len(ACCOUNTS) * sum(len(case.wrong) for case in CASES) + of_targets
    assert {defect.account for defect in defects} == set(ACCOUNTS)


def test_the_empty_region_is_none_of_the_seeded_ones() -> None:
    assert empty_region(("ap-southeast-2", "ca-central-1")) == "eu-north-1"
