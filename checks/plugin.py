"""Checks as pytest tests: who they are asked for, what they get, and what their outcome means."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from checks.outcome import CannotTell, Finding, NoEvidence, Status
from checks.registry import FACTS, Check, check_of, load_catalogue
from checks.result import Result
from fixtures.desired import Desired
from fixtures.errors import near
from fixtures.estate import Bucket, Estate, Forwarder, Seen, Target
from fixtures.release import Release
from fixtures.state import BASELINE, DESIRES, ESTATE, OPTIONS

NOT_APPLICABLE = pytest.StashKey[dict[str, tuple[str, ...]]]()
_NO_RELEASE = "no --release given"
_ADVICE = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a check is asked about; `str()` of it is the test's id and the subject in reports."""

    text: str
    target: Target | None = None
    name: str = ""

    def __str__(self) -> str:
        """The id."""
        return self.text


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that carries a check's metadata."""
    config.addinivalue_line("markers", "check(meta): a compliance check; see checks/registry.py")
    config.stash[NOT_APPLICABLE] = {}


def pytest_forwarders_facts(config: pytest.Config) -> frozenset[str]:
    """The facts that the selected checks need: all, unless `--checks` names checks of the catalogue.

    Under `--plan` and `--fix` everything is read: whoever writes must know all.
    """
    options = config.stash[OPTIONS]
    if not options.checks or options.plan or options.fix:
        return FACTS
    catalogue = load_catalogue()
    unknown = [name for name in options.checks if name not in catalogue]
    if unknown and config.args_source is not pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(f"--checks: '{unknown[0]}': no such check; {near(unknown[0], catalogue)}")
    if unknown:  # checks of the user's own, known only once they are collected
        return FACTS
    return frozenset(fact for name in options.checks for fact in catalogue[name].facts)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask each check about every subject it applies to, in a stable order."""
    marker = metafunc.definition.get_closest_marker("check")
    estate = metafunc.config.stash.get(ESTATE, None)
    if marker is None or estate is None:
        return
    for argument, subjects in _SUBJECTS.items():
        if argument in metafunc.fixturenames:
            found = sorted(subjects(metafunc.config, estate, marker.args[0]), key=str)
            metafunc.parametrize(argument, found, ids=[str(subject) for subject in found], indirect=True)
            return


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the selected checks; those that cannot be asked are counted once and are not rows."""
    checks = [item for item in items if check_of(item)]
    if not checks:
        return
    if ESTATE not in config.stash:
        raise pytest.UsageError(
            "checks: nothing to look at; add --regions=us-east-1 (or --replay=FILE), or try --sandbox "
            "--regions=us-east-1"
        )
    wanted = config.stash[OPTIONS].checks
    _refuse_unknown(wanted, {meta.id for item in checks if (meta := check_of(item))})
    deselected = [item for item in checks if wanted and (meta := check_of(item)) and meta.id not in wanted]
    idle = [item for item in checks if item not in deselected and _has_no_subject(item)]
    config.stash[NOT_APPLICABLE] = _grouped(config, idle)
    dropped = {id(item) for item in (*deselected, *idle)}
    if deselected:
        config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if id(item) not in dropped]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a check's outcome into a result that reports can read, without a traceback where it is a finding."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    meta = check_of(item)
    if meta is None or not (call.when == "call" or (call.when == "setup" and call.excinfo)):
        return report  # type: ignore[return-value]
    result = _result(item, meta, call.excinfo)
    report.user_properties = [*report.user_properties, *result.properties()]
    if result.status is Status.FAILED:
        report.longrepr = result.text()
        report.outcome = "failed"
    return report  # type: ignore[return-value]


@pytest.fixture
def estate(request: pytest.FixtureRequest) -> Estate:
    """Everything observed."""
    return request.config.stash[ESTATE]


@pytest.fixture
def forwarder(request: pytest.FixtureRequest, estate: Estate) -> Forwarder:
    """The forwarder that the check is asked about, as it was last seen."""
    subject: Subject = request.param
    found = estate.forwarder(subject.target, subject.name) if subject.target else None
    if found is None:
        raise Finding("the forwarder to exist", "it is gone")
    return found


@pytest.fixture
def target(request: pytest.FixtureRequest, estate: Estate) -> Seen:
    """What was seen of the target that the check is asked about."""
    subject: Subject = request.param
    assert subject.target is not None
    return estate.seen(subject.target)


@pytest.fixture
def bucket(request: pytest.FixtureRequest, estate: Estate) -> Bucket:
    """The notification bucket that the check is asked about."""
    subject: Subject = request.param
    return estate.buckets[subject.name]


@pytest.fixture
def expected_forwarder(request: pytest.FixtureRequest) -> tuple[Target, str]:
    """One entry of the baseline."""
    subject: Subject = request.param
    assert subject.target is not None
    return subject.target, subject.name


@pytest.fixture
def release(request: pytest.FixtureRequest) -> Release:
    """The release of the tenant that the check is asked about."""
    subject: Subject = request.param
    found = {tenant.name: tenant.release for tenant in request.config.stash[DESIRES].tenants}[subject.name]
    assert found is not None
    return found


@pytest.fixture
def desired(request: pytest.FixtureRequest) -> Desired:
    """What should be true of the account that the check is asked about."""
    subject = _subject(request.node)
    desires = request.config.stash[DESIRES]
    return desires.of(subject.target.account if subject.target else "")


@pytest.fixture
def advise(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with a note for a check that passes: said, and not a finding."""
    notes: list[str] = request.node.stash.setdefault(_ADVICE, [])
    return notes.append


def _forwarders(config: pytest.Config, estate: Estate, meta: Check) -> Iterator[Subject]:
    desires = config.stash[DESIRES]
    for found in estate.forwarders:
        if meta.needs_release and desires.of(found.target.account).release is None:
            continue
        if meta.applies is None or meta.applies(found, estate):
            yield Subject(str(found), found.target, found.name)


def _targets(config: pytest.Config, estate: Estate, meta: Check) -> Iterator[Subject]:
    desires = config.stash[DESIRES]
    for seen in estate.targets:
        desired = desires.of(seen.target.account)
        if meta.needs_release and desired.release is None:
            continue
        if meta.target_applies is None or meta.target_applies(seen, desired):
            yield Subject(str(seen.target), seen.target)


def _buckets(_config: pytest.Config, estate: Estate, _meta: Check) -> Iterator[Subject]:
    for name in estate.buckets:
        first = min((f for f in estate.forwarders if f.bucket_name == name), key=str, default=None)
        if first is not None:
            yield Subject(f"{first.target}/{name}", first.target, name)


def _releases(config: pytest.Config, _estate: Estate, _meta: Check) -> Iterator[Subject]:
    for tenant in config.stash[DESIRES].tenants:
        if tenant.release is not None:
            yield Subject(tenant.name, None, tenant.name)


def _expected(config: pytest.Config, estate: Estate, _meta: Check) -> Iterator[Subject]:
    asked = {seen.target for seen in estate.targets}
    for target, name in config.stash[BASELINE] or ():
        if target in asked:
            yield Subject(f"{target}/{name}", target, name)


_SUBJECTS: dict[str, Callable[[pytest.Config, Estate, Check], Iterator[Subject]]] = {
    "forwarder": _forwarders,
    "target": _targets,
    "bucket": _buckets,
    "release": _releases,
    "expected_forwarder": _expected,
}


def _subject(item: pytest.Item) -> Subject:
    callspec = getattr(item, "callspec", None)
    for found in callspec.params.values() if callspec else ():
        if isinstance(found, Subject):
            return found
    return Subject("estate")


def _has_no_subject(item: pytest.Item) -> bool:
    """Whether pytest collected the check only to say that its set of parameters is empty."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and not any(isinstance(found, Subject) for found in callspec.params.values())


def _grouped(config: pytest.Config, idle: list[pytest.Item]) -> dict[str, tuple[str, ...]]:
    without_release = all(tenant.release is None for tenant in config.stash[DESIRES].tenants)
    reasons: dict[str, tuple[str, ...]] = {}
    for item in idle:
        meta = check_of(item)
        if meta is None:
            continue
        needs = meta.needs_release or "release" in getattr(item, "fixturenames", ())
        reason = _NO_RELEASE if needs and without_release else "nothing here to ask it of"
        reasons[reason] = (*reasons.get(reason, ()), meta.id)
    return reasons


def _refuse_unknown(wanted: tuple[str, ...], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise pytest.UsageError(f"--checks: '{name}': no such check; {near(name, known)}")


def _result(item: pytest.Item, meta: Check, excinfo: pytest.ExceptionInfo[BaseException] | None) -> Result:
    error = excinfo.value if excinfo else None
    subject = _subject(item)
    expected = found = reason = remedy = ""
    status = Status.PASSED
    match error:
        case None:
            pass
        case Finding():
            status, expected, found, remedy = Status.FAILED, error.expected, error.found, error.remedy
        case NoEvidence():
            status, reason = Status.NO_EVIDENCE, str(error.msg)
        case CannotTell():
            status, reason = Status.UNKNOWN, str(error.msg)
        case AssertionError():  # a check of the user's own that speaks plain assert
            status, expected, found = Status.FAILED, meta.title, str(error).split("\n", 1)[0] or "it does not hold"
        case pytest.skip.Exception():
            status, reason = Status.UNKNOWN, str(error.msg)
        case _:
            status, reason = Status.ERROR, f"the check itself failed: {type(error).__name__}: {error}"
    return Result(
        check=meta.id,
        title=meta.title,
        severity=meta.severity,
        step=meta.step,
        status=status,
        subject=str(subject),
        account=subject.target.account if subject.target else "",
        region=subject.target.region if subject.target else "",
        forwarder=subject.name if subject.target else "",
        expected=expected,
        found=found,
        reason=reason,
        remedy=remedy,
        advice="; ".join(_notes(item)),
        fix=meta.fix or "",
    )


def _notes(item: pytest.Item) -> list[str]:
    return item.stash.get(_ADVICE, [])
