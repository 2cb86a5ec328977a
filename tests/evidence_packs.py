"""Packs without AWS: a run folder by hand, as a fix of one of two targets leaves it, and the pack made from it."""

import json
from datetime import timedelta
from pathlib import Path

from checks.outcome import Status
from fixtures.estate import Estate, LogFlow, Target
from fixtures.snapshot import write_snapshot
from remediation.journal import FINISHED, Journal
from reports.evidence.manifest import FILE, Manifest, digest_of
from reports.evidence.material import Material
from reports.evidence.pack import write_pack
from reports.summary import Run, summarise
from tests.estates import HERE, NOW, a_flow, a_forwarder, a_legacy_forwarder, an_estate, some_desires
from tests.fake_run import case
from tests.planning import RUN, plan_of
from tests.some_options import some_options

OTHER_RUN = "20261101T000000Z-0bad"
UNTOUCHED = Target("444455556666", "eu-west-1")
NAME, QUIET = "cloudtrail-prod", "quiet"
SUBJECT = f"{HERE}/{NAME}"
STEP = f"forwarder-stack {SUBJECT}"
TRIGGER = f"trigger {HERE}/logs"
EXTERNAL_ID = "external-id-of-acme-7d1f"
LINE = '{"level":"debug","message":"Uploading data to s3"}'
PLACE = {"account": HERE.account, "region": HERE.region}
BEFORE = an_estate(a_legacy_forwarder(NAME), a_forwarder(QUIET, UNTOUCHED))
_NO_FLOW: LogFlow = a_flow(requests=0, uploads=0, proved=0, last_proved=None)
AFTER = an_estate(a_forwarder(NAME), a_forwarder(QUIET, UNTOUCHED, flow=_NO_FLOW), taken=NOW + timedelta(hours=1))
RESULTS = (
    case("runtime-custom", Status.FIXED, SUBJECT),
    case("logs-flow", Status.NO_EVIDENCE, f"{UNTOUCHED}/{QUIET}", reason="0 requests since then: a quiet bucket"),
    case("stack-healthy", Status.FAILED, f"{UNTOUCHED}/{QUIET}", expected="a healthy stack", found="it is stuck"),
)


def a_run_folder(above: Path, run: str = RUN) -> Path:
    """What a fix leaves: plan, journal, results and both snapshots."""
    folder = above / "forwarder-runs" / run
    folder.mkdir(parents=True)
    plan = plan_of(BEFORE, {"forwarder-stack": [NAME]}, run=run)
    folder.joinpath("plan.json").write_text(plan.json())
    folder.joinpath("plan.txt").write_text("".join(f"{line}\n" for line in plan.lines(calls=True)))
    write_journal(folder / "journal.jsonl", run)
    folder.joinpath("results.jsonl").write_text(
        "".join(json.dumps({"run": run, "check": one.check, "status": str(one.status)}) + "\n" for one in RESULTS)
    )
    write_snapshot(BEFORE, folder / "before.json.gz")
    write_snapshot(AFTER, folder / "after.json.gz")
    return folder


def write_journal(path: Path, run: str) -> None:
    """The journal of one forwarder's update and of one bucket's document, which another run refused to write first."""
    journal = Journal(path)
    journal.write("consent", run=run, given=True, how="the number of forwarders, 1, was typed on a terminal",
                  forwarders=1, allow=["create-bucket"], approved=None)  # fmt: skip
    journal.write("identity", account=HERE.account, arn=f"arn:aws:sts::{HERE.account}:assumed-role/Fix/me", reason="")
    journal.write("begin", run=run, steps=[STEP, TRIGGER])
    lock = {"Bucket": "b", "Body": json.dumps({"run": run, "owner": "jane@laptop"})}
    _write(journal, f"lock {HERE}", "s3", "PutObject", lock)
    _write(journal, STEP, "cloudformation", "CreateChangeSet", {"StackName": NAME})
    facts = {"stack": NAME, "on_aws": True, "gate": "open", "predicted": ["Modify Lambda"], "told": ["Modify Lambda"],
             "reasons": [], "described": []}  # fmt: skip
    journal.write("change-set", **PLACE, step=STEP, facts=facts)
    _write(journal, STEP, "cloudformation", "ExecuteChangeSet", {"StackName": NAME})
    journal.write("verified", **PLACE, step=STEP, facts={"runtime": "provided.al2"})
    document = {"LambdaFunctionConfigurations": [{"Id": "ours", "Events": ["s3:ObjectCreated:*"]}]}
    put = {"Bucket": "logs", "NotificationConfiguration": document}
    _write(journal, TRIGGER, "s3", "PutBucketNotificationConfiguration", put, before='{"TopicConfigurations": []}')
    proof = {**PLACE, "forwarder": NAME, "holds": True, "told": "it uploads", "group": "/aws/lambda/f",
             "at": "2026-11-24T05:00:00.000+00:00", "request": "8f5", "line": LINE}  # fmt: skip
    journal.write("proof", facts=proof)
    journal.write("end", run=run, steps={STEP: "done", TRIGGER: "done"})
    journal.write(FINISHED, run=run)
    journal.close()


def _write(
    journal: Journal, step: str, service: str, operation: str, parameters: object, *, before: object = None
) -> None:
    call = {"service": service, "operation": operation, "parameters": parameters, "why": ""}
    number = journal.write("intent", **PLACE, step=step, call=call, before=before)
    journal.write("result", **PLACE, step=step, intent=number, request_id="r")


def a_material(folder: Path, estate: Estate = AFTER, **options: object) -> Material:
    """What the pack of that folder's run is made from: a fix, unless the options say otherwise."""
    asked = some_options(**{"fix": True, "role": "Audit", "regions": ("us-east-1",), **options})
    return Material(
        run=folder.name,
        made=NOW + timedelta(hours=2),
        folder=folder,
        summary=summarise(Run(RESULTS, estate, mode="fix", id=folder.name, fixing=True)),
        options=asked,
        desires=some_desires(),
    )


def a_pack(above: Path, run: str = RUN, name: str = "pack") -> Path:
    """A whole pack."""
    write_pack(above / name, a_material(a_run_folder(above, run)))
    return above / name


def manifest_of(pack: Path) -> Manifest:
    return Manifest.model_validate_json((pack / FILE).read_bytes())


def with_manifest_mended(pack: Path) -> None:
    """What somebody does who knows of the manifest: sizes and digests are those of the files as they are now."""
    manifest = manifest_of(pack)
    files = tuple(
        file.model_copy(update={"size": len(content), "sha256": digest_of(content)})
        for file in manifest.files
        if (pack / file.path).is_file() and (content := (pack / file.path).read_bytes()) is not None
    )
    pack.joinpath(FILE).write_text(manifest.model_copy(update={"files": files}).text())
