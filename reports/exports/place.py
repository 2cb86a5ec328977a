"""Where the subject of a result is, in AWS's own terms: what finding formats ask for beside the verdict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from checks.result import Result
from checks.wiring import bucket_arn
from fixtures.estate import Estate, Forwarder, Seen, Target
from fixtures.fact import Absent, Unreadable
from fixtures.partition import partition_of_region

# What stands for an account that nobody could name (`the-credentials`, `the-organization`) is none.
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Place:
    """The resource that a result is about.

    Attributes:
        kind: its type as CloudFormation writes it: `AWS::CloudFormation::Stack`, `AWS::S3::Bucket`, `AWS::Account`.
        id: its ARN; of an account, its id.
        name: what people call it.
        account: the account's id, twelve digits.
        region: the region; empty where the account did not say which it has.
        partition: the region's; empty where that is.
        alias: the account's alias, empty where it has none or none was seen.
    """

    kind: str
    id: str
    name: str
    account: str
    region: str
    partition: str
    alias: str = ""


class Places:
    """Finds the place of each result of one run."""

    def __init__(self, estate: Estate | None) -> None:
        targets: tuple[Seen, ...] = estate.targets if estate else ()
        self._seen: Mapping[Target, Seen] = {seen.target: seen for seen in targets}
        self._forwarders: Mapping[str, Forwarder] = {str(found): found for seen in targets for found in seen.forwarders}
        self._buckets = frozenset(estate.buckets) if estate else frozenset()

    def of(self, result: Result) -> Place | None:
        """The place of a result; None where it is about no account (a release, the whole estate)."""
        account = result.account
        if not _ACCOUNT.fullmatch(account):
            return None
        partition = partition_of_region(result.region) or ""
        region = result.region if partition else ""
        alias = self._alias(result)
        forwarder = self._forwarders.get(result.subject) if result.forwarder else None
        if forwarder:
            kind = "AWS::CloudFormation::Stack"
            return Place(kind, forwarder.stack.id, forwarder.name, account, region, partition, alias)
        if not result.forwarder and result.name in self._buckets and partition:
            arn = bucket_arn(partition, result.name)
            return Place("AWS::S3::Bucket", arn, result.name, account, region, partition, alias)
        return Place("AWS::Account", account, result.name or account, account, region, partition, alias)

    def _alias(self, result: Result) -> str:
        seen = self._seen.get(Target(result.account, result.region))
        if seen is None or isinstance(seen.identity, Absent | Unreadable):
            return ""
        return seen.identity.alias or ""
