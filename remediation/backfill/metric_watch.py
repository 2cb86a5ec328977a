"""Whether calls fail, by CloudWatch's metrics: late and naming no object, for where the log is not shown."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fixtures.fact import Unreadable
from fixtures.readers.metrics import read_metrics
from remediation.writer import Writer

ACTIONS: Final = ("cloudwatch:GetMetricData",)
_EVERY: Final = 60.0  # seconds: metrics have a datapoint a minute
_LEAST: Final = timedelta(minutes=1)


@dataclass
class MetricWatch:
    """Sums one function's metrics from `since` on.

    Attributes:
        retries: how often Lambda repeats a call that failed: as many errors and one more are one object.
        failed: how many objects failed so far, as far as the metrics tell; rounded up.
        dropped: how many events Lambda gave up.
        throttled: whether calls were throttled since the last look.
    """

    writer: Writer
    function: str
    since: datetime
    retries: int
    failed: int = 0
    dropped: int = 0
    throttled: bool = False
    _throttles: float = 0.0
    _looked: float = field(default_factory=time.monotonic)

    def look(self, *, now: bool = False) -> None:
        """Look again, if a minute has passed."""
        if not now and time.monotonic() - self._looked < _EVERY:
            return
        self._looked = time.monotonic()
        # a period that lies across the beginning would count as before it
        begin = self.since.replace(second=0, microsecond=0)
        until = max(datetime.now(UTC), begin + _LEAST)
        answer = read_metrics(self.writer.aws, self.writer.region, {self.function: begin}, begin, until)
        if isinstance(answer, Unreadable):
            return
        ((_, sums),) = answer
        self.failed = -int(-(sums.errors or 0) // (self.retries + 1))
        self.dropped = int(sums.async_dropped or 0)
        throttles = sums.throttles or 0.0
        self.throttled, self._throttles = throttles > self._throttles, throttles
