"""The emulated cloud as a process of its own, and its control."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.estate import Estate

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the cloud since `Running.start`.

    Attributes:
        calls: requests by `service:Operation`, those that were throttled included.
        throttled: how many of them were.
        unknown: operations that it does not know, which were answered with 501.
        peak: most requests in flight at once.
        connections: how many were opened.
        first: when the first request came, seconds since 1970.
        last: when the last one came.
        cpu: seconds that the cloud itself used.
    """

    calls: Counter[str]
    throttled: Counter[str]
    unknown: Counter[str]
    peak: int
    connections: int
    first: float
    last: float
    cpu: float

    @property
    def requests(self) -> int:
        return sum(self.calls.values())


@dataclass(frozen=True, slots=True)
class Running:
    """A cloud that runs."""

    estate: Estate
    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What boto3 needs to talk to it, and nothing of this machine's."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": "AKIABENCHMARK",
            "AWS_SECRET_ACCESS_KEY": "synthetic",
            "AWS_DEFAULT_REGION": self.estate.region_names[0], "AWS_REGION": self.estate.region_names[0],
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }  # fmt: skip

    def start(self, *, latency: float, share: float = 0.0) -> None:
        """Begin to count: answers come `latency` seconds late, rates are `share` of AWS's, 0 for none."""
        self._control(f"start?latency={latency}&share={share}", "POST")

    def asked(self) -> Asked:
        """What was asked since then."""
        found = self._control("counts", "GET")
        counters = {name: Counter(found.pop(name)) for name in ("calls", "throttled", "unknown")}
        return Asked(**counters, **found)

    def _control(self, what: str, method: str) -> dict:
        asked = urllib.request.Request(f"{self.endpoint}/_bench/{what}", method=method)  # noqa: S310  our own server
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310  same
            return json.loads(answer.read())


@contextlib.contextmanager
def running(estate: Estate) -> Iterator[Running]:
    """A cloud that holds this estate, until the block ends."""
    size = [estate.accounts, estate.regions, estate.forwarders, estate.traffic.requests]
    command = [sys.executable, "-m", "benchmarks.cloud", *map(str, size)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield Running(estate, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
