"""The plan as a whole: from findings that name a fix, bounded, ordered, and the very objects that are executed."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from checks.outcome import Status
from fixtures.desired import SINGLE, Desires
from fixtures.estate import Estate, Rule, Target
from fixtures.fact import Absent
from fixtures.sandbox.synthetic_release import CANARIES
from fixtures.settings import Settings
from remediation.planner import make_plan
from remediation.steps.event import SendTestEvent
from tests.estates import (
    CREATED,
    HERE,
    NOW,
    OTHER_ACCOUNT,
    a_bucket,
    a_forwarder,
    a_legacy_forwarder,
    a_rule,
    a_seen,
    a_tenant,
    an_arn,
    an_artifact_bucket,
    an_estate,
    denied,
    some_desires,
)
from tests.planning import RUN, an_intent, findings, plan_of, target_plan, told

NAME = "cloudtrail-prod"
GONE = Rule("function", an_arn("lambda", "function:decommissioned"), (CREATED,), "archive/")
EVERYTHING = {
    "artifact": [""], "shared-stack": [""], "forwarder-stack": ["one", "two"], "trigger": ["two"],
    "stale-rules": ["two-logs"],
}  # fmt: skip
MISSING = Absent("bucket")
CONSENTS = frozenset({"create-bucket", "remove-stale-rules"})


def an_old_estate() -> Estate:
    """Nothing is as it should be: no package, no shared stack, two legacy forwarders, one without its rule."""
    seen = a_seen(
        a_legacy_forwarder("one", code_source=Absent("object")),
        a_legacy_forwarder("two", policy=()),
        shared=(),
        artifact=an_artifact_bucket(region=MISSING, package=MISSING, public=MISSING),
    )
    return an_estate(targets=[seen], buckets=[a_bucket("one-logs", a_rule("one")), a_bucket("two-logs", GONE)])


def test_steps_stand_in_the_order_in_which_they_depend_on_each_other() -> None:
    plan = target_plan(an_old_estate(), EVERYTHING, allow=CONSENTS)
    assert told(plan) == [
        f"do PutArtifacts {plan.bucket} ()",
        "do CreateSharedStack taegis-shared-resources ()",
        "do SecureOldPackage one (one)",
        "do UpdateForwarderStack one (one)",
        "do UpdateForwarderStack two (two)",
        "do MergeNotification two-logs (two)",
    ]


def test_every_step_of_a_plan_has_a_name_of_its_own() -> None:
    plan = plan_of(an_old_estate(), EVERYTHING, allow=CONSENTS, test_event=True)
    names = [step.name for step in plan.steps]
    assert len(names) == len(set(names)) == 8


def test_the_plan_for_machines_is_json_with_every_call_and_no_secret() -> None:
    plan = plan_of(an_old_estate(), EVERYTHING, allow=CONSENTS)
    content = json.loads(plan.json())
    (target,) = content["targets"]
    assert (content["run"], target["account"], target["region"]) == (RUN, HERE.account, HERE.region)
    shown = [call["operation"] for step in target["steps"] for call in step["calls"]]
    assert shown == [call.operation for step in plan.steps for call in step.calls()]
    assert set(content["actions"]) >= {call.action for step in plan.steps for call in step.calls()}
    assert not [canary for canary in CANARIES if canary in plan.json()]
    assert not [canary for canary in CANARIES if canary in "\n".join(plan.lines(calls=True))]


def test_what_is_not_known_before_an_earlier_step_stands_in_the_plan() -> None:
    estate = an_estate(a_legacy_forwarder(NAME), shared=())
    plan = plan_of(estate, {"forwarder-stack": [NAME]})
    steps = {step["fix"]: step for target in json.loads(plan.json())["targets"] for step in target["steps"]}
    assert len(steps["forwarder-stack"]["unknown"]) == 2
    assert steps["shared-stack"]["unknown"] == []
    assert "not known yet: TaegisSharedSecretArn, which it imports" in "\n".join(plan.lines(calls=True))


def test_a_step_has_the_same_fingerprint_in_every_run_until_its_facts_move() -> None:
    def prints(estate: Estate, run: str) -> Mapping[str, str]:
        plan = plan_of(estate, EVERYTHING, allow=CONSENTS, run=run)
        return {step.name: step.fingerprint(run) for step in plan.steps}

    first = prints(an_old_estate(), RUN)
    assert prints(an_old_estate(), "20991231T000000Z-0000") == first
    estate = an_old_estate()
    one, two = estate.targets[0].forwarders
    moved = replace(two, stack=replace(two.stack, changed=NOW))
    later = replace(estate, targets=(replace(estate.targets[0], forwarders=(one, moved)),))
    assert {name for name, found in prints(later, RUN).items() if found != first[name]} == {
        f"forwarder-stack {HERE}/two"
    }


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.FAILED])
def test_only_findings_are_planned_for(status: Status) -> None:
    results = [replace(result, status=status) for result in findings({"forwarder-stack": [NAME]})]
    assert not make_plan(results, an_estate(a_legacy_forwarder()), some_desires(), an_intent(), NOW).targets


def test_findings_without_a_fix_or_a_target_are_left_to_people() -> None:
    some = findings({"trigger": [NAME]})
    results = [replace(some[0], fix=""), replace(some[0], account="", region="")]
    assert not make_plan(results, an_estate(a_legacy_forwarder()), some_desires(), an_intent(), NOW).targets


def nobody() -> Desires:
    """A mapping of tenants in which the account is not."""
    return Desires(Settings(), (replace(a_tenant(), name="acme", accounts=frozenset({OTHER_ACCOUNT})),))


UNOWNED = [
    pytest.param(some_desires(release=None), id="no-release"),
    pytest.param(nobody(), id="an-account-of-no-tenant"),
    pytest.param(Desires(Settings(), (replace(a_tenant(), name="x", accounts=frozenset({HERE.account}), release=None),
                                      replace(a_tenant(), name="acme", accounts=frozenset({OTHER_ACCOUNT})))),
                 id="a-tenant-without-a-release-beside-one-with"),
]  # fmt: skip


@pytest.mark.parametrize("desires", UNOWNED)
def test_no_release_is_written_where_its_tenant_does_not_own_the_account(desires: Desires) -> None:
    estate = an_old_estate()
    wanted = {**EVERYTHING, "trigger": ["one", "two"], "forwarder-stack": ["one"]}
    plan = target_plan(estate, wanted, desires, allow=CONSENTS)
    services = {call.service for step in plan.steps for call in step.calls()}
    assert services <= {"lambda", "s3"}
    assert told(plan)[0] == "do MergeNotification two-logs (two)"
    assert [(b.subject, sorted(b.fixes)) for b in plan.blocked] == [
        ("", ["artifact"]), ("", ["shared-stack"]), ("one", ["forwarder-stack", "trigger"]),
    ]  # fmt: skip
    assert all("there is no release for this account" in b.reasons[0] for b in plan.blocked)
    assert not [canary for canary in CANARIES if canary in repr(plan)]


def test_a_tenants_release_goes_into_its_own_accounts() -> None:
    tenants = (replace(a_tenant(), name="acme", accounts=frozenset({HERE.account})),)
    plan = target_plan(an_estate(a_legacy_forwarder()), {"forwarder-stack": [NAME]}, Desires(Settings(), tenants))
    assert len(plan.steps) == 1
    assert a_tenant().name == SINGLE


@pytest.mark.parametrize(("limit", "refused"), [(1, True), (2, False), (100, False)])
def test_a_limit_refuses_as_a_whole_and_says_both_numbers(limit: int, refused: bool) -> None:
    plan = plan_of(an_old_estate(), EVERYTHING, allow=CONSENTS, limit=limit)
    assert bool(plan.steps) is not refused
    if refused:
        assert {(b.subject, *sorted(b.fixes)) for b in plan.blocked} == {
            ("", "artifact", "shared-stack"),
            ("one", "forwarder-stack"),
            ("two", "forwarder-stack", "trigger"),
            ("two-logs", "duplicates", "stale-rules"),
        }
        assert {b.reasons for b in plan.blocked} == {("the plan would touch 2 forwarders, and --fix-limit is 1",)}


def test_the_lock_stands_in_the_bucket_that_is_there_or_is_made() -> None:
    name = target_plan(an_estate(a_legacy_forwarder()), {"forwarder-stack": [NAME]}).bucket
    assert name.startswith("taegis-forwarders-")
    assert target_plan(an_old_estate(), EVERYTHING, allow=CONSENTS).bucket == name


def test_a_missing_bucket_that_is_not_made_keeps_no_trigger_from_being_mended() -> None:
    plan = target_plan(an_old_estate(), {"artifact": [""], "trigger": ["two"]}, allow=frozenset({"remove-stale-rules"}))
    assert told(plan)[0] == "do MergeNotification two-logs (two)"
    assert not plan.bucket
    unseen = an_estate(a_forwarder(policy=()), artifact=denied("s3:ListBucket"))
    assert target_plan(unseen, {"trigger": [NAME]}).bucket  # somebody's, perhaps: the lock will tell


def test_a_limit_counts_forwarders_over_all_targets() -> None:
    there = Target(OTHER_ACCOUNT, "eu-west-1")
    estate = an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two", there))
    results = [*findings({"forwarder-stack": ["one"]}), *findings({"forwarder-stack": ["two"]}, there)]
    assert not make_plan(results, estate, some_desires(), an_intent(limit=1), NOW).steps
    plan = make_plan(results, estate, some_desires(), an_intent(limit=2), NOW)
    assert plan.forwarders == ((HERE, "one"), (there, "two"))
    assert [target.target for target in plan.targets] == [HERE, there]


def test_a_test_event_is_sent_only_on_request_and_only_to_what_is_touched() -> None:
    estate = an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two", bucket_name=None))
    wanted = {"forwarder-stack": ["one"]}
    assert not [s for s in plan_of(estate, wanted).steps if isinstance(s, SendTestEvent)]
    (event,) = [s for s in plan_of(estate, wanted, test_event=True).steps if isinstance(s, SendTestEvent)]
    assert (event.subject, event.bucket, event.payload) == ("one", "one-logs", None)
    assert event.filters == (("", ""),)
    assert "XDR will receive the object that the event names a second time" in event.notes()
    own = plan_of(estate, {"forwarder-stack": ["one", "two"]}, test_event=True, payload='{"Records": []}')
    sent = [step for step in own.steps if isinstance(step, SendTestEvent)]
    assert [(step.subject, step.payload) for step in sent] == [("one", '{"Records": []}'), ("two", '{"Records": []}')]


def test_a_plan_for_people_names_steps_calls_and_what_stands_against() -> None:
    estate = an_estate(a_legacy_forwarder("one"), a_forwarder("two", template=denied("cloudformation:GetTemplate")))
    plan = plan_of(estate, {"forwarder-stack": ["one", "two"]})
    short, long = ("\n".join(plan.lines(calls=calls)) for calls in (False, True))
    assert "update the stack of one to the release's template and package" in short
    assert "BLOCKED" in short
    assert "its template could not be read" in short
    assert "to do: grant the permission" in short
    assert short.endswith("1 steps (1 forwarder-stack) on 1 forwarders; 1 blocked")
    assert "cloudformation:ExecuteChangeSet" in long
    assert "predicted: Modify TaegisLambdaFunction" in long


def test_a_plan_can_be_cut_down_without_losing_what_stands_against_it() -> None:
    plan = plan_of(an_old_estate(), EVERYTHING, allow=frozenset({"remove-stale-rules"}))
    assert not plan.without({step.name for step in plan.steps}).steps
    assert plan.without(()).steps == plan.steps
    assert plan.only(lambda _: False).blocked == plan.blocked
