"""Which outputs an update changes: by value, by export, by condition; a secret is never told."""

import pytest

from fixtures.intrinsics import Pseudo
from fixtures.template import Template, parse_template
from remediation.predicted_outputs import changed_outputs

PSEUDO = Pseudo("111122223333", "us-east-1", "aws", "amazonaws.com", "shared", "arn:x")


def template(outputs: str, parameters: str = "  Region: {Type: String}\n") -> Template:
    body = (f"Parameters:\n{parameters}Conditions:\n  Is: !Equals [!Ref Region, delta]\nResources:\n"
            "  Topic: {Type: AWS::SNS::Topic}\n" + (f"Outputs:\n{outputs}" if outputs else ""))  # fmt: skip
    return parse_template(body, name="t")


def changed(old: str, new: str, now: str = "ctpx", then: str = "ctpx", parameters: str = "") -> tuple[str, ...]:
    sides = [template(text, *([parameters] if parameters else [])) for text in (old, new)]
    return changed_outputs(sides[0], {"Region": now}, sides[1], {"Region": then}, PSEUDO)


VALUE = "  R: {Value: !Ref Region}\n"
CASES = [
    pytest.param(VALUE, VALUE, "delta", ("R: ctpx -> delta",), id="its-value"),
    pytest.param(VALUE, VALUE, "ctpx", (), id="nothing"),
    pytest.param(VALUE, '  R: {Value: !Sub "${Region}"}\n', "ctpx", (), id="spelled-otherwise"),
    pytest.param(VALUE, "  R: {Value: !Ref Region, Description: new}\n", "ctpx", (), id="described-otherwise"),
    pytest.param(
        VALUE, "  R: {Value: !Ref Region, Export: {Name: N}}\n", "ctpx", ("R.Export: nothing -> N",), id="exported"
    ),
    pytest.param("", VALUE, "ctpx", ("R: nothing -> ctpx",), id="new"),
    pytest.param(VALUE, "", "ctpx", ("R: ctpx -> nothing",), id="gone"),
    pytest.param("  T: {Value: !Ref Topic}\n", "  T: {Value: !Ref Topic}\n", "delta", (), id="what-only-aws-knows"),
    pytest.param(
        "  C: {Condition: Is, Value: a}\n",
        "  C: {Condition: Is, Value: a}\n",
        "delta",
        ("C: nothing -> a",),
        id="its-condition",
    ),
]


@pytest.mark.parametrize(("old", "new", "then", "found"), CASES)
def test_what_an_update_changes_of_a_stacks_outputs(old: str, new: str, then: str, found: tuple[str, ...]) -> None:
    assert changed(old, new, then=then) == found


def test_a_value_that_is_no_echo_is_not_told() -> None:
    hidden = "  Region: {Type: String, NoEcho: true}\n"
    (line,) = changed(VALUE, VALUE, "SECRET-NOW", "SECRET-THEN", hidden)
    assert "SECRET" not in line.replace("secret", "")
