"""Security Hub as its API reference describes it, behind the server that plays AWS: no engine at hand keeps its rules.

What an import may change of a finding that is there, what resets a workflow, which filters there are, how it pages.
"""

import json
from collections.abc import Mapping

from fixtures.sandbox.aws_call import Answer, AwsCall, json_error
from tests.fake_aws import FakeAws, jsonish

REQUIRED = ("SchemaVersion", "Id", "ProductArn", "GeneratorId", "AwsAccountId", "CreatedAt", "UpdatedAt", "Title",
            "Description", "Resources")  # fmt: skip
CUSTOMERS = ("Note", "UserDefinedFields", "VerificationState", "Workflow")
_PAGE = 3  # findings on a page, however many were asked for


class FakeHub:
    """One account's, in all regions that are `enabled`; `findings` by region and id."""

    def __init__(self, account: str, *enabled: str) -> None:
        self.account = account
        self.findings: dict[str, dict[str, dict[str, object]]] = {region: {} for region in enabled}
        self.refused: dict[str, str] = {}  # what an import of an id is refused with
        self.imports: list[int] = []  # how many findings each import had

    def play(self, server: FakeAws) -> None:
        server.say("securityhub:GetFindings", self._get)
        server.say("securityhub:BatchImportFindings", self._import)
        server.say("securityhub:BatchUpdateFindings", self._update)

    def active(self, region: str) -> dict[str, tuple[str, str]]:
        """Compliance and workflow of what is in view, by what follows the product's name in the id."""
        return {
            name.partition("/")[2]: (str(one["Compliance"]["Status"]), str(one["Workflow"]["Status"]))  # type: ignore[index]
            for name, one in self.findings[region].items()
            if one["RecordState"] == "ACTIVE"
        }

    def _get(self, call: AwsCall) -> Answer:
        there = self._there(call)
        if isinstance(there, Answer):
            return there
        asked = json.loads(call.body)
        found = [one for one in there.values() if _matches(one, asked.get("Filters", {}))]
        start = int(asked.get("NextToken") or 0)
        page = {"Findings": found[start : start + _PAGE]}
        return jsonish(page | ({"NextToken": str(start + _PAGE)} if start + _PAGE < len(found) else {}))

    def _import(self, call: AwsCall) -> Answer:
        there = self._there(call)
        if isinstance(there, Answer):
            return there
        findings = json.loads(call.body)["Findings"]
        self.imports.append(len(findings))
        if len(findings) > 100:
            return json_error("InvalidInputException", "at most 100", 400)
        failed = []
        for finding in findings:
            why = self.refused.get(finding["Id"]) or self._invalid(finding, call.region)
            if why:
                failed.append({"Id": finding["Id"], "ErrorCode": "InvalidInput", "ErrorMessage": why})
            else:
                there[finding["Id"]] = _taken(there.get(finding["Id"]), finding)
        good = len(findings) - len(failed)
        return jsonish({"FailedCount": len(failed), "SuccessCount": good, "FailedFindings": failed})

    def _update(self, call: AwsCall) -> Answer:
        there = self._there(call)
        if isinstance(there, Answer):
            return there
        asked = json.loads(call.body)
        unknown = [one for one in asked["FindingIdentifiers"] if one["Id"] not in there]
        known = [one for one in asked["FindingIdentifiers"] if one["Id"] in there]
        for one in known:
            there[one["Id"]] |= {name: asked[name] for name in ("Workflow", "Note") if name in asked}
        failed = [{"FindingIdentifier": one, "ErrorCode": "FindingNotFound", "ErrorMessage": "no"} for one in unknown]
        return jsonish({"ProcessedFindings": known, "UnprocessedFindings": failed})

    def _there(self, call: AwsCall) -> "dict[str, dict[str, object]] | Answer":
        if call.region not in self.findings:
            message = f"Account {self.account} is not subscribed to AWS Security Hub"
            return json_error("InvalidAccessException", message, 401)
        return self.findings[call.region]

    def _invalid(self, finding: Mapping[str, object], region: str) -> str:
        missing = [name for name in REQUIRED if not finding.get(name)]
        product = f"arn:aws:securityhub:{region}:{self.account}:product/{self.account}/default"
        if missing:
            return f"missing {missing}"
        if finding["AwsAccountId"] != self.account or finding["ProductArn"] != product:
            return "of another account or region"
        return ""


def _taken(before: Mapping[str, object] | None, finding: Mapping[str, object]) -> dict[str, object]:
    if before is None:
        return {"Workflow": {"Status": "NEW"}, "RecordState": "ACTIVE", **finding}
    after = dict(before) | {name: value for name, value in finding.items() if name not in CUSTOMERS}
    opened = before["RecordState"] == "ARCHIVED" and after["RecordState"] == "ACTIVE"
    passed, passes = (one["Compliance"]["Status"] == "PASSED" for one in (before, after))  # type: ignore[index]
    if (opened or (passed and not passes)) and before["Workflow"]["Status"] in {"RESOLVED", "NOTIFIED"}:  # type: ignore[index]
        after["Workflow"] = {"Status": "NEW"}
    return after


def _matches(finding: Mapping[str, object], filters: Mapping[str, list[Mapping[str, str]]]) -> bool:
    def fits(name: str, one: Mapping[str, str]) -> bool:
        text = str(finding[name])
        return text == one["Value"] if one["Comparison"] == "EQUALS" else text.startswith(one["Value"])

    return all(any(fits(name, one) for one in wanted) for name, wanted in filters.items())
