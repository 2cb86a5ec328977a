import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixtures.template import parse_template
from fixtures.template_names import parameters_behind
from remediation.prediction import PredictedChange, predict
from remediation.replacement_rules import CREATE_ONLY, NEVER_LOST, forces_replacement
from tests.template_pair import CURRENT, LEGACY, NEW_PARAMETERS, OLD_PARAMETERS, PSEUDO

OLD = parse_template(LEGACY, name="old")
NEW = parse_template(CURRENT, name="new")


def changes_of(old: str, new: str, before: dict[str, str] | None = None, after: dict[str, str] | None = None) -> str:
    found = predict(parse_template(old, name="o"), before or {}, parse_template(new, name="n"), after or {}, PSEUDO)
    return " | ".join(f"{change}{'' if change.certain else '?'}" for change in found)


def resources(text: str, parameters: str = "{P: {Type: String, Default: p}, S: {Type: String, NoEcho: true}}") -> str:
    conditions = "{IsP: !Equals [!Ref P, p], Open: !Equals [!ImportValue x, y]}"
    return f"Parameters: {parameters}\nConditions: {conditions}\nResources: {{Base: {{Type: AWS::SNS::Topic}}, {text}}}"


def function(properties: str) -> str:
    return resources(f"F: {{Type: AWS::Lambda::Function, Properties: {{{properties}}}}}")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (function("Runtime: go1.x"), function("Runtime: go1.x"), ""),
        (
            function("Runtime: go1.x"),
            function("Runtime: provided.al2"),
            "Modify F (AWS::Lambda::Function), replacement False: Runtime",
        ),
        (function("Timeout: 30"), function("Timeout: '30'"), ""),
        (function("A: 1"), function("A: 1, B: 2"), "Modify F (AWS::Lambda::Function), replacement False: B"),
        (function("A: 1, B: 2"), function("A: 1"), "Modify F (AWS::Lambda::Function), replacement False: B"),
        (
            function("FunctionName: a"),
            function("FunctionName: b"),
            "Modify F (AWS::Lambda::Function), replacement True: FunctionName",
        ),
        (
            function("FunctionName: a"),
            function("Timeout: 3"),
            "Modify F (AWS::Lambda::Function), replacement True: FunctionName, Timeout",
        ),
        (
            function("FunctionName: a"),
            function("FunctionName: !ImportValue b"),
            "Modify F (AWS::Lambda::Function), replacement Conditional: FunctionName?",
        ),
        (
            function("FunctionName: a"),
            function("FunctionName: !Sub '${Base}'"),
            "Modify F (AWS::Lambda::Function), replacement Conditional: FunctionName?",
        ),
        (
            function("FunctionName: !Sub '${AWS::StackName}-p'"),
            function("FunctionName: !Join ['-', [!Ref AWS::StackName, !Ref P]]"),
            "Modify F (AWS::Lambda::Function), replacement False?",
        ),
        (resources("A: {Type: T}"), resources("B: {Type: T}"), "Remove A (T) | Add B (T)"),
        (
            resources("A: {Type: AWS::SNS::Topic}"),
            resources("A: {Type: AWS::SQS::Queue}"),
            "Modify A (AWS::SQS::Queue), replacement True: Type",
        ),
        (
            resources("A: {Type: AWS::SNS::Topic}"),
            resources("A: {Type: AWS::SNS::Topic, DeletionPolicy: Retain}"),
            "Modify A (AWS::SNS::Topic), replacement False: DeletionPolicy?",
        ),
        (resources("A: {Type: AWS::SNS::Topic}"), resources("A: {Type: AWS::SNS::Topic, DependsOn: Base}"), ""),
        (
            resources("A: {Type: Vendor::New::Thing, Properties: {X: 1}}"),
            resources("A: {Type: Vendor::New::Thing, Properties: {X: 2}}"),
            "Modify A (Vendor::New::Thing), replacement Conditional: X",
        ),
        (
            resources("A: {Type: AWS::SNS::Topic, Condition: IsP}"),
            resources("A: {Type: AWS::SNS::Topic, Condition: Open}"),
            "",
        ),
        (resources("B: {Type: T}"), resources("B: {Type: T}, A: {Type: T, Condition: Open}"), "Add A (T)?"),
        (
            resources("R: {Type: AWS::IAM::Role, Properties: {Path: /a/}}"),
            resources("R: {Type: AWS::IAM::Role, Properties: {Path: /b/}}"),
            "Modify R (AWS::IAM::Role), replacement True: Path",
        ),
    ],
)
def test_the_two_templates_say_what_changes(old: str, new: str, expected: str) -> None:
    assert changes_of(old, new) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"P": "a"}, {"P": "a"}, ""),
        ({"P": "p"}, {}, ""),
        ({"P": "a"}, {}, "Modify F (AWS::Lambda::Function), replacement False: Handler"),
        ({"S": "****"}, {"S": "****"}, ""),
        ({"S": "****"}, {"S": "new"}, "Modify F (AWS::Lambda::Function), replacement False: Environment?"),
    ],
)
def test_parameters_alone_can_change_things(before: dict[str, str], after: dict[str, str], expected: str) -> None:
    template = function("Handler: !Ref P, Environment: {Variables: {S: !Ref S}}")
    assert changes_of(template, template, before, after) == expected


def test_a_parameter_that_changes_a_condition_adds_and_removes() -> None:
    template = resources("A: {Type: T, Condition: IsP}")
    assert changes_of(template, template, {"P": "p"}, {"P": "q"}) == "Remove A (T)"
    assert changes_of(template, template, {"P": "q"}, {"P": "p"}) == "Add A (T)"


CHAIN = """
    R: {Type: AWS::IAM::Role, Properties: {%s: %s}},
    F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt R.Arn, FunctionName: f}},
    P: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt F.%s, Action: x}},
    Q: {Type: AWS::Lambda::Permission, Properties: {FunctionName: other}}
"""


def test_what_refers_to_a_changed_resource_may_change_too_and_so_on() -> None:
    replaced = ("RoleName", "a"), ("RoleName", "b")
    old, new = (CHAIN % (*pair, "SnapStartResponse.ApplyOn") for pair in replaced)
    assert changes_of(resources(old), resources(new)) == (
        "Modify F (AWS::Lambda::Function), replacement False: Role?"
        " | Modify P (AWS::Lambda::Permission), replacement Conditional: FunctionName?"
        " | Modify R (AWS::IAM::Role), replacement True: RoleName"
    )


def test_what_takes_only_the_identity_of_a_changed_resource_stays_unless_that_is_replaced() -> None:
    old, new = (CHAIN % ("Description", text, "Arn") for text in "ab")
    changes = predict(
        parse_template(resources(old), name="o"), {}, parse_template(resources(new), name="n"), {}, PSEUDO
    )
    found = {change.logical_id: change for change in changes}
    assert {change.replacement for change in changes} == {"False"}
    assert (found["F"].possible, found["F"].settled) == (("Role",), ())
    assert (found["P"].possible, found["P"].settled) == (("FunctionName",), ("FunctionName",))
    assert "Q" not in found


def test_resources_that_refer_to_each_other_in_a_circle_come_to_an_end() -> None:
    circle = "A: {Type: T, Properties: {X: !Ref B, Y: %s}}, B: {Type: T, Properties: {X: !Ref A}}"
    assert "Modify B (T), replacement Conditional: X?" in changes_of(resources(circle % 1), resources(circle % 2))


def test_the_migration_of_the_pair_keeps_the_function() -> None:
    found = {change.logical_id: change for change in predict(OLD, OLD_PARAMETERS, NEW, NEW_PARAMETERS, PSEUDO)}
    assert found["Lambda"] == PredictedChange(
        "Lambda",
        "AWS::Lambda::Function",
        "Modify",
        "False",
        properties=("Code", "Environment", "Handler", "Runtime"),
        possible=("FunctionName", "Role"),
        settled=("FunctionName",),
    )
    assert (found["Role"].replacement, found["Role"].properties) == ("False", ("Policies",))
    assert (found["Permission"].replacement, found["Permission"].certain) == ("True", True)
    assert set(found) == {"Lambda", "Role", "Permission"}


def test_another_integration_type_replaces_the_function() -> None:
    other = NEW_PARAMETERS | {"IntegrationType": "generic"}
    found = {change.logical_id: change for change in predict(OLD, OLD_PARAMETERS, NEW, other, PSEUDO)}
    assert found["Lambda"].replacement == "True"
    assert "FunctionName" in found["Lambda"].properties
    assert found["Lambda"].settled == ()


def test_the_same_template_and_parameters_change_nothing() -> None:
    assert predict(NEW, NEW_PARAMETERS, NEW, NEW_PARAMETERS, PSEUDO) == ()


def test_a_prediction_holds_no_secret() -> None:
    secret = OLD_PARAMETERS | {"LegacyToken": "canary"}
    assert "canary" not in repr(predict(OLD, secret, NEW, NEW_PARAMETERS, PSEUDO))


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("!Ref P", {"P"}),
        ("!Sub '${P}-${Base.Arn}-${!S}'", {"P"}),
        ("!Sub ['${x}', {x: !Ref S}]", {"S"}),
        ("!If [IsP, a, b]", {"P"}),
        ("!If [Open, !Ref S, b]", {"S"}),
        ("[{a: !Condition IsP}]", {"P"}),
        ("!Ref Base", set()),
        ("!Sub [7]", set()),
    ],
)
def test_the_parameters_behind_an_expression_are_known(expression: str, names: set[str]) -> None:
    template = parse_template(resources(f"A: {{Type: T, Properties: {{X: {expression}}}}}"), name="t")
    assert parameters_behind(template.resources["A"].properties["X"], template) == names


def test_the_table_of_replacements_agrees_with_the_schemas_that_cfn_lint_carries() -> None:
    spec = find_spec("cfnlint")
    assert spec is not None
    assert spec.submodule_search_locations
    schemas = Path(spec.submodule_search_locations[0]) / "data" / "schemas"
    index = json.loads((schemas / "providers" / "us-east-1.json").read_text())
    wrong = []
    for kind, names in CREATE_ONLY.items():
        schema = json.loads((schemas / "resources" / f"{index[kind]}.json").read_text())
        pointers = schema.get("createOnlyProperties", []) + schema.get("conditionalCreateOnlyProperties", [])
        if names != {pointer.split("/")[2] for pointer in pointers}:
            wrong.append((kind, sorted(names), sorted(pointers)))
    assert wrong == []
    assert CREATE_ONLY.keys() >= NEVER_LOST
    assert forces_replacement("Vendor::New::Thing", "X") is None
