"""Checks as pytest tests: which are asked, what they get, and what their outcome means."""

from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import checks
from checks.answer import answer_of
from checks.arguments import ARGUMENTS, NO_RELEASE, Asked
from checks.asking import ask_at_once
from checks.distribution import HandBack
from checks.items import CheckItem, check_items
from checks.outcome import Finding, Status
from checks.registry import FACTS, check_of, load_catalogue
from checks.state import ADVICE, NOBODY, NOT_APPLICABLE, REFUSAL
from checks.subjects import argument_of, has_no_release, has_no_subject, is_told_by_all, subject_of, subjects
from fixtures.distribution import is_worker
from fixtures.errors import near
from fixtures.plugin import usage_errors
from fixtures.state import ESTATE, OPTIONS, SETTINGS, WAIVERS
from fixtures.waivers import read_waivers

_ONLY_A_SHARE = "this is a share: the merged report tells it"
_NOTHING_TO_LOOK_AT = (
    "checks: nothing to look at; add --regions=us-east-1 (or --replay=FILE), or try --sandbox --regions=us-east-1"
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that carries a check's metadata."""
    config.addinivalue_line("markers", "check(meta): a compliance check; see checks/registry.py")
    config.stash[NOT_APPLICABLE] = {}
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(HandBack(config), "forwarders-hand-back")


def pytest_forwarders_facts(config: pytest.Config) -> frozenset[str]:
    """The facts that the selected checks need; all, where a check may be among them that is not in the catalogue.

    Under `--plan` and `--fix` everything is read: whoever writes must know all.
    """
    options = config.stash[OPTIONS]
    catalogue = load_catalogue()
    foreign = [name for name in options.checks if name not in catalogue]
    if foreign and _collects_only_its_own(config):
        _refuse_unknown(foreign, catalogue)
    # checks of the user's own are known only once they are collected
    unknown_ones = foreign or not (options.checks or _collects_only_its_own(config))
    if unknown_ones or options.plan or options.may_write:
        return FACTS
    return frozenset(fact for name in options.checks or catalogue for fact in catalogue[name].facts)


def pytest_forwarders_desired(config: pytest.Config) -> None:
    """Read the waivers: the settings that limit them are known, and nothing has been called yet."""
    path = config.stash[OPTIONS].waivers
    if path is None:
        return
    waivers = config.stash[WAIVERS] = read_waivers(path, config.stash[SETTINGS], datetime.now(UTC))
    if _collects_only_its_own(config):
        waivers.refuse_unknown(load_catalogue())


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[CheckItem] | None:
    """Make the suite's own checks into items of their own kind."""
    return check_items(collector, name, obj)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Ask one of the suite's own checks without the machinery that a test function needs."""
    return ask_at_once(item, nextitem)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask each test of the user's own that takes a forwarder, ... about every one it applies to, in a stable order."""
    estate = metafunc.config.stash.get(ESTATE, None)
    argument = argument_of(tuple(metafunc.fixturenames))
    if estate is None or argument is None:
        return
    marker = metafunc.definition.get_closest_marker("check")
    meta = marker.args[0] if marker else None
    found = subjects(argument, metafunc.config, estate, meta)
    metafunc.parametrize(argument, found, ids=[str(subject) for subject in found], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the selected checks; those that cannot be asked are counted once and are not rows."""
    metas = {id(item): meta for item in items if (meta := check_of(item))}
    if not metas:
        return
    try:
        _refuse(config, items)
    except pytest.UsageError as error:
        if not is_worker(config):
            raise
        config.stash[REFUSAL] = str(error)
        items.clear()
        return
    wanted = config.stash[OPTIONS].checks
    deselected = [item for item in items if wanted and id(item) in metas and metas[id(item)].id not in wanted]
    dropped = {id(item) for item in deselected}
    kept = metas.keys() - dropped
    idle = [item for item in items if id(item) in kept and has_no_subject(config, item)]
    config.stash[NOT_APPLICABLE] = _grouped(config, idle)
    dropped |= {id(item) for item in idle}
    if deselected:
        config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if id(item) not in dropped]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a check's outcome into a result that reports can read, without a traceback where it is a finding."""
    meta = check_of(item)
    if meta and call.excinfo and isinstance(call.excinfo.value, Finding):
        # pytest would make a traceback with every local's repr, some 10 ms, which nobody would see
        item.repr_failure = _untold  # type: ignore[method-assign, assignment]  # of this one item
    report = yield
    if meta is None or not (call.when == "call" or (call.when == "setup" and call.excinfo)):
        return report
    result = answer_of(item, meta, call.excinfo.value if call.excinfo else None)
    report.user_properties = [*report.user_properties, *result.properties()]
    if result.status is Status.FAILED:
        report.longrepr = result.text()
        report.outcome = "failed"
    elif result.status is Status.WAIVED:
        report.longrepr = result.text()
        report.outcome = "skipped"
        report.wasxfail = f"reason: {result.reason} ({result.accepted})"
    return report


@pytest.fixture
def asked_about(request: pytest.FixtureRequest) -> Asked:
    """Whom the check is asked about, and the notes that it leaves: a fresh list for each run of the same item."""
    if ESTATE not in request.config.stash:
        pytest.fail(_NOTHING_TO_LOOK_AT, pytrace=False)
    asked = Asked(subject_of(request.node), request.config)
    request.node.stash[ADVICE] = asked.notes
    return asked


def _given(name: str) -> Callable[[Asked], object]:
    """The fixture for one argument, for tests and checks of the user's own."""

    def give(asked_about: Asked) -> object:
        return ARGUMENTS[name](asked_about)

    give.__doc__ = ARGUMENTS[name].__doc__
    return pytest.fixture(name=name)(give)


estate, forwarder, target, bucket = map(_given, ("estate", "forwarder", "target", "bucket"))
expected_forwarder, release, desired, advise = map(_given, ("expected_forwarder", "release", "desired", "advise"))


def _collects_only_its_own(config: pytest.Config) -> bool:
    """Whether only the suite's own checks will be collected, so that a check is known before anything is read."""
    own = Path(checks.__file__).parent
    given = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return all(path.resolve().is_relative_to(own.resolve()) for path in given)


def _grouped(config: pytest.Config, idle: Iterable[pytest.Item]) -> dict[str, tuple[str, ...]]:
    without_release = has_no_release(config)
    reasons: dict[str, tuple[str, ...]] = {}
    for item in idle:
        meta = check_of(item)
        if meta is None:
            continue
        needs = meta.needs_release or "release" in getattr(item, "fixturenames", ())
        reason = f"{NOBODY} (it takes {meta.asked_with})" if meta.asked_with else NOBODY
        if needs and without_release:
            reason = NO_RELEASE
        if is_told_by_all(config, item):
            reason = _ONLY_A_SHARE
        reasons[reason] = (*reasons.get(reason, ()), meta.id)
    return reasons


def _refuse(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    if ESTATE not in config.stash:
        raise pytest.UsageError(_NOTHING_TO_LOOK_AT)
    metas = {item.nodeid.partition("[")[0]: meta for item in items if (meta := check_of(item))}
    homes: dict[str, str] = {}
    for home, meta in metas.items():
        if homes.setdefault(meta.id, home) != home:  # they would be told as one
            raise pytest.UsageError(f"checks: two of them are called '{meta.id}': {homes[meta.id]} and {home}")
    _refuse_unknown(config.stash[OPTIONS].checks, homes)
    waivers = config.stash.get(WAIVERS, None)
    if waivers and not _collects_only_its_own(config):
        with usage_errors():
            waivers.refuse_unknown({*homes, *load_catalogue()})


def _refuse_unknown(wanted: Iterable[str], known: Iterable[str]) -> None:
    names = sorted(known)
    for name in wanted:
        if name not in names:
            raise pytest.UsageError(f"--checks: '{name}': no such check; {near(name, names)}")


def _untold(_excinfo: pytest.ExceptionInfo[BaseException], _style: object = None) -> str:
    """What pytest says of a finding; the result's own text takes its place."""
    return ""
