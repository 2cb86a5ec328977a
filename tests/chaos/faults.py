"""What can go wrong with a write, as data that the launcher understands."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

# The two writes on which most depends: step, operation.
EXECUTE = ("forwarder-stack", "ExecuteChangeSet")
PUT = ("trigger", "PutBucketNotificationConfiguration")


class Fault(StrEnum):
    """What happens to the chosen write."""

    KILL_BEFORE = "killed right before it is sent"
    KILL_AFTER = "killed right after it worked"
    KILL_JOURNALLED = "killed right after its result is journalled"
    DENIED = "AccessDenied"
    THROTTLED = "throttled twice, then works"
    THROTTLED_ALWAYS = "throttled for ever"
    CONFLICT = "409 once, then works"
    SERVER_ERROR = "500 for ever"
    MALFORMED = "works, answer malformed"
    TIMEOUT = "works, client times out"
    # CloudFormation's own, on ExecuteChangeSet
    LIES = "UPDATE_COMPLETE, function unchanged"
    ROLLS_BACK = "update rolls back"
    ROLLBACK_FAILS = "ends UPDATE_ROLLBACK_FAILED"
    GATE = "change set wants to replace the function"
    SLOW_STACK = "the stack is being updated for some time"
    # another writer of the notification document, on PutBucketNotificationConfiguration
    OTHERS_BEFORE_READ = "another writer, before our read"
    OTHERS_IN_GAP = "another writer, between our read and our write"
    OTHERS_AFTER = "another writer undoes ours, from an old copy"
    # credentials, from this write on
    EXPIRED_REFRESHED = "session expires, refreshed one works"
    EXPIRED_UNSEEN = "ExpiredToken, clock says valid"
    EXPIRED_FOR_GOOD = "session expires, cannot be refreshed"
    # signals, while the write is under way
    SIGINT = "Ctrl-C"
    SIGINT_TWICE = "Ctrl-C twice"
    SIGTERM = "SIGTERM"


@dataclass(frozen=True, slots=True)
class Spec:
    """One fault at one write.

    Attributes:
        fault: what happens.
        kind: the step's first word: `forwarder-stack`, `lock`, ...
        operation: the API operation.
        number: which of the writes of that kind and operation, from 1.
        mark: file that gets a line when it happens.
    """

    fault: Fault
    kind: str
    operation: str
    number: int
    mark: str

    @property
    def lines(self) -> list[str]:
        """What the launcher noted: a line for each time that the fault happened."""
        path = Path(self.mark)
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Spec":
        given = json.loads(text)
        return cls(**{**given, "fault": Fault(given["fault"])})
