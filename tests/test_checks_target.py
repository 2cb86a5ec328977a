import pytest

from checks.registry import check_functions
from fixtures.estate import Estate, Target
from fixtures.fact import Absent
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    ACCOUNT,
    HERE,
    OTHER_ACCOUNT,
    a_forwarder,
    a_seen,
    an_estate,
    an_identity,
    an_unreached,
    denied,
)

CHECKS = check_functions()
NO_ROLE, NO_STACKS = denied("sts:AssumeRole"), denied("cloudformation:DescribeStacks")
NO_FUNCTIONS = denied("lambda:ListFunctions")
ENTER = f"FAILED: expected to enter account {ACCOUNT}; found "
BOTH = an_estate(targets=[a_seen(stacks=NO_STACKS, functions=NO_FUNCTIONS)])
REACHED = {
    "entered and listed": (an_estate(a_forwarder()), PASSED),
    "entered and empty": (an_estate(), PASSED),
    "not entered": (an_estate(targets=[an_unreached()]), f"{ENTER}{NO_ROLE}"),
    "somebody else's account": (an_estate(identity=an_identity(OTHER_ACCOUNT)), f"{ENTER}account {OTHER_ACCOUNT}"),
    "no identity": (an_estate(identity=Absent("account")), f"{ENTER}account does not exist"),
    "stacks only": (an_estate(functions=NO_FUNCTIONS), PASSED),
    "functions only": (an_estate(stacks=NO_STACKS), PASSED),
    "neither stacks nor functions": (
        BOTH, f"FAILED: expected to list stacks or functions of {HERE}; found {NO_STACKS}; {NO_FUNCTIONS}"),
}  # fmt: skip
LISTED = {
    "both": (an_estate(), PASSED),
    "stacks only": (an_estate(functions=NO_FUNCTIONS), f"UNKNOWN: {NO_FUNCTIONS}"),
    "functions only": (an_estate(stacks=NO_STACKS), f"UNKNOWN: {NO_STACKS}"),
    "neither": (BOTH, NOT_ASKED),
    "not entered": (an_estate(targets=[an_unreached()]), NOT_ASKED),
}
OWNED = "FAILED: expected every function with a forwarder's name to belong to a stack"
ORPHANS = {
    "none": (an_estate(), PASSED),
    "two": (an_estate(orphans=("a-scwx-tdr-lambda-x", "b-scwx-tdr-lambda-x")),
            f"{OWNED}; found without a stack: a-scwx-tdr-lambda-x, b-scwx-tdr-lambda-x"),
    "not shown": (an_estate(orphans=NO_FUNCTIONS), f"UNKNOWN: {NO_FUNCTIONS}"),
    "not entered": (an_estate(targets=[an_unreached()]), NOT_ASKED),
}  # fmt: skip
LOOKALIKES = {
    "none": (an_estate(), NOT_ASKED),
    "two": (an_estate(lookalikes=("tdr-a", "tdr-b")), "PASSED (not forwarders, left alone: tdr-a, tdr-b)"),
}
THERE = Target(OTHER_ACCOUNT, "us-east-1")
NONE = "FAILED: expected at least one forwarder in the given accounts and regions; found none"
FOUND = {
    "one": (an_estate(a_forwarder()), PASSED),
    "one, and another target is not shown": (an_estate(a_forwarder(), targets=[an_unreached(THERE)]), PASSED),
    "none": (an_estate(), NONE),
    "none, and a target is not entered": (
        an_estate(targets=[a_seen(), an_unreached(THERE)]), f"UNKNOWN: {THERE}: {NO_ROLE}; {THERE}: {NO_ROLE}"),
    "none, and functions are not shown": (an_estate(functions=NO_FUNCTIONS), f"UNKNOWN: {HERE}: {NO_FUNCTIONS}"),
}  # fmt: skip
VANISHED = "FAILED: expected forwarder cloudtrail-prod, as the baseline says; found no such forwarder"
BASELINE = {
    "there": (an_estate(a_forwarder()), PASSED),
    "there, and functions are not shown": (an_estate(a_forwarder(), functions=NO_FUNCTIONS), PASSED),
    "another one": (an_estate(a_forwarder("alb")), VANISHED),
    "none": (an_estate(), VANISHED),
    "the same name elsewhere": (an_estate(a_forwarder("cloudtrail-prod", THERE), targets=[a_seen()]), VANISHED),
    "stacks are not shown": (an_estate(stacks=NO_STACKS), f"UNKNOWN: {NO_STACKS}"),
    "functions are not shown": (an_estate(functions=NO_FUNCTIONS), f"UNKNOWN: {NO_FUNCTIONS}"),
    "not entered": (an_estate(targets=[an_unreached()]), f"UNKNOWN: {NO_ROLE}"),
}
TABLES = {
    "target-reached": REACHED,
    "target-listed": LISTED,
    "target-orphans": ORPHANS,
    "target-lookalikes": LOOKALIKES,
    "forwarders-found": FOUND,
    "baseline-present": BASELINE,
}
STATES = {f"{name}, {state}": (name, *row) for name, table in TABLES.items() for state, row in table.items()}


@pytest.mark.parametrize(("name", "estate", "answer"), STATES.values(), ids=STATES)
def test_target(name: str, estate: Estate, answer: str) -> None:
    assert told(CHECKS[name], estate) == answer
