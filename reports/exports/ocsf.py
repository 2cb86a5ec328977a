"""Results as OCSF compliance findings (class 2003), for Amazon Security Lake and SIEMs.

Source: schema.ocsf.io, Compliance Finding, with the profiles `cloud` and `datetime`; modelled by py-ocsf-models, an
extra, since it pins another package to one version.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.errors import InputError
from reports.exports.finding import PRODUCT, advice, evidence, finding_id
from reports.exports.place import Place, Places
from reports.history.changes import Change, ChangedFinding
from reports.origin import Origin

_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
}
# Compliance.status_id: a warning is "did not yield a result due to missing information".
_COMPLIANCE: Mapping[Status, str] = {
    Status.PASSED: "Pass",
    Status.FIXED: "Pass",
    Status.FAILED: "Fail",
    Status.BLOCKED: "Fail",
    Status.WAIVED: "Fail",
    Status.UNKNOWN: "Unknown",
    Status.ERROR: "Unknown",
    Status.NO_EVIDENCE: "Warning",
}
_STATUSES: Mapping[Status, str] = {
    Status.PASSED: "Resolved",
    Status.FIXED: "Resolved",
    Status.WAIVED: "Suppressed",
}
_GONE = "its subject does not exist any more, or the check is not asked of it any more"


def refuse_missing_models(thing: str) -> None:
    """Refuse before the run what could not be written after it.

    Raises:
        InputError: py-ocsf-models is not installed.
    """
    try:
        import py_ocsf_models  # noqa: F401, PLC0415 - an extra, and a third of a second that no other run should pay
    except ImportError:
        remedy = "run: pip install 'taegis-forwarders[ocsf]'"
        raise InputError(thing, "py-ocsf-models is not installed", remedy) from None


def ocsf_parts(results: Iterable[Result], places: Places, origin: Origin) -> Iterator[str]:
    """A JSON array of findings, one a line: of every result, about an account or not, and of what is gone.

    Args:
        results: the results.
        places: where their subjects are.
        origin: the run that they come from.
    """
    maker = _Maker(places, origin)
    before = "[\n"
    gone = (found for found in origin.changes.values() if found.change is Change.GONE)
    for finding in chain(map(maker.finding, results), map(maker.gone, gone)):
        yield before + json.dumps(finding, ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


@dataclass(frozen=True, slots=True)
class _State:
    """How a finding stands, in the words of OCSF; `code` is the suite's own, `told` the evidence."""

    activity: str
    status: str
    severity: str
    code: str
    told: str
    to_do: str = ""


class _Maker:
    """Makes findings, each judged by its model; parts that many findings share are made and judged once."""

    def __init__(self, places: Places, origin: Origin) -> None:
        from py_ocsf_models.events.findings import (  # noqa: PLC0415 - as above
            activity_id,
            compliance_finding,
            compliance_finding_type_id,
            severity_id,
            status_id,
        )
        from py_ocsf_models.objects import (  # noqa: PLC0415 - as above
            account,
            check,
            cloud,
            compliance,
            compliance_status,
            finding_info,
            metadata,
            product,
            remediation,
            resource_details,
        )

        self._finding, self._info = compliance_finding.ComplianceFinding, finding_info.FindingInformation
        self._activity, self._type = activity_id.ActivityID, compliance_finding_type_id.ComplianceFindingTypeID
        self._severity, self._status = severity_id.SeverityID, status_id.StatusID
        self._compliance, self._passes = compliance.Compliance, compliance_status.StatusID
        self._check, self._remediation = check.Check, remediation.Remediation
        self._resource, self._cloud = resource_details.ResourceDetails, cloud.Cloud
        self._account, self._account_type = account.Account, account.TypeID
        self._places, self._origin = places, origin
        self._metadata = metadata.Metadata(
            product=product.Product(name=PRODUCT, vendor_name=PRODUCT, version=origin.version),
            profiles=["cloud", "datetime"],
            correlation_uid=origin.run,
        )
        self._judged = cache(self._compliance_of)
        self._at = cache(self._where)

    def finding(self, result: Result) -> Mapping[str, object]:
        """One result as a finding, as JSON has it.

        Raises:
            pydantic.ValidationError: the model does not take it; that is an error of the suite.
        """
        closed = _STATUSES.get(result.status) == "Resolved"
        state = _State(
            activity=self._activity_of(result, closed=closed),
            status=_STATUSES.get(result.status, "New"),
            severity="Informational" if closed else _SEVERITIES[result.severity],
            code=str(result.status),
            told=evidence(result),
            to_do=advice(result),
        )
        return self._made(result, state)

    def gone(self, found: ChangedFinding) -> Mapping[str, object]:
        """A finding that was known and is not there any more: whoever keeps it open can close it."""
        result = Result(
            found.check, found.title, found.severity, "", Status.UNKNOWN, found.subject, found.account, found.region,
            found.forwarder,
        )  # fmt: skip
        return self._made(result, _State("Close", "Archived", "Informational", "GONE", _GONE))

    def _made(self, result: Result, state: _State) -> Mapping[str, object]:
        origin, place = self._origin, self._places.of(result)
        first = origin.first_seen(result)
        known = origin.change(result)
        resources, cloud = self._at(place)
        finding = self._finding(
            activity_id=self._activity[state.activity],
            activity_name=state.activity,
            class_name="Compliance Finding",
            compliance=self._judged(result.check, result.title, result.step, result.severity, result.status),
            finding_info=self._info(
                uid=finding_id(result), title=result.title, desc=state.told, types=["Taegis XDR log forwarding"],
                first_seen_time=_milliseconds(first), first_seen_time_dt=first,
                last_seen_time=_milliseconds(origin.taken), last_seen_time_dt=origin.taken,
            ),
            message=state.told,
            metadata=self._metadata,
            remediation=self._remediation(desc=state.to_do) if state.to_do else None,
            resources=resources,
            severity=state.severity,
            severity_id=self._severity[state.severity],
            status=state.status,
            status_code=state.code,
            status_detail=result.reason or None,
            status_id=self._status[state.status],
            time=_milliseconds(origin.taken),
            time_dt=origin.taken,
            type_name=f"Compliance Finding: {state.activity}",
            type_uid=self._type[state.activity],
            unmapped={"change": str(known.change), "fingerprint": known.fingerprint} if known else None,
        )  # fmt: skip
        # The profile `cloud` adds this attribute to the class; the models leave it out.
        return {**finding.model_dump(mode="json", exclude_none=True), "cloud": cloud}

    def _activity_of(self, result: Result, *, closed: bool) -> str:
        """Closed where it holds; created where a history says that it is new, or where nothing is known of it."""
        if closed:
            return "Close"
        known = self._origin.change(result)
        if known:
            return "Create" if known.change is Change.NEW or known.before is None else "Update"
        return "Update" if self._origin.compared else "Create"

    def _compliance_of(self, check: str, title: str, step: str, severity: Severity, status: Status) -> object:
        passes, label = _COMPLIANCE[status], _SEVERITIES[severity]
        judged = self._check(
            uid=check, name=check, desc=title, severity=label, severity_id=self._severity[label], status=passes,
            status_id=self._passes[passes], version=self._origin.version,
        )  # fmt: skip
        return self._compliance(
            checks=[judged], control=check, desc=title, standards=[PRODUCT], requirements=[step] if step else None,
            status_id=self._passes[passes],
        )  # fmt: skip

    def _where(self, place: Place | None) -> tuple[list[object] | None, Mapping[str, object]]:
        """The resource, and the object `cloud` as JSON has it."""
        if place is None:
            return None, self._cloud(provider="AWS").model_dump(mode="json", exclude_none=True)
        account = self._account(
            uid=place.account, name=place.alias or place.account, type="AWS Account",
            type_id=self._account_type.AWS_Account,
        )  # fmt: skip
        cloud = self._cloud(provider="AWS", account=account, region=place.region or None)
        resource = self._resource(
            uid=place.id, name=place.name, type=place.kind, region=place.region or None,
            cloud_partition=place.partition or None,
        )  # fmt: skip
        return [resource], cloud.model_dump(mode="json", exclude_none=True)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
