"""What a plan loses where the fixer may not: exactly whoever depends on it; the others go on."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from fixtures.accounts import Account
from fixtures.aws import Aws, Clients
from fixtures.look import LOOK
from fixtures.options import Options
from fixtures.state import OPTIONS
from remediation.access import Access
from remediation.permission_check import Simulated, Simulation
from remediation.permission_gate import Permissions
from remediation.permission_needs import Right
from remediation.permission_verdict import Doubt, Refused, Verdict
from remediation.plan import Plan, TargetPlan
from tests.estates import ACCOUNT
from tests.planning import plan_of, told
from tests.some_options import some_options
from tests.test_planner import CONSENTS, EVERYTHING, an_old_estate

ATTACH = "attach the policy"
NOT_GRANTED = Refused("", ATTACH)
CLIENTS = Clients()
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:two-scwx-tdr-lambda-awscloudtrail"
SHARED = frozenset({"PutArtifacts", "CreateSharedStack"})
ONE = frozenset({"SecureOldPackage one", "UpdateForwarderStack one", "SendTestEvent one"})
TWO = frozenset({"UpdateForwarderStack two", "MergeNotification two-logs", "SendTestEvent two"})


@dataclass
class Iam:
    """Stands for the simulation: refuses what it is told to, and remembers what it was asked."""

    refused: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    verdict: Verdict = NOT_GRANTED
    asked: list[frozenset[Right]] = field(default_factory=list)

    def of(self, rights: frozenset[Right]) -> Simulated:
        self.asked.append(rights)
        if self.problem:
            return Simulated("", {}, self.problem)
        verdicts: dict[Right, Verdict] = {right: self.verdict if self._refuses(right) else None for right in rights}
        return Simulated("role Fixer", verdicts)

    def _refuses(self, right: Right) -> bool:
        return right.action in self.refused and self.refused[right.action] in right.resource


@dataclass
class _Config:
    stash: dict[object, object]


class _Access:
    """Opens nothing."""

    def __init__(self, options: Options, *, looks: bool = True) -> None:
        self.config = _Config({OPTIONS: options, **({LOOK: object()} if looks else {})})
        self.stop = threading.Event()
        self.clients = CLIENTS

    def account(self, name: str) -> Aws:
        return cast("Aws", name)


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    stands = Iam()
    monkeypatch.setattr(Simulation, "of", lambda _, rights: stands.of(rights))
    return stands  # type: ignore[return-value]


def permissions(options: Options | None = None, *, looks: bool = True) -> Permissions:
    return Permissions(cast("Access", _Access(options or some_options(fix=True), looks=looks)))


def a_plan() -> Plan:
    return plan_of(an_old_estate(), EVERYTHING, allow=CONSENTS, test_event=True)


def kept(plan: TargetPlan) -> set[str]:
    return {" ".join(filter(None, (type(step).__name__, "" if step.shared else step.subject))) for step in plan.steps}


def narrowed(iam: Iam, refused: Mapping[str, str]) -> TargetPlan:
    iam.refused = refused
    plan, notes = permissions().held_to(a_plan(), an_old_estate())
    assert notes == ()
    (target,) = plan.targets
    return target


def test_what_is_allowed_is_planned_as_it_was(iam: Iam) -> None:
    plan, notes = permissions().held_to(a_plan(), an_old_estate())
    assert (plan.steps, plan.blocked, notes) == (a_plan().steps, a_plan().blocked, ())
    assert len(iam.asked) == 1
    assert kept(plan.targets[0]) == SHARED | ONE | TWO


@pytest.mark.parametrize(
    ("refused", "lost"),
    [
        ({"s3:CreateBucket": ""}, SHARED | ONE | TWO),
        ({"cloudformation:CreateStack": ""}, SHARED | ONE | TWO),
        ({"s3:DeleteObject": "taegis-forwarders.lock"}, SHARED | ONE | TWO),
        ({"cloudformation:ExecuteChangeSet": "stack/one/"}, ONE),
        ({"cloudformation:ExecuteChangeSet": "stack/"}, ONE | TWO),
        ({"s3:PutObject": "legacy-code"}, ONE),
        ({"s3:PutBucketNotification": "two-logs"}, TWO),
        ({"lambda:AddPermission": FUNCTION}, TWO),
        ({"lambda:InvokeFunction": FUNCTION}, {"SendTestEvent two"}),
        ({"lambda:InvokeFunction": "function:one"}, {"SendTestEvent one"}),
        ({"s3:DeleteBucket": ""}, set()),
    ],
    ids=lambda value: " ".join(f"{a} {b}" for a, b in value.items()) if isinstance(value, dict) else "",
)
def test_one_refused_action_takes_whoever_needs_it_and_nobody_else(
    iam: Iam, refused: Mapping[str, str], lost: frozenset[str]
) -> None:
    assert (SHARED | ONE | TWO) - kept(narrowed(iam, refused)) == lost


def test_who_is_left_out_is_blocked_with_the_actions_and_the_way_on(iam: Iam) -> None:
    target = narrowed(iam, {"lambda:AddPermission": FUNCTION, "lambda:GetPolicy": FUNCTION})
    mine = {refusal.subject: refusal for refusal in target.blocked}
    reason = "role Fixer may not lambda:AddPermission, lambda:GetPolicy: none of its policies allows it"
    assert mine["two"].reasons == (reason,)
    assert mine["two"].to_do == (ATTACH,)
    assert mine["two"].fixes >= {"forwarder-stack", "trigger"}
    assert mine["two-logs"].reasons == (reason,)  # its stale rule stays with the merge that is not made
    assert "one" not in mine


def test_a_resource_is_named_where_others_of_its_kind_are_allowed(iam: Iam) -> None:
    (refusal,) = narrowed(iam, {"cloudformation:ExecuteChangeSet": "stack/one/"}).blocked
    stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/one"
    assert refusal.reasons == (
        f"role Fixer may not cloudformation:ExecuteChangeSet on {stack}: none of its policies allows it",
    )


def test_one_missing_action_is_one_cause_for_all_forwarders(iam: Iam) -> None:
    """Reports group by reason and remedy: no name of a forwarder is in either."""
    target = narrowed(iam, {"cloudformation:ExecuteChangeSet": "stack/"})
    assert {refusal.subject for refusal in target.blocked} >= {"one", "two"}
    assert len({(refusal.reasons, refusal.to_do) for refusal in target.blocked}) == 1


def test_a_target_without_its_bucket_is_blocked_with_everything_in_it(iam: Iam) -> None:
    target = narrowed(iam, {"s3:CreateBucket": "taegis"})
    assert {refusal.subject for refusal in target.blocked} == {"", "one", "two", "two-logs"}
    assert all("may not s3:CreateBucket: none" in refusal.reasons[0] for refusal in target.blocked)
    assert told(target)[0].startswith("refuse")


def test_what_cannot_be_told_of_a_right_is_a_note_and_the_plan_goes_on(iam: Iam) -> None:
    iam.refused = {"s3:PutBucketNotification": ""}
    iam.verdict = Doubt("the bucket's own policy may allow it")
    plan, notes = permissions().held_to(a_plan(), an_old_estate())
    assert plan.steps == a_plan().steps
    (note,) = notes
    assert note == (
        f"{ACCOUNT}: it cannot be told whether role Fixer may s3:PutBucketNotification: "
        "the bucket's own policy may allow it"
    )


@pytest.mark.parametrize(
    ("action", "lost"),
    [
        ("lambda:UpdateFunctionCode", ONE | TWO),
        ("lambda:UpdateFunctionConfiguration", ONE | TWO),
        ("secretsmanager:CreateSecret", SHARED | ONE | TWO),
        ("logs:FilterLogEvents", ONE | TWO),
    ],
)
def test_what_cloudformation_and_the_proof_cannot_do_without_is_asked_for_before_the_first_write(
    iam: Iam, action: str, lost: frozenset[str]
) -> None:
    assert (SHARED | ONE | TWO) - kept(narrowed(iam, {action: ""})) == lost


def test_what_cloudformation_may_need_is_a_note(iam: Iam) -> None:
    iam.refused = {"lambda:PutRuntimeManagementConfig": ""}
    plan, (note,) = permissions().held_to(a_plan(), an_old_estate())
    assert plan.steps == a_plan().steps
    assert note.startswith(
        f"{ACCOUNT}: CloudFormation may be refused: role Fixer may not lambda:PutRuntimeManagementConfig "
        "(CloudFormation would, in its name): none of its policies allows it; if it is: "
    )


def test_a_stack_with_a_role_of_its_own_is_asked_for_in_that_roles_name(iam: Iam) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:role/Deploys"
    estate = an_old_estate()
    (seen,) = estate.targets
    forwarders = tuple(replace(one, stack=replace(one.stack, role_arn=own)) if one.name == "one" else one
                       for one in seen.forwarders)  # fmt: skip
    estate = replace(estate, targets=(replace(seen, forwarders=forwarders),))
    plan = plan_of(estate, EVERYTHING, allow=CONSENTS)
    permissions().held_to(plan, estate)
    by_role = {right.action for rights in iam.asked for right in rights if right.by == own}
    assert {"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"} <= by_role
    mine = {right for rights in iam.asked for right in rights if not right.by}
    assert not [right for right in mine if right.via and ":function:one-" in right.resource]
    assert "iam:PassRole" not in {right.action for right in mine if right.resource == own}


def test_what_could_not_be_told_is_a_note_with_the_needed_actions_and_the_plan_goes_on(iam: Iam) -> None:
    iam.problem = "iam:SimulatePrincipalPolicy denied: no"
    checked = permissions()
    plan, notes = checked.held_to(a_plan(), an_old_estate())
    assert plan.steps == a_plan().steps
    (note,) = notes
    assert note.startswith(f"{ACCOUNT}: permissions could not be simulated ({iam.problem}); the steps need: cloudf")
    assert all(action in note for action in a_plan().actions)
    checked.held_to(a_plan(), an_old_estate())
    assert len(iam.asked) == 1  # nobody asks again where nothing is said


def test_a_later_round_asks_only_what_is_new(iam: Iam) -> None:
    checked = permissions()
    iam.refused = {"lambda:AddPermission": FUNCTION}
    first, _ = checked.held_to(a_plan().only(lambda step: step.shared), an_old_estate())
    second, _ = checked.held_to(a_plan(), an_old_estate())
    third, _ = checked.held_to(a_plan(), an_old_estate())
    assert len(iam.asked) == 2
    assert not iam.asked[0] & iam.asked[1]
    assert len(first.steps) == 2
    assert kept(second.targets[0]) == kept(third.targets[0]) == SHARED | ONE


def test_a_plan_that_is_only_shown_tells_what_fix_would_be_refused(iam: Iam) -> None:
    iam.refused = {"cloudformation:ExecuteChangeSet": "stack/"}
    (note,) = permissions(some_options(plan=True)).foretold(a_plan(), an_old_estate())
    assert note == (
        f"{ACCOUNT}: --fix would be refused: role Fixer may not cloudformation:ExecuteChangeSet: none of its policies "
        f"allows it; {ATTACH}"
    )


@pytest.mark.parametrize(
    ("options", "looks", "why"),
    [
        (some_options(plan=True), False, "a replay asks AWS nothing"),
        (some_options(plan=True, role="Audit"), True, "no --fix-role says who would write"),
        (some_options(plan=True, fleet=(Account(ACCOUNT, role="Audit"),)), True, "no --fix-role says who would write"),
        (some_options(plan=True), True, ""),
        (some_options(plan=True, role="Audit", fix_role="Fix"), True, ""),
        (some_options(plan=True, role="Audit", fleet=(Account(ACCOUNT, fix_role="Fix"),)), True, ""),
        (some_options(fix=True, role="Audit"), True, ""),
    ],
)
def test_a_plan_is_simulated_only_for_whoever_would_write(iam: Iam, options: Options, looks: bool, why: str) -> None:
    notes = permissions(options, looks=looks).foretold(a_plan(), an_old_estate())
    assert bool(iam.asked) is not bool(why)
    assert [why in note for note in notes] == ([True] if why else [])
