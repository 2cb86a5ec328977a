"""An approved plan is what is applied: nothing that moved behind its back, nothing beside it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from tests.suite_runs import Ran, Suite, at, independently, log_sources, writes_of_the_suite

ACCOUNT, REGION = "111122223333", "eu-west-1"
MOVED, PLANNED, BESIDE = "alb-edge", "waf-public", "share-alb"
ALLOWED = ("--allow=create-bucket,remove-stale-rules",)
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f0f0f0f-1111-2222-3333-444444444444"


@dataclass(frozen=True)
class Story:
    """A plan for two forwarders, a change to one of them, and the plan applied a day later to three."""

    plan: Path
    before: Mapping[str, dict]  # type: ignore[type-arg]
    ran: Ran
    after: Mapping[str, dict]  # type: ignore[type-arg]
    entering: list[str]
    suite: Suite
    sandbox: Sandbox


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("approved")
    spec = SandboxSpec((ACCOUNT,), ("us-east-1", REGION))
    with (
        start_sandbox(spec, folder / "sandbox") as sandbox,
        log_sources(sandbox.endpoint, (ACCOUNT,), first=1_000, only=(PLANNED, BESIDE), per_second=4),
    ):
        suite = Suite(sandbox.environment, folder / "cache")
        entering = at(sandbox, regions=[REGION], settings=folder / "forwarders.toml")
        planned = suite.run(folder / "plan", *entering, f"--forwarders={MOVED},{PLANNED}", "--plan", *ALLOWED)
        assert planned.code == 1, planned.said
        plan = planned.run_folder / "plan.json"

        change_one_parameter(sandbox.endpoint, f"{MOVED}")
        before = stacks(sandbox)
        ran = suite.run(
            folder / "fix", *entering, f"--fix-role={sandbox.fix_role_name}", "--fix", "--yes", f"--approved={plan}",
            f"--forwarders={MOVED},{PLANNED},{BESIDE}", *ALLOWED,
        )  # fmt: skip
        ran.assert_no_crash()
        yield Story(plan, before, ran, stacks(sandbox), entering, suite, sandbox)


def stacks(sandbox: Sandbox) -> Mapping[str, dict]:  # type: ignore[type-arg]
    details: Mapping[str, dict] = independently(sandbox, regions=[REGION])[ACCOUNT, REGION]["stack_details"]  # type: ignore[type-arg]
    return details


def change_one_parameter(endpoint: str, stack: str) -> None:
    """What a colleague does at the console, knowing nothing of any plan."""
    place = SeedClients(endpoint).at(ACCOUNT, REGION)
    names = ("NotificationBucket", "SNSNotificationarn", "LegacyCodeBucket", "LegacyCodeKey", "LegacyToken")
    parameters = [{"ParameterKey": name, "UsePreviousValue": True} for name in names]
    parameters.append({"ParameterKey": "NotificationBucketCustomerManagedKMSarn", "ParameterValue": KEY})
    place.call("cloudformation", "update_stack", StackName=stack, UsePreviousTemplate=True,
               Parameters=parameters, Capabilities=["CAPABILITY_IAM"])  # fmt: skip
    place.await_stack(stack, "UPDATE_COMPLETE")


def test_a_forwarder_whose_facts_moved_is_refused_and_said_to_have_moved(story: Story) -> None:
    row = story.ran.of("BLOCKED")["runtime-custom", f"{ACCOUNT}/{REGION}/{MOVED}"]
    assert "has changed since the plan was approved" in row["reason"]
    assert "--plan" in row["remedy"]
    assert story.after[MOVED] == story.before[MOVED]


def test_what_is_not_in_the_plan_is_refused(story: Story) -> None:
    row = story.ran.of("BLOCKED")["runtime-custom", f"{ACCOUNT}/{REGION}/{BESIDE}"]
    assert "not in the approved plan" in row["reason"]
    assert story.after[BESIDE] == story.before[BESIDE]


def test_what_was_approved_and_did_not_move_is_applied_and_proved(story: Story) -> None:
    assert story.ran.code == 1, story.ran.said
    assert ("runtime-custom", f"{ACCOUNT}/{REGION}/{PLANNED}") in story.ran.of("FIXED")
    changed = {name for name, now in story.after.items() if now != story.before.get(name)}
    assert changed == {PLANNED, "taegis-shared-resources"}


def test_every_write_is_a_call_that_the_plan_shows(story: Story) -> None:
    shown = json.loads(story.plan.read_text(encoding="utf-8"))
    calls = {(call["operation"], step["name"]) for target in shown["targets"] for step in target["steps"]
             for call in step["calls"]}  # fmt: skip
    intents = [entry for entry in story.ran.journal if entry["kind"] == "intent"]
    written = {(entry["call"]["operation"], entry["step"]) for entry in intents  # type: ignore[index]
               if not str(entry["step"]).startswith("lock ")}  # fmt: skip
    assert written <= calls
    assert len(written) > 3


@pytest.mark.parametrize(
    ("was", "then", "told"),
    [
        ("{", "", "is not a plan"),
        ('"taegis-forwarders plan"', '"another tool\'s plan"', "is not a plan"),
        ('"version": ', '"version": 9', "of version 9"),
    ],
)
def test_a_file_that_is_no_plan_of_ours_is_refused_in_one_line_before_any_call(
    story: Story, tmp_path: Path, was: str, then: str, told: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(story.plan.read_text(encoding="utf-8").replace(was, then), encoding="utf-8")
    before = len(writes_of_the_suite(story.sandbox.endpoint))
    ran = story.suite.run(tmp_path / "run", *story.entering, "--fix", "--yes", f"--approved={path}")
    assert ran.code == 4
    assert [told in line for line in ran.errors] == [True], ran.said
    assert len(writes_of_the_suite(story.sandbox.endpoint)) == before


def test_a_plan_that_was_touched_up_applies_nothing_of_what_was_touched(story: Story, tmp_path: Path) -> None:
    """A fingerprint that somebody wrote in is not that of the facts."""
    content = json.loads(story.plan.read_text(encoding="utf-8"))
    for target in content["targets"]:
        for step in target["steps"]:
            step["fingerprint"] = "0" * len(step["fingerprint"])
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    before = len(writes_of_the_suite(story.sandbox.endpoint))
    ran = story.suite.run(
        tmp_path / "run", *story.entering, f"--fix-role={story.sandbox.fix_role_name}", "--fix", "--yes",
        f"--approved={path}", f"--forwarders={MOVED}", *ALLOWED,
    )  # fmt: skip
    assert ran.code == 1
    assert ran.of("FIXED") == {}
    assert len(writes_of_the_suite(story.sandbox.endpoint)) == before
