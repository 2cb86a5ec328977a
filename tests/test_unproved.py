"""What keeps the next ring from being begun, as far as the checks say it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from remediation.call import Call
from remediation.engine import Outcome, State, StepOutcome
from remediation.step import Step
from remediation.unproved import Recheck, why_unproved
from remediation.writer import Writer
from tests.estates import HERE, a_forwarder, an_estate


@dataclass(frozen=True)
class Made(Step):
    """Makes something that the target's forwarders share."""

    ACTIONS: ClassVar[tuple[str, ...]] = ()
    FIX: ClassVar[str] = "shared-stack"
    shared: ClassVar[bool] = True
    title = "make it"

    def calls(self) -> tuple[Call, ...]:
        return ()

    def run(self, writer: Writer) -> str:
        raise NotImplementedError


SECRET = Result("shared-stack-secret", "The secret is there.", Severity.CRITICAL, "2", Status.FAILED, str(HERE),
                HERE.account, HERE.region, found="no secret")  # fmt: skip
TEMPLATE = replace(SECRET, check="shared-stack-template", severity=Severity.MEDIUM, fix="shared-stack", found="another")
FINDINGS = [
    pytest.param(SECRET, "was made, and fails shared-stack-secret: no secret", id="a-critical-one"),
    pytest.param(TEMPLATE, "was made, and fails shared-stack-template: another", id="one-with-a-fix"),
    pytest.param(replace(TEMPLATE, fix="", severity=Severity.LOW), "", id="what-a-template-lacks-and-no-fix-mends"),
    pytest.param(replace(SECRET, subject="444455556666/eu-west-1", account="444455556666", region="eu-west-1"), "",
                 id="elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "told"), FINDINGS)
def test_what_a_ring_made_has_to_be_right(finding: Result, told: str) -> None:
    outcome = Outcome((StepOutcome(Made(HERE, "shared", ()), State.DONE, ""),))
    found = why_unproved(outcome, (), Recheck((), (), (finding,)), an_estate(a_forwarder()))
    assert (told in found) if told else not found
