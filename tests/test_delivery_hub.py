"""Findings in Security Hub over several nights: opened, set aside, closed, gone, and what went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from checks.looked import Looked
from checks.outcome import Status
from checks.result import Result
from fixtures.aws import Aws
from fixtures.estate import Estate, Target
from fixtures.fact import Cause, Unreadable
from reports.delivery.hub_plan import MOST, batches
from reports.delivery.outcome import Imported, NotImported
from reports.delivery.security_hub import import_run
from reports.summary import Run
from tests.estates import a_forwarder, a_seen, an_estate
from tests.fake_aws import DENIED, FakeAws, garbage, jsonish, refusal
from tests.fake_hub import FakeHub
from tests.fake_run import TAKEN, case

ACCOUNT, REGION, OTHER = "111122223333", "us-east-1", "eu-west-1"
HERE = f"{ACCOUNT}/{REGION}"
ESTATE = an_estate(a_forwarder())
CHECKS = frozenset({"runtime-custom", "trigger-wired", "logs-flow"})
RUNTIME, TRIGGER = f"runtime-custom/{HERE}/trail", f"trigger-wired/{HERE}/trail"


class Doors:
    """The access of a run, with the one account that the server plays."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def __call__(self, region: str) -> "Doors":
        assert region
        return self

    def enter_own(self, account: str) -> Aws | Unreadable:
        if account == self.aws.account:
            return self.aws
        return Unreadable("sts:AssumeRole", Cause.DENIED, f"not authorized in {account}")


class Nights:
    """Runs after each other, a day apart."""

    def __init__(self, aws: Aws) -> None:
        self.doors = Doors(aws)
        self.day = 0

    def night(self, *results: Result, estate: Estate = ESTATE, **looked: object) -> Imported:
        self.day += 1
        target = Target(ACCOUNT, REGION)
        seen = Looked(CHECKS, frozenset({target}), frozenset({target}), whole=True, accounts=True, regions=True)
        estate = replace(estate, taken=TAKEN + timedelta(days=self.day))
        run = Run(results, estate, id=f"run-{self.day}")
        return import_run(run, replace(seen, **looked), self.doors)  # type: ignore[arg-type]


@pytest.fixture
def hub(fake: FakeAws) -> FakeHub:
    found = FakeHub(ACCOUNT, REGION)
    found.play(fake)
    return found


@pytest.fixture
def nights(fake_account: Aws) -> Nights:
    return Nights(fake_account)


def of(status: Status, check: str = "runtime-custom", subject: str = f"{HERE}/trail", **texts: str) -> Result:
    waived = {"owner": "jane@example.com", "ticket": "SEC-1", "expires": "2026-12-24T00:00:00Z", "reason": "why"}
    return case(
        check, status, subject, expected="al2", found="go1.x", **(waived if status is Status.WAIVED else {}) | texts
    )


def test_what_is_open_is_imported_and_what_holds_is_not(hub: FakeHub, nights: Nights) -> None:
    done = nights.night(
        of(Status.FAILED), of(Status.PASSED, "trigger-wired"), of(Status.NO_EVIDENCE, "logs-flow"),
        of(Status.BLOCKED, subject=f"{HERE}/waf"), of(Status.UNKNOWN, subject=f"{HERE}/dns"),
    )  # fmt: skip
    assert hub.active(REGION) == {
        RUNTIME: ("FAILED", "NEW"),
        f"runtime-custom/{HERE}/waf": ("FAILED", "NEW"),
        f"runtime-custom/{HERE}/dns": ("NOT_AVAILABLE", "NEW"),
    }
    assert done == Imported(imported=3, targets=1)


def test_a_finding_of_every_night_is_one_finding(hub: FakeHub, nights: Nights) -> None:
    nights.night(of(Status.FAILED))
    (first,) = [dict(one) for one in hub.findings[REGION].values()]
    assert nights.night(of(Status.FAILED)) == Imported(imported=1, targets=1)
    (second,) = hub.findings[REGION].values()
    assert second["Id"] == first["Id"]
    assert str(second["UpdatedAt"]) > str(first["UpdatedAt"])


CLOSED = {
    "it-holds": ([of(Status.PASSED)], {}, "PASSED"),
    "it-was-fixed": ([of(Status.FIXED)], {}, "PASSED"),
    "its-forwarder-is-gone": ([], {}, "FAILED"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_no_finding_any_more_is_archived(name: str, hub: FakeHub, nights: Nights) -> None:
    results, looked, compliance = CLOSED[name]
    nights.night(of(Status.FAILED))
    assert nights.night(*results, **looked) == Imported(archived=1)
    (finding,) = hub.findings[REGION].values()
    assert (finding["RecordState"], finding["Compliance"]["Status"]) == ("ARCHIVED", compliance)  # type: ignore[index]
    assert nights.night(*results, **looked) == Imported()


LEFT = {
    "its-target-was-not-reached": {"reached": frozenset()},
    "forwarders-were-left-out": {"whole": False},
    "its-check-was-not-asked": {"checks": frozenset({"logs-flow"})},
}


@pytest.mark.parametrize("name", LEFT)
def test_what_was_not_looked_for_is_not_gone(name: str, hub: FakeHub, nights: Nights) -> None:
    nights.night(of(Status.FAILED))
    nights.night(of(Status.FAILED, "trigger-wired"), **LEFT[name])
    assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW"), TRIGGER: ("FAILED", "NEW")}


def test_what_comes_back_is_open_again(hub: FakeHub, nights: Nights) -> None:
    nights.night(of(Status.FAILED))
    hub.findings[REGION][f"taegis-forwarders/{RUNTIME}"]["Workflow"] = {"Status": "RESOLVED"}
    nights.night(of(Status.PASSED))
    assert hub.active(REGION) == {}
    nights.night(of(Status.FAILED))
    assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW")}


def test_what_could_not_be_told_this_night_stays_in_view(hub: FakeHub, nights: Nights) -> None:
    nights.night(of(Status.FAILED), of(Status.FAILED, "logs-flow"))
    nights.night(of(Status.UNKNOWN), of(Status.NO_EVIDENCE, "logs-flow"))
    assert hub.active(REGION) == {
        RUNTIME: ("NOT_AVAILABLE", "NEW"), f"logs-flow/{HERE}/trail": ("WARNING", "NEW")
    }  # fmt: skip


class TestWaivers:
    def test_a_waiver_sets_a_known_finding_aside_and_says_who(self, hub: FakeHub, nights: Nights) -> None:
        nights.night(of(Status.FAILED))
        assert nights.night(of(Status.WAIVED)) == Imported(imported=1, targets=1, suppressed=1)
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "SUPPRESSED")}
        (finding,) = hub.findings[REGION].values()
        assert finding["Note"] == {
            "Text": "Waived by jane@example.com (SEC-1) until 2026-12-24T00:00:00Z.", "UpdatedBy": "taegis-forwarders"
        }  # fmt: skip
        assert nights.night(of(Status.WAIVED)) == Imported(imported=1, targets=1)

    def test_a_new_finding_is_set_aside_at_once_or_in_the_next_night(
        self, hub: FakeHub, fake: FakeAws, nights: Nights
    ) -> None:
        """Security Hub takes minutes to know what was imported, and need not heed a workflow in an import."""
        not_yet = {"FindingIdentifier": {"Id": f"taegis-forwarders/{RUNTIME}", "ProductArn": "p"},
                   "ErrorCode": "FindingNotFound", "ErrorMessage": "no"}  # fmt: skip
        fake.say(
            "securityhub:BatchUpdateFindings", jsonish({"ProcessedFindings": [], "UnprocessedFindings": [not_yet]})
        )
        assert nights.night(of(Status.WAIVED)) == Imported(imported=1, targets=1)
        hub.findings[REGION][f"taegis-forwarders/{RUNTIME}"]["Workflow"] = {"Status": "NEW"}
        hub.play(fake)
        assert nights.night(of(Status.WAIVED)) == Imported(imported=1, targets=1, suppressed=1)
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "SUPPRESSED")}

    def test_a_known_finding_that_cannot_be_set_aside_is_told(
        self, hub: FakeHub, fake: FakeAws, nights: Nights
    ) -> None:
        nights.night(of(Status.FAILED))
        refusal_of_one = {"FindingIdentifier": {"Id": f"taegis-forwarders/{RUNTIME}", "ProductArn": "p"},
                          "ErrorCode": "ConcurrentUpdateError", "ErrorMessage": "again"}  # fmt: skip
        fake.say("securityhub:BatchUpdateFindings",
                 jsonish({"ProcessedFindings": [], "UnprocessedFindings": [refusal_of_one]}))  # fmt: skip
        done = nights.night(of(Status.WAIVED))
        assert done.troubles == (NotImported("ConcurrentUpdateError: again", (RUNTIME,)),)
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW")}

    @pytest.mark.parametrize("known_before", [True, False])
    def test_a_waiver_that_is_gone_opens_it_again(self, known_before: bool, hub: FakeHub, nights: Nights) -> None:
        if known_before:
            nights.night(of(Status.FAILED))
        nights.night(of(Status.WAIVED))
        assert nights.night(of(Status.FAILED)) == Imported(imported=1, targets=1, reopened=1)
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW")}

    def test_what_a_person_set_aside_stays_so(self, hub: FakeHub, nights: Nights) -> None:
        nights.night(of(Status.FAILED))
        hub.findings[REGION][f"taegis-forwarders/{RUNTIME}"]["Workflow"] = {"Status": "SUPPRESSED"}
        nights.night(of(Status.FAILED))
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "SUPPRESSED")}

    @pytest.mark.parametrize("then", [[of(Status.PASSED)], []], ids=["it-holds", "it-is-gone"])
    def test_what_was_waived_and_is_closed_is_not_hidden_when_it_comes_back(
        self, then: Sequence[Result], hub: FakeHub, nights: Nights
    ) -> None:
        nights.night(of(Status.FAILED))
        nights.night(of(Status.WAIVED))
        nights.night(*then)
        assert hub.active(REGION) == {}
        nights.night(of(Status.FAILED))
        assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW")}


def test_findings_of_others_are_left_alone(hub: FakeHub, nights: Nights) -> None:
    nights.night(of(Status.FAILED))
    (ours,) = hub.findings[REGION].values()
    hub.findings[REGION]["theirs"] = {**ours, "Id": "theirs", "GeneratorId": "prowler/x"}
    before = dict(hub.findings[REGION]["theirs"])
    nights.night()
    assert hub.findings[REGION]["theirs"] == before


@pytest.mark.usefixtures("hub")
def test_an_engine_that_knows_no_filters_and_pages_loses_nothing(
    fake: FakeAws, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fake_hub._matches", lambda *_: True)
    subjects = [f"{HERE}/forwarder-{number}" for number in range(8)]
    nights.night(*(of(Status.FAILED, subject=subject) for subject in subjects))
    fake.seen.clear()
    assert nights.night().archived == 8
    assert fake.counted()["securityhub:GetFindings"] == 3  # the fake shows three at a time
    assert nights.night() == Imported()


def test_an_import_has_as_many_findings_as_aws_takes(hub: FakeHub, nights: Nights) -> None:
    results = [of(Status.FAILED, subject=f"{HERE}/forwarder-{number}") for number in range(250)]
    assert nights.night(*results).imported == 250
    assert hub.imports == [100, 100, 50]
    large = [{"Id": str(number)} for number in range(60)]
    assert [len(batch) for batch in batches(large, lambda _: 240 * 1024)] == [21, 21, 18]
    assert max(len(batch) for batch in batches(large * 10, lambda _: 1)) == MOST


def test_what_security_hub_refuses_is_told_with_its_reason_and_the_rest_goes_in(hub: FakeHub, nights: Nights) -> None:
    hub.refused = {f"taegis-forwarders/{RUNTIME}": "Title is odd", f"taegis-forwarders/{TRIGGER}": "Title is odd"}
    done = nights.night(of(Status.FAILED), of(Status.FAILED, "trigger-wired"), of(Status.FAILED, "logs-flow"))
    assert done.imported == 1
    assert done.troubles == (NotImported("InvalidInput: Title is odd", (RUNTIME, TRIGGER)),)


def test_where_it_is_not_enabled_is_one_line(hub: FakeHub, nights: Nights) -> None:
    there = f"{ACCOUNT}/{OTHER}"
    done = nights.night(
        of(Status.FAILED), of(Status.FAILED, subject=f"{there}/trail"), of(Status.FAILED, subject=there)
    )
    assert done.imported == 1
    assert done.troubles == (
        NotImported("Security Hub is not enabled: enable it there, or leave --security-hub out", (there,)),
    )
    assert hub.active(REGION) == {RUNTIME: ("FAILED", "NEW")}


def test_an_account_that_cannot_be_entered_is_told_and_the_others_go_in(hub: FakeHub, nights: Nights) -> None:
    elsewhere = [f"444455556666/{region}/trail" for region in (REGION, OTHER)]
    done = nights.night(of(Status.FAILED), *(of(Status.FAILED, subject=subject) for subject in elsewhere))
    assert done.imported == 1
    assert done.troubles == (
        NotImported(
            "sts:AssumeRole denied: not authorized in <account>", (f"444455556666/{OTHER}", f"444455556666/{REGION}")
        ),
    )
    assert hub.active(REGION)


def test_what_is_about_no_account_is_counted(hub: FakeHub, nights: Nights) -> None:
    done = nights.night(
        of(Status.FAILED), of(Status.FAILED, "release-files", "estate"), of(Status.PASSED, "x", "estate")
    )
    assert (done.imported, done.placeless) == (1, 1)
    assert len(hub.findings[REGION]) == 1


BROKEN: Mapping[str, tuple[str, object, str]] = {
    "denied-to-read": ("GetFindings", DENIED, "securityhub:GetFindings denied"),
    "denied-to-import": ("BatchImportFindings", DENIED, "securityhub:BatchImportFindings denied"),
    "throttled-for-ever": ("GetFindings", refusal("TooManyRequestsException", status=429), "GetFindings throttled"),
    "a-server-error": ("BatchImportFindings", refusal("InternalException", status=500), "InternalException"),
    "no-json": ("GetFindings", garbage(), "malformed answer"),
    "no-list": ("GetFindings", jsonish({}), "malformed answer: Findings is missing"),
    "no-numbers": ("BatchImportFindings", jsonish({"FailedFindings": []}), "malformed answer: SuccessCount is missing"),
    "fewer-than-sent": ("BatchImportFindings", jsonish({"SuccessCount": 0, "FailedCount": 0, "FailedFindings": []}),
                        "1 findings neither taken nor refused"),
}  # fmt: skip


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", BROKEN)
def test_what_goes_wrong_is_told_where_it_did(name: str, hub: FakeHub, fake: FakeAws, nights: Nights) -> None:
    operation, answer, told = BROKEN[name]
    assert hub.active(REGION) == {}
    fake.say(f"securityhub:{operation}", answer)  # type: ignore[arg-type]
    done = nights.night(of(Status.FAILED))
    (trouble,) = done.troubles
    assert told in trouble.cause
    assert trouble.where == (HERE,)


def test_what_is_throttled_once_goes_in(hub: FakeHub, fake: FakeAws, nights: Nights, no_pauses: None) -> None:
    assert no_pauses is None
    fake.say("securityhub:BatchImportFindings", refusal("TooManyRequestsException", status=429), hub._import)
    assert nights.night(of(Status.FAILED)) == Imported(imported=1, targets=1)


def test_moto_takes_it_too(moto_aws: Aws) -> None:
    """Another engine: it knows no filters and no rules, but botocore's whole way there and back."""
    account = moto_aws.account
    subject = f"{account}/{REGION}/trail"
    estate = an_estate(targets=[a_seen(target=Target(account, REGION))])
    nights = Nights(moto_aws)
    moto_aws.call(REGION, "securityhub", "EnableSecurityHub")
    assert nights.night(of(Status.FAILED, subject=subject), estate=estate).imported == 1
    here = frozenset({Target(account, REGION)})
    assert nights.night(estate=estate, reached=here) == Imported(archived=1)
    (finding,) = moto_aws.call(REGION, "securityhub", "GetFindings")["Findings"]  # type: ignore[misc]
    assert finding["RecordState"] == "ARCHIVED"
