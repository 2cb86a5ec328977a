"""AWS's request rates: a token bucket for each account, region and operation, and what is said when it is empty.

Lambda's are published quotas, those of CloudWatch Logs and CloudWatch are of 2023; CloudFormation's and S3's are not
published and are guesses on the careful side. What matters for a comparison is that all contenders meet the same.
"""

import time
from dataclasses import dataclass

from benchmarks.reply import Reply, refused

# requests a second, and how many may come at once
RATES: dict[str, tuple[float, float]] = {
    "lambda": (15, 15), "lambda:GetFunction": (100, 100), "lambda:GetPolicy": (15, 15),
    "logs:FilterLogEvents": (5, 5), "logs:DescribeLogGroups": (5, 5), "monitoring": (50, 50),
    "cloudformation": (10, 20), "account": (5, 5), "sts": (100, 200), "iam": (20, 40), "s3": (300, 600),
    "secretsmanager": (50, 50), "tagging": (15, 15),
}  # fmt: skip
_SAID = {
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "cloudformation": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
    "iam": ("Throttling", "Rate exceeded", 400),
}


@dataclass
class _Bucket:
    rate: float
    burst: float
    tokens: float
    filled: float

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Throttle:
    """Lets requests through at a share of AWS's rates; `share` 0 lets all through."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def refusal(self, account: str, region: str, service: str, operation: str) -> Reply | None:
        """AWS's answer to a request that comes too soon, None for one that may pass."""
        if not self._share:
            return None
        exact = f"{service}:{operation}"
        name = exact if exact in RATES else service
        if name not in RATES:
            return None
        now = time.monotonic()
        bucket = self._buckets.get((account, region, name))
        if bucket is None:
            rate, burst = (number * self._share for number in RATES[name])
            bucket = self._buckets[account, region, name] = _Bucket(rate, max(1.0, burst), max(1.0, burst), now)
        if bucket.take(now):
            return None
        return refused(service, *_SAID.get(service, ("ThrottlingException", "Rate exceeded", 400)))
