"""A run without AWS: hand-made results and estates, and a conftest that lets pytest report them as checks would."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Estate, Forwarder, Identity, Seen, Stack, Target
from fixtures.fact import NOT_READ, Absent, Cause, Unreadable

TAKEN = datetime(2026, 11, 24, 4, 15, 30, tzinfo=UTC)

CONFTEST = """
import json
import pathlib
import pytest
from checks.outcome import Severity, Status
from checks.state import NOT_APPLICABLE
from checks.result import Result
from fixtures.option_groups import add_options
from fixtures.options import parse_options
from fixtures.state import ESTATE, OPTIONS
from remediation.story import FIX_STORY, FixStory
from tests.fake_run import estate_of

pytest_plugins = ["reports.plugin"]
HERE = pathlib.Path(__file__).parent
CASES = [
    Result(**{**case, "severity": Severity(case["severity"]), "status": Status(case["status"])})
    for case in json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
]


def pytest_addoption(parser):
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.stash[OPTIONS] = parse_options(config)
    story = json.loads((HERE / "story.json").read_text(encoding="utf-8"))
    if story:
        config.stash[FIX_STORY] = FixStory(**{**story, "failed": tuple(story["failed"])})
    config.stash[NOT_APPLICABLE] = {"no release was given": ("release-files",)}


def pytest_sessionstart(session):
    if session.config.stash[OPTIONS].looks and not hasattr(session.config, "workerinput"):
        session.config.stash[ESTATE] = estate_of(CASES)


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=[f"{case.check}-{case.subject}" for case in CASES])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    case = getattr(item, "callspec", None) and item.callspec.params.get("case")
    if case and call.when == "call":
        report.user_properties = case.properties()
        if case.status in {Status.FAILED, Status.BLOCKED}:
            report.longrepr = case.text()
    return report
"""

MODULE = """
import pytest
from checks.outcome import CannotTell, Finding, NoEvidence, Status


def test_check(case):
    if case.status in {Status.FAILED, Status.BLOCKED}:
        raise Finding(case.expected, case.found)
    if case.status is Status.UNKNOWN:
        raise CannotTell(case.reason)
    if case.status is Status.NO_EVIDENCE:
        raise NoEvidence(case.reason)
    if case.status is Status.ERROR:
        raise ZeroDivisionError("a bug in a check")
"""


def case(check: str, status: Status, subject: str, severity: Severity = Severity.HIGH, **texts: str) -> Result:
    """A result of `account/region/forwarder`, `account/region` or `estate`."""
    account, region, forwarder = [*subject.split("/"), "", "", ""][:3] if "/" in subject else ["", "", ""]
    result = Result(
        check, f"The property {check} holds.", severity, "step 3", status, subject, account, region, forwarder
    )
    return replace(result, **texts)


def forwarder(subject: str) -> Forwarder:
    """A forwarder of which nothing was read."""
    account, region, name = subject.split("/")
    stack = Stack(
        name, f"id-of-{name}", "UPDATE_COMPLETE", "", "", {}, None, termination_protection=False, changed=None
    )
    nothing_read = {field.name: NOT_READ for field in fields(Forwarder)}
    nowhere = {"integration": None, "bucket_name": None, "topic_arn": None}
    known = {"target": Target(account, region), "name": name, "stack": stack}
    return Forwarder(**{**nothing_read, **nowhere, **known})  # type: ignore[arg-type]


def seen(target: Target, *forwarders: Forwarder, reached: bool = True, unread: bool = False) -> Seen:
    """A target that was reached, partly seen, or not entered."""
    denied = Unreadable("sts:AssumeRole", Cause.DENIED, f"not authorized in {target.account}")
    listing = Unreadable("lambda:ListFunctions", Cause.DENIED, f"no permission in {target.region}")
    identity = Identity(target.account, f"arn:aws:iam::{target.account}:role/audit", "aws")
    return Seen(
        target=target,
        identity=identity if reached else denied,
        stacks=3 if reached else denied,
        functions=listing if unread or not reached else (),
        forwarders=forwarders,
        shared=(),
        artifact=Absent("bucket"),
        lookalikes=(),
        orphans=(),
    )


def estate(*targets: Seen) -> Estate:
    """An estate of these targets."""
    return Estate(TAKEN, targets, {}, {}, {}, {}, {})


def estate_of(cases: Sequence[Result]) -> Estate:
    """An estate in which every target and forwarder that the cases speak of was reached."""
    targets: dict[Target, set[str]] = {}
    for found in cases:
        if found.region:
            targets.setdefault(Target(found.account, found.region), set()).update(
                {found.subject} if found.forwarder else ()
            )
    return estate(*(seen(target, *map(forwarder, sorted(names))) for target, names in sorted(targets.items())))


def write_run(pytester: pytest.Pytester, cases: Sequence[Result], story: dict[str, object] | None = None) -> None:
    """Lay out a suite whose checks end as `cases` say."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_fake=MODULE)
    pytester.makefile(".toml", pyproject='[tool.pytest]\nfilterwarnings = ["error"]\n')
    fields = [{**asdict(case), "status": str(case.status), "severity": str(case.severity)} for case in cases]
    pytester.path.joinpath("cases.json").write_text(json.dumps(fields), encoding="utf-8")
    pytester.path.joinpath("story.json").write_text(json.dumps(story), encoding="utf-8")
