"""A fix undone as its user undoes it: first without the values that AWS hides, then with them and killed half-way."""

import base64
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3  # noqa: TID251  to be independent of what is tested
import pytest

from fixtures.sandbox import DEFAULT_REGIONS, Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN, PACKAGE
from remediation.journal import read_journal
from remediation.roll_back_record import writes_of
from tests.suite_runs import Ran, Suite, at, ended, independently, secrets_in, writes_of_the_suite

ACCOUNT = "111122223333"
REGIONS = DEFAULT_REGIONS
SHARED = "taegis-shared-resources"
FORWARDERS = "alb-edge,waf-public,share-*,cwl-archive,alb-silent,umbrella-dns,flow-core,okta-custom"
NOT_PUT_BACK = "decommissioned-indexer"  # a rule to it was dropped with consent; S3 takes no rule to what is gone
PUT = "PutBucketNotificationConfiguration"
Seen = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]
Write = tuple[str, str, str]


@dataclass(frozen=True)
class Story:
    """Everything that happened to one sandbox, in order."""

    folder: Path
    before: Seen
    fix: Ran
    fixed: Seen
    without: Ran
    partly: Seen
    killed: str
    again: Ran
    after: Seen
    twice: Ran
    writes: list[Write]

    @property
    def runs(self) -> tuple[Ran, ...]:
        return self.fix, self.without, self.again, self.twice

    @property
    def journals(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("user/forwarder-runs/*/journal.jsonl")))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("roll-back")
    user = folder / "user"
    spec = SandboxSpec((ACCOUNT,), REGIONS, traffic=8.0)
    with start_sandbox(spec, folder / "sandbox") as sandbox:
        take_permission_away(sandbox)
        suite = Suite(sandbox.environment, folder / "cache")
        options = [
            f"--forwarders={FORWARDERS}",
            *at(sandbox, settings=folder / "forwarders.toml"),
            f"--fix-role={sandbox.fix_role_name}",
        ]
        values = folder / "values.toml"
        values.write_text(f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{CANARY_LEGACY_TOKEN}" }}\n')
        before = independently(sandbox)
        fix = suite.run(user, *options, "--fix", "--yes", "--allow=create-bucket,remove-stale-rules")
        sandbox.stop_traffic()
        fixed = independently(sandbox)
        rollback = f"--rollback={runs_in(user)[0]}"
        without = suite.run(user, rollback)
        partly = independently(sandbox)
        killed = kill_after_first_stack(suite, user, rollback, f"--rollback-parameters={values}")
        again = suite.run(user, rollback, f"--rollback-parameters={values}")
        after = independently(sandbox)
        twice = suite.run(user, rollback, f"--rollback-parameters={values}")
        yield Story(folder, before, fix, fixed, without, partly, killed, again, after, twice,
                    writes_of_the_suite(sandbox.endpoint))  # fmt: skip


def take_permission_away(sandbox: Sandbox) -> None:
    """Nothing lets S3 call alb-silent, so that the fix adds a statement of its own."""
    function = "alb-silent-scwx-tdr-lambda-awsalb"
    client = boto3.client("lambda", endpoint_url=sandbox.endpoint, region_name=REGIONS[0],
                          aws_access_key_id=ACCOUNT, aws_secret_access_key="independent")  # fmt: skip
    for statement in json.loads(client.get_policy(FunctionName=function)["Policy"])["Statement"]:
        client.remove_permission(FunctionName=function, StatementId=statement["Sid"])


def runs_in(user: Path) -> list[str]:
    return sorted(path.name for path in user.joinpath("forwarder-runs").iterdir())


def kill_after_first_stack(suite: Suite, user: Path, *options: str) -> str:
    """Kill -9 a run as soon as its journal says that a stack is being updated; its id."""
    known = set(runs_in(user))
    running = suite.start(user, *options)
    until = time.monotonic() + 60
    while time.monotonic() < until and running.poll() is None:
        for run in set(runs_in(user)) - known:
            journal = user / "forwarder-runs" / run / "journal.jsonl"
            if journal.is_file() and '"ExecuteChangeSet"' in journal.read_text():
                os.killpg(running.pid, signal.SIGKILL)
                ended(running, user)
                return run
    pytest.fail(f"no stack was updated: {ended(running, user).said}")


def stacks(seen: Seen) -> dict[tuple[str, str], tuple[str, Mapping[str, str]]]:
    """Template and parameters of each stack."""
    return {
        (region, name): (facts["Template"], facts["Parameters"])
        for (_, region), place in seen.items()
        for name, facts in place["stack_details"].items()
    }


def functions(seen: Seen) -> dict[str, dict]:  # type: ignore[type-arg]
    """Configuration of each function, the token in its environment included; not when it was changed."""
    return {
        f"{region}/{one['FunctionName']}": {k: v for k, v in one.items() if k not in {"LastModified", "Policy"}}
        for (_, region), place in seen.items()
        for one in place["functions"]
    }


def permissions(seen: Seen) -> dict[str, list[str]]:
    """Statements of each function's policy; CloudFormation makes up the names of its own anew."""
    return {
        f"{region}/{one['FunctionName']}": sorted(
            json.dumps({**statement, "Sid": statement["Sid"] if "taegis" in statement["Sid"] else "?"}, sort_keys=True)
            for statement in one["Policy"]
        )
        for (_, region), place in seen.items()
        for one in place["functions"]
    }


def documents(seen: Seen) -> dict[str, list[str]]:
    """Rules of each bucket, ids included."""
    found = {}
    for place in seen.values():
        for bucket, document in place["documents"].items():
            rules = [json.dumps([part, rule], sort_keys=True) for part, entries in document.items()
                     for rule in (entries if isinstance(entries, list) else [entries])]  # fmt: skip
            if rules:
                found[bucket] = sorted(rules)
    return found


def artifact_buckets(seen: Seen) -> dict[str, Mapping[str, str]]:
    return {
        bucket: objects
        for place in seen.values()
        for bucket, objects in place["buckets"].items()
        if bucket.startswith(("taegis-forwarders-", "legacy-code-"))
    }


def changed(one: Mapping[str, object], other: Mapping[str, object]) -> set[object]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_the_fix_that_is_undone_touched_everything_that_can_be_undone(story: Story) -> None:
    journal = story.folder / "user" / "forwarder-runs" / runs_in(story.folder / "user")[0] / "journal.jsonl"
    made = {write.operation for write in writes_of(read_journal(journal)) if write.certain}
    assert {"CreateBucket", "PutObject", "CreateStack", "ExecuteChangeSet", "AddPermission", PUT} <= made
    assert changed(stacks(story.before), stacks(story.fixed))
    assert changed(documents(story.before), documents(story.fixed))
    assert changed(permissions(story.before), permissions(story.fixed))


def test_without_the_hidden_values_stacks_wait_and_say_for_what(story: Story) -> None:
    assert story.without.code == 11, story.without.said
    assert "the value that LegacyToken had is not known" in story.without.said
    assert "--rollback-parameters=FILE" in story.without.said
    touched = {name for _, name in changed(stacks(story.partly), stacks(story.before))} - {SHARED}
    assert touched == {name for _, name in changed(stacks(story.fixed), stacks(story.before))} - {"cwl-archive", SHARED}


def test_without_the_hidden_values_triggers_are_as_they_were_all_the_same(story: Story) -> None:
    assert changed(documents(story.partly), documents(story.before)) == {f"waf-public-{ACCOUNT}-{REGIONS[1]}"}
    silent = f"{REGIONS[0]}/alb-silent-scwx-tdr-lambda-awsalb"
    assert permissions(story.fixed)[silent] != permissions(story.before)[silent]
    assert permissions(story.partly)[silent] == permissions(story.before)[silent] == []


def test_what_stacks_still_use_stays_in_its_bucket(story: Story) -> None:
    bucket = f"taegis-forwarders-{ACCOUNT}-{REGIONS[1]}"
    kept = {name: objects for name, objects in artifact_buckets(story.partly).items() if name.startswith(bucket)}
    assert [list(objects) for objects in kept.values()] == [[PACKAGE]]


def test_a_rollback_that_was_killed_goes_on_when_it_is_asked_for_again(story: Story) -> None:
    assert story.again.code == 1, story.again.said
    assert story.killed in runs_in(story.folder / "user")
    assert "were as before already" in story.again.said


def test_templates_and_parameters_are_as_they_were_but_for_the_shared_stack_that_was_made(story: Story) -> None:
    assert changed(stacks(story.after), stacks(story.before)) == {(REGIONS[1], SHARED)}


def test_functions_are_as_they_were_with_the_hidden_value(story: Story) -> None:
    assert changed(functions(story.fixed), functions(story.before))
    assert functions(story.after) == functions(story.before)
    assert CANARY_LEGACY_TOKEN in json.dumps(functions(story.after))


def test_permissions_are_as_they_were(story: Story) -> None:
    assert permissions(story.after) == permissions(story.before)


def test_documents_are_as_they_were_but_for_the_rule_to_a_function_that_is_gone(story: Story) -> None:
    name = f"waf-public-{ACCOUNT}-{REGIONS[1]}"
    before, after = documents(story.before), documents(story.after)
    assert changed(before, after) == {name}
    assert [rule for rule in before[name] if NOT_PUT_BACK not in rule] == after[name]


def test_uploads_and_the_empty_bucket_are_gone_and_nothing_else(story: Story) -> None:
    assert artifact_buckets(story.fixed) != artifact_buckets(story.before)
    assert artifact_buckets(story.after) == artifact_buckets(story.before)


def test_every_stack_is_healthy_and_no_change_set_waits(story: Story) -> None:
    details = [facts for place in story.after.values() for facts in place["stack_details"].values()]
    assert [facts["ChangeSets"] for facts in details if facts["ChangeSets"]] == []
    odd = [facts["StackStatus"] for facts in details if not facts["StackStatus"].endswith("_COMPLETE")]
    assert odd == ["UPDATE_ROLLBACK_FAILED"]  # seeded so


def open_findings(story: Story, run: str) -> set[tuple[str, str]]:
    lines = (story.folder / "user" / "forwarder-runs" / run / "results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return {(row["check"], row["subject"]) for row in rows if row["status"] in {"FAILED", "FIXED", "BLOCKED"}}


def test_the_findings_are_back(story: Story) -> None:
    runs = runs_in(story.folder / "user")
    gone = open_findings(story, runs[0]) - open_findings(story, runs[-1])
    assert {check for check, _ in gone} <= {"bucket-stale-rules", "shared-stack", "logs-flow"}
    assert len(open_findings(story, runs[-1])) > 20


def test_a_second_rollback_finds_nothing_left_to_do(story: Story) -> None:
    told = r"^ *0 of \d+ writes of run \S+ undone; \d+ were as before already; 2 cannot be:"
    assert re.search(told, story.twice.said, re.MULTILINE)
    assert "0 steps (nothing)" in story.twice.said


def test_every_write_is_journalled_and_every_chain_holds(story: Story) -> None:
    intended: Counter[Write] = Counter()
    for path in story.journals:
        for entry in read_journal(path):
            if entry.kind == "intent":
                call = entry.content["call"]
                assert isinstance(call, dict)
                intended[str(entry.content["account"]), str(entry.content["region"]), call["operation"]] += 1
    sent = Counter(story.writes)
    assert sent["111122223333", REGIONS[0], "ExecuteChangeSet"] > 0
    assert sent - intended == Counter()
    assert sum((intended - sent).values()) <= 8, "only what the kill cut off was intended and not sent"


def test_no_stack_is_ever_deleted(story: Story) -> None:
    assert not [write for write in story.writes if write[2] == "DeleteStack"]


def test_no_secret_is_in_any_file_of_the_user(story: Story) -> None:
    assert secrets_in(story.folder / "user") == []
    assert base64.b64encode(CANARY_LEGACY_TOKEN.encode()).decode() not in "".join(run.said for run in story.runs)
