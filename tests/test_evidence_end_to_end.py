"""Evidence of everything that a user does to one estate in two accounts and regions, each pack checked by the verb."""

import gzip
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.sandbox import DEFAULT_REGIONS, Sandbox, SandboxSpec, start_sandbox
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN
from fixtures.snapshot import read_snapshot
from reports.evidence.manifest import FILE, Manifest, digest_of
from tests.sandbox_engine import eventually
from tests.suite_runs import Ran, Suite, at, ended, secrets_in

ACCOUNTS = ("111122223333", "444455556666")
FORWARDERS = 4  # one in each account and region
EXTERNAL_ID = "external-id-of-acme-7d1f"
KINDS = ("plan", "fix", "back", "stopped", "resumed", "audit", "merged")


@dataclass(frozen=True)
class Story:
    """Every run, by what it was, and the folder that its pack is in."""

    sandbox: Sandbox
    suite: Suite
    user: Path
    runs: dict[str, Ran]

    def pack(self, kind: str) -> Path:
        return self.user / kind / "pack"

    def manifest(self, kind: str) -> Manifest:
        return Manifest.model_validate_json((self.pack(kind) / FILE).read_bytes())

    def content(self, kind: str, name: str) -> str:
        return (self.pack(kind) / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("evidence")
    user = folder / "user"
    spec = SandboxSpec(ACCOUNTS, DEFAULT_REGIONS, traffic=16.0, size=FORWARDERS)
    with start_sandbox(spec, folder / "sandbox") as sandbox:
        suite = Suite(sandbox.environment, folder / "cache")
        options = [*at(sandbox, settings=folder / "forwarders.toml"), f"--external-id={EXTERNAL_ID}", "--evidence=pack"]
        write = [*options, f"--fix-role={sandbox.fix_role_name}", "--allow=create-bucket"]
        fix = [*write, "--fix", "--yes"]
        runs = {"plan": suite.run(user / "plan", *write, "--plan", "--change-sets")}
        approved = f"--approved={runs['plan'].run_folder / 'plan.json'}"
        runs["fix"] = suite.run(user / "fix", *fix, approved, "--html=r.html", "--junitxml=j.xml")
        undone = runs["fix"].run_folder
        values = folder / "values.toml"
        values.write_text(f'[[stack]]\nname = "*"\nparameters = {{ LegacyToken = "{CANARY_LEGACY_TOKEN}" }}\n')
        back = [f"--rollback={undone}", f"--rollback-parameters={values}", "--yes", "--evidence=pack"]
        runs["back"] = suite.run(user / "back", *back)
        runs["stopped"] = interrupted(suite, user / "stopped", fix)
        stopped = runs["stopped"].run_folder
        user.joinpath("resumed").mkdir()
        user.joinpath("resumed/forwarder-runs").symlink_to(stopped.parent)
        runs["resumed"] = suite.run(user / "resumed", f"--resume={stopped.name}", "--evidence=pack")
        runs["audit"] = suite.run(user / "audit", *options)
        shares = [option for option in options if option != "--evidence=pack"]
        for number in (1, 2):
            suite.run(user / "shards", *shares, f"--shard={number}/2")
        runs["merged"] = suite.run(user / "merged", "merge", str(user / "shards"), "--evidence=pack")
        yield Story(sandbox, suite, user, runs)


def interrupted(suite: Suite, folder: Path, options: list[str]) -> Ran:
    """A fix that is told to stop when the first forwarder of four is migrated."""
    running = suite.start(folder, *options)

    def migrated() -> bool:
        return any('"kind":"verified"' in path.read_text() for path in folder.glob("forwarder-runs/*/journal.jsonl"))

    found = eventually(lambda: migrated() or running.poll() is not None, 60)
    running.send_signal(signal.SIGINT)
    ran = ended(running, folder)
    assert found, ran.said
    return ran


@pytest.mark.parametrize("kind", KINDS)
def test_the_pack_of_every_kind_of_run_holds(story: Story, kind: str) -> None:
    assert story.pack(kind).is_dir(), story.runs[kind].said
    digest = digest_of((story.pack(kind) / FILE).read_bytes())
    assert f"SHA-256 of its manifest, for the ticket: {digest}" in story.runs[kind].said
    checked = story.suite.run(story.user / f"check-{kind}", "evidence", "verify", f"--digest={digest}",
                              str(story.pack(kind)))  # fmt: skip
    assert checked.code == 0, checked.said
    assert checked.last_line == "HOLDS"
    story.runs[kind].assert_no_crash()


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_external_id_or_package_is_in_any_file(story: Story, kind: str) -> None:
    pack = story.pack(kind)
    assert not secrets_in(pack)
    package = (story.sandbox.release_dir / "taegis-lambda-amd64.zip").read_bytes()
    for path in pack.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            assert EXTERNAL_ID.encode() not in content, path
            assert b"PK\x03\x04" not in content, path
            assert package[100:160] not in content, path
    assert EXTERNAL_ID in (story.runs["fix"].run_folder / "run.json").read_text(), "it was given, and is looked for"


@pytest.mark.parametrize(
    ("kind", "code", "whole"),
    [("plan", 1, True), ("fix", 0, True), ("back", 1, True), ("stopped", 2, False), ("resumed", 0, True),
     ("audit", 0, True), ("merged", 0, True)],
)  # fmt: skip
def test_the_pack_says_what_the_run_came_to(story: Story, kind: str, code: int, whole: bool) -> None:
    ran, manifest = story.runs[kind], story.manifest(kind)
    assert ran.code == code, ran.said
    assert (manifest.ending.code, manifest.ending.whole) == (code, whole)
    assert manifest.ending.sentence in ran.said
    assert story.content(kind, "README.md").splitlines()[2].startswith(f"**{manifest.ending.sentence}**")


def test_a_fix_tells_all_four_forwarders_before_and_after(story: Story) -> None:
    runtimes = {}
    for name in ("before", "after"):
        estate = read_snapshot(story.pack("fix") / f"snapshots/{name}.json.gz")
        assert len(estate.targets) == FORWARDERS
        runtimes[name] = {forwarder.listed.runtime for forwarder in estate.forwarders}  # type: ignore[union-attr]
    assert runtimes == {"before": {"go1.x"}, "after": {"provided.al2"}}
    flows = json.loads(story.content("fix", "flow/flow.json"))
    assert [one["evidence"] for one in flows] == ["PROVED"] * FORWARDERS
    assert all(one["request"] and "Uploading data to s3" in one["line"] and one["at"] for one in flows)
    executed = json.loads(story.content("fix", "change-sets/change-sets.json"))
    assert sorted(one["became"].partition(" (")[0] for one in executed) == ["executed"] * FORWARDERS
    assert {one["account"] for one in executed} == set(ACCOUNTS)
    assert {one["region"] for one in executed} == set(DEFAULT_REGIONS)


def test_a_fix_tells_which_plan_was_approved_and_in_whose_name_it_wrote(story: Story) -> None:
    approvals = json.loads(story.content("fix", "approvals.json"))
    planned = story.runs["plan"].run_folder / "plan.json"
    assert approvals["approved_plan"]["sha256"] == digest_of(planned.read_bytes())
    assert (story.pack("fix") / "plan/approved.json").read_bytes() == planned.read_bytes()
    assert [one["how"] for one in approvals["applied"]] == ["--yes"]
    identities = json.loads(story.content("fix", "run/identities.json"))
    for account in ACCOUNTS:
        assert f":assumed-role/{story.sandbox.role_name}/" in identities[account]["reads"]
        assert [f":assumed-role/{story.sandbox.fix_role_name}/" in arn for arn in identities[account]["writes"]] == [
            True
        ]


def test_reports_stand_in_it_as_the_run_left_them(story: Story) -> None:
    pack, folder = story.pack("fix"), story.user / "fix"
    assert (pack / "results/report.html").read_bytes() == (folder / "r.html").read_bytes()
    assert (pack / "results/junit.xml").read_bytes() == (folder / "j.xml").read_bytes()
    run = story.runs["fix"].run_folder
    assert (pack / "results/results.jsonl").read_bytes() == (run / "results.jsonl").read_bytes()
    assert (pack / "journal/journal.jsonl").read_bytes() == (run / "journal.jsonl").read_bytes()


def test_an_interrupted_fix_says_so_and_what_was_done_by_then(story: Story) -> None:
    index = story.content("stopped", "README.md")
    assert "**NOT EVERYTHING that was begun is done and proved**" in index
    assert "| done |" in index
    assert "| planned, and not begun |" in index
    assert "(exit code 2)" in index


def test_a_plan_with_change_sets_says_that_they_were_deleted_again(story: Story) -> None:
    found = json.loads(story.content("plan", "change-sets/change-sets.json"))
    assert {one["became"].partition(" (")[0] for one in found} == {"deleted, not executed"}
    index = story.content("plan", "README.md")
    assert "nothing could be applied; change sets were made to be looked at" in index
    assert "Change sets were made, read and deleted again: " in index


def test_a_resumed_run_covers_the_whole_of_it(story: Story) -> None:
    stopped, resumed = story.manifest("stopped"), story.manifest("resumed")
    assert resumed.run == stopped.run
    before = [(story.pack(kind) / "snapshots/before.json.gz") for kind in ("stopped", "resumed")]
    first, whole = map(read_snapshot, before)
    assert first.taken == whole.taken, "that of the first process"
    assert len(first.targets) == len(whole.targets) == FORWARDERS
    assert {"plan/plan.json", "plan/plan-r1.json"} <= {file.path for file in resumed.files}
    flows = json.loads(story.content("resumed", "flow/flow.json"))
    assert [one["evidence"] for one in flows] == ["PROVED"] * FORWARDERS
    assert "everything that was begun is done and proved" in story.content("resumed", "README.md")


def test_a_rollback_tells_the_run_that_it_takes_back(story: Story) -> None:
    undone = story.runs["fix"].run_folder.name
    kept = story.pack("back") / f"journal/undone-{undone}.jsonl"
    assert kept.read_bytes() == (story.runs["fix"].run_folder / "journal.jsonl").read_bytes()
    estate = read_snapshot(story.pack("back") / "snapshots/after.json.gz")
    assert {forwarder.listed.runtime for forwarder in estate.forwarders} == {"go1.x"}  # type: ignore[union-attr]


def test_a_merged_run_names_its_shards(story: Story) -> None:
    shards = json.loads(story.content("merged", "shards.json"))
    assert [one["shard"] for one in shards] == ["shard 1 of 2", "shard 2 of 2"]
    estate = read_snapshot(story.pack("merged") / "snapshots/seen.json.gz")
    assert len(estate.forwarders) == FORWARDERS


def test_the_index_is_shown_by_the_verb(story: Story) -> None:
    shown = story.suite.run(story.user / "show", "evidence", "show", str(story.pack("fix")))
    assert shown.code == 0
    assert shown.said.startswith(f"# Evidence of run {story.runs['fix'].run_folder.name}\n")
