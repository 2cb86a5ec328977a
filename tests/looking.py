"""An observer of the sandbox that can be told what to hear, and its facts by where they stand."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from checks.registry import FACTS
from fixtures.aws import Aws, Clients
from fixtures.desired import Desires, read_desires
from fixtures.estate import Estate, Identity, Seen, Target
from fixtures.fact import Unreadable, value
from fixtures.observe import Entrance, Question, observe
from fixtures.sandbox import Sandbox
from fixtures.sandbox.seed_client import SECRET_KEY
from fixtures.settings import parse_settings
from tests.fake_aws import FakeAws
from tests.some_options import some_options

ONE, OTHER = "111122223333", "444455556666"
FIRST, SECOND = "us-east-1", "eu-west-1"
EVERYTHING = Question(FACTS, depth=frozenset({"plan"}))
# One forwarder of each kind that has a fact of its own: a bucket, a topic, a key; the others only cost time.
SOME = dataclasses.replace(EVERYTHING, forwarders=("cloudtrail-*", "umbrella-dns", "alb-edge"))


class Looker:
    """An observer of the sandbox, through a server that can be told to answer otherwise."""

    def __init__(self, proxy: FakeAws, sandbox: Sandbox) -> None:
        self.proxy = proxy
        self.sandbox = sandbox
        self.clients = Clients()
        self.now = datetime.now(UTC)
        settings = parse_settings(sandbox.settings, "the sandbox")
        self.places = [(account, region) for account in (ONE, OTHER) for region in (FIRST, SECOND)]
        self.desires: Desires = read_desires(some_options(), settings)

    @contextmanager
    def pointed_at(self) -> Iterator[None]:
        """Let this process's AWS variables point at the server in front of the sandbox."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, text in {**self.sandbox.environment, "AWS_ENDPOINT_URL": self.proxy.endpoint}.items():
                patch.setenv(name, text)
            yield

    def entrance(self, account: str = ONE, region: str = FIRST) -> Entrance:
        identity = Identity(account, f"arn:aws:iam::{account}:root", "aws")
        aws = Aws(self.clients, Credentials(account, SECRET_KEY), account)  # on the engine, that key is the account
        return Entrance(Target(account, region), identity, aws)

    def look(self, question: Question = SOME, *entrances: Entrance) -> Estate:
        self.proxy.seen.clear()
        self.clients.calls.clear()
        asked = entrances or (self.entrance(ONE, SECOND), self.entrance(ONE, FIRST))
        return observe(self.clients, asked, question, self.desires, self.now)


Facts = dict[tuple[str, ...], object]


def facts(estate: Estate) -> Facts:
    """Every fact of an estate by where it stands; the last part is the field's name."""
    found: Facts = {}
    for seen in estate.targets:
        found |= facts_of_target(seen)
        for forwarder in seen.forwarders:
            found |= fields_of(forwarder, str(forwarder), leave_out="stack")
    for bucket in estate.buckets.values():
        found |= fields_of(bucket, f"bucket {bucket.name}")
    for topic in estate.topics.values():
        found |= fields_of(topic, f"topic {topic.arn}")
    return found | {(f"key {key}", "policy"): policy for key, policy in estate.keys.items()}


def facts_of_target(seen: Seen) -> Facts:
    at = str(seen.target)
    found: Facts = {(at, name): getattr(seen, name) for name in ("identity", "stacks", "functions", "orphans")}
    found[at, "shared"] = seen.shared if isinstance(seen.shared, Unreadable) else len(value(seen.shared) or ())
    for shared in value(seen.shared) or ():
        found |= fields_of(shared, at, "shared", leave_out="stack")
    artifact = value(seen.artifact)
    return found | (fields_of(artifact, at, "artifact") if artifact else {})


def fields_of(subject: object, *where: str, leave_out: str = "") -> Facts:
    fields = dataclasses.fields(subject)  # type: ignore[arg-type]
    return {(*where, field.name): getattr(subject, field.name) for field in fields if field.name != leave_out}


def facts_of_forwarders(estate: Estate) -> Mapping[tuple[str, str], object]:
    names = {str(forwarder) for forwarder in estate.forwarders}
    return {(where[0], where[-1]): found for where, found in facts(estate).items() if where[0] in names}
