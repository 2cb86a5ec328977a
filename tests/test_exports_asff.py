"""Results as Security Hub takes them: right by the service's own model, within its limits, and told apart by status."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import botocore.session  # noqa: TID251 - the service's own model judges
import pytest
from botocore.validate import ParamValidator  # noqa: TID251 - same

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Estate, Target
from reports.exports.asff import LARGEST, asff_findings, asff_parts
from reports.exports.place import Places
from reports.history.changes import Change, ChangedFinding
from reports.origin import Origin
from tests.estates import a_bucket, a_forwarder, an_estate
from tests.fake_run import TAKEN, case, estate_of
from tests.many_results import many

WHERE = "111122223333/us-east-1/cloudtrail-prod"
ORIGIN = Origin("20261124T041530Z-9f3c", TAKEN, "0.1.0")
ESTATE = an_estate(a_forwarder())


def findings(*results: Result, estate: Estate = ESTATE, origin: Origin = ORIGIN) -> list[dict[str, object]]:
    """As a reader of the file gets them."""
    text = "".join(asff_parts(asff_findings(results, Places(estate), origin)))
    return list(json.loads(text))


def one(result: Result, **more: object) -> dict[str, object]:
    (finding,) = findings(result, **more)  # type: ignore[arg-type]
    return finding


def part(found: Mapping[str, object], *names: str) -> object:
    value: object = found
    for name in names:
        assert isinstance(value, dict)
        value = value[name]
    return value


@pytest.mark.parametrize(
    ("status", "compliance", "workflow", "severity"),
    [
        (Status.PASSED, "PASSED", "RESOLVED", "INFORMATIONAL"),
        (Status.FIXED, "PASSED", "RESOLVED", "INFORMATIONAL"),
        (Status.FAILED, "FAILED", "NEW", "HIGH"),
        (Status.BLOCKED, "FAILED", "NEW", "HIGH"),
        (Status.WAIVED, "FAILED", "SUPPRESSED", "HIGH"),
        (Status.NO_EVIDENCE, "WARNING", "NEW", "HIGH"),
        (Status.UNKNOWN, "NOT_AVAILABLE", "NEW", "HIGH"),
        (Status.ERROR, "NOT_AVAILABLE", "NEW", "HIGH"),
    ],
)
def test_every_status_has_its_own_words(status: Status, compliance: str, workflow: str, severity: str) -> None:
    found = one(case("runtime-custom", status, WHERE))
    assert part(found, "Compliance", "Status") == compliance
    assert part(found, "Workflow", "Status") == workflow
    assert part(found, "FindingProviderFields", "Severity", "Label") == severity
    assert part(found, "ProductFields", "taegis-forwarders/Status") == status


def test_a_finding_is_of_its_account_and_region_and_has_the_same_name_every_night() -> None:
    tonight, tomorrow = (
        one(case("runtime-custom", Status.FAILED, WHERE), origin=replace(ORIGIN, run=run)) for run in ("a", "b")
    )
    assert tonight["Id"] == tomorrow["Id"] == f"taegis-forwarders/runtime-custom/{WHERE}"
    assert tonight["AwsAccountId"] == "111122223333"
    assert tonight["ProductArn"] == "arn:aws:securityhub:us-east-1:111122223333:product/111122223333/default"


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_another_partition_has_its_own_arns(region: str, partition: str) -> None:
    found = one(case("runtime-custom", Status.FAILED, f"111122223333/{region}/trail"))
    assert str(found["ProductArn"]).startswith(f"arn:{partition}:securityhub:{region}:")
    assert part(found, "Resources") == [
        {"Type": "AwsAccount", "Id": "AWS::::Account:111122223333", "Partition": partition, "Region": region}
    ]


def test_a_finding_names_the_resource_that_it_is_about() -> None:
    bucket = a_bucket("cloudtrail-prod")  # called like a forwarder, to be told apart from it
    estate = replace(ESTATE, buckets={bucket.name: bucket})
    of_forwarder = case("runtime-custom", Status.FAILED, WHERE)
    of_bucket = replace(of_forwarder, check="bucket-loop", forwarder="")
    of_target = case("target-reached", Status.FAILED, "111122223333/us-east-1")
    of_vanished = case("baseline-present", Status.FAILED, "111122223333/us-east-1/was-there")

    found = findings(of_forwarder, of_bucket, of_target, of_vanished, estate=estate)

    named = [(resource["Type"], resource["Id"]) for one in found for resource in one["Resources"]]  # type: ignore[attr-defined]
    (stack,) = (forwarder.stack.id for forwarder in estate.forwarders)
    assert named == [
        ("AwsCloudFormationStack", stack),
        ("AwsS3Bucket", "arn:aws:s3:::cloudtrail-prod"),
        ("AwsAccount", "AWS::::Account:111122223333"),
        ("AwsAccount", "AWS::::Account:111122223333"),
    ]


def test_what_has_no_place_in_security_hub_is_left_out() -> None:
    placeless = ("estate", "the-credentials/us-east-1", "the-organization/all", "111122223333/all")
    results = [case("forwarders-found", Status.FAILED, subject) for subject in placeless]
    results += [replace(case("release-files", Status.FAILED, "estate"), subject="acme")]
    assert findings(*results, case("target-reached", Status.FAILED, "111122223333/us-east-1")) != []
    assert findings(*results) == []


def test_evidence_and_waiver_are_told_in_words_and_field_by_field() -> None:
    waiver = {"owner": "jane@example.com", "ticket": "SEC-41", "expires": "2027-04-01T00:00:00Z"}
    result = case(
        "runtime-custom", Status.WAIVED, WHERE, expected="provided.al2", found="go1.x", reason="goes away", **waiver
    )
    found = one(result)
    assert found["Description"] == (
        "expected provided.al2; found go1.x; goes away; "
        "accepted by jane@example.com (SEC-41), until 2027-04-01T00:00:00Z"
    )
    fields = part(found, "ProductFields")
    assert isinstance(fields, dict)
    assert fields["taegis-forwarders/WaivedBy"] == "jane@example.com"
    assert fields["taegis-forwarders/Found"] == "go1.x"
    assert "taegis-forwarders/Remedy" not in fields


def test_what_to_do_stands_in_what_is_open_alone() -> None:
    fixable = case("runtime-custom", Status.FAILED, WHERE, fix="forwarder-stack")
    person = case("stack-healthy", Status.BLOCKED, WHERE, remedy="continue the rollback")
    assert "--fix puts it right" in str(part(one(fixable), "Remediation", "Recommendation", "Text"))
    assert part(one(person), "Remediation", "Recommendation", "Text") == "continue the rollback"
    assert "Remediation" not in one(case("runtime-custom", Status.PASSED, WHERE, fix="forwarder-stack"))


def test_a_history_says_since_when() -> None:
    result = case("runtime-custom", Status.FAILED, WHERE)
    known = ChangedFinding(
        Change.STILL, result.check, result.title, result.severity, WHERE, result.account, result.region,
        result.forwarder, result.status, result.status, TAKEN - timedelta(days=3), "go1.x", "0d8a4c6be1b6b9a2",
    )  # fmt: skip
    found = one(result, origin=replace(ORIGIN, changes={(result.check, WHERE): known}))
    assert part(found, "ProductFields", "taegis-forwarders/Change") == "still"
    assert found["CreatedAt"] == found["FirstObservedAt"] == "2026-11-21T04:15:30.000Z"
    assert found["UpdatedAt"] == found["LastObservedAt"] == "2026-11-24T04:15:30.000Z"
    assert one(result)["CreatedAt"] == "2026-11-24T04:15:30.000Z"


def longest() -> Result:
    """As long as names can be, and longer texts than anybody writes, in characters of four bytes."""
    text = "\U0001f5ff" * 90_000
    return Result(
        "c" * 200, text, Severity.CRITICAL, text, Status.BLOCKED, f"111122223333/us-east-1/{'n' * 400}", "111122223333",
        "us-east-1", "n" * 400, text, text, text, text, text, "f" * 3000, "o" * 3000, "t" * 3000, "e" * 3000,
    )  # fmt: skip


def test_whatever_is_said_stays_within_the_services_limits() -> None:
    found = one(longest())
    limits = {"Id": 512, "GeneratorId": 512, "Title": 256, "Description": 1024}
    assert {name: len(str(found[name])) for name in limits} == limits | {"GeneratorId": 218}
    assert len(str(part(found, "Remediation", "Recommendation", "Text"))) == 512
    fields = part(found, "ProductFields")
    assert isinstance(fields, dict)
    assert len(fields) <= 50
    assert max(map(len, fields.values())) == 2048
    assert max(map(len, fields)) <= 128
    assert len(json.dumps(found, ensure_ascii=False).encode()) < LARGEST


def test_names_that_are_cut_stay_apart() -> None:
    one_name, other = (findings(replace(longest(), subject=f"{longest().subject}{end}"))[0]["Id"] for end in "ab")
    assert one_name != other


def test_every_finding_is_one_by_the_services_own_model() -> None:
    results, estate = many(600, 0.3)
    results = (*results, longest(), case("runtime-custom", Status.FAILED, WHERE, remedy="do it"))
    found = findings(*results, estate=estate)
    model = botocore.session.get_session().get_service_model("securityhub")
    shape = model.shape_for("AwsSecurityFinding")
    reports = [ParamValidator().validate(finding, shape) for finding in found]
    assert [report.generate_report() for report in reports if report.has_errors()] == []
    assert len(found) == len(results)
    assert len({finding["Id"] for finding in found}) == len({(one.check, one.subject) for one in results})
    assert [
        finding for finding in found if any(not str(finding[name]).strip() for name in ("Title", "Description"))
    ] == []


def test_an_empty_file_is_an_array_too() -> None:
    assert findings() == []


def test_each_finding_is_a_line_of_its_own() -> None:
    results, estate = many(30, 0.5)
    lines = "".join(asff_parts(asff_findings(results, Places(estate), ORIGIN))).split("\n")
    assert len(lines) == 30 + 3
    assert [json.loads(line.rstrip(",")) for line in lines[1:-2]] == findings(*results, estate=estate)


def test_an_alias_names_the_account() -> None:
    estate = estate_of([case("runtime-custom", Status.FAILED, WHERE)])
    seen = estate.seen(Target("111122223333", "us-east-1"))
    named = replace(estate, targets=(replace(seen, identity=replace(seen.identity, alias="acme-prod")),))  # type: ignore[type-var]
    assert one(case("runtime-custom", Status.FAILED, WHERE), estate=named)["AwsAccountName"] == "acme-prod"
    assert "AwsAccountName" not in one(case("runtime-custom", Status.FAILED, WHERE), estate=estate)
