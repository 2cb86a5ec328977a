"""The only way to change anything in AWS: each write is journalled before it is sent and after it is answered."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fixtures.answers import Answer, optional_part, optional_text
from fixtures.aws import Aws, CallFailed
from fixtures.patience import Wait
from remediation.call import Call, revealed, shown
from remediation.journal import Journal


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds."""

    stack: float = 3600.0
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


@dataclass(frozen=True, slots=True)
class Writer:
    """One target's access for writing.

    `on_aws` is false at an endpoint of one's own (an emulator). `say` tells people what is going on.
    """

    aws: Aws = field(repr=False)
    region: str
    journal: Journal
    stop: threading.Event
    locks: BucketLocks
    limits: Limits
    on_aws: bool
    say: Callable[[str], None]

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

    def write(self, step: str, call: Call, *, before: object = None, region: str | None = None) -> Answer:
        """Make one call that changes something. `before` is what it replaces, for a rollback.

        Raises:
            CallFailed: as `Aws.call`; the failure is in the journal.
        """
        where = {"account": self.account, "region": region or self.region, "step": step}
        intent = self.journal.write("intent", **where, call=call.shown(), before=shown(before))
        try:
            answer = self.aws.call(
                region or self.region,
                call.service,
                call.operation,
                **{name: revealed(found) for name, found in call.parameters.items()},
            )
        except CallFailed as failure:
            self.journal.write(
                "failure", **where, intent=intent, cause=str(failure.cause), code=failure.code, reason=failure.reason,
                request_id=failure.request_id,
            )  # fmt: skip
            raise
        self.journal.write("result", **where, intent=intent, request_id=_request_id(answer))
        return answer

    def verified(self, step: str, **facts: object) -> None:
        """Record what was read back after a write."""
        self.journal.write("verified", account=self.account, region=self.region, step=step, facts=shown(dict(facts)))

    def wait(self, seconds: float, *, first: float = 0.3, longest: float = 10.0) -> Wait:
        """A bounded wait that Ctrl-C ends early."""
        return Wait(seconds, first, longest, self.stop)


def _request_id(answer: Answer) -> str:
    metadata: Mapping[str, object] = optional_part(answer, "ResponseMetadata")
    return optional_text(metadata, "RequestId") or ""
