"""What CloudFormation needs for a stack: told from the predicted changes, on the very resources, and in the policy."""

import fnmatch
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fixtures.estate import Metrics
from remediation.permission_needs import Right, Where, lock_rights, rights_of, seen_at
from remediation.permission_stack import CLOUDFORMATION, by_cloudformation
from remediation.permission_text import statements_for
from remediation.plan import TargetPlan
from remediation.policy import BY_CLOUDFORMATION, OPTIONAL, fix_policy
from remediation.policy_document import Place
from remediation.step import Step
from tests.estates import ACCOUNT, HERE, a_flow, a_forwarder, a_seen, an_estate
from tests.planning import a_release_with, padded, target_plan
from tests.test_planner import CONSENTS, EVERYTHING, an_old_estate

ESTATE = an_old_estate()
PLAN = target_plan(ESTATE, EVERYTHING, allow=CONSENTS, test_event=True)
WHERE = seen_at(ESTATE.targets[0], "aws", "amazonaws.com")
STEPS = {f"{type(step).__name__} {step.subject}": step for step in PLAN.steps}
ONE = STEPS["UpdateForwarderStack one"]
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:one-scwx-tdr-lambda-awscloudtrail"


def actions(rights: Iterable[Right]) -> set[str]:
    return {right.action for right in rights}


def on(rights: Iterable[Right], action: str) -> set[str]:
    return {right.resource for right in rights if right.action == action}


def test_an_update_surely_needs_what_its_predicted_changes_are_made_with() -> None:
    sure = by_cloudformation(ONE, WHERE).sure
    assert {"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "s3:GetObject"} <= actions(sure)
    assert on(sure, "lambda:UpdateFunctionCode") == {FUNCTION}
    (package,) = on(sure, "s3:GetObject")
    assert package.startswith(f"arn:aws:s3:::taegis-forwarders-{ACCOUNT}-us-east-1-")
    assert package.endswith("/taegis-lambda-amd64.zip")
    assert not {"lambda:CreateFunction", "lambda:DeleteFunction", "iam:CreateRole"} & actions(sure)


def test_what_only_a_schema_names_is_possible_and_not_sure() -> None:
    made = by_cloudformation(ONE, WHERE)
    assert {"lambda:PutFunctionRecursionConfig", "lambda:CreateFunction"} <= actions(made.possible)
    assert made.sure & made.possible == frozenset()
    assert made.unknown == ()


def test_a_new_stack_surely_needs_to_make_everything_in_it() -> None:
    (step,) = (one for one in PLAN.steps if type(one).__name__ == "CreateSharedStack")
    sure = by_cloudformation(step, WHERE).sure
    assert "secretsmanager:CreateSecret" in actions(sure)
    assert all(resource.startswith(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:")
               for resource in on(sure, "secretsmanager:CreateSecret"))  # fmt: skip
    assert "CANARY" not in repr(sure)


def test_every_right_is_cloudformations_and_concrete() -> None:
    for step in PLAN.steps:
        made = by_cloudformation(step, WHERE)
        for right in made.sure | made.possible:
            assert (right.via, right.by, right.region) == (CLOUDFORMATION, "", HERE.region)
            assert right.resource.startswith("arn:aws:") or right.resource == "*"
            assert "None" not in right.resource


def test_a_stack_with_a_role_needs_that_roles_rights_and_the_callers_only_for_a_template_by_url(
    tmp_path: Path,
) -> None:
    """CloudFormation fetches a template in the name of whoever calls it."""
    own = f"arn:aws:iam::{ACCOUNT}:role/Deploys"
    stack = replace(WHERE.stacks["one"], role_arn=own)
    where = replace(WHERE, stacks={**WHERE.stacks, "one": stack})
    sure = by_cloudformation(ONE, where).sure
    assert {(right.by, right.via) for right in sure} == {(own, "")}
    release = a_release_with(tmp_path, lambda_template=padded(release_template()))
    update = ONE.update  # type: ignore[attr-defined]
    source = replace(update.template, body=release.lambda_template.body,
                     url="https://s3.us-east-1.amazonaws.com/packages/templates/abc.yaml")  # fmt: skip
    by_url = replace(ONE, update=replace(update, template=source))  # type: ignore[call-arg]
    fixers = {right for right in by_cloudformation(by_url, where).sure if not right.by}
    assert fixers == {
        Right(HERE.region, "s3:GetObject", "arn:aws:s3:::packages/templates/abc.yaml", via=CLOUDFORMATION)
    }


def release_template() -> str:
    return str(ONE.update.template.body)  # type: ignore[attr-defined]


def test_a_type_of_which_nothing_is_known_is_said() -> None:
    update = ONE.update  # type: ignore[attr-defined]
    queue = replace(update.prediction[0], resource_type="AWS::SQS::Queue")
    step = replace(ONE, update=replace(update, prediction=(queue,)))  # type: ignore[call-arg]
    made = by_cloudformation(step, WHERE)
    assert (made.sure, made.unknown) == (frozenset(), ("AWS::SQS::Queue",))


def test_a_step_that_changes_no_stack_needs_nothing_of_it() -> None:
    assert by_cloudformation(STEPS["MergeNotification two-logs"], WHERE).sure == frozenset()


def test_a_proof_needs_the_log_of_a_forwarder_that_had_traffic_and_not_of_a_quiet_one() -> None:
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/one-scwx-tdr-lambda-awscloudtrail:*"
    assert on(rights_of(ONE, WHERE), "logs:FilterLogEvents") == {group}
    quiet = replace(WHERE.forwarders["one"], flow=a_flow(requests=0), metrics=Metrics(None, None, None, None))
    where = replace(WHERE, forwarders={"one": quiet})
    assert on(rights_of(ONE, where), "logs:FilterLogEvents") == set()


def every_right(plan: TargetPlan, where: Where) -> set[Right]:
    def of(step: Step) -> set[Right]:
        made = by_cloudformation(step, where)
        return {*rights_of(step, where), *made.sure, *made.possible}

    return {right for step in plan.steps for right in of(step)} | set(lock_rights(plan.bucket, where))


def test_the_printed_policy_grants_every_right_that_is_asked_for() -> None:
    """Else whoever attached it would be told that something is missing."""
    place = Place("aws", ACCOUNT)
    policy = fix_policy(OPTIONAL)
    missing = {
        right
        for right in every_right(PLAN, WHERE)
        if not any(
            right.action in one.actions
            and any(fnmatch.fnmatchcase(right.resource, arn) for arn in place.arns(one.scope.patterns))
            and (one.group != BY_CLOUDFORMATION or right.via)
            for one in policy
        )
    }
    assert missing == set()


def test_the_line_to_add_is_the_statement_of_the_policy_narrowed_to_what_is_missing() -> None:
    put = Right("us-east-1", "s3:PutBucketNotification", "arn:aws:s3:::two-logs")
    code = Right("us-east-1", "lambda:UpdateFunctionCode", FUNCTION, via=CLOUDFORMATION)
    assert statements_for([put]) == (
        '{"Effect":"Allow","Action":["s3:PutBucketNotification"],"Resource":["arn:aws:s3:::*"]}',
    )
    (line,) = statements_for([code])
    assert line == (
        '{"Effect":"Allow","Action":["lambda:UpdateFunctionCode"],'
        '"Resource":["arn:aws:lambda:*:*:function:*-scwx-tdr-lambda-*"],'
        '"Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"cloudformation.amazonaws.com"}}}'
    )
    by_role = replace(code, via="", by="arn:aws:iam::1:role/Deploys")
    assert "CalledVia" not in statements_for([by_role])[0]
    own = Right("us-east-1", "s3:PutObject", "arn:aws:s3:::a-bucket-of-mine/a.yaml")
    assert statements_for([own]) == (
        '{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::a-bucket-of-mine/a.yaml"]}',
    )


def test_what_was_seen_is_found_by_name() -> None:
    where = seen_at(an_estate(targets=[a_seen(a_forwarder("one"))]).targets[0], "aws", "amazonaws.com")
    assert where.stack("one").endswith(":stack/one/0a1b2c3d")
    assert {one.logical_id for one in where.resources["one"]} >= {"TaegisLambdaFunction"}
