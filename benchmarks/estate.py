"""The estate that is measured: accounts x regions x forwarders, each forwarder's state a function of its number.

Nothing is stored, so 4,000 forwarders are there at once, and every contender is asked about the same ones. Most are
as the vendor's migration leaves them; four defects are spread over the rest, at periods without a common factor.
"""

import functools
from dataclasses import dataclass

from fixtures.sandbox.synthetic_release import (
    LAMBDA_TEMPLATE,
    PACKAGE,
    TAEGIS_REGION,
    Package,
    artifact_bucket,
    current_package,
    lambda_template,
    legacy_package,
    legacy_template,
    shared_template,
)

__all__ = ["LAMBDA_TEMPLATE", "PACKAGE", "TAEGIS_REGION", "Estate", "Forwarder", "Target", "Traffic", "code_of"]

REGIONS = (
    "us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1", "us-east-2", "eu-west-2",
    "ca-central-1", "sa-east-1", "ap-south-1", "eu-north-1",
)  # fmt: skip
HOME = "999999999999"  # the account of the credentials that every contender starts with; not audited itself
ROLE = "ForwarderAudit"
INTEGRATION = "awscloudtrail"
SHARED_STACK = "taegis-shared-resources"
_FIRST_ACCOUNT = 100000000001
_LEGACY_EVERY, _UNWIRED_EVERY, _FAILING_EVERY, _STUCK_EVERY = 4, 10, 13, 17


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a forwarder's last day left behind: requests in its log, and how many datapoints each metric has."""

    requests: int
    datapoints: int


# One call, as in the measurements that the goals were set from; and CloudTrail's pace, a file every five minutes.
ONE_CALL = Traffic(1, 1)
EVERY_FIVE_MINUTES = Traffic(288, 288)


@dataclass(frozen=True, slots=True)
class Forwarder:
    """One forwarder; its name and its state follow from its number."""

    account: str
    region: str
    number: int

    @property
    def stack(self) -> str:
        return f"trail-{self.number:03d}"

    @property
    def function(self) -> str:
        return f"{self.stack}-scwx-tdr-lambda-{INTEGRATION}"

    @property
    def bucket(self) -> str:
        return f"trail-{self.account}-{self.region}-{self.number:03d}"

    @property
    def is_legacy(self) -> bool:
        """Never migrated: `go1.x`, the old template, the old package."""
        return self.number % _LEGACY_EVERY == _LEGACY_EVERY - 1

    @property
    def is_unwired(self) -> bool:
        """Its bucket calls nobody."""
        return self.number % _UNWIRED_EVERY == _UNWIRED_EVERY - 1

    @property
    def is_failing(self) -> bool:
        """Its calls fail."""
        return self.number % _FAILING_EVERY == _FAILING_EVERY - 1

    @property
    def stack_status(self) -> str:
        """The state of its stack."""
        stuck = self.number % _STUCK_EVERY == _STUCK_EVERY - 1
        return "UPDATE_ROLLBACK_FAILED" if stuck else "UPDATE_COMPLETE"

    @property
    def runtime(self) -> str:
        return "go1.x" if self.is_legacy else "provided.al2"


@dataclass(frozen=True, slots=True)
class Target:
    """One account in one region."""

    account: str
    region: str
    size: int

    @property
    def forwarders(self) -> tuple[Forwarder, ...]:
        return tuple(Forwarder(self.account, self.region, number) for number in range(self.size))

    @property
    def artifacts(self) -> str:
        return artifact_bucket(self.account, self.region)

    @property
    def secret(self) -> str:
        return f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:TaegisCredentials-a1b2c3"  # an answer's


@dataclass(frozen=True, slots=True)
class Estate:
    """Accounts x regions x forwarders in each."""

    accounts: int
    regions: int
    forwarders: int
    traffic: Traffic = ONE_CALL

    def __str__(self) -> str:
        return f"{self.accounts} x {self.regions} x {self.forwarders}"

    @property
    def account_ids(self) -> tuple[str, ...]:
        return tuple(str(_FIRST_ACCOUNT + number) for number in range(self.accounts))

    @property
    def region_names(self) -> tuple[str, ...]:
        return REGIONS[: self.regions]

    @property
    def count(self) -> int:
        return self.accounts * self.regions * self.forwarders

    def target(self, account: str, region: str) -> Target | None:
        """What is in an account and region; None where the estate has nothing."""
        if account not in self.account_ids or region not in self.region_names:
            return None
        return Target(account, region, self.forwarders)

    def holding(self) -> dict[str, int]:
        """How many forwarders hold each of the three facts that every contender is asked for."""
        one = Target("", "", self.forwarders).forwarders
        targets = self.accounts * self.regions
        return {
            "runtime": targets * sum(not forwarder.is_legacy for forwarder in one),
            "stack": targets * sum(forwarder.stack_status == "UPDATE_COMPLETE" for forwarder in one),
            "notification": targets * sum(not forwarder.is_unwired for forwarder in one),
        }


@functools.cache
def code_of(*, legacy: bool) -> Package:
    """The package that a forwarder runs."""
    return legacy_package() if legacy else current_package()


@functools.cache
def template_of(*, legacy: bool) -> str:
    """The body of a forwarder's template."""
    return legacy_template("AWS", INTEGRATION) if legacy else lambda_template()


shared_body = functools.cache(shared_template)
