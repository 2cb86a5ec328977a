"""What a step needs is told from its own calls: the action, on the very resource that it touches."""

import pytest

from fixtures.fact import Absent
from remediation.permission_needs import Right, Where, lock_rights, rights_of
from remediation.step import Step
from tests.estates import HERE, a_forwarder, a_seen, a_stack, an_artifact_bucket, an_estate
from tests.planning import plan_of, target_plan
from tests.test_planner import CONSENTS, EVERYTHING, an_old_estate

WHERE = Where(HERE)
PLAN = target_plan(an_old_estate(), EVERYTHING, allow=CONSENTS, test_event=True)
STEPS = {type(step).__name__ + "-" + step.subject.partition("-")[0]: step for step in PLAN.steps}
FUNCTION = f"arn:aws:lambda:{HERE.region}:{HERE.account}:function:"
STACK = f"arn:aws:cloudformation:{HERE.region}:{HERE.account}:stack/"
CHANGE = {"Create", "Describe", "Delete", "Execute"}


def pairs(step: Step, where: Where = WHERE) -> set[tuple[str, str]]:
    return {(right.action, right.resource) for right in rights_of(step, where)}


@pytest.mark.parametrize("step", PLAN.steps, ids=lambda step: step.name)
def test_every_write_of_a_step_is_asked_for_and_nothing_that_it_does_not_declare(step: Step) -> None:
    asked = {action for action, _ in pairs(step)}
    assert {call.action for call in step.calls()} <= asked <= set(type(step).ACTIONS)
    assert not [resource for _, resource in pairs(step) if resource == "*" or "None" in resource]


def test_an_update_needs_its_change_set_on_the_stack_and_a_look_at_the_function() -> None:
    found = pairs(STEPS["UpdateForwarderStack-one"])
    stack = f"{STACK}one/*"
    assert found == {
        *((f"cloudformation:{name}ChangeSet", stack) for name in CHANGE),
        ("cloudformation:ListChangeSets", stack),
        ("cloudformation:DescribeStacks", stack),
        ("cloudformation:DescribeStackEvents", stack),
        ("lambda:GetFunction", FUNCTION + "one-scwx-tdr-lambda-awscloudtrail"),
    }


def test_a_stack_that_is_there_is_asked_for_by_its_id() -> None:
    where = Where(HERE, stacks={"one": a_stack("one")})
    assert ("cloudformation:ExecuteChangeSet", a_stack("one").id) in pairs(STEPS["UpdateForwarderStack-one"], where)


def test_a_bucket_is_made_only_where_it_is_missing() -> None:
    making = {action for action, _ in pairs(STEPS["PutArtifacts-taegis"])}
    assert {"s3:CreateBucket", "s3:PutBucketPublicAccessBlock", "s3:PutObject"} <= making
    seen = a_seen(a_forwarder(), artifact=an_artifact_bucket(package=Absent("object")))
    (step,) = plan_of(an_estate(targets=[seen]), {"artifact": [""]}).steps
    assert {action for action, _ in pairs(step)} == {"s3:PutObject", "s3:GetObject", "s3:ListBucket"}


def test_a_merge_needs_the_document_of_the_bucket_and_the_policy_of_the_function_that_it_lets_be_called() -> None:
    function = FUNCTION + "two-scwx-tdr-lambda-awscloudtrail"
    assert pairs(STEPS["MergeNotification-two"]) == {
        ("s3:GetBucketNotification", "arn:aws:s3:::two-logs"),
        ("s3:PutBucketNotification", "arn:aws:s3:::two-logs"),
        ("lambda:AddPermission", function),
        ("lambda:GetPolicy", function),
    }


def test_the_lock_needs_its_object_and_nothing_else_in_the_bucket() -> None:
    lock = "arn:aws-cn:s3:::packages/taegis-forwarders.lock"
    assert lock_rights("packages", Where(HERE, "aws-cn")) == {
        *(Right(HERE.region, f"s3:{name}Object", lock) for name in ("Put", "Get", "Delete")),
        Right(HERE.region, "s3:ListBucket", "arn:aws-cn:s3:::packages"),
    }


def test_arns_are_of_the_partition_of_the_target() -> None:
    for step in PLAN.steps:
        assert all(resource.startswith(("arn:aws-us-gov:", "arn:aws:lambda:"))
                   for _, resource in pairs(step, Where(HERE, "aws-us-gov")))  # fmt: skip
