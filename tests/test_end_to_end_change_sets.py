"""`--plan` writes nothing; with `--change-sets` it makes change sets, shows them, and takes every one of them back."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from fixtures.sandbox import SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import SeedClients
from remediation.journal import read_journal
from tests.chaos.faults import Fault, Spec
from tests.suite_runs import ROOT, Ran, Suite, at, independently, secrets_in, writes_of_the_suite

ACCOUNT, REGIONS = "111122223333", ("us-east-1", "eu-west-1")
FOREIGN, SHOWN, EARLY = "umbrella-dns", "flow-core", "alb-edge"
Regions = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]
LAUNCHER = str(ROOT / "tests" / "chaos" / "launcher.py")
Writes = list[tuple[str, str, str]]


@dataclass(frozen=True)
class Story:
    """A plan, the same with change sets, and again with Ctrl-C; somebody else's waits on one of the stacks."""

    before: Regions
    plain: Ran
    plain_writes: Writes
    shown: Ran
    writes: Writes
    stopped: Ran
    after: Regions


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("change-sets")
    with start_sandbox(SandboxSpec((ACCOUNT,), REGIONS), folder / "sandbox") as sandbox:
        suite = Suite(sandbox.environment, folder / "cache")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), "--allow=create-bucket,remove-stale-rules",
                   f"--fix-role={sandbox.fix_role_name}", "--plan"]  # fmt: skip
        leave_change_set(sandbox.endpoint)
        before = independently(sandbox)
        plain = suite.run(folder / "plain", *options)
        plain_writes = writes_of_the_suite(sandbox.endpoint)
        shown = suite.run(folder / "shown", *options, "--change-sets")
        writes = writes_of_the_suite(sandbox.endpoint)[len(plain_writes) :]
        fault = Spec(Fault.SIGINT, "forwarder-stack", "CreateChangeSet", 1, str(folder / "mark.txt"))
        hurried = Suite(sandbox.environment, folder / "cache", (LAUNCHER, json.dumps([fault.text()])))
        stopped = hurried.run(folder / "stopped", *options, "--change-sets")
        assert fault.lines, "nobody pressed Ctrl-C"
        yield Story(before, plain, plain_writes, shown, writes, stopped, independently(sandbox))


def leave_change_set(endpoint: str) -> None:
    """Somebody prepares a change of the stack, and goes to lunch."""
    place = SeedClients(endpoint).at(ACCOUNT, REGIONS[0])
    stack = place.call("cloudformation", "describe_stacks", StackName=FOREIGN)["Stacks"][0]  # type: ignore[index]
    same = [{"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in stack["Parameters"]]
    place.call(
        "cloudformation", "create_change_set", StackName=FOREIGN, ChangeSetName="somebody-elses",
        UsePreviousTemplate=True, ChangeSetType="UPDATE", Parameters=same, Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "team", "Value": "others"}],
    )  # fmt: skip


def steps_of(ran: Ran) -> dict[str, dict]:  # type: ignore[type-arg]
    return {step["name"]: step for target in ran.plan["targets"] for step in target["steps"]}  # type: ignore[attr-defined]


def change_set_of(ran: Ran, name: str) -> list[str]:
    return next(step["change_set"] for key, step in steps_of(ran).items()
                if key.startswith("forwarder-stack ") and key.endswith(f"/{name}"))  # fmt: skip


def test_a_plan_writes_nothing_although_it_could(story: Story) -> None:
    story.plain.assert_no_crash()
    assert story.plain.code == 1
    assert story.plain_writes == []
    assert [step["change_set"] for step in steps_of(story.plain).values() if step["change_set"]] == []


def test_change_sets_are_made_and_deleted_and_nothing_else_is_written(story: Story) -> None:
    story.shown.assert_no_crash()
    counted = Counter(operation for _, _, operation in story.writes)
    assert set(counted) == {"CreateChangeSet", "DeleteChangeSet"}
    assert counted["CreateChangeSet"] == counted["DeleteChangeSet"] >= 2


def test_the_estate_is_as_it_was(story: Story) -> None:
    for place, part in story.before.items():
        assert story.after[place]["stack_details"] == part["stack_details"]
        assert story.after[place]["functions"] == part["functions"]
    assert story.after[ACCOUNT, REGIONS[0]]["stack_details"][FOREIGN]["ChangeSets"], "that of others is still there"


def test_ctrl_c_leaves_no_change_set_and_says_what_to_do(story: Story) -> None:
    story.stopped.assert_no_crash()
    assert story.stopped.code == 2
    counted = Counter(operation for _, _, operation in story.stopped.writes())
    assert counted["CreateChangeSet"] == counted["DeleteChangeSet"] == 1
    assert "change sets that were made are deleted" in story.stopped.last_line


def test_the_plan_says_what_cloudformation_says(story: Story) -> None:
    told = change_set_of(story.shown, SHOWN)
    assert [line for line in told if line.startswith("change set: Modify") and "AWS::Lambda::Function" in line]
    assert told[-1] == "change set: made for this plan, and deleted again"
    assert "change set: within the prediction, the gate would let it pass" in told
    assert "change set: made for this plan, and deleted again" in story.shown.said


def test_where_the_shared_stack_is_missing_the_prediction_stands(story: Story) -> None:
    (told,) = change_set_of(story.shown, EARLY)
    assert told == "change set: none yet, since the shared stack is still to be made; the prediction stands"


def test_a_change_set_of_others_is_respected_and_named(story: Story) -> None:
    blocked = [one for target in story.shown.plan["targets"] for one in target["blocked"]]  # type: ignore[attr-defined]
    (reasons,) = [one["reasons"] for one in blocked if one["subject"] == FOREIGN]
    assert "somebody-elses" in " ".join(reasons)
    intents = [entry for entry in story.shown.journal if entry["kind"] == "intent"]
    assert intents
    assert [entry for entry in intents if FOREIGN in json.dumps(entry["call"])] == []


def test_what_is_approved_does_not_depend_on_having_looked(story: Story) -> None:
    prints = [{name: step["fingerprint"] for name, step in steps_of(ran).items()} for ran in (story.plain, story.shown)]
    assert prints[0] == prints[1]


def test_every_write_is_journalled_and_no_secret_is_left(story: Story) -> None:
    assert read_journal(story.shown.run_folder / "journal.jsonl")
    assert Counter(story.shown.writes()) == Counter(story.writes)
    assert not (story.plain.run_folder / "journal.jsonl").exists()
    assert secrets_in(story.shown.folder) == []
    assert "CANARY" not in json.dumps(story.shown.plan)
