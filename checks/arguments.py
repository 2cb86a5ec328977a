"""What a check may take: each of its arguments by name, as it is for the subject that the check is asked about.

The suite's own checks are given these as they are; the fixtures of `checks/plugin.py` hand the same ones to a user's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from checks.outcome import Finding, unknown
from checks.subjects import Subject
from fixtures.desired import Desired
from fixtures.estate import Bucket, Estate, Forwarder, Seen, Target
from fixtures.release import Release
from fixtures.state import DESIRES, ESTATE

NO_RELEASE = "no --release given"


@dataclass(frozen=True, slots=True)
class Asked:
    """One asking of a check: about whom, in which run, and the notes it leaves (`advise`)."""

    subject: Subject
    config: pytest.Config
    notes: list[str] = field(default_factory=list)


def estate(asked: Asked) -> Estate:
    """Everything observed."""
    return asked.config.stash[ESTATE]


def forwarder(asked: Asked) -> Forwarder:
    """The forwarder that the check is asked about, as it was last seen."""
    subject = asked.subject
    found = estate(asked).forwarder(subject.target, subject.name) if subject.target else None
    if found is None:
        raise Finding("the forwarder to exist", "it is gone")
    return found


def target(asked: Asked) -> Seen:
    """What was seen of the target that the check is asked about, or in which its forwarder is."""
    assert asked.subject.target is not None
    return estate(asked).seen(asked.subject.target)


def bucket(asked: Asked) -> Bucket:
    """The notification bucket that the check is asked about, or that its forwarder reads from."""
    if asked.subject.kind == "bucket":
        return estate(asked).buckets[asked.subject.name]
    found = estate(asked).bucket_of(forwarder(asked))
    return found or unknown("it has no notification bucket, or the bucket was not read")


def expected_forwarder(asked: Asked) -> tuple[Target, str]:
    """One entry of the baseline."""
    assert asked.subject.target is not None
    return asked.subject.target, asked.subject.name


def release(asked: Asked) -> Release:
    """The release of the tenant that the check is asked about, or of the account that it is asked about."""
    desires, subject = asked.config.stash[DESIRES], asked.subject
    if subject.target:
        found = desires.of(subject.target.account).release
    else:
        found = {tenant.name: tenant.release for tenant in desires.tenants}[subject.name]
    return found or unknown(NO_RELEASE)


def desired(asked: Asked) -> Desired:
    """What should be true of the account that the check is asked about."""
    return asked.config.stash[DESIRES].of(asked.subject.target.account if asked.subject.target else "")


def advise(asked: Asked) -> Callable[[str], None]:
    """Call it with a note for a check that passes: said, and not a finding."""
    return asked.notes.append


ARGUMENTS: Mapping[str, Callable[[Asked], object]] = {
    give.__name__: give
    for give in (estate, forwarder, target, bucket, expected_forwarder, release, desired, advise)
}  # fmt: skip
