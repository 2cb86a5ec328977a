"""A change set that is over waits for nobody; every other one may be somebody's work."""

import pytest

from fixtures.aws import Aws
from fixtures.readers.stacks import read_change_sets
from tests.aws_answers import REGION, in_words
from tests.fake_aws import FakeAws

LISTING = "cloudformation:ListChangeSets"


@pytest.mark.parametrize(("execution", "status", "waits"), [
    ("AVAILABLE", "CREATE_COMPLETE", True),
    ("UNAVAILABLE", "CREATE_IN_PROGRESS", True),
    ("EXECUTE_IN_PROGRESS", "CREATE_COMPLETE", True),
    ("SOMETHING_NEW", "CREATE_COMPLETE", True),
    ("EXECUTE_COMPLETE", "CREATE_COMPLETE", False),
    ("EXECUTE_FAILED", "CREATE_COMPLETE", False),
    ("OBSOLETE", "CREATE_COMPLETE", False),
    ("UNAVAILABLE", "FAILED", False),
])  # fmt: skip
def test_only_what_may_still_be_executed_waits(
    fake: FakeAws, fake_account: Aws, execution: str, status: str, waits: bool
) -> None:
    entry = {"ChangeSetName": "theirs", "ChangeSetId": "arn:theirs", "ExecutionStatus": execution, "Status": status}
    fake.say(LISTING, in_words(LISTING, {"Summaries": [entry]}))

    found = read_change_sets(fake_account, REGION, "cloudtrail-prod")

    assert [one.name for one in found] == (["theirs"] if waits else [])
