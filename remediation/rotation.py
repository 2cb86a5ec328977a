"""`--rotate-credentials`: where the release's credentials are to be written over the shared stack's secret. Pure."""

from collections.abc import Mapping

from fixtures.calendar import is_migrated
from fixtures.desired import Desired, Desires
from fixtures.estate import Estate, Seen, SharedStack, Target
from fixtures.fact import Unreadable, value
from fixtures.release import Release
from fixtures.secret import Secret


def due(estate: Estate, desires: Desires) -> frozenset[Target]:
    """The targets in which the secret is to be written."""
    return frozenset(seen.target for seen in estate.targets if is_due(seen, desires.of(seen.target.account)))


def is_due(seen: Seen, desired: Desired) -> bool:
    """Whether a target that was asked to rotate has something to: a shared stack with another secret, or unknown ones.

    Where nobody can tell whether there is one, and forwarders are there, a person has to be told.
    """
    if isinstance(seen.shared, Unreadable):
        return bool(seen.forwarders)
    stacks = value(seen.shared) or ()
    release = desired.release
    return any(release is None or not holds(shared, release) for shared in stacks)


def holds(shared: SharedStack, release: Release) -> bool:
    """Whether the secret is seen to be the release's (--compare-secret); what was not compared is not."""
    secret = value(shared.secret)
    return bool(secret and value(secret.digest) == release.credentials.digest)


def writes_secret(parameters: tuple[Mapping[str, object], ...]) -> bool:
    """Whether these parameters of a stack write a secret."""
    return any(isinstance(parameter.get("ParameterValue"), Secret) for parameter in parameters)


def readers_of(seen: Seen) -> tuple[str, ...]:
    """The forwarders that read the shared secret: those on a custom runtime, sorted."""
    names = (f.name for f in seen.forwarders if (function := value(f.listed)) and is_migrated(function.runtime))
    return tuple(sorted(names))
