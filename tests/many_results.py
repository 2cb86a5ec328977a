"""Synthetic runs of any size, for what pages of thousands of results look like and cost. The same each time."""

import random
from dataclasses import replace
from datetime import timedelta

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.estate import Estate, Forwarder, Function, Identity, Target
from reports.history.changes import TREND, Change, ChangedFinding, Changes, History, PastRun
from tests.fake_run import TAKEN, case, estate, forwarder, seen

REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
    "eu-north-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
    "sa-east-1", "me-central-1",
)  # fmt: skip
CHECKS = (
    ("runtime-custom", Severity.CRITICAL, "forwarder-stack", "provided.al2 or better", "go1.x", ""),
    ("code-current", Severity.HIGH, "forwarder-stack", "the release's package", "CodeSha256 {digest}", ""),
    ("template-current", Severity.HIGH, "forwarder-stack", "the release's template", "the legacy one of {name}", ""),
    ("trigger-wired", Severity.CRITICAL, "trigger", "a rule that calls it", "no rule in bucket {name}-logs", ""),
    ("stack-healthy", Severity.HIGH, "", "a healthy stack", "UPDATE_ROLLBACK_FAILED", "roll {name} back on"),
    ("stale-rule", Severity.MEDIUM, "", "rules of living functions", "a rule for {name}-old", "remove it by hand"),
    *((f"hygiene-{number:02}", Severity.LOW, "", "a property", "something else", "look") for number in range(18)),
)  # fmt: skip


def many(number: int, share: float, *, accounts: int = 300, seed: int = 7) -> tuple[tuple[Result, ...], Estate]:
    """`number` results of which `share` are open, some more quiet or not seen, and the estate that they are of.

    Where there is room, one target in fifty was not reached; aliases are those that an account's owner may choose.
    """
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    regions = REGIONS if number > 100 else REGIONS[:3]
    subjects = max(1, number // len(CHECKS))
    places = [f"{200000000000 + index:012}/{region}" for index in range(min(accounts, number)) for region in regions]
    kinds = ("trail", "alb", "waf", "flow")
    names = [f"{dice.choice(places)}/{dice.choice(kinds)}-{index}" for index in range(subjects)]
    results = []
    for index in range(number):
        name, check = names[index // len(CHECKS) % len(names)], CHECKS[index % len(CHECKS)]
        results.append(_one(name, check, dice, share))
    known: dict[str, list[str]] = {place: [] for place in places}
    for name in names:
        known[name.rpartition("/")[0]].append(name)
    gone = set(places[::50]) - {name.rpartition("/")[0] for name in names} if number > 100 else set()
    targets = []
    for place, members in known.items():
        account, region = place.split("/")
        one = seen(Target(account, region), *(_running(name, dice) for name in members), reached=place not in gone)
        if isinstance(one.identity, Identity):
            one = replace(one, identity=replace(one.identity, alias=f"acme-{account[-3:]}-prod"))
        targets.append(one)
    return tuple(results), estate(*targets)


def history_of(results: tuple[Result, ...]) -> History:
    """A month of nightly runs that got better, with a setback, and what changed since last night."""
    runs = tuple(
        PastRun(
            f"run-{night}", TAKEN - timedelta(days=TREND - night - 1), "audit", 1, 5100, 5100 - night % 4, 1000,
            {Status.FAILED: 900 - 25 * night + (200 if night > 24 else 0), Status.UNKNOWN: night % 5, Status.PASSED: 9},
        )
        for night in range(TREND)
    )  # fmt: skip
    told = [result for result in results if result.status is Status.FAILED]
    changed = tuple(
        ChangedFinding(
            (*Change, Change.STILL, Change.STILL)[index % 8], one.check, one.title, one.severity, one.subject,
            one.account, one.region, one.forwarder, one.status, Status.FAILED, TAKEN, one.found, f"{index:016x}",
        )
        for index, one in enumerate(told)
    )  # fmt: skip
    return History("history.sqlite", Changes(runs[-2], changed, elsewhere=3), runs)


def _one(subject: str, check: tuple[str, Severity, str, str, str, str], dice: random.Random, share: float) -> Result:
    identifier, severity, fix, expected, found, remedy = check
    name = subject.rpartition("/")[2]
    roll = dice.random()
    found, remedy = (text.format(name=name, digest=f"{dice.getrandbits(256):064x}") for text in (found, remedy))
    if roll < share:
        if identifier == "template-current" and dice.random() < 0.3:
            return case(identifier, Status.BLOCKED, subject, severity, expected=expected, found=found,
                        reason="its stack is UPDATE_ROLLBACK_FAILED", remedy="continue the rollback")  # fmt: skip
        texts = {"expected": expected, "found": found, "remedy": remedy, "fix": fix}
        return case(identifier, Status.FAILED, subject, severity, **texts)
    if roll < share + 0.01:
        return case(identifier, Status.UNKNOWN, subject, severity, reason=f"lambda:GetPolicy denied for {name}")
    if roll < share + 0.02:
        return case(identifier, Status.NO_EVIDENCE, subject, severity, reason="no object arrived")
    return case(identifier, Status.PASSED, subject, severity)


def _running(subject: str, dice: random.Random) -> Forwarder:
    runtime = dice.choice(("go1.x", "go1.x", "provided.al2", "provided.al2023"))
    return replace(forwarder(subject), listed=function(runtime))


def function(runtime: str) -> Function:
    """A function on this runtime."""
    return Function(
        name="f", arn="arn", runtime=runtime, handler="bootstrap", package_type="Zip", architectures=("x86_64",),
        code_sha256="c", code_size=1, state=None, state_reason="", last_update=None, last_update_reason="",
        last_modified=None, role="r", environment_names=(), kms_key_arn=None, dead_letter_arn=None, log_group="g",
        timeout=60, memory=128,
    )  # fmt: skip
