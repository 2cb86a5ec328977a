"""An approved plan, held against a fresh one: what goes on, who is left as they are, and that each of them is told."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fixtures.estate import Estate, Rule
from remediation.approval import ApprovedPlan, held_to, left_out, read_approved
from remediation.plan import Plan
from remediation.steps.trigger import MergeNotification
from tests.estates import CREATED, HERE, NOW, a_bucket, a_forwarder, a_legacy_forwarder, a_rule, a_seen, an_arn
from tests.estates import an_estate as made
from tests.planning import plan_of

GONE = Rule("function", an_arn("lambda", "function:decommissioned"), (CREATED,), "archive/")
BOTH = {"forwarder-stack": ["one", "two"], "trigger": ["one", "two"], "stale-rules": ["shared"]}
CONSENTS = frozenset({"remove-stale-rules", "create-bucket"})


def an_estate(*rules: Rule, shared: bool = True) -> Estate:
    """Two forwarders to migrate that share a bucket, in which neither has a rule, and one is stale."""
    filters = {"one": "alb/", "two": "flow/"}
    former = [Rule("function", an_arn("lambda", f"function:{name}-scwx-tdr-lambda-generic"), (CREATED,), prefix)
              for name, prefix in filters.items()]  # fmt: skip
    pair = tuple(a_legacy_forwarder(name, bucket_name="shared", policy=()) for name in filters)
    seen = a_seen(*pair) if shared else replace(a_seen(*pair), shared=())
    return made(*pair, targets=[seen], buckets=[a_bucket("shared", *former, GONE, *rules)])


def a_plan(estate: Estate, wanted: Mapping[str, Iterable[str]] = BOTH) -> Plan:
    return plan_of(estate, wanted, allow=CONSENTS)


def approved(plan: Plan, folder: Path) -> ApprovedPlan:
    path = folder / "plan.json"
    path.write_text(plan.json(), encoding="utf-8")
    return read_approved(path)


def moved(estate: Estate, name: str) -> Estate:
    """The same, with one forwarder's stack updated since."""
    (seen,) = estate.targets
    forwarders = tuple(
        replace(f, stack=replace(f.stack, changed=NOW)) if f.name == name else f for f in seen.forwarders
    )
    return replace(estate, targets=(replace(seen, forwarders=forwarders),))


def held(now: Plan, then: Plan, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The steps that go on with their forwarders, and by refused subject `FIXES: reasons`."""
    kept, refused = held_to(now, approved(then, folder))
    going = [f"{type(step).__name__} {','.join(step.forwarders)}".strip() for step in kept.steps]
    return going, {found.subject: f"{'+'.join(sorted(found.fixes))}: {'; '.join(found.reasons)}" for found in refused}


def test_what_was_approved_goes_on_whole(tmp_path: Path) -> None:
    plan = a_plan(an_estate())
    assert held(a_plan(an_estate()), plan, tmp_path) == (
        ["UpdateForwarderStack one", "UpdateForwarderStack two", "MergeNotification one,two"], {}
    )  # fmt: skip


def test_a_forwarder_that_moved_is_left_alone_and_its_neighbour_in_the_bucket_goes_on(tmp_path: Path) -> None:
    going, refused = held(a_plan(moved(an_estate(), "one")), a_plan(an_estate()), tmp_path)
    assert going == ["UpdateForwarderStack two", "MergeNotification two"]
    assert set(refused) == {"one"}
    assert refused["one"].startswith("forwarder-stack+trigger: update the stack of one")


def test_a_bucket_that_moved_stops_whoever_was_to_be_wired_and_its_own_findings_are_told(tmp_path: Path) -> None:
    queue = Rule("queue", an_arn("sqs", "inventory"), ("s3:ObjectRemoved:*",))
    going, refused = held(a_plan(an_estate(queue)), a_plan(an_estate()), tmp_path)
    assert going == []
    assert set(refused) == {"one", "two", "shared"}
    assert refused["shared"].startswith("duplicates+stale-rules: bucket shared: ")
    assert "has changed since the plan was approved" in refused["shared"]


def test_a_bucket_that_nobody_approved_is_not_written_and_its_findings_are_told(tmp_path: Path) -> None:
    estate = made(a_forwarder("one"), buckets=[a_bucket("one-logs", a_rule("one"), GONE)])
    plan = plan_of(estate, {"stale-rules": ["one-logs"]}, allow=CONSENTS)
    assert isinstance(plan.steps[0], MergeNotification)
    going, refused = held(plan, plan.without({plan.steps[0].name}), tmp_path)
    assert going == []
    assert set(refused) == {"one-logs"}
    assert "it is not in the approved plan" in refused["one-logs"]


def test_everybody_is_told_who_waits_for_a_shared_step_that_was_refused(tmp_path: Path) -> None:
    without_shared = an_estate(shared=False)
    going, refused = held(a_plan(without_shared), a_plan(an_estate()), tmp_path)
    assert going == []
    assert set(refused) == {"", "one", "two", "shared"}
    assert all("create shared stack" in reasons for reasons in refused.values())
    assert str(HERE) not in refused


def test_what_was_approved_and_is_not_planned_any_more_is_said(tmp_path: Path) -> None:
    then = approved(plan_of(made(a_forwarder("one")), {}, rotate=True), tmp_path)
    now = plan_of(made(a_forwarder("one")), {})
    assert "steps are not planned now" in left_out(now, then)
    assert f"shared-stack {HERE}/taegis-shared-resources" in left_out(now, then)
    assert left_out(a_plan(an_estate()), approved(a_plan(an_estate()), tmp_path)) == ""
