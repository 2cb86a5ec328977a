"""The only way to change anything in AWS: each write is journalled before it is sent and after it is answered."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from fixtures.answers import Answer, optional_part, optional_text
from fixtures.aws import Aws, CallFailed
from fixtures.patience import Wait
from remediation.call import Call, revealed, shown, without_secrets
from remediation.journal import Journal


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds."""

    stack: float = 3600.0
    begin: float = 30.0
    change_set: float = 600.0
    function: float = 300.0
    notification: float = 300.0
    permission: float = 60.0
    proof: float = 900.0


class BucketLocks:
    """One writer per bucket at a time, across all targets of a run."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def of(self, bucket: str) -> threading.Lock:
        """The lock of a bucket."""
        with self._guard:
            return self._locks.setdefault(bucket, threading.Lock())


@dataclass
class Trail:
    """What was changed so far in AWS, or may have been; a step's own while that step runs."""

    changes: int = 0


class _Where(TypedDict):
    account: str
    region: str
    step: str


@dataclass(frozen=True, slots=True)
class Writer:
    """One target's access for writing.

    `on_aws` is false at an endpoint of one's own (an emulator). `say` tells people what is going on. `trail` tells
    whether anything was changed.
    """

    aws: Aws = field(repr=False)
    region: str
    journal: Journal
    stop: threading.Event
    locks: BucketLocks
    limits: Limits
    on_aws: bool
    say: Callable[[str], None]
    trail: Trail = field(default_factory=Trail)

    @property
    def account(self) -> str:
        """The account written to."""
        return self.aws.account

    def read(self, service: str, operation: str, **parameters: object) -> Answer:
        """Ask AWS in the fixer's name.

        Raises:
            CallFailed: as `Aws.call`.
        """
        return self.aws.call(self.region, service, operation, **parameters)

    def pages(self, region: str, service: str, operation: str, **parameters: object) -> Iterator[Answer]:
        """Ask AWS for all pages of a listing in the fixer's name.

        Raises:
            CallFailed: as `Aws.pages`.
        """
        return self.aws.pages(region, service, operation, **parameters)

    def one_of(self, intent: int, service: str, operation: str, **parameters: object) -> Answer:
        """Make one of the calls that one intent stands for; what became of each, its owner journals (a backfill).

        Raises:
            CallFailed: as `Aws.call`.
        """
        assert intent > 0
        return self.aws.call(self.region, service, operation, **parameters)

    def write(
        self, step: str, call: Call, *, before: object = None, region: str | None = None, lasting: bool = True
    ) -> Answer:
        """Make one call that changes something.

        Args:
            step: name of the step.
            call: what is sent; secrets and files are filled in here.
            before: what it replaces, for a rollback.
            region: where, if not in the writer's region.
            lasting: false for what leaves nothing behind (a change set that is deleted again).

        Raises:
            CallFailed: as `Aws.call`; the failure is in the journal, without the secrets that were sent.
            SuiteError: a file is not any more what was planned; nothing was sent.
            JournalError: the journal cannot be written; nothing was sent, unless the answer is what is missing in it.
        """
        where: _Where = {"account": self.account, "region": region or self.region, "step": step}
        parameters = {name: revealed(found) for name, found in call.parameters.items()}
        intent = self.journal.write("intent", **where, call=call.shown(), before=shown(before))
        try:
            answer = self.aws.call(region or self.region, call.service, call.operation, **parameters)
        except CallFailed as failure:
            failure.reason = without_secrets(failure.reason, call.parameters)
            if lasting and not failure.refused:
                self.trail.changes += 1
            self.journal.write(
                "failure", **where, intent=intent, cause=str(failure.cause), code=failure.code, reason=failure.reason,
                request_id=failure.request_id, refused=failure.refused,
            )  # fmt: skip
            raise
        self.trail.changes += lasting
        self.journal.write("result", **where, intent=intent, request_id=_request_id(answer))
        return answer

    def verified(self, step: str, **facts: object) -> None:
        """Record what was read back after a write."""
        self.journal.write("verified", account=self.account, region=self.region, step=step, facts=shown(dict(facts)))

    def described(self, step: str, **facts: object) -> None:
        """Record a change set as CloudFormation described it and as it was judged."""
        self.journal.write("change-set", account=self.account, region=self.region, step=step, facts=shown(dict(facts)))

    def wait(self, seconds: float, *, first: float = 0.3, longest: float = 10.0) -> Wait:
        """A bounded wait that Ctrl-C ends early."""
        return Wait(seconds, first, longest, self.stop)


def _request_id(answer: Answer) -> str:
    metadata: Mapping[str, object] = optional_part(answer, "ResponseMetadata")
    return optional_text(metadata, "RequestId") or ""
