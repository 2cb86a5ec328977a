"""A change set that was only looked at is told with its values, and never with one that may hold a secret."""

from remediation.change_set import told_changes
from remediation.prediction import PredictedChange

FUNCTION = "AWS::Lambda::Function"


def page(*targets: dict[str, str], **change: object) -> dict[str, object]:
    details = [{"Target": {"Attribute": "Properties", "RequiresRecreation": "Never", **target}} for target in targets]
    said = {"Action": "Modify", "LogicalResourceId": "Lambda", "ResourceType": FUNCTION, "Replacement": "False"}
    return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": {**said, "Details": details, **change}}]}


def test_a_change_is_one_line_and_open_values_stand_below_it() -> None:
    runtime = {"Name": "Runtime", "BeforeValue": "go1.x", "AfterValue": "provided.al2"}
    told = [*told_changes([page(runtime, {"Name": "Handler"})], {"Lambda": {"Runtime", "Handler"}})]
    assert told == [
        f"Modify Lambda ({FUNCTION}), replacement False: Handler, Runtime",
        "Lambda.Runtime: go1.x -> provided.al2",
    ]


def test_a_value_that_is_not_known_to_be_open_is_not_told() -> None:
    token = {"Name": "Description", "BeforeValue": "SECRET-ONE", "AfterValue": "SECRET-TWO"}
    for shown in ({}, {"Lambda": ()}, {"Other": {"Description"}}):
        assert "SECRET" not in "\n".join(told_changes([page(token)], shown))


def test_what_an_engine_does_not_say_is_told_as_that() -> None:
    (told,) = told_changes([page(Replacement=None, Details="odd")], {})
    assert told == f"Modify Lambda ({FUNCTION}), replacement not said"
    assert [*told_changes([{}, {"Changes": [None, {"ResourceChange": 3}]}], {})] == []


def test_only_values_that_are_told_whole_and_without_a_secret_are_open() -> None:
    change = PredictedChange(
        "Lambda", FUNCTION, "Modify", properties=("Code", "Environment", "Name", "Runtime"),
        values=("Runtime: go1.x -> provided.al2", 'Environment: {"Variables": {"T": "****"}} -> nothing',
                "Name: ${secret Token} -> x", "Code: " + "a" * 117 + "... -> b"),
    )  # fmt: skip
    assert change.open_properties == {"Runtime"}
