"""With IAM enforced: a fix that is killed, resumed and undone by roles with the generated policies and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from fixtures.sandbox import SandboxSpec, start_sandbox
from fixtures.sandbox.seed_client import Place as SeedPlace
from fixtures.sandbox.seed_client import SeedClients
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN
from remediation.policy import ON_REQUEST, OPTIONAL, audit_policy, fix_policy
from remediation.policy_document import Place, document
from tests.sandbox_engine import requests_of
from tests.suite_runs import SUITE_AGENT, Ran, Suite, at, independently, log_sources
from tests.test_policy_fix_sandbox import SIMULATE
from tests.test_roll_back_end_to_end import documents, functions, kill_after_first_stack, permissions, runs_in, stacks

ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-west-1")
REGION = REGIONS[1]  # has neither package nor shared stack
FORWARDERS = "alb-edge,alb-silent"
EVERYDAY = frozenset(OPTIONAL) - ON_REQUEST
Seen = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]


@dataclass
class Story:
    """What happened to one sandbox, in order; `denied` are the calls that IAM refused."""

    before: Seen
    resumed: Ran
    fixed: Seen
    refused: Ran
    unchanged: Seen
    undone: Ran
    after: Seen
    denied: list[tuple[str, str]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("undo")
    user = folder / "user"
    user.mkdir()
    (user / "forwarder-runs").mkdir()
    with start_sandbox(SandboxSpec((ACCOUNT,), REGIONS, enforce_iam=True), folder / "sandbox") as sandbox:
        root = SeedClients(sandbox.endpoint).at(ACCOUNT, REGION)
        allow(root, sandbox.role_name, document(audit_policy(EVERYDAY), Place("aws", ACCOUNT)))
        fixer = sandbox.fix_role_name
        allow(root, fixer, document(fix_policy(EVERYDAY), Place("aws", ACCOUNT)))
        allow(root, fixer, SIMULATE, "simulate")
        suite = Suite(sandbox.environment, folder / "cache")
        values = folder / "values.toml"
        values.write_text(f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{CANARY_LEGACY_TOKEN}" }}\n')
        before = independently(sandbox)
        with log_sources(sandbox.endpoint, [ACCOUNT], first=1000):
            killed = kill_after_first_stack(
                suite, user, *at(sandbox, settings=folder / "forwarders.toml"), f"--fix-role={fixer}",
                f"--forwarders={FORWARDERS}", "--fix", "--yes", "--rings=100%", "--allow=create-bucket",
            )  # fmt: skip
            resumed = suite.run(user, f"--resume={killed}")
        fixed = independently(sandbox)
        allow(root, fixer, document(fix_policy(EVERYDAY - {"rollback"}), Place("aws", ACCOUNT)))
        refused = suite.run(user, f"--rollback={killed}", f"--rollback-parameters={values}")
        unchanged = independently(sandbox)
        allow(root, fixer, document(fix_policy(EVERYDAY), Place("aws", ACCOUNT)))
        undone = suite.run(user, f"--rollback={killed}", f"--rollback-parameters={values}")
        after = independently(sandbox)
        assert len(runs_in(user)) == 3
        denied = [(str(one["service"]), str(one["operation"])) for one in requests_of(sandbox.endpoint)
                  if one["status"] == 403 and str(one["agent"]).startswith(SUITE_AGENT)]  # fmt: skip
        yield Story(before, resumed, fixed, refused, unchanged, undone, after, denied)


def allow(root: SeedPlace, role: str, policy: Mapping[str, object], name: str = "sandbox") -> None:
    root.call("iam", "put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def said(ran: Ran) -> str:
    return " ".join(ran.said.split())


def test_a_killed_fix_is_resumed_with_the_generated_policies(story: Story) -> None:
    story.resumed.assert_no_crash()
    assert story.resumed.last_line.startswith("1 finding remains"), story.resumed.said  # an orphan, left to a person
    runtimes = {name: found["Runtime"] for name, found in functions(story.fixed).items()}
    assert runtimes[f"{REGION}/alb-edge-scwx-tdr-lambda-awsalb"] == "provided.al2"
    assert "could not be simulated" not in story.resumed.said


def test_what_may_not_be_cleared_away_is_left_and_says_what_to_add_and_stacks_go_back_all_the_same(
    story: Story,
) -> None:
    story.refused.assert_no_crash()
    assert story.refused.code != 0
    assert '"Action":["s3:DeleteObject"]' in said(story.refused), story.refused.said
    edge = (REGION, "alb-edge")
    assert stacks(story.unchanged)[edge] == stacks(story.before)[edge] != stacks(story.fixed)[edge]
    objects = [place["buckets"] for place in (story.unchanged[ACCOUNT, REGION], story.fixed[ACCOUNT, REGION])]
    assert objects[0] == objects[1]  # no upload was taken back


def test_a_rollback_with_the_generated_policies_restores_everything(story: Story) -> None:
    story.undone.assert_no_crash()
    assert stacks(story.after).keys() - stacks(story.before).keys() == {(REGION, "taegis-shared-resources")}
    assert {name: found for name, found in stacks(story.after).items() if name in stacks(story.before)} == stacks(
        story.before
    )
    assert functions(story.after) == functions(story.before)
    assert permissions(story.after) == permissions(story.before)
    assert set(documents(story.after)) == set(documents(story.before))
    assert "could not be simulated" not in story.undone.said


def test_iam_refused_nothing_that_was_called(story: Story) -> None:
    """What would be refused was known beforehand."""
    assert [one for one in story.denied if one != ("s3", "DeleteObject")] == []
