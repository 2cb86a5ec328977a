"""A change set that is over waits for nobody; every other one may be somebody's work."""

import pytest

from fixtures.aws import Aws
from fixtures.readers.stacks import read_change_sets
from tests.aws_answers import REGION, Data, in_words
from tests.fake_aws import FakeAws

LISTING = "cloudformation:ListChangeSets"


@pytest.mark.parametrize(("execution", "status", "seen"), [
    ("AVAILABLE", "CREATE_COMPLETE", [("theirs", False)]),
    ("UNAVAILABLE", "CREATE_IN_PROGRESS", [("theirs", False)]),
    ("EXECUTE_IN_PROGRESS", "CREATE_COMPLETE", [("theirs", False)]),
    ("SOMETHING_NEW", "CREATE_COMPLETE", [("theirs", False)]),
    ("EXECUTE_COMPLETE", "CREATE_COMPLETE", []),
    ("EXECUTE_FAILED", "CREATE_COMPLETE", []),
    ("OBSOLETE", "CREATE_COMPLETE", []),
    ("UNAVAILABLE", "FAILED", [("theirs", True)]),
])  # fmt: skip
def test_what_is_over_is_left_out_and_what_could_not_be_made_says_so(
    fake: FakeAws, fake_account: Aws, execution: str, status: str, seen: list[tuple[str, bool]]
) -> None:
    entry: Data = {
        "ChangeSetName": "theirs",
        "ChangeSetId": "arn:theirs",
        "ExecutionStatus": execution,
        "Status": status,
    }
    fake.say(LISTING, in_words(LISTING, {"Summaries": [entry]}))

    found = read_change_sets(fake_account, REGION, "cloudtrail-prod")

    assert isinstance(found, tuple)
    assert [(one.name, one.failed) for one in found] == seen
