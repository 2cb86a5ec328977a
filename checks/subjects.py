"""Who a check is asked about: one subject for each forwarder, target, bucket, release or baseline entry."""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from checks.registry import Check, check_of
from checks.state import CONFINED
from fixtures.estate import Estate, Target
from fixtures.state import BASELINE, DESIRES, OPTIONS


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a check is asked about; `str()` of it is the test's id and the subject in reports.

    `kind` is the argument that stands for it (`forwarder`, `target`, ...), empty for checks of the whole estate.
    """

    text: str
    kind: str = ""
    target: Target | None = None
    name: str = ""

    def __str__(self) -> str:
        """The id."""
        return self.text

    @property
    def forwarder(self) -> str:
        """The forwarder's name, empty where it is not one forwarder that is judged."""
        return self.name if self.kind in {"forwarder", "expected_forwarder"} else ""


ESTATE_WIDE = Subject("estate")
_KNOWN = pytest.StashKey[dict[Subject, Subject]]()
NOT_ASKED = Subject("NOTSET")  # pytest's own id for a test that takes something, of which there is nothing


def subjects(argument: str, config: pytest.Config, estate: Estate, meta: Check | None) -> list[Subject]:
    """Everybody whom a check with this argument is asked about, in a stable order; `meta` is None for plain tests."""
    only = config.stash.get(CONFINED, None)
    found = _KINDS[argument](config, estate, meta)
    return sorted((subject for subject in found if only is None or subject.target in only), key=str)


def subject_of(item: pytest.Item) -> Subject:
    """Whom a collected test is asked about."""
    subject = getattr(item, "subject", None)  # of the suite's own checks
    if isinstance(subject, Subject):
        return subject
    callspec = getattr(item, "callspec", None)
    for found in callspec.params.values() if callspec else ():
        if isinstance(found, Subject):
            return found
    return ESTATE_WIDE


def argument_of(names: tuple[str, ...]) -> str | None:
    """Which of a test's arguments says who it is asked about: the narrowest; None if it is the whole estate."""
    return next((argument for argument in _KINDS if argument in names), None)


def has_no_subject(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether there is nobody to ask, so that pytest collected the check only to say that it has no parameters."""
    if argument_of(tuple(getattr(item, "fixturenames", ()))) is not None:
        return subject_of(item) in {ESTATE_WIDE, NOT_ASKED}
    meta = check_of(item)
    return meta is not None and (is_told_by_all(config, item) or (meta.needs_release and has_no_release(config)))


def is_told_by_all(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether a check is asked of the whole estate, of which this run is a share."""
    return config.stash[OPTIONS].shard is not None and argument_of(tuple(getattr(item, "fixturenames", ()))) is None


def has_no_release(config: pytest.Config) -> bool:
    """Whether no tenant has a release."""
    return all(tenant.release is None for tenant in config.stash[DESIRES].tenants)


def _forwarders(config: pytest.Config, estate: Estate, meta: Check | None) -> Iterator[Subject]:
    desires = config.stash[DESIRES]
    for found in estate.forwarders:
        if meta and meta.needs_release and desires.of(found.target.account).release is None:
            continue
        if meta is None or meta.applies is None or meta.applies(found, estate):
            yield Subject(str(found), "forwarder", found.target, found.name)


def _targets(config: pytest.Config, estate: Estate, meta: Check | None) -> Iterator[Subject]:
    desires = config.stash[DESIRES]
    for seen in estate.targets:
        desired = desires.of(seen.target.account)
        if meta and meta.needs_release and desired.release is None:
            continue
        if meta is None or meta.target_applies is None or meta.target_applies(seen, desired):
            yield Subject(str(seen.target), "target", seen.target)


def _buckets(_config: pytest.Config, estate: Estate, _meta: Check | None) -> Iterator[Subject]:
    for name in estate.buckets:
        first = min(estate.of_bucket(name), key=str, default=None)
        if first is not None:
            yield Subject(f"{first.target}/{name}", "bucket", first.target, name)


def _releases(config: pytest.Config, _estate: Estate, _meta: Check | None) -> Iterator[Subject]:
    for tenant in config.stash[DESIRES].tenants:
        if tenant.release is not None:
            yield Subject(tenant.name, "release", None, tenant.name)


def _expected(config: pytest.Config, estate: Estate, _meta: Check | None) -> Iterator[Subject]:
    asked = {seen.target for seen in estate.targets}
    globs = config.stash[OPTIONS].forwarders
    for target, name in config.stash[BASELINE] or ():
        if target in asked and (not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)):
            yield Subject(f"{target}/{name}", "expected_forwarder", target, name)


_KINDS: dict[str, Callable[[pytest.Config, Estate, Check | None], Iterator[Subject]]] = {
    "forwarder": _forwarders,
    "bucket": _buckets,
    "expected_forwarder": _expected,
    "target": _targets,
    "release": _releases,
}
