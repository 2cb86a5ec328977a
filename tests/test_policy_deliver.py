"""`taegis-forwarders policy deliver`: the least that the role for deliveries needs, and that it is what is called."""

import json
from pathlib import Path

import pytest
import yaml

from fixtures.lint import Linted, lint
from fixtures.template import parse_template
from remediation.policy import OPTIONAL, policy_of
from reports.command import main
from reports.delivery.needs import ACTIONS, DELIVERY_NEEDS
from reports.policy_command import ROLES
from tests.test_policy_declared import operations_in, tree_of

TOPIC = "arn:aws:sns:eu-west-1:111122223333:forwarders"
HOOKS = ("topic", "security_hub")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["policy", "deliver", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_called_is_what_the_role_may_do() -> None:
    """KMS is called by SNS in the caller's name."""
    called = {action for name in HOOKS for action in operations_in(tree_of(f"reports.delivery.{name}"))}
    called |= {f"securityhub:{name}" for name in ("BatchImportFindings", "BatchUpdateFindings", "GetFindings")}
    assert called == {action for action in ACTIONS if not action.startswith("kms:")}


def test_the_plain_policy_publishes_to_the_topic_and_does_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, notes = printed(capsys, f"--topic={TOPIC}")
    assert code == 0
    assert json.loads(out)["Statement"] == [
        {"Sid": "TopicTopics", "Effect": "Allow", "Action": ["sns:Publish"], "Resource": [TOPIC]}
    ]
    assert "NOTE: without security-hub, for --security-hub" in notes


def test_security_hub_is_granted_on_its_own_product_and_hub(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = printed(capsys, "--with=security-hub", "--without=topic", "--partition=aws-cn")
    assert {one["Sid"]: (one["Action"], one["Resource"]) for one in json.loads(out)["Statement"]} == {
        "SecurityHubHub": (
            ["securityhub:BatchUpdateFindings", "securityhub:GetFindings"],
            ["arn:aws-cn:securityhub:*:*:hub/default"],
        ),
        "SecurityHubOwnProduct": (
            ["securityhub:BatchImportFindings"],
            ["arn:aws-cn:securityhub:*:*:product/*/default"],
        ),
    }


def test_nothing_of_it_is_a_role_that_could_change_a_forwarder() -> None:
    assert {action.partition(":")[0] for found in policy_of(DELIVERY_NEEDS, OPTIONAL) for action in found.actions} == {
        "kms", "securityhub", "sns",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["cloudformation", "stackset"])
def test_the_template_lints_and_makes_the_role(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"--topic={TOPIC}", "--with=security-hub,encrypted-topic", f"--format={form}", "--principal=111122223333")
    code, out, _ = printed(capsys, *words)
    assert code == 0
    whole = yaml.safe_load(out)
    inner = str(whole["Resources"]["RoleInEveryAccount"]["Properties"]["TemplateBody"]) if form == "stackset" else out
    verdicts = lint([parse_template(text, name="printed") for text in {out, inner}], cache_dir=tmp_path)
    assert [one.findings for one in verdicts if isinstance(one, Linted)] == [()] * len(verdicts)
    assert whole["Parameters"]["RoleName"]["Default"] == ROLES["deliver"]
    assert yaml.safe_load(inner)["Outputs"]["RoleName"]["Description"] == "For --delivery-role"
    assert TOPIC in out


REFUSED = {
    "--topic=forwarders": "--topic: 'forwarders': not a topic",
    "--topic=arn:aws:sqs:eu-west-1:111122223333:q": "not the ARN of an SNS topic",
    "--without=topic": "nothing is left to grant",
    "--functions=x": "it touches no forwarder",
    "--release=x": "a delivery changes no stack",
    "--with=compare-secret": "nothing optional of that name",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_fit_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = printed(capsys, words)
    assert (code, out) == (4, "")
    assert REFUSED[words] in error


def test_topics_are_for_deliveries_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "audit", f"--topic={TOPIC}"]) == 4
    assert "say policy deliver" in capsys.readouterr().err
