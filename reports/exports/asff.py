"""Results in the AWS Security Finding Format, as Security Hub's BatchImportFindings takes them.

Source: Security Hub API Reference, AwsSecurityFinding (fields and their limits), and User Guide, "BatchImportFindings
for finding providers": a provider says its severity and types in FindingProviderFields, so that an import never writes
over what the customer decided.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from checks.outcome import Status
from checks.result import Result
from reports.exports.finding import PRODUCT, advice, evidence, finding_id
from reports.exports.place import Place, Places
from reports.origin import Origin

# What json.dumps takes; nested values are not worth a recursive type.
AsffFinding: TypeAlias = Mapping[str, object]

SCHEMA = "2018-10-08"
TYPE = "Software and Configuration Checks/AWS Security Best Practices/Taegis XDR log forwarding"
LARGEST = 240 * 1024  # bytes of one finding
_ID, _TITLE, _DESCRIPTION, _ADVICE, _FIELD, _NAME = 512, 256, 1024, 512, 2048, 50
_COMPLIANCE: Mapping[Status, str] = {
    Status.PASSED: "PASSED",
    Status.FIXED: "PASSED",
    Status.FAILED: "FAILED",
    Status.BLOCKED: "FAILED",
    Status.WAIVED: "FAILED",
    Status.NO_EVIDENCE: "WARNING",
    Status.UNKNOWN: "NOT_AVAILABLE",
    Status.ERROR: "NOT_AVAILABLE",
}
# Security Hub takes it over for a finding that is new to it and leaves it alone afterwards.
_WORKFLOW: Mapping[Status, str] = {Status.PASSED: "RESOLVED", Status.FIXED: "RESOLVED", Status.WAIVED: "SUPPRESSED"}
_RESOURCES: Mapping[str, str] = {
    "AWS::CloudFormation::Stack": "AwsCloudFormationStack",
    "AWS::S3::Bucket": "AwsS3Bucket",
    "AWS::Account": "AwsAccount",
}


def asff_findings(results: Iterable[Result], places: Places, origin: Origin) -> Iterator[AsffFinding]:
    """One finding for each result that has a place in Security Hub, in the order in which the checks ran.

    Results about no account or no region (a release, the whole estate, an account that did not list its regions) have
    none: compare the numbers to know how many. A finding belongs to `AwsAccountId` and to the region of its
    `ProductArn`; BatchImportFindings takes those of one account in one region, at most 100 at a time.
    """
    for result in results:
        place = places.of(result)
        if place is not None and place.region:
            yield _finding(result, place, origin)


def asff_parts(findings: Iterable[AsffFinding]) -> Iterator[str]:
    """The findings as the text of a file: a JSON array, one finding a line."""
    before = "[\n"
    for finding in findings:
        yield before + json.dumps(finding, ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _finding(result: Result, place: Place, origin: Origin) -> AsffFinding:
    quiet = result.status in {Status.PASSED, Status.FIXED}
    label = "INFORMATIONAL" if quiet else result.severity.upper()
    whole: dict[str, object] = {
        "SchemaVersion": SCHEMA,
        "Id": _identity(finding_id(result)),
        "ProductArn": f"arn:{place.partition}:securityhub:{place.region}:{place.account}"
        f":product/{place.account}/default",
        "ProductName": PRODUCT,
        "CompanyName": PRODUCT,
        "GeneratorId": _cut(f"{PRODUCT}/{result.check}", _ID),
        "AwsAccountId": place.account,
        "CreatedAt": asff_time(origin.first_seen(result)),
        "UpdatedAt": asff_time(origin.taken),
        "FirstObservedAt": asff_time(origin.first_seen(result)),
        "LastObservedAt": asff_time(origin.taken),
        "Title": _cut(f"{result.check}: {result.title}", _TITLE),
        "Description": _cut(evidence(result), _DESCRIPTION),
        "FindingProviderFields": {"Severity": {"Label": label, "Original": str(result.severity)}, "Types": [TYPE]},
        "Compliance": {"Status": _COMPLIANCE[result.status], **_requirement(result.step)},
        "Workflow": {"Status": _WORKFLOW.get(result.status, "NEW")},
        "RecordState": "ACTIVE",
        "Resources": [_resource(place)],
        "ProductFields": _product_fields(result, origin),
    }
    if place.alias:
        whole["AwsAccountName"] = _cut(place.alias, _NAME)
    text = advice(result)
    if text:
        whole["Remediation"] = {"Recommendation": {"Text": _cut(text, _ADVICE)}}
    return whole


def _resource(place: Place) -> Mapping[str, str]:
    # Security Hub's own findings name an account so.
    name = f"AWS::::Account:{place.account}" if place.kind == "AWS::Account" else place.id
    return {"Type": _RESOURCES[place.kind], "Id": name, "Partition": place.partition, "Region": place.region}


def _product_fields(result: Result, origin: Origin) -> Mapping[str, str]:
    """What has no field of its own, so that a machine need not take the description apart."""
    change = origin.change(result)
    texts = {
        "Status": str(result.status), "Change": str(change.change) if change else "", "Check": result.check,
        "Subject": result.subject, "Run": origin.run, "Version": origin.version, "Forwarder": result.forwarder,
        "Expected": result.expected, "Found": result.found, "Reason": result.reason,
        "Remedy": result.remedy, "Advice": result.advice, "Fix": result.fix,
        "WaivedBy": result.owner, "WaivedUnder": result.ticket, "WaivedUntil": result.expires,
    }  # fmt: skip
    return {f"{PRODUCT}/{name}": _cut(text, _FIELD) for name, text in texts.items() if text.strip()}


def _requirement(step: str) -> Mapping[str, Sequence[str]]:
    return {"RelatedRequirements": [_cut(step, _TITLE)]} if step else {}


def _identity(text: str) -> str:
    """The name whole, or as much of it as fits with a digest of the rest: it must stay one of its own."""
    if len(text) <= _ID:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: _ID - len(digest) - 1]}#{digest}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def asff_time(moment: datetime) -> str:
    """A moment as ASFF writes it, in UTC: `2026-11-24T04:15:30.000Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
