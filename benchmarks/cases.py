"""What is measured against what: the table of cases."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contenders import Contender, custodian, plain, sequential, suite, three
from benchmarks.estate import EVERY_FIVE_MINUTES, Estate

FAR = 0.04  # seconds for each answer


@dataclass(frozen=True, slots=True)
class Case:
    """Contenders that are asked the same of the same estate, one after another; the suite comes first.

    Attributes:
        name: how it is chosen on the command line.
        what: the question, for the table.
        contenders: who is asked.
        latency: seconds by which each answer is late.
        share: the part of AWS's rates at which the cloud throttles, 0 for not at all.
        full: whether it is left out unless everything is asked for.
    """

    name: str
    what: str
    estate: Estate
    contenders: Sequence[Contender]
    latency: float = FAR
    share: float = 0.0
    full: bool = False


_OURS, _ALL = "**suite**, three checks", "**suite**, all checks"
E2, E3 = Estate(5, 4, 20), Estate(20, 8, 25)

CASES = (
    Case("three", "three checks: runtime, stack state, bucket calls function", E2, (
        three(_OURS),
        custodian("c7n-org, buckets in one region", narrowed=False),
        custodian("c7n-org, and only their notification", narrowed=True),
        sequential("sequential boto3, listings", listings=True),
        sequential("sequential boto3, a call for each fact", listings=False),
    )),
    Case("all", "all checks", E2, (suite(_ALL), plain("plain pytest + boto3, -n 2, 19 of them"))),
    Case("near", "all checks, no latency", E2, (suite(_ALL),), latency=0.0),
    Case("busy", "all checks, every forwarder called every five minutes", Estate(5, 4, 20, EVERY_FIVE_MINUTES), (
        suite(_ALL),
    )),
    Case("many", "all checks", E3, (suite(_ALL),), full=True),
    Case("throttled", "all checks, throttled at AWS's rates", E3, (suite(_ALL),), share=1.0, full=True),
    Case("misjudged", "all checks, throttled at half of AWS's rates", E3, (suite(_ALL),), share=0.5, full=True),
    Case("accounts-100", "all checks", Estate(100, 10, 4), (suite(_ALL),), full=True),
    Case("accounts-300", "all checks", Estate(300, 10, 1), (suite(_ALL),), full=True),
)  # fmt: skip
