"""What an earlier run really did, by its journal: the writes that were answered, and those that may have been made."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fixtures.answers import as_answer, optional_text, text
from fixtures.estate import Target
from remediation.journal import Entry
from remediation.settle import Dangling, intent_of

_ENDS = frozenset({"result", "failure"})
_SHARED = "the shared stack is left: others may import from it, and it does no harm"
_ARTIFACT, _LOCK = "artifact", "lock"
# undone by a step of their own, or by undoing what they belong to
_UNDONE = frozenset({
    "AddPermission", "CreateBucket", "CreateChangeSet", "DeleteChangeSet", "ExecuteChangeSet",
    "PutBucketNotificationConfiguration", "PutPublicAccessBlock",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the earlier run that was made, or may have been made.

    Attributes:
        number: its line in the journal.
        certain: whether AWS answered that it was done; what AWS now shows decides about the others.
        before: what it replaced.
    """

    number: int
    target: Target
    step: str
    operation: str
    parameters: Mapping[str, object]
    before: object
    certain: bool

    @property
    def kind(self) -> str:
        """The kind of the step that made it: `trigger`, `forwarder-stack`, `lock`, ..."""
        return self.step.partition(" ")[0]

    def text(self, name: str) -> str:
        """A parameter of it that is a text; empty when it is not there."""
        return optional_text(self.parameters, name) or ""


@dataclass(frozen=True, slots=True)
class StackChange:
    """One stack's updates, as one: from what stood there first to what was asked for last."""

    target: Target
    stack: str
    shared: bool
    first: Write
    last: Write
    asked: Write

    @property
    def template(self) -> str:
        """Digest of the template that was replaced."""
        return text(self._before, "template")

    @property
    def parameters(self) -> Mapping[str, str]:
        """The values that were replaced; `****` for a NoEcho one."""
        return {name: str(found) for name, found in as_answer(self._before.get("parameters"), "parameters").items()}

    @property
    def _before(self) -> Mapping[str, object]:
        return as_answer(self.first.before, "before")


@dataclass(frozen=True, slots=True)
class TriggerChange:
    """What was done for one bucket: writes of its document, and permissions, in order."""

    target: Target
    bucket: str
    documents: tuple[Write, ...]
    grants: tuple[Write, ...]

    @property
    def last(self) -> int:
        """The line of the last of them."""
        return max(write.number for write in (*self.documents, *self.grants))


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that the run put into an artifact bucket; `sha256` is base64, as S3 and Lambda write it."""

    target: Target
    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Left:
    """A write that is left as it is on purpose, and why. `stack` names the shared stack that the run made."""

    target: Target
    what: str
    why: str
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Everything that the earlier run did, sorted by how it is undone.

    `buckets` are those that it made, `locks` those in which the targets' locks stood.
    """

    stacks: tuple[StackChange, ...]
    triggers: tuple[TriggerChange, ...]
    uploads: tuple[Upload, ...]
    buckets: tuple[tuple[Target, str], ...]
    left: tuple[Left, ...]
    locks: Mapping[Target, str]

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where it did something, sorted."""
        found = {change.target for change in self.stacks} | {change.target for change in self.triggers}
        found |= {upload.target for upload in self.uploads} | {left.target for left in self.left}
        return tuple(sorted(found | {target for target, _ in self.buckets}))

    def of(self, target: Target) -> "Done":
        """What it did in one target."""
        return Done(
            stacks=tuple(change for change in self.stacks if change.target == target),
            triggers=tuple(change for change in self.triggers if change.target == target),
            uploads=tuple(upload for upload in self.uploads if upload.target == target),
            buckets=tuple(made for made in self.buckets if made[0] == target),
            left=tuple(left for left in self.left if left.target == target),
            locks={place: bucket for place, bucket in self.locks.items() if place == target},
        )

    @property
    def count(self) -> int:
        """How many writes there are to be undone: a stack's update, a document, a permission, an object, a bucket."""
        triggers = sum(bool(change.documents) + len(change.grants) for change in self.triggers)
        return len(self.stacks) + triggers + len(self.uploads) + len(self.buckets) + len(self.left)


def writes_of(entries: Iterable[Entry]) -> tuple[Write, ...]:
    """The writes that were made or may have been, in the journal's order; refused ones are left out."""
    ends: dict[int, Entry] = {}
    found: list[tuple[Dangling, object]] = []
    for entry in entries:
        if entry.kind == "intent":
            found.append((intent_of(entry), entry.content.get("before")))
        elif entry.kind in _ENDS:
            ends[int(str(entry.content.get("intent")))] = entry
    return tuple(
        Write(intent.number, intent.target, intent.step, intent.operation, intent.parameters, before, _sure(end))
        for intent, before in found
        if not _refused(end := ends.get(intent.number))
    )


def done_by(entries: Iterable[Entry]) -> Done:
    """Sort what a journal tells.

    Raises:
        Malformed: a line lacks what this suite writes into each.
    """
    writes = writes_of(entries)
    return Done(
        stacks=_stacks(writes),
        triggers=_triggers(writes),
        uploads=_uploads(writes),
        buckets=_made_buckets(writes),
        left=tuple(dict.fromkeys(left for write in writes for left in _left(write))),
        locks={write.target: write.text("Bucket") for write in writes if write.kind == _LOCK and write.text("Bucket")},
    )


def _stacks(writes: Iterable[Write]) -> tuple[StackChange, ...]:
    asked: dict[tuple[Target, str], Write] = {}
    found: dict[tuple[Target, str], StackChange] = {}
    for write in writes:
        key = (write.target, write.text("StackName"))
        if write.operation == "CreateChangeSet":
            asked[key] = write
        elif write.operation == "ExecuteChangeSet":
            first = found[key].first if key in found else write
            found[key] = StackChange(*key, write.kind == "shared-stack", first, write, asked.get(key, write))
    return tuple(found.values())


def _triggers(writes: Iterable[Write]) -> tuple[TriggerChange, ...]:
    documents: dict[tuple[Target, str], list[Write]] = {}
    grants: dict[tuple[Target, str], list[Write]] = {}
    for write in writes:
        bucket = write.step.rpartition("/")[2]
        if write.operation == "PutBucketNotificationConfiguration":
            documents.setdefault((write.target, bucket), []).append(write)
        elif write.operation == "AddPermission":
            grants.setdefault((write.target, bucket), []).append(write)
    return tuple(
        TriggerChange(*key, tuple(documents.get(key, ())), tuple(grants.get(key, ())))
        for key in dict.fromkeys((*documents, *grants))
    )


def _uploads(writes: Iterable[Write]) -> tuple[Upload, ...]:
    puts = [write for write in writes if write.kind == _ARTIFACT and write.operation == "PutObject"]
    return tuple(
        dict.fromkeys(
            Upload(write.target, write.text("Bucket"), write.text("Key"), write.text("ChecksumSHA256"))
            for write in puts
        )
    )


def _made_buckets(writes: Iterable[Write]) -> tuple[tuple[Target, str], ...]:
    made = [write for write in writes if write.operation == "CreateBucket"]
    return tuple(dict.fromkeys((write.target, write.text("Bucket")) for write in made))


def _left(write: Write) -> Iterator[Left]:
    """What a write leaves for good; nothing where it is undone, or belongs to one that is."""
    if write.kind == _LOCK or write.operation in _UNDONE or (write.kind, write.operation) == (_ARTIFACT, "PutObject"):
        return
    match write.operation:
        case "CreateStack":
            yield Left(write.target, write.text("StackName"), _SHARED, stack=write.text("StackName"))
            return
        case "PutObject":
            what = f"s3://{write.text('Bucket')}/{write.text('Key')}"
            why = "it is left: it is the old package, which the old template names"
        case "Invoke":
            what, why = write.text("FunctionName"), "the test event cannot be taken back: XDR has received it"
        case other:
            what, why = write.step, f"this suite does not know how to undo {other}"
    yield Left(write.target, what, why)


def _sure(end: Entry | None) -> bool:
    return end is not None and end.kind == "result"


def _refused(end: Entry | None) -> bool:
    return end is not None and end.kind == "failure" and end.content.get("refused") is not False
