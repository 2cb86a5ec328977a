"""Is the release's package where the forwarders of the region can load it from?"""

from checks.outcome import Severity, expect, known
from checks.registry import check
from fixtures.desired import Desired
from fixtures.estate import ArtifactBucket, Estate, Seen
from fixtures.fact import NOT_READ, Absent, Unreadable

_STEP = "1: upload the zip to the root of a bucket of the region"


def _has_forwarders(seen: Seen, _desired: Desired) -> bool:
    return bool(seen.forwarders)


def _is_there(seen: Seen, _desired: Desired) -> bool:
    artifact = seen.artifact
    if isinstance(artifact, Absent | Unreadable):
        return isinstance(artifact, Unreadable) and artifact != NOT_READ
    return not isinstance(artifact.region, Absent)


def _artifact(target: Seen) -> ArtifactBucket:
    return known(target.artifact, expected="the artifact bucket")


@check(
    "artifact-package",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["artifact"],
    fix="artifact",
    needs_release=True,
    target_applies=_has_forwarders,
)
def test_artifact_bucket_holds_the_releases_package(target: Seen, desired: Desired) -> None:
    """A bucket of this region holds the release's zip at its root, byte for byte.

    CloudFormation does not see a new zip under an old address, so the bucket's name holds the zip's digest.
    """
    artifact = _artifact(target)
    region = known(artifact.region, expected=f"bucket {artifact.name}")
    expect(region == target.target.region, expected=f"a bucket in {target.target.region}", found=f"it is in {region}")
    package = known(artifact.package, expected=f"the package in bucket {artifact.name}")
    assert desired.release is not None
    wanted = desired.release.package.code_sha256
    expect(package.sha256 == wanted, expected=f"package {wanted}", found=f"package {package.sha256}")


@check(
    "artifact-private",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["artifact"],
    needs_release=True,
    target_applies=_is_there,
)
def test_artifact_bucket_is_private(target: Seen) -> None:
    """Nobody outside the account can read or replace the package by a public bucket policy."""
    artifact = _artifact(target)
    public = known(artifact.public, expected=f"bucket {artifact.name}")
    expect(
        not public,
        expected="a bucket that is not public",
        found=f"{artifact.name} is public",
        remedy="turn on S3 Block Public Access for the bucket",
    )


@check(
    "artifact-apart",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["artifact"],
    needs_release=True,
    target_applies=_is_there,
)
def test_artifact_bucket_is_no_notification_bucket(target: Seen, estate: Estate) -> None:
    """The bucket with the package is not one whose new objects are forwarded: uploads would be sent to XDR."""
    artifact = _artifact(target)
    users = [str(forwarder) for forwarder in estate.of_bucket(artifact.name)]
    expect(
        not users,
        expected="a bucket of its own",
        found=f"it is the notification bucket of {', '.join(users)}",
        remedy="name another artifact_bucket in the settings",
    )
