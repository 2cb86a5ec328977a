from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar

import pytest

from fixtures.estate import Target
from fixtures.secret import Secret
from remediation.call import Call
from remediation.plan import Blocked, Plan, TargetPlan
from remediation.step import Step
from remediation.writer import Writer

A, B = Target("111122223333", "us-east-1"), Target("444455556666", "eu-west-1")


@dataclass(frozen=True)
class Update(Step):
    ACTIONS: ClassVar[tuple[str, ...]] = ("cloudformation:CreateChangeSet",)
    FIX: ClassVar[str] = "forwarder-stack"

    change: str
    shape: str = ""

    @property
    def title(self) -> str:
        return f"update the stack of {self.subject}"

    @property
    def accepts(self) -> str:
        return self.shape

    def calls(self) -> tuple[Call, ...]:
        why = f"describe the update of {self.subject} in {self.target.region}"
        return (Call("cloudformation", "CreateChangeSet", {"StackName": self.subject}, why),)

    def notes(self) -> tuple[str, ...]:
        return (f"predicted: {self.change}",)

    def run(self, writer: Writer) -> str:
        raise AssertionError(writer)


def update(target: Target, name: str, change: str = "Modify Lambda", shape: str = "") -> Update:
    return Update(target, name, (name,), change, shape)


def lines(*targets: TargetPlan, calls: bool = True, each: bool = False) -> list[str]:
    return list(Plan("a-run", datetime(2026, 11, 24, tzinfo=UTC), targets).lines(calls=calls, each=each))


TWO = (
    TargetPlan(A, (update(A, "trail"), update(A, "waf")), ()),
    TargetPlan(B, (update(B, "trail"),), ()),
)


def test_steps_of_one_shape_are_told_once_with_every_place() -> None:
    assert lines(*TWO) == [
        "   3 x update the stack of <name>",
        "         calls cloudformation:CreateChangeSet",
        "         predicted: Modify Lambda",
        f"       in {A}: trail, waf",
        f"       in {B}: trail",
        "3 steps (3 forwarder-stack) on 3 forwarders; 0 blocked",
        "needs cloudformation:CreateChangeSet",
        "takes about 1 min on AWS without waiting for log lines (an estimate)",
    ]


def test_without_calls_only_what_and_where() -> None:
    assert lines(*TWO, calls=False) == [
        "   3 x update the stack of <name>",
        f"       in {A}: trail, waf",
        f"       in {B}: trail",
        "3 steps (3 forwarder-stack) on 3 forwarders; 0 blocked",
    ]


def test_a_step_of_its_own_shape_keeps_its_own_words() -> None:
    told = lines(TargetPlan(A, (update(A, "trail"), update(A, "waf", "Remove Role", "fe67")), ()))

    assert "   1 x update the stack of trail" in told
    assert "   1 x update the stack of waf (accepts shape fe67)" in told
    assert "         predicted: Remove Role" in told


@pytest.mark.parametrize(
    ("trail", "waf", "general"),
    [
        ("bucket logs-trail in 111122223333", "bucket logs-waf in 111122223333", "bucket logs-<name> in <account>"),
        (
            "calls trail-scwx-tdr-lambda-awscloudtrail of us-east-1",
            "calls waf-scwx-tdr-lambda-awswaf of us-east-1",
            "calls <function> of <region>",
        ),
        ("Modify Lambda", "Modify Lambda", "Modify Lambda"),
    ],
    ids=["its name, its account", "its function, whatever the integration", "nothing of its own"],
)
def test_a_shape_is_what_is_left_without_a_steps_own_names(trail: str, waf: str, general: str) -> None:
    told = lines(TargetPlan(A, (update(A, "trail", trail), update(A, "waf", waf)), ()))

    assert f"         predicted: {general}" in told


def test_what_is_not_touched_is_told_once_for_each_reason() -> None:
    stuck = [
        Blocked(target, "trail", frozenset({"forwarder-stack"}), ("trail is stuck", "and old"), ("mend trail",))
        for target in (A, B)
    ]
    whole = Blocked(B, "", frozenset({"artifact"}), ("no release",), ())

    assert lines(TargetPlan(A, (), (stuck[0],)), TargetPlan(B, (), (stuck[1], whole))) == [
        "   2 x BLOCKED: trail is stuck; and old",
        "         to do: mend trail",
        f"       in {A}: trail",
        f"       in {B}: trail",
        "   1 x BLOCKED: no release",
        f"       in {B}",
        "0 steps (nothing) on 0 forwarders; 3 blocked",
    ]


def test_a_thousand_forwarders_of_one_shape_are_a_line_for_each_target() -> None:
    targets = [Target(f"{number:012}", "us-east-1") for number in range(20)]
    plans = [TargetPlan(target, tuple(update(target, f"trail-{n}") for n in range(50)), ()) for target in targets]

    told = lines(*plans)

    assert len(told) == 26
    assert told[0] == "1000 x update the stack of <name>"


@dataclass(frozen=True)
class Rich(Update):
    """A step with every kind of parameter."""

    def calls(self) -> tuple[Call, ...]:
        parameters = {
            "StackName": self.subject,
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [
                {"ParameterKey": "TaegisRegion", "ParameterValue": "ctpx"},
                {"ParameterKey": "NotificationBucket", "UsePreviousValue": True},
                {"ParameterKey": "SecretValue", "ParameterValue": Secret("CANARY")},
                {"ParameterKey": "Odd", "ParameterValue": "x", "ResolvedValue": "y"},
            ],
            "TemplateBody": "Resources:\n  One: {}\n",
            "Body": "z" * 201,
            "DisableRollback": False,
        }
        return (Call("cloudformation", "CreateChangeSet", parameters, "describe the update"),)

    def changes(self) -> tuple[str, ...]:
        return ("Lambda.Runtime: go1.x -> provided.al2",)


def test_verbosely_every_step_follows_in_its_order_with_each_call_as_it_will_be_sent() -> None:
    rich = Rich(A, "trail", ("trail",), "Modify Lambda")
    told = lines(TargetPlan(A, (rich, update(A, "waf")), ()), TargetPlan(B, (update(B, "trail"),), ()), each=True)
    digest = sha256(b"Resources:\n  One: {}\n").hexdigest()
    assert told[told.index(f"{A}, in this order:") - 1 : -3] == [
        "",
        f"{A}, in this order:",
        "   1. update the stack of trail",
        "      cloudformation:CreateChangeSet  describe the update",
        "        StackName: trail",
        '        Capabilities: ["CAPABILITY_IAM"]',
        "        Parameters:",
        "          TaegisRegion = ctpx",
        "          NotificationBucket = (as it is)",
        "          SecretValue = ****",
        '          {"ParameterKey": "Odd", "ParameterValue": "x", "ResolvedValue": "y"}',
        f"        TemplateBody: <21 characters, SHA-256 {digest}>",
        f"        Body: <201 characters, SHA-256 {sha256(b'z' * 201).hexdigest()}>",
        "        DisableRollback: false",
        "      Lambda.Runtime: go1.x -> provided.al2",
        "   2. update the stack of waf",
        "      cloudformation:CreateChangeSet  describe the update of waf in us-east-1",
        "        StackName: waf",
        "",
        f"{B}, in this order:",
        "   1. update the stack of trail",
        "      cloudformation:CreateChangeSet  describe the update of trail in eu-west-1",
        "        StackName: trail",
        "",
    ]
    assert told[: told.index("")] == lines(TargetPlan(A, (rich, update(A, "waf")), ()), TWO[1])[: told.index("")]
    assert "CANARY" not in "\n".join(told)


def test_without_it_no_parameter_is_shown() -> None:
    assert not [line for line in lines(*TWO) if "StackName" in line or "in this order" in line]
