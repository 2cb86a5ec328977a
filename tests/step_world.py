"""Steps for real: an engine of their own, faults between it and boto3, an account for each test, plain boto3 to look.

The engine is started once per process. What a fault says must come true: a call that never came fails the test.
"""

import atexit
import functools
import itertools
import json
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, cast

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with
from botocore.exceptions import ClientError  # noqa: TID251  what plain boto3 raises

from checks.registry import FACTS
from fixtures.aws import Aws, Clients, iam_action
from fixtures.desired import Desires
from fixtures.estate import Estate, Identity, Target
from fixtures.fact import Fact
from fixtures.observe import Entrance, Question, observe
from fixtures.release import Release, read_release
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.sandbox.engine_process import EngineProcess
from fixtures.sandbox.seed_client import Place
from fixtures.sandbox.seed_estate import switch_rules
from fixtures.sandbox.seed_foundation import FOREIGN_ROLE, legacy_bucket, seed_account
from fixtures.sandbox.synthetic_release import CANARY_LEGACY_TOKEN, legacy_package, legacy_template, write_release
from remediation.engine import Lanes, Outcome, State, apply
from remediation.lock import TargetLocks
from remediation.plan import Plan, TargetPlan
from remediation.planner import make_plan
from remediation.progress import PlainProgress
from remediation.step import Step
from remediation.writer import Limits
from tests.estates import NOW, some_desires
from tests.fake_aws import FakeAws, Script, _Raw, name_of
from tests.planning import an_intent, findings
from tests.sandbox_engine import Engine, requests_of
from tests.writing import QUICK, Bench, a_bench, hold_journal

REGION = "eu-west-1"
_ACCOUNTS = itertools.count(200000000001)
_NAMES = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Lost:
    """The call is carried out, and its answer is lost on the way: this one comes instead."""

    answer: Script


@dataclass(frozen=True, slots=True)
class First:
    """Something happens right before the call is carried out."""

    act: Callable[[], object]


PASS = First(lambda: None)
Fault: TypeAlias = "Script | Lost | First"


class Proxy(FakeAws):
    """Between boto3 and the engine. A fault is used once, in order; then calls pass."""

    def __init__(self, engine: str) -> None:
        super().__init__(engine)
        self._faults: dict[str, list[Fault]] = {}
        self._engine_address = engine.removeprefix("http://").split(":")

    @contextmanager
    def faults(self, faults: Mapping[str, Sequence[Fault]]) -> Iterator[None]:
        """Answer these calls so; it fails if one of them did not come as often."""
        self._faults = {name: list(answers) for name, answers in faults.items()}
        try:
            yield
        finally:
            left = {name: len(answers) for name, answers in self._faults.items() if answers}
            self._faults = {}
        assert not left, f"these faults never came: {left}; there were {sorted(self.counted())}"

    def answer(self, call: AwsCall, raw: _Raw) -> Answer:
        with self._lock:
            self.seen.append(call)
            waiting = self._faults.get(name_of(call), [])
            fault: Fault = waiting.pop(0) if waiting else PASS
        if isinstance(fault, First):
            fault.act()
        if isinstance(fault, First | Lost):
            answer = raw.passed_on(self._engine_address[0], int(self._engine_address[1]))
            if isinstance(fault, First):
                return answer
            fault = fault.answer
        told = fault(call) if callable(fault) else fault
        assert told is not None
        return told


@functools.cache
def _engine() -> tuple[Engine, Proxy]:
    folder = Path(tempfile.mkdtemp(prefix="taegis-steps-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    process = EngineProcess(folder, None)
    switch_rules(process.endpoint, {"blocked-runtime": False})
    proxy = Proxy(process.endpoint)
    atexit.register(proxy.stop)
    return Engine(process), proxy


@functools.cache
def release(version: str = "") -> Release:
    """The synthetic release in a folder that stays: steps send its files; `version` gives another package."""
    folder = Path(tempfile.mkdtemp(prefix="taegis-steps-release-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return read_release(write_release(folder, version))


@functools.cache
def _clients() -> Clients:
    return Clients()


@dataclass
class World:
    """One account in one region of the engine, with the suite's own way in and a plain one."""

    folder: Path
    region: str = REGION
    account: str = field(default_factory=lambda: str(next(_ACCOUNTS)))
    name: str = "cloudtrail-prod"
    limits: Limits = QUICK
    benches: list[Bench] = field(default_factory=list)
    desires: Desires = field(default_factory=lambda: some_desires(release=release()))
    asked_before: int = 0

    @property
    def target(self) -> Target:
        return Target(self.account, self.region)

    @property
    def proxy(self) -> Proxy:
        return _engine()[1]

    @property
    def engine(self) -> Engine:
        return _engine()[0]

    @property
    def place(self) -> Place:
        """Plain boto3, past the proxy."""
        return self.engine.at(self.account, self.region)

    @property
    def aws(self) -> Aws:
        return Aws(_clients(), Credentials(self.account, "sandbox"), self.account)

    def bench(self, stop: threading.Event | None = None) -> Bench:
        made = a_bench(self.aws, self.folder, self.region, limits=self.limits, stop=stop)
        self.benches.append(made)
        return made

    def close(self) -> None:
        """Hold every journal of the test: whole, every write begun and ended, no secret in it."""
        for bench in self.benches:
            bench.close()
            hold_journal(bench)
        assert set(self.written()) <= set(self.journalled()), "something was written that no journal speaks of"

    # what is there

    @property
    def function_name(self) -> str:
        """The function of `legacy`."""
        return f"{self.name}-scwx-tdr-lambda-awscloudtrail"

    def legacy(self, *, owns_secret: bool = False) -> None:
        """A go1.x forwarder with its bucket and package."""
        place, name = self.place, self.name
        code, logs = legacy_bucket(self.account, self.region), f"{name}-{self.account}"
        for bucket in (code, logs):
            place.make_bucket(bucket)
        place.call("s3", "put_object", Bucket=code, Key="scwx-tdr-lambda.zip", Body=legacy_package().content)
        place.make_stack(name, legacy_template("CloudTrail", "awscloudtrail", owns_secret=owns_secret), {
            "NotificationBucket": logs, "LegacyCodeBucket": code, "LegacyToken": CANARY_LEGACY_TOKEN})  # fmt: skip

    def foreign_function(self, name: str, bucket: str) -> str:
        """Somebody else's function that S3 may call for this bucket; returns its ARN."""
        place = self.place
        place.call("lambda", "create_function", FunctionName=name, Runtime="python3.13", Handler="index.handler",
                   Role=f"arn:aws:iam::{self.account}:role/{FOREIGN_ROLE}",
                   Code={"ZipFile": legacy_package().content})  # fmt: skip
        place.call("lambda", "add_permission", FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
                   Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{bucket}")  # fmt: skip
        return place.arn("lambda", f"function:{name}")

    def put_document(self, bucket: str, document: Mapping[str, object]) -> None:
        self.place.call("s3", "put_bucket_notification_configuration", Bucket=bucket,
                        NotificationConfiguration=document)  # fmt: skip

    def document(self, bucket: str) -> dict[str, object]:
        """A bucket's notification document."""
        answer = self.place.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
        return {name: found for name, found in answer.items() if name != "ResponseMetadata"}

    def function(self, name: str) -> Mapping[str, object]:
        return self.place.call("lambda", "get_function_configuration", FunctionName=name)

    def statements(self, function: str) -> list[Mapping[str, object]]:
        policy = self.place.call("lambda", "get_policy", FunctionName=function)["Policy"]
        return cast("list[Mapping[str, object]]", json.loads(str(policy))["Statement"])

    def stack(self, name: str) -> Mapping[str, object]:
        answer = self.place.call("cloudformation", "describe_stacks", StackName=name)
        return cast("list[Mapping[str, object]]", answer["Stacks"])[0]

    def content(self, bucket: str, key: str) -> bytes | None:
        """What an object holds, None where there is none."""
        try:
            body = self.place.call("s3", "get_object", Bucket=bucket, Key=key)["Body"]
        except ClientError:
            return None
        return cast("bytes", body.read())  # type: ignore[attr-defined]

    def change_sets(self, stack: str) -> list[str]:
        answer = self.place.call("cloudformation", "list_change_sets", StackName=stack)
        return [str(entry["ChangeSetName"]) for entry in cast("list[Mapping[str, object]]", answer["Summaries"])
                if entry.get("ExecutionStatus") != "EXECUTE_COMPLETE"]  # fmt: skip

    # what is done

    def look(self) -> Estate:
        """The account as the suite sees it."""
        identity: Fact[Identity] = Identity(self.account, f"arn:aws:iam::{self.account}:root", "aws")
        entrance = Entrance(self.target, identity, self.aws)
        question = Question(FACTS, forwarders=(self.name,), depth=frozenset({"plan"}))
        return observe(_clients(), [entrance], question, self.desires, datetime.now(UTC))

    def plan(self, wanted: Mapping[str, Sequence[str]], **intent: object) -> Plan:
        """The plan for findings in the account, from a fresh look."""
        allow = frozenset({"create-bucket", "remove-stale-rules", "merge-duplicates"})
        given = an_intent(**{"allow": allow, "run": f"run{len(self.benches)}", **intent})
        return make_plan(findings(wanted, self.target), self.look(), self.desires, given, NOW)

    def apply(self, *steps: Step, bench: Bench | None = None) -> Outcome:
        """Apply steps as a run would, without the target's lock."""
        used = bench or self.bench()
        before = len(self.proxy.seen)
        plan = Plan("run", NOW, (TargetPlan(self.target, steps, ()),))
        writer = used.writer
        lanes = Lanes(lambda _: writer, PlainProgress(lambda _: None), writer.stop, TargetLocks("run"))
        outcome = apply(plan, lanes)
        asked = {iam_action(*name_of(call).split(":")) for call in self.proxy.seen[before:]}
        declared = {action for step in steps for action in type(step).ACTIONS}
        assert asked <= declared, f"these steps do not declare {sorted(asked - declared)}"
        return outcome

    def done(self, *steps: Step) -> list[str]:
        """Apply steps and hold that each was done; what each told."""
        outcome = self.apply(*steps)
        assert [o.state for o in outcome.steps] == [State.DONE] * len(steps), [o.told for o in outcome.steps]
        return [o.told for o in outcome.steps]

    def ready(self) -> None:
        """The package in its bucket and the shared stack: what forwarders' updates need."""
        self.done(*self.plan({"artifact": [""], "shared-stack": [""]}).steps)

    def written(self) -> Counter[str]:
        """The writes of the suite that reached the engine in this account, by operation."""
        return Counter(
            f"{one['service']}:{one['operation']}"
            for one in requests_of(self.engine.endpoint)[self.asked_before :]
            if one["account"] == self.account and one["write"] and str(one["agent"]).startswith("Botocore")
        )

    def journalled(self) -> Counter[str]:
        """The writes that the test's journals speak of."""
        return Counter(name for bench in self.benches for name in bench.writes())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pauses: None) -> Iterator[World]:  # noqa: ARG001  wanted for what it does
    """A new account; at the end its journals are held against what the engine was asked."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", _engine()[1].endpoint)
    made = World(tmp_path)
    made.proxy.forget()
    seed_account(made.place, int(made.account) % 1_000_000)
    yield made
    made.close()


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pauses: None) -> Iterator[World]:  # noqa: ARG001  wanted for what it does
    """A legacy forwarder of its own in an account that has what its update needs, and that the process shares."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", _engine()[1].endpoint)
    account = _ready_account(tmp_path)
    made = World(tmp_path, account=account, name=f"trail-{next(_NAMES)}")
    made.proxy.forget()
    made.legacy()
    made.asked_before = len(requests_of(made.engine.endpoint))
    yield made
    made.close()


_READY: list[str] = []


def _ready_account(folder: Path) -> str:
    if not _READY:
        first = World(folder / "ready")
        first.folder.mkdir()
        seed_account(first.place, int(first.account) % 1_000_000)
        first.legacy()
        first.ready()
        first.close()
        _READY.append(first.account)
    return _READY[0]
