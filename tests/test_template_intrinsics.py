from collections.abc import Mapping

import pytest

from fixtures.intrinsics import Pseudo, Unresolved, Value, evaluate, references, resolve, same
from fixtures.template import parse_template
from fixtures.template_value import told_change
from tests.template_pair import CURRENT, LEGACY, NEW_PARAMETERS, OLD_PARAMETERS, PSEUDO

TEMPLATE = """
Parameters:
  Text: {Type: String, Default: hello}
  Empty: {Type: String, Default: ''}
  List: {Type: CommaDelimitedList, Default: 'a, b'}
  Needed: {Type: String}
  Path: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a/b}
  Key: {Type: String, NoEcho: true, Default: canary}
Mappings: {M: {us-east-1: {Name: found, List: [x, y]}, Loop: {X: {'Fn::FindInMap': [M, Loop, X]}}}}
Conditions:
  Holds: !Equals [!Ref Text, hello]
  Fails: !Not [!Condition Holds]
  Both: !And [!Condition Holds, !Condition Fails]
  Either: !Or [!Condition Holds, !Condition Fails]
  Unknown: !Equals [!Ref Needed, x]
  DecidedAnd: !And [!Condition Unknown, !Condition Fails]
  DecidedOr: !Or [!Condition Unknown, !Condition Holds]
  OpenOr: !Or [!Condition Unknown, !Condition Fails]
  HasKey: !Not [!Equals [!Ref Key, '']]
  Loop: !Not [!Condition Loop]
  Odd: !Equals [one]
Resources: {Topic: {Type: AWS::SNS::Topic}, Bucket: {Type: AWS::S3::Bucket}}
"""


def value_of(expression: str, given: Mapping[str, str] | None = None, template: str = TEMPLATE) -> Value:
    holder = parse_template(f"Resources: {{A: {{Type: T, Properties: {{P: {expression}}}}}}}", name="t")
    return evaluate(holder.resources["A"].properties["P"], parse_template(template, name="t"), given or {}, PSEUDO)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("plain", "plain"),
        ("!Ref Text", "hello"),
        ("!Ref List", ["a", "b"]),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::NoValue", None),
        ("{x: !Ref AWS::NoValue, y: 1}", {"y": 1}),
        ("[!Ref AWS::NoValue, 1]", [1]),
        ("!Sub 'arn:${AWS::Partition}:s3:::${Text}/*'", "arn:aws:s3:::hello/*"),
        ("!Sub ['${x}-${Text}', {x: !Ref Text}]", "hello-hello"),
        ("!Sub ['${Text}']", "hello"),
        ("!Sub '${!Literal} ${Text}'", "${Literal} hello"),
        ("!Join ['-', [a, 1, true, !Ref Text]]", "a-1-true-hello"),
        ("!Join ['', !Ref List]", "ab"),
        ("!Split [',', 'a,b']", ["a", "b"]),
        ("!Select [1, !Split [',', 'a,b']]", "b"),
        ("!Select ['0', !Ref List]", "a"),
        ("!Base64 hello", "aGVsbG8="),
        ("!FindInMap [M, !Ref AWS::Region, Name]", "found"),
        ("!FindInMap [M, us-east-1, List]", ["x", "y"]),
        ("!If [Holds, a, b]", "a"),
        ("!If [Fails, a, b]", "b"),
        ("!If [Fails, a, !Ref AWS::NoValue]", None),
        ("!If [Both, a, b]", "b"),
        ("!If [Either, a, b]", "a"),
        ("!If [DecidedAnd, a, b]", "b"),
        ("!If [DecidedOr, a, b]", "a"),
        ("!If [HasKey, a, b]", "a"),
        ("{Condition: {Bool: {x: !Ref Text}}}", {"Condition": {"Bool": {"x": "hello"}}}),
    ],
)
def test_what_can_be_known_is_replaced_by_its_value(expression: str, expected: object) -> None:
    assert value_of(expression) == expected


@pytest.mark.parametrize(
    ("expression", "text", "needs"),
    [
        ("!Ref Topic", "${Topic}", {"Topic"}),
        ("!GetAtt Topic.TopicName", "${Topic.TopicName}", {"Topic"}),
        ("!Sub '${Bucket.Arn}/*'", "${Bucket.Arn}/*", {"Bucket"}),
        ("!Join ['', [!GetAtt Bucket.Arn, '/*']]", "${Bucket.Arn}/*", {"Bucket"}),
        ("!Sub '${Topic}-${Bucket}'", "${Topic}-${Bucket}", {"Topic", "Bucket"}),
        ("!Ref Nobody", "${Nobody}", set()),
        ("!Ref Needed", "${parameter Needed}", set()),
        ("!Ref Path", "${ssm /a/b}", set()),
        ("!Ref Key", "${secret Key}", set()),
        ("!Sub 'x${Key}'", "x${secret Key}", set()),
        ("!ImportValue name", '{"Fn::ImportValue": "name"}', set()),
        ("!Select [2, !Split [':', !Ref Topic]]", None, {"Topic"}),
        ("!If [Unknown, !Ref Topic, b]", None, {"Topic"}),
        ("!If [OpenOr, a, b]", None, set()),
        ("!If [Loop, a, b]", None, set()),
        ("!If [Odd, a, b]", None, set()),
        ("!If [Missing, a, b]", None, set()),
        ("!If [Holds, a]", None, set()),
        ("!If 7", None, set()),
        ("!GetAtt Topic", None, set()),
        ("!GetAtt [Topic]", None, set()),
        ("!Sub [7, {}]", None, set()),
        ("!Sub {a: 1}", None, set()),
        ("!Join a", None, set()),
        ("!Join [',', b]", None, set()),
        ("!Select [9, [a]]", None, set()),
        ("!Select [x, [a]]", None, set()),
        ("!Select [0]", None, set()),
        ("!Split ['', a]", None, set()),
        ("!Base64 [a]", None, set()),
        ("!FindInMap [M, a, b]", None, set()),
        ("!FindInMap [M]", None, set()),
        ("!GetAZs ''", None, set()),
        ("!Cidr [!GetAtt Bucket.X, 1, 2]", None, {"Bucket"}),
        ("{Ref: [a]}", None, set()),
        ("{'Fn::New': !Ref Topic}", None, {"Topic"}),
    ],
)
def test_what_only_cloudformation_can_know_stays_a_marker(expression: str, text: str | None, needs: set[str]) -> None:
    value = value_of(expression)
    assert isinstance(value, Unresolved)
    assert text is None or value.text == text
    assert references(value) == needs
    assert "canary" not in repr(value)


def test_a_mapping_that_names_itself_is_a_literal() -> None:
    assert value_of("!FindInMap [M, Loop, X]") == {"Fn::FindInMap": ["M", "Loop", "X"]}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1", "'1'", True),
        ("false", "'false'", True),
        ("[1]", "['1']", True),
        ("{a: 1, b: 2}", "{b: 2, a: 1}", True),
        ("!Sub '${Bucket.Arn}'", "!GetAtt Bucket.Arn", True),
        ("!Sub '${AWS::StackName}-${Text}'", "!Join ['-', [!Ref AWS::StackName, hello]]", True),
        ("a", "b", False),
        ("!Ref Topic", "!Ref Bucket", False),
        ("[a, b]", "[b, a]", False),
        ("{a: 1}", "{}", False),
    ],
)
def test_values_are_compared_by_meaning(one: str, other: str, equal: bool) -> None:
    assert same(value_of(one), value_of(other)) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [("****", "****", True), ("real", "real", True), ("real", "new", False), ("****", "real", False)],
)
def test_secrets_are_compared_and_never_shown(one: str, other: str, equal: bool) -> None:
    left, right = value_of("!Ref Key", {"Key": one}), value_of("!Ref Key", {"Key": other})
    assert same(left, right) is equal
    assert "real" not in repr(left) + str(left)


@pytest.mark.parametrize(("key", "expected"), [("", "none"), ("x", "some"), ("****", None)])
def test_a_condition_on_a_secret_is_decided_only_when_the_secret_is_known(key: str, expected: object) -> None:
    value = value_of("!If [HasKey, some, none]", {"Key": key})
    assert value == expected if expected else isinstance(value, Unresolved)


def test_resources_whose_condition_is_false_are_absent_and_open_ones_are_marked() -> None:
    template = parse_template(
        """
        Parameters: {P: {Type: String, Default: a}, Q: {Type: String}}
        Conditions: {IsA: !Equals [!Ref P, a], IsB: !Equals [!Ref P, b], Open: !Equals [!Ref Q, x]}
        Resources:
          A: {Type: AWS::SNS::Topic, Condition: IsA}
          B: {Type: AWS::SNS::Topic, Condition: IsB}
          C: {Type: AWS::SNS::Topic, Condition: Open}
          D: {Type: AWS::SQS::Queue, Condition: Missing}
        """,
        name="t",
    )
    resolved = resolve(template, {}, PSEUDO)
    assert set(resolved.resources) == {"A", "C", "D"}
    assert resolved.unsure == {"C", "D"}
    assert resolved.types["D"] == "AWS::SQS::Queue"
    assert resolved.conditions["IsB"] is False
    assert set(resolve(template, {"P": "b", "Q": "x"}, PSEUDO).resources) == {"B", "C", "D"}


def test_thousands_of_conditions_in_a_row_do_not_overflow() -> None:
    chain = "".join(f"  C{i}: !Not [!Condition C{i + 1}]\n" for i in range(3000))
    template = parse_template(f"Conditions:\n{chain}  C3000: !Equals [a, a]\nResources: {{A: {{Type: T}}}}", name="t")
    assert set(resolve(template, {}, PSEUDO).resources) == {"A"}


def test_the_pair_evaluates_to_the_same_function_name() -> None:
    old = resolve(parse_template(LEGACY, name="old"), OLD_PARAMETERS, PSEUDO)
    new = resolve(parse_template(CURRENT, name="new"), NEW_PARAMETERS, PSEUDO)
    name = "lab-network-scwx-tdr-lambda-awscloudtrail"
    assert old.resources["Lambda"]["FunctionName"] == name
    assert new.resources["Lambda"]["FunctionName"] == name
    assert new.resources["Permission"]["SourceArn"] == "arn:aws:s3:::acme-trail"


def test_no_partition_is_assumed() -> None:
    china = Pseudo("1", "cn-north-1", "aws-cn", "amazonaws.com.cn", "s", "i")
    new = resolve(parse_template(CURRENT, name="new"), NEW_PARAMETERS, china)
    assert new.resources["Permission"]["SourceArn"] == "arn:aws-cn:s3:::acme-trail"


ACTIONS = [f"logs:Action{number}" for number in range(40)]
CHANGES = [
    pytest.param("go1.x", "provided.al2", "go1.x -> provided.al2", id="short-ones-whole"),
    pytest.param(None, "bootstrap", "nothing -> bootstrap", id="one-that-was-not-there"),
    pytest.param({"Variables": {"T": "CANARY"}}, None, '{"Variables": {"T": "****"}} -> nothing', id="variables"),
]


@pytest.mark.parametrize(("now", "then", "expected"), CHANGES)
def test_a_change_is_told_on_one_line(now: Value, then: Value, expected: str) -> None:
    assert told_change(now, then) == expected


def test_of_two_long_values_the_place_is_told_where_they_differ() -> None:
    now, then = told_change(ACTIONS, [*ACTIONS[:30], "logs:Other", *ACTIONS[31:]]).split(" -> ")
    assert "logs:Action29" in now
    assert "logs:Action30" in now
    assert "logs:Other" in then
    assert all(text.startswith("...") and text.endswith("...") and len(text) == 120 for text in (now, then))


def test_of_a_long_value_and_none_the_beginning_is_told() -> None:
    now, then = told_change(ACTIONS, None).split(" -> ")
    assert now.startswith('["logs:Action0"')
    assert now.endswith("...")
    assert then == "nothing"
