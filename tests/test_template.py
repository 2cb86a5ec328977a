import json
import pickle
from collections.abc import Mapping

import pytest

from fixtures.template import Json, TemplateError, difference, parse_template
from tests.template_pair import CURRENT, LEGACY, SHARED

MINIMAL = "Resources: {A: {Type: AWS::SNS::Topic}}\n"


def property_of(expression: str) -> Json:
    text = f"Resources: {{A: {{Type: AWS::SNS::Topic, Properties: {{P: {expression}}}}}}}"
    return parse_template(text, name="t").resources["A"].properties["P"]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref B", {"Ref": "B"}),
        ("!Ref 123", {"Ref": "123"}),
        ("!Condition C", {"Condition": "C"}),
        ("!GetAtt B.Arn", {"Fn::GetAtt": ["B", "Arn"]}),
        ("!GetAtt B.Outputs.X", {"Fn::GetAtt": ["B", "Outputs.X"]}),
        ("!GetAtt [B, Arn]", {"Fn::GetAtt": ["B", "Arn"]}),
        ('{"Fn::GetAtt": "B.Arn"}', {"Fn::GetAtt": ["B", "Arn"]}),
        ("!Sub 'x${B}'", {"Fn::Sub": "x${B}"}),
        ("!Sub ['${x}', {x: !Ref B}]", {"Fn::Sub": ["${x}", {"x": {"Ref": "B"}}]}),
        ("!Join [',', [a, !Ref B]]", {"Fn::Join": [",", ["a", {"Ref": "B"}]]}),
        ("!If [C, a, !Ref AWS::NoValue]", {"Fn::If": ["C", "a", {"Ref": "AWS::NoValue"}]}),
        ("!Equals [a, b]", {"Fn::Equals": ["a", "b"]}),
        (
            "!And [!Condition C, !Not [!Condition D]]",
            {"Fn::And": [{"Condition": "C"}, {"Fn::Not": [{"Condition": "D"}]}]},
        ),
        ("!Or [!Condition C]", {"Fn::Or": [{"Condition": "C"}]}),
        ("!FindInMap [M, a, b]", {"Fn::FindInMap": ["M", "a", "b"]}),
        ("!Select [0, !GetAZs '']", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
        ("!Split [',', a]", {"Fn::Split": [",", "a"]}),
        ("!Base64 true", {"Fn::Base64": "true"}),
        ("!Cidr [a, 1, 2]", {"Fn::Cidr": ["a", 1, 2]}),
        ("!ImportValue x", {"Fn::ImportValue": "x"}),
        ("!Transform {Name: AWS::Include}", {"Fn::Transform": {"Name": "AWS::Include"}}),
        ("!ToJsonString {a: 1}", {"Fn::ToJsonString": {"a": 1}}),
        ("!Length [a]", {"Fn::Length": ["a"]}),
    ],
)
def test_every_short_form_is_read_as_its_long_form(short: str, long: Mapping[str, object]) -> None:
    assert property_of(short) == long


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2010-09-09", "2010-09-09"),
        ("2023-11-15T19:27:19Z", "2023-11-15T19:27:19Z"),
        ("012345670123", "012345670123"),
        ("1:30", "1:30"),
        ("yes", True),
        ("'yes'", "yes"),
        ("! yes", "yes"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("off", False),
        ("0", 0),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("0x1F", "0x1F"),
        ("9" * 5000, "9" * 5000),
        ("~", None),
        ("''", ""),
    ],
)
def test_a_plain_word_is_what_cloudformation_takes_it_for(written: str, read: object) -> None:
    value = property_of(written)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("body", "reason", "line"),
    [
        ("", "empty", None),
        ("# only a comment\n", "empty", None),
        ("just words", "not a mapping", None),
        ("[1, 2]", "not a mapping", None),
        ("Parameters: {}", "no Resources", None),
        ("Resources: {}", "no Resources", None),
        ("Resources: 7", "no Resources", None),
        ("Resources:\n  A: {Properties: {}}", "A has no Type", None),
        ("Resources:\n  A: 7", "A has no Type", None),
        ("Resources:\n  A: {Type: T}\n  A: {Type: T}", "'A' stands twice", 3),
        ('{"Resources": {"A": {"Type": "T"}, "A": {"Type": "T"}}}', "'A' stands twice", None),
        ("Resources:\n  A: {Type: T, P: !Refer B}", "tag !Refer", 2),
        ("Resources:\n  A: !!python/object/apply:os.system ['true']", "python/object", 2),
        ("Resources:\n\tA: 1", "cannot start any token", 2),
        ("Resources:\n  A: [1", "did not find expected", 3),
        ("a: *b", "*b stands before its anchor", 1),
        ("a: &a [*a]", "*a stands before its anchor", 1),
        ("Resources: {A: {Type: T}}\n---\na: 1", "second document", 2),
        ("Resources:\n  ? [a]\n  : b", "a key must be a word", 2),
        ("B: &b {Type: T}\nResources:\n  A:\n    <<: *b", "merge keys", 4),
        ("[" * 100_000, "nested deeper", 1),
        ('{"a":' * 100_000, "nested deeper", None),
        ("- " * 100_000, "nested deeper", 1),
        ("x" * 2_000_001, "characters", None),
        ("Resources: \x00", "characters are not allowed", None),
        ("Resources: '\ud800'", "surrogate", None),
    ],
)
def test_what_cloudformation_would_not_read_is_refused_with_its_place(body: str, reason: str, line: int | None) -> None:
    with pytest.raises(TemplateError, match=r".") as refused:
        parse_template(body, name="lambda.yaml")
    assert reason in str(refused.value)
    assert str(refused.value).startswith("lambda.yaml")
    assert "\n" not in str(refused.value)
    if line is not None:
        assert refused.value.line == line


def test_aliases_cannot_unfold_without_end() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(TemplateError, match="more than 200000 values"):
        parse_template(bomb, name="t")


def test_an_alias_stands_for_its_anchor() -> None:
    body = "Resources: {A: {Type: T, Properties: &p {X: 1}}, B: {Type: T, Properties: *p}}"
    assert parse_template(body, name="t").resources["B"].properties == {"X": 1}


def test_a_template_knows_its_parts() -> None:
    template = parse_template(CURRENT, name="t")
    assert template.description.startswith("SYNTHETIC deploys the SecureWorks TDR Lambda function")
    assert template.parameters["EnableObjectTagging"].default == "false"
    assert template.parameters["TaegisLambdaS3BucketName"].default is None
    assert template.resource_types == ("AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Lambda::Permission")
    assert template.imports == ("taegis-secret-arn",)
    assert template.exports == ('{"Fn::Sub": "${AWS::StackName}-function"}',)
    assert parse_template(SHARED, name="t").exports == ("taegis-secret-arn",)
    assert parse_template(SHARED, name="t").no_echo_parameters == frozenset({"SecretValue"})
    assert len(template.digest) == 64
    assert pickle.loads(pickle.dumps(template)) == template  # noqa: S301  made on the same line


def test_the_same_text_is_parsed_once() -> None:
    assert parse_template(CURRENT, name="a") is parse_template(CURRENT, name="b")


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        (MINIMAL, ()),
        (LEGACY, ("CAPABILITY_IAM",)),
        (SHARED, ()),
        ("Resources: {A: {Type: AWS::IAM::Policy, Properties: {PolicyName: x}}}", ("CAPABILITY_IAM",)),
        ("Resources: {A: {Type: AWS::IAM::Role, Properties: {RoleName: x}}}", ("CAPABILITY_NAMED_IAM",)),
        ("Resources: {A: {Type: AWS::IAM::Role, Properties: {RoleName: !Ref N}}}", ("CAPABILITY_NAMED_IAM",)),
        ("Resources: {A: {Type: AWS::Serverless::Function}}", ("CAPABILITY_IAM",)),
        ("Transform: AWS::Serverless-2016-10-31\n" + MINIMAL, ("CAPABILITY_AUTO_EXPAND",)),
        ("Transform: [{Name: AWS::Include}]\n" + MINIMAL, ("CAPABILITY_AUTO_EXPAND",)),
        (
            "Resources: {A: {Type: AWS::IAM::Role, Properties: {P: !Transform {Name: M}}}}",
            ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
        ),
        (
            "Transform: AWS::LanguageExtensions\nResources: {'Fn::ForEach::X': [a, [b], {}]}",
            ("CAPABILITY_AUTO_EXPAND",),
        ),
    ],
)
def test_capabilities_come_from_the_template(body: str, capabilities: tuple[str, ...]) -> None:
    assert parse_template(body, name="t").capabilities == capabilities


@pytest.mark.parametrize(
    ("declared", "value", "allowed"),
    [
        ("{Type: String}", "", True),
        ("{Type: String}", "x" * 4096, True),
        ("{Type: String}", "ü" * 2049, False),
        ("{Type: String, AllowedValues: [ctpx, delta]}", "ctpx", True),
        ("{Type: String, AllowedValues: [ctpx, delta]}", "CTPX", False),
        ("{Type: String, AllowedValues: [true, false]}", "false", True),
        ("{Type: String, AllowedValues: [1, 2]}", "1", True),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc", True),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc1", False),
        ("{Type: String, AllowedPattern: '\\p{Alpha}+'}", "abc", True),
        ("{Type: String, MinLength: 1}", "", False),
        ("{Type: String, MaxLength: '3'}", "abcd", False),
        ("{Type: Number}", "12.5", True),
        ("{Type: Number}", "twelve", False),
        ("{Type: Number, MinValue: 3}", "2", False),
        ("{Type: Number, MaxValue: 3}", "4", False),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a, b", True),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", False),
        ("{Type: List<Number>}", "1,x", False),
        ("{Type: 'AWS::SSM::Parameter::Value<String>', AllowedValues: [a]}", "/path", True),
        ("{Type: 'AWS::SSM::Parameter::Value<String>'}", "", False),
    ],
)
def test_a_parameter_says_whether_it_takes_a_value(declared: str, value: str, allowed: bool) -> None:
    template = parse_template(f"Parameters: {{P: {declared}}}\n{MINIMAL}", name="t")
    assert (template.parameters["P"].problem(value) is None) is allowed


def test_a_secret_value_that_is_refused_is_not_shown() -> None:
    declared = "{Type: String, NoEcho: 'true', AllowedPattern: '[a-z]', AllowedValues: [hush], MaxLength: 2}"
    parameter = parse_template(f"Parameters: {{P: {declared}}}\n{MINIMAL}", name="t").parameters["P"]
    assert parameter.no_echo
    for value in ("canary", "hush"):
        assert value not in str(parameter.problem(value))
    assert "hush" not in str(parameter.problem("canary"))


AS_JSON = json.dumps(
    {
        "Resources": {
            "F": {
                "Type": "AWS::Lambda::Function",
                "DependsOn": ["B", "A"],
                "Properties": {
                    "Timeout": "30",
                    "Role": {"Fn::GetAtt": ["A", "Arn"]},
                    "Tracing": "false",
                    "Name": {"Ref": "P"},
                },
            },
            "A": {"Type": "AWS::IAM::Role", "Properties": {}},
            "B": {"Type": "AWS::SNS::Topic", "DependsOn": "A"},
        },
        "Parameters": {"P": {"Type": "String", "Default": "1"}},
    }
)
AS_YAML = """
# a comment
AWSTemplateFormatVersion: '2010-09-09'
Description: "その他 text"
Metadata: {AWS::CloudFormation::Interface: {ParameterGroups: []}}
Conditions: {}
Parameters:
  P: {Default: 1, Type: String, Description: what it is, ConstraintDescription: none}
Resources:
  B: {Type: AWS::SNS::Topic, DependsOn: [A]}
  A: {Type: AWS::IAM::Role}
  F:
    Type: AWS::Lambda::Function
    DependsOn: [A, B]
    Properties:
      Name: !Ref P
      Role: !GetAtt A.Arn
      Tracing: false
      Timeout: 30
"""


def test_equal_meaning_has_an_equal_digest_whatever_the_spelling() -> None:
    one, other = parse_template(AS_JSON, name="json"), parse_template(AS_YAML, name="yaml")
    answer = parse_template(json.loads(AS_JSON), name="as boto3 gives it")
    assert one.digest != other.digest
    assert difference(one, other) == ()
    assert one.semantic_digest == other.semantic_digest == answer.semantic_digest


def test_characters_that_get_template_gives_back_as_question_marks_do_not_count() -> None:
    one = parse_template("Resources: {A: {Type: T, Properties: {P: 'größe'}}}", name="t")
    other = parse_template("Resources: {A: {Type: T, Properties: {P: 'gr??e'}}}", name="t")
    assert one.semantic_digest == other.semantic_digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Timeout: 30", "Timeout: 31", "Resources.F.Properties.Timeout: 30 -> 31"),
        ("Timeout: 30", "X: 1", "Resources.F.Properties.X: added"),
        ("!GetAtt A.Arn", "!GetAtt B.Arn", "Resources.F.Properties.Role: !GetAtt A.Arn -> !GetAtt B.Arn"),
        ("Tracing: false", "Tracing: ''", "Resources.F.Properties.Tracing: false -> ''"),
        ("DependsOn: [A, B]", "DependsOn: [A, F]", "Resources.F.DependsOn[1]: B -> F"),
        ("Type: AWS::SNS::Topic", "Type: AWS::SQS::Queue", "Resources.B.Type: AWS::SNS::Topic -> AWS::SQS::Queue"),
        ("Default: 1", "Default: 2", "Parameters.P.Default: 1 -> 2"),
        ("Default: 1, Type: String", "Default: 1, Type: Number", "Parameters.P.Type: String -> Number"),
    ],
)
def test_a_difference_names_its_path(old: str, new: str, expected: object) -> None:
    one, other = parse_template(AS_YAML, name="t"), parse_template(AS_YAML.replace(old, new), name="t")
    assert expected in difference(one, other)
    assert one.semantic_digest != other.semantic_digest


def test_a_resource_s_own_metadata_counts() -> None:
    one = parse_template(MINIMAL, name="t")
    other = parse_template("Resources: {A: {Type: AWS::SNS::Topic, Metadata: {x: 1}}}", name="t")
    assert difference(one, other) == ("Resources.A.Metadata: added",)


def test_a_difference_shows_no_secret() -> None:
    other = LEGACY.replace("canary-default", "other-canary").replace("!Ref LegacyToken", "literal-canary")
    other = other.replace("Environment: {V", "Environment: !If [HasSNS, {V").replace("l-canary}}", "l-canary}}, x]")
    found = difference(parse_template(LEGACY, name="t"), parse_template(other, name="t"))
    assert any("Parameters.LegacyToken.Default: differs" in line for line in found)
    assert any("Environment" in line for line in found)
    assert not any("canary" in line for line in found)


def test_the_pair_differs_where_a_migration_changes_it() -> None:
    found = difference(parse_template(LEGACY, name="old"), parse_template(CURRENT, name="new"))
    assert "Resources.Lambda.Properties.Runtime: go1.x -> provided.al2" in found
    assert "Parameters.TaegisLambdaS3BucketName: added" in found
    assert "Parameters.LegacyToken: removed" in found
    assert all(len(line) < 200 for line in found)
