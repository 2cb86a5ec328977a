"""Results as OCSF compliance findings: by the models, read back by them, and told apart by status and change."""

import json
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.errors import InputError
from fixtures.estate import Estate
from reports.exports.ocsf import ocsf_parts, refuse_missing_models
from reports.exports.place import Places
from reports.history.changes import Change, ChangedFinding
from reports.origin import Origin, origin_of
from reports.summary import Run
from tests.estates import a_forwarder, an_estate
from tests.fake_run import TAKEN, case
from tests.many_results import history_of, many

WHERE = "111122223333/us-east-1/cloudtrail-prod"
ORIGIN = Origin("20261124T041530Z-9f3c", TAKEN, "0.1.0")
ESTATE = an_estate(a_forwarder())


def findings(*results: Result, estate: Estate = ESTATE, origin: Origin = ORIGIN) -> list[dict[str, object]]:
    """As a reader of the file gets them."""
    return list(json.loads("".join(ocsf_parts(results, Places(estate), origin))))


def one(result: Result, origin: Origin = ORIGIN) -> dict[str, object]:
    (finding,) = findings(result, origin=origin)
    return finding


def changed(result: Result, change: Change, before: Status | None) -> Origin:
    known = ChangedFinding(
        change, result.check, result.title, result.severity, result.subject, result.account, result.region,
        result.forwarder, result.status, before, TAKEN - timedelta(days=3), "go1.x", "0d8a4c6be1b6b9a2",
    )  # fmt: skip
    return replace(ORIGIN, changes={(result.check, result.subject): known}, compared=True)


@pytest.mark.parametrize(
    ("status", "activity", "state", "passes", "severity"),
    [
        (Status.PASSED, 3, 4, 1, 1),
        (Status.FIXED, 3, 4, 1, 1),
        (Status.FAILED, 1, 1, 3, 5),
        (Status.BLOCKED, 1, 1, 3, 5),
        (Status.WAIVED, 1, 3, 3, 5),
        (Status.UNKNOWN, 1, 1, 0, 5),
        (Status.ERROR, 1, 1, 0, 5),
        (Status.NO_EVIDENCE, 1, 1, 2, 5),
    ],
)
def test_every_status_has_its_own_numbers(
    status: Status, activity: int, state: int, passes: int, severity: int
) -> None:
    found = one(case("runtime-custom", status, WHERE, Severity.CRITICAL))
    assert (found["class_uid"], found["category_uid"]) == (2003, 2)
    assert (found["activity_id"], found["type_uid"]) == (activity, 200300 + activity)
    assert (found["status_id"], found["status_code"]) == (state, status)
    assert found["compliance"]["status_id"] == passes  # type: ignore[index]
    assert found["severity_id"] == severity


@pytest.mark.parametrize(
    ("change", "before", "activity"),
    [
        (Change.NEW, None, "Create"),
        (Change.NEW, Status.PASSED, "Create"),
        (Change.STILL, Status.FAILED, "Update"),
        (Change.WAIVED, None, "Create"),
        (Change.WAIVED, Status.FAILED, "Update"),
        (Change.UNKNOWN, Status.FAILED, "Update"),
    ],
)
def test_with_a_history_only_what_is_new_is_created(change: Change, before: Status | None, activity: str) -> None:
    result = case("runtime-custom", Status.FAILED, WHERE)
    found = one(result, changed(result, change, before))
    assert found["activity_name"] == activity
    assert found["unmapped"] == {"change": change, "fingerprint": "0d8a4c6be1b6b9a2"}
    assert found["finding_info"]["first_seen_time_dt"] == "2026-11-21T04:15:30Z"  # type: ignore[index]


def test_what_a_history_has_nothing_to_say_of_is_not_new() -> None:
    quiet = case("flow", Status.NO_EVIDENCE, WHERE)
    assert one(quiet, replace(ORIGIN, compared=True))["activity_name"] == "Update"
    assert one(quiet)["activity_name"] == "Create"
    assert one(case("flow", Status.PASSED, WHERE), replace(ORIGIN, compared=True))["activity_name"] == "Close"


def test_what_is_gone_is_closed_though_no_check_says_anything_of_it() -> None:
    was = case("runtime-custom", Status.FAILED, "111122223333/us-east-1/left-long-ago", Severity.CRITICAL)
    (still, gone) = findings(case("code-current", Status.PASSED, WHERE), origin=changed(was, Change.GONE, was.status))
    assert still["status_code"] == "PASSED"
    assert (gone["activity_name"], gone["status"], gone["status_code"]) == ("Close", "Archived", "GONE")
    assert gone["compliance"]["status_id"] == 0  # type: ignore[index]
    assert gone["severity_id"] == 1
    assert gone["finding_info"]["uid"] == f"taegis-forwarders/runtime-custom/{was.subject}"  # type: ignore[index]
    assert "does not exist any more" in str(gone["message"])


def test_a_finding_says_where_it_is_and_what_to_do() -> None:
    found = one(case("runtime-custom", Status.FAILED, WHERE, expected="provided.al2", found="go1.x", remedy="mend it"))
    (stack,) = (forwarder.stack.id for forwarder in ESTATE.forwarders)
    assert found["resources"] == [
        {"cloud_partition": "aws", "region": "us-east-1", "name": "cloudtrail-prod",
         "type": "AWS::CloudFormation::Stack", "uid": stack}
    ]  # fmt: skip
    account = {"name": "111122223333", "type": "AWS Account", "type_id": 10, "uid": "111122223333"}
    assert found["cloud"] == {"account": account, "provider": "AWS", "region": "us-east-1"}
    assert found["remediation"] == {"desc": "mend it"}
    assert found["message"] == "expected provided.al2; found go1.x"


def test_what_is_about_no_account_is_told_without_one() -> None:
    (found,) = findings(case("forwarders-found", Status.FAILED, "estate"))
    assert found["cloud"] == {"provider": "AWS"}
    assert "resources" not in found


def test_every_finding_is_one_by_the_models() -> None:
    from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding  # noqa: PLC0415 - an extra

    results, estate = many(300, 0.4)
    origin = origin_of(Run(results, estate, history=history_of(results), id="r"), "0.1.0")
    found = findings(*results, estate=estate, origin=origin)
    gone = sum(known.change is Change.GONE for known in origin.changes.values())
    assert len(found) == len(results) + gone > len(results)
    assert {ComplianceFinding.model_validate(finding).class_uid for finding in found} == {2003}
    uids = {finding["finding_info"]["uid"] for finding in found}  # type: ignore[index]
    assert len(uids) == len({(result.check, result.subject) for result in results})


def test_an_empty_file_is_an_array_too() -> None:
    assert findings() == []


def test_without_the_extra_the_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_ocsf_models", None)
    with pytest.raises(InputError, match=r"--export=a.ocsf.json: .*; run: pip install 'taegis-forwarders\[ocsf\]'"):
        refuse_missing_models("--export=a.ocsf.json")
