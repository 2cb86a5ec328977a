"""What stands in a pack: every part, or why it is not there; the same for the same run; and no secret."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.accounts import Account
from fixtures.estate import Target
from fixtures.estate_part import part_of
from fixtures.fact import Cause, Unreadable
from fixtures.options import Options
from fixtures.secret import Secret
from fixtures.snapshot import read_snapshot, write_snapshot
from fixtures.waivers import Waiver, Waivers
from remediation.fix_run import APPROVED
from reports.evidence.contents import PARTS
from reports.evidence.manifest import FILE, Manifest
from reports.evidence.material import Material
from reports.evidence.pack import write_pack
from reports.evidence.piece import Part, Piece
from reports.evidence.versions import package_versions
from reports.summary import Run, summarise
from tests.estates import (
    HERE,
    NOW,
    a_bucket,
    a_forwarder,
    a_release,
    an_estate,
    an_unreached,
    some_desires,
)
from tests.evidence_packs import (
    AFTER,
    BEFORE,
    EXTERNAL_ID,
    LINE,
    NAME,
    QUIET,
    RESULTS,
    SUBJECT,
    UNTOUCHED,
    a_material,
    a_pack,
    a_run_folder,
    manifest_of,
)
from tests.planning import RUN

AUDIT = {"fix": False}


def packed(material: Material, above: Path, name: str = "pack") -> Path:
    write_pack(above / name, material)
    return above / name


def content(pack: Path, name: str) -> object:
    return json.loads((pack / name).read_text())


def absent(pack: Path) -> dict[str, str]:
    return {piece.what: piece.reason for piece in manifest_of(pack).absent}


def an_audit(folder: Path, **options: object) -> Material:
    """A run that could write nothing: its folder holds its results and nothing else."""
    for path in folder.iterdir():
        if path.name != "results.jsonl":
            path.unlink()
    return a_material(folder, **AUDIT, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return a_run_folder(tmp_path)


def test_a_fix_leaves_every_part(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    files = {file.path for file in manifest_of(pack).files}
    assert files >= {
        "README.md", "approvals.json", "change-sets/change-sets.json", "change-sets/change-sets.txt", "flow/flow.json",
        "flow/flow.txt", "journal/journal.jsonl", "journal/journal.txt", "notifications/logs.diff", "plan/plan.json",
        "plan/plan.txt", "policies/audit.json", "policies/fix.json", "policies/session.json", "release.json",
        "results/results.jsonl", "results/summary.txt", "run/identities.json", "run/options.json", "run/versions.json",
        "snapshots/after.json.gz", "snapshots/before.json.gz",
    }  # fmt: skip
    there = {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()}
    assert there == files | {FILE}
    assert absent(pack) == {
        "a ledger": "no forwarder was changed, or the run was stopped before it could be read",
        "an approved plan": "none was named (--approved)",
        "deliveries": "nobody was to be told (--notify, --security-hub)",
        "the HTML report": "it was not asked for (--html)",
        "the JUnit report": "it was not asked for (--junitxml)",
        "shards": "the run was not merged (taegis-forwarders merge)",
    }
    assert manifest_of(pack).told == {part.name for part in PARTS} | {"index"}


def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in pack.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (pack, *pack.rglob("*")) if path.is_dir()} == {0o700}


def test_the_same_run_gives_the_same_pack(folder: Path, tmp_path: Path) -> None:
    one, other = (packed(a_material(folder), tmp_path, name) for name in ("one", "other"))
    assert {path.relative_to(one): path.read_bytes() for path in one.rglob("*") if path.is_file()} == {
        path.relative_to(other): path.read_bytes() for path in other.rglob("*") if path.is_file()
    }
    paths = [file.path for file in manifest_of(one).files]
    assert paths == sorted(paths)


def test_snapshots_hold_what_was_written_to_and_nothing_else(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    for name, estate in (("before", BEFORE), ("after", AFTER)):
        kept = read_snapshot(pack / f"snapshots/{name}.json.gz")
        assert [seen.target for seen in kept.targets] == [HERE]
        assert kept.seen(HERE) == estate.seen(HERE)
        assert set(kept.buckets) == {estate.forwarders[0].bucket_name}
        assert set(kept.templates) < set(estate.templates) | {""}


def test_an_audit_keeps_what_it_saw_and_says_why_it_holds_no_more(folder: Path, tmp_path: Path) -> None:
    pack = packed(an_audit(folder), tmp_path)
    assert read_snapshot(pack / "snapshots/seen.json.gz") == AFTER
    reasons = absent(pack)
    assert reasons["the plan"] == "an audit plans nothing (--plan, --fix)"
    assert reasons["the journal"] == "nothing may be written, so nothing was"
    assert reasons["approvals"] == "nothing may be written, and no finding is waived (--waivers)"
    assert reasons["notification documents"] == "none was written"
    assert reasons["the policy of a fix"] == "nothing may be written, and nothing was planned"
    assert "none was asked for" in reasons["change sets"]
    assert manifest_of(pack).told == {part.name for part in PARTS} | {"index"}
    assert "nothing could be applied" in (pack / "README.md").read_text()


def test_a_fix_that_ended_before_its_first_write_says_so(folder: Path, tmp_path: Path) -> None:
    for name in ("journal.jsonl", "plan.json", "plan.txt", "before.json.gz", "after.json.gz"):
        folder.joinpath(name).unlink()
    reasons = absent(packed(a_material(folder), tmp_path))
    assert reasons["the journal"] == "the run ended before it wrote anything"
    assert reasons["the plan"] == "the run ended before it had planned"
    assert "the run ended before it was taken" in reasons["the snapshot before the first write"]


def test_an_interrupted_fix_is_not_whole_and_says_what_was_left(folder: Path, tmp_path: Path) -> None:
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-3]) + b'{"kind":"veri')  # killed in the middle of a line
    material = a_material(folder)
    interrupted = summarise(Run(RESULTS, AFTER, pytest_code=2, mode="fix", id=RUN, fixing=True))
    pack = packed(replace(material, summary=interrupted), tmp_path)
    assert manifest_of(pack).ending.model_dump() == {
        "code": 2, "sentence": "Interrupted before everything was judged.", "whole": False
    }  # fmt: skip
    index = (pack / "README.md").read_text()
    assert "NOT EVERYTHING that was begun is done and proved" in index
    assert "begun, and its end was not written: the run was killed, or goes on" in index
    assert manifest_of(pack).journal.lines == len(lines) - 3


def test_a_part_that_cannot_be_made_takes_nothing_from_the_others(folder: Path, tmp_path: Path) -> None:
    def broken(_: Material) -> Iterator[Piece]:
        raise KeyError(EXTERNAL_ID)

    parts = (Part("flow", broken), *(part for part in PARTS if part.name != "flow"))
    write_pack(tmp_path / "pack", a_material(folder), parts)
    pack = tmp_path / "pack"
    assert absent(pack)["flow"].startswith("an error of the suite: KeyError in test_evidence_pack.py, line ")
    assert (pack / "journal/journal.jsonl").is_file()
    assert EXTERNAL_ID not in (pack / FILE).read_text() + (pack / "README.md").read_text()


def test_what_the_run_left_of_a_ledger_and_of_deliveries_is_kept(folder: Path, tmp_path: Path) -> None:
    for name in ("ledger.jsonl", "deliveries.jsonl"):
        folder.joinpath(name).write_text('{"of": "this run"}\n')
    pack = packed(a_material(folder), tmp_path)
    assert (pack / "ledger/ledger.jsonl").read_text() == (pack / "deliveries.jsonl").read_text()
    assert {"a ledger", "deliveries"}.isdisjoint(absent(pack))


def test_a_resumed_run_tells_both_of_its_plans(folder: Path, tmp_path: Path) -> None:
    for suffix in (".json", ".txt"):
        folder.joinpath(f"plan-r1{suffix}").write_text(folder.joinpath(f"plan{suffix}").read_text())
    pack = packed(a_material(folder), tmp_path)
    assert {"plan/plan.json", "plan/plan-r1.json"} <= {file.path for file in manifest_of(pack).files}


def test_a_journal_that_cannot_be_relied_on_is_kept_as_it_is_and_said_to_be_broken(
    folder: Path, tmp_path: Path
) -> None:
    journal = folder / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[1:]))
    pack = packed(a_material(folder), tmp_path)
    assert (pack / "journal/journal.jsonl").read_bytes() == journal.read_bytes()
    assert "cannot be relied on" in absent(pack)["the journal for people"]


def test_approvals_say_who_agreed_to_what(folder: Path, tmp_path: Path) -> None:
    folder.joinpath(APPROVED).write_text('{"run": "20261101T000000Z-1111", "made": "2026-11-01T00:00:00+00:00"}')
    waiver = Waiver("stack-healthy", f"{UNTOUCHED}/{QUIET}", "it goes in March", "jane@example.com", "SEC-42",
                    datetime(2027, 3, 1, tzinfo=UTC), 3)  # fmt: skip
    waivers = Waivers("w.toml", (waiver,), NOW)
    material = replace(a_material(folder, allow=frozenset({"create-bucket"})), waivers=waivers)
    pack = packed(material, tmp_path)
    told = content(pack, "approvals.json")
    assert isinstance(told, dict)
    (applied,) = told["applied"]
    assert applied["how"] == "the number of forwarders, 1, was typed on a terminal"
    assert told["consents"] == ["create-bucket"]
    assert told["by"] == ["jane@laptop"]
    assert told["approved_plan"]["run"] == "20261101T000000Z-1111"
    assert len(told["approved_plan"]["sha256"]) == 64
    assert told["waivers"][0]["owner"] == "jane@example.com"
    assert (pack / "plan/approved.json").read_bytes() == folder.joinpath(APPROVED).read_bytes()
    assert "waived until 2027-02-28 by jane@example.com (SEC-42)" in (pack / "README.md").read_text()


def test_change_sets_stand_beside_what_was_predicted_and_what_became_of_them(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    (found,) = content(pack, "change-sets/change-sets.json")  # type: ignore[misc]
    assert (found["stack"], found["gate"], found["predicted"]) == (NAME, "open", ["Modify Lambda"])
    assert found["became"].startswith("executed (line ")
    told = (pack / "change-sets/change-sets.txt").read_text()
    assert told.splitlines()[0].startswith(f"{HERE} stack {NAME}: the gate says open; executed")
    assert "an emulator" not in told


def test_a_notification_document_is_told_before_and_after(folder: Path, tmp_path: Path) -> None:
    pack = packed(a_material(folder), tmp_path, "unseen")
    told = (pack / "notifications/logs.diff").read_text()
    assert "as sent last" in told
    assert "and not seen again" in told
    assert '\n- "TopicConfigurations": []\n' in told
    assert '\n+   "Id": "ours"\n' in told
    write_snapshot(an_estate(a_forwarder(NAME), buckets=[a_bucket("logs")]), folder / "after.json.gz")
    pack = packed(a_material(folder), tmp_path, "seen")
    assert "+++ after: as seen after the run" in (pack / "notifications/logs.diff").read_text()


def test_flow_is_proved_by_a_request_and_its_line_or_says_why_not(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    found = {one["forwarder"]: one for one in content(pack, "flow/flow.json")}  # type: ignore[attr-defined]
    proved, quiet = found[SUBJECT], found[f"{UNTOUCHED}/{QUIET}"]
    assert (proved["evidence"], proved["request"], proved["line"]) == ("PROVED", "8f5", LINE)
    assert proved["at"] == "2026-11-24T05:00:00.000+00:00"
    assert (quiet["evidence"], quiet["request"], quiet["line"]) == ("NO EVIDENCE", None, None)
    assert quiet["told"] == "0 requests since then: a quiet bucket"
    told = (pack / "flow/flow.txt").read_text()
    assert f"request 8f5: {LINE}" in told


def test_what_could_not_be_seen_is_in_the_index(folder: Path, tmp_path: Path) -> None:
    denied = Unreadable("sts:AssumeRole", Cause.DENIED, "User: x is not authorized")
    estate = an_estate(a_forwarder(NAME), targets=[an_unreached(Target("999900001111", "us-east-1"), denied)])
    pack = packed(a_material(folder, estate), tmp_path)
    index = (pack / "README.md").read_text()
    assert "2 targets asked for, 1 reached" in index
    assert "not reached: " in index
    assert "999900001111/us-east-1" in index
    assert "not entered" in json.dumps(content(pack, "run/identities.json"))


def test_who_wrote_and_who_read_is_told_by_account(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    found = content(pack, "run/identities.json")
    assert isinstance(found, dict)
    assert found[HERE.account]["writes"] == [f"arn:aws:sts::{HERE.account}:assumed-role/Fix/me"]
    assert found[HERE.account]["reads"].startswith("arn:aws:")
    assert found[UNTOUCHED.account]["writes"] == []


def test_a_secret_that_slipped_through_is_left_out_and_said_to_be(folder: Path, tmp_path: Path) -> None:
    with folder.joinpath("plan.txt").open("a") as plan:
        plan.write(f"--external-id={EXTERNAL_ID}\n")
    with folder.joinpath("results.jsonl").open("a") as results:
        results.write(json.dumps({"run": RUN, "found": 'a credential "quoted"'}) + "\n")
    release = replace(a_release(), credentials=Secret('credential "quoted"'))
    account = Account(HERE.account, external_id=EXTERNAL_ID)
    material = replace(a_material(folder, fleet=(account,)), desires=some_desires(release=release))
    pack = packed(material, tmp_path)
    reasons = absent(pack)
    assert "it holds an external id or credentials" in reasons["plan/plan.txt"]
    assert "it holds an external id or credentials" in reasons["results/results.jsonl"]
    everything = b"".join(unpacked(path) for path in pack.rglob("*") if path.is_file())
    assert EXTERNAL_ID.encode() not in everything
    assert b"quoted" not in everything


def unpacked(path: Path) -> bytes:
    found = path.read_bytes()
    return gzip.decompress(found) if path.suffix == ".gz" else found


def test_options_are_told_whole_but_for_external_ids(folder: Path, tmp_path: Path) -> None:
    account = Account(HERE.account, external_id=EXTERNAL_ID, role="Audit")
    pack = packed(a_material(folder, external_id=EXTERNAL_ID, fleet=(account,)), tmp_path)
    told = content(pack, "run/options.json")
    assert isinstance(told, dict)
    options = told["options"]
    assert options["external_id"] == "(given, not shown)"
    assert options["fleet"][0]["external_id"] == "(given, not shown)"
    assert options["fleet"][0]["role"] == "Audit"
    assert set(options) == {field.name for field in fields(Options)}


def test_policies_are_those_of_what_the_run_may_do(folder: Path, tmp_path: Path) -> None:
    fix = packed(a_material(folder), tmp_path, "fix")
    assert "cloudformation:ExecuteChangeSet" in (fix / "policies/fix.json").read_text()
    assert "lambda:InvokeFunction" not in actions(fix, "fix")
    event = packed(a_material(folder, send_test_event=True), tmp_path, "event")
    assert "lambda:InvokeFunction" in actions(event, "fix")
    audit = packed(an_audit(folder, role=None), tmp_path, "audit")
    assert "the session policy" in absent(audit)
    assert "s3:PutBucketNotification" not in actions(audit, "audit")


def actions(pack: Path, name: str) -> set[str]:
    policy = content(pack, f"policies/{name}.json")
    assert isinstance(policy, dict)
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def test_versions_hold_whatever_the_suite_needs() -> None:
    found = package_versions()
    assert {"taegis-forwarders", "boto3", "botocore", "urllib3", "pydantic-core", "pytest", "pluggy"} <= set(found)
    assert list(found) == sorted(found)


def test_a_part_of_an_estate_holds_what_it_shares_and_not_what_is_only_others() -> None:
    estate = an_estate(a_forwarder("one"), a_forwarder("two", UNTOUCHED))
    part = part_of(estate, {UNTOUCHED})
    assert [str(forwarder) for forwarder in part.forwarders] == [f"{UNTOUCHED}/two"]
    assert set(part.buckets) == {"two-logs"}
    assert {forwarder.template for forwarder in part.forwarders} <= set(part.templates)
    assert part_of(estate, {seen.target for seen in estate.targets}).forwarders == estate.forwarders


def test_the_manifest_says_what_the_run_came_to(tmp_path: Path) -> None:
    manifest: Manifest = manifest_of(a_pack(tmp_path))
    assert (manifest.run, manifest.mode, manifest.ending.code, manifest.ending.whole) == (RUN, "fix", 1, True)
