"""Takes back what the run put into artifact buckets: objects that nobody refers to, and buckets that are empty."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from fixtures.answers import items
from fixtures.aws import CallFailed
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_bucket_region, read_package
from fixtures.readers.stacks import read_stacks
from remediation.call import Call
from remediation.step import Step, StepBlocked, StepFailed
from remediation.writer import Writer


@dataclass(frozen=True)
class UndoUploads(Step):
    """Delete the objects that the run uploaded, if they are still those and no stack's parameters name the bucket.

    `objects` are keys with their SHA-256 (base64).
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "cloudformation:DescribeStacks",
        "cloudformation:ListStacks",
    )
    FIX: ClassVar[str] = "undo-artifact"

    objects: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"delete {', '.join(key for key, _ in self.objects)} from bucket {self.subject}"

    def calls(self) -> tuple[Call, ...]:
        """The deletions."""
        return tuple(self._delete(key) for key, _ in self.objects)

    def notes(self) -> tuple[str, ...]:
        """When it refuses."""
        return ("only if no stack refers to the bucket any more, and the objects are those that were uploaded",)

    def without(self, names: Collection[str]) -> "Step | None":
        """Nothing, as soon as one stack keeps what it took from here."""
        return None if set(names) & set(self.forwarders) else self

    def run(self, writer: Writer) -> str:
        """Look who refers to the bucket, then delete what is still ours."""
        stacks = read_stacks(writer.aws, writer.region)
        if isinstance(stacks, Unreadable):
            raise StepBlocked(f"which stacks refer to the bucket cannot be read: {stacks}", "grant it, then run again")
        users = [stack.name for stack in stacks if any(self.subject in text for text in stack.parameters.values())]
        if users:
            raise StepBlocked(f"stacks still refer to bucket {self.subject}: {', '.join(users)}", "undo them first")
        for key, sha256 in self.objects:
            self._take_back(writer, key, sha256)
        writer.verified(self.name, bucket=self.subject, deleted=[key for key, _ in self.objects])
        return f"bucket {self.subject} does not hold {', '.join(key for key, _ in self.objects)} any more"

    def _take_back(self, writer: Writer, key: str, sha256: str) -> None:
        found = read_package(writer.aws, writer.region, self.subject, key, writer.account)
        if isinstance(found, Absent):
            return
        if isinstance(found, Unreadable):
            raise StepBlocked(f"{key} in bucket {self.subject} cannot be read: {found}", "grant it, then run again")
        if found.sha256 != sha256:
            raise StepBlocked(f"{key} in bucket {self.subject} is not what the run uploaded", "look whose it is")
        writer.write(self.name, self._delete(key))
        found = read_package(writer.aws, writer.region, self.subject, key, writer.account)
        if not isinstance(found, Absent):
            raise StepFailed(f"{key} was deleted from bucket {self.subject}, and is still seen")

    def _delete(self, key: str) -> Call:
        parameters = {"Bucket": self.subject, "Key": key, "ExpectedBucketOwner": self.target.account}
        return Call("s3", "DeleteObject", parameters, f"take {key} back")


@dataclass(frozen=True)
class UndoBucket(Step):
    """Delete a bucket that the run made, if nothing is in it."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("s3:DeleteBucket", "s3:ListBucket")
    FIX: ClassVar[str] = "undo-bucket"

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"delete bucket {self.subject} if it is empty"

    def calls(self) -> tuple[Call, ...]:
        """The deletion."""
        return (
            Call(
                "s3",
                "DeleteBucket",
                {"Bucket": self.subject, "ExpectedBucketOwner": self.target.account},
                "take the bucket back that the run made; S3 refuses unless it is empty",
            ),
        )

    def without(self, names: Collection[str]) -> "Step | None":
        """Nothing, as soon as one stack keeps what it took from here."""
        return None if set(names) & set(self.forwarders) else self

    def run(self, writer: Writer) -> str:
        """Look into it, then delete it; a bucket with old versions in it is refused by S3."""
        owner = self.target.account
        page = writer.read("s3", "ListObjectsV2", Bucket=self.subject, MaxKeys=5, ExpectedBucketOwner=owner)
        keys = [str(entry.get("Key")) for entry in items(page, "Contents")]
        if keys:
            raise StepBlocked(f"bucket {self.subject} is not empty ({', '.join(keys)}, ...): it is left", "look at it")
        (call,) = self.calls()
        try:
            writer.write(self.name, call)
        except CallFailed as failure:
            if failure.code == "BucketNotEmpty":
                raise StepBlocked(f"bucket {self.subject} holds old versions: it is left", "look at it") from None
            raise
        found = read_bucket_region(writer.aws, writer.region, self.subject)
        if not isinstance(found, Absent):
            raise StepFailed(f"bucket {self.subject} was deleted, and is still seen: {found}")
        writer.verified(self.name, bucket=self.subject, deleted=True)
        return f"bucket {self.subject} is gone"
