"""The few facts that only a rollback asks for: are the old packages still there, and the buckets of the run?"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fixtures.aws import Aws
from fixtures.code_location import CodeLocation
from fixtures.estate import StoredObject, Target
from fixtures.fact import NOT_READ, Fact
from fixtures.fan import Fan
from fixtures.readers.buckets import read_bucket_region, read_package

PackageAt = tuple[Target, CodeLocation]
BucketAt = tuple[Target, str]


@dataclass(frozen=True, slots=True)
class Looked:
    """The answers; what was not asked for is unreadable."""

    packages: Mapping[PackageAt, Fact[StoredObject]]
    buckets: Mapping[BucketAt, Fact[str]]

    def package(self, at: PackageAt) -> Fact[StoredObject]:
        """The package at an address, asked for in a target's name."""
        return self.packages.get(at, NOT_READ)

    def bucket(self, target: Target, name: str) -> Fact[str]:
        """The region of a bucket."""
        return self.buckets.get((target, name), NOT_READ)


def look(
    account: Callable[[str], Aws],
    packages: Iterable[PackageAt],
    objects: Iterable[tuple[Target, str, str]],
    buckets: Iterable[BucketAt],
) -> Looked:
    """Ask for all of it at once, in the names of the accounts that write.

    Args:
        account: access to an account.
        packages: old packages, which may stand in a bucket of somebody else.
        objects: uploads of the run (target, bucket, key), which stand in the account's own bucket.
        buckets: buckets of the run.
    """
    with Fan() as fan:
        asked = {
            at: fan.ask(read_package, account(at[0].account), at[0].region, at[1].bucket, at[1].key)
            for at in dict.fromkeys(packages)
        }
        uploads = {
            (target, CodeLocation(bucket, key)): fan.ask(
                read_package, account(target.account), target.region, bucket, key, target.account
            )
            for target, bucket, key in dict.fromkeys(objects)
        }
        regions = {
            at: fan.ask(read_bucket_region, account(at[0].account), at[0].region, at[1])
            for at in dict.fromkeys(buckets)
        }
        return Looked(
            {at: pending.result() for at, pending in {**asked, **uploads}.items()},
            {at: pending.result() for at, pending in regions.items()},
        )
