"""Puts the release's package (and templates that are too large to send inline) into a bucket of the region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fixtures.aws import CallFailed
from fixtures.estate import StoredObject
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_package
from remediation.call import TAKEN, Body, Call, s3_checksum
from remediation.step import Step, StepBlocked, StepFailed
from remediation.writer import Writer

_HOME = "us-east-1"  # the region that must not be named as a LocationConstraint


@dataclass(frozen=True)
class PutArtifacts(Step):
    """Create the bucket if it is missing, close it to the public, and upload what is missing.

    An object that is there is never overwritten: the upload is conditional (`If-None-Match: *`).
    """

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "s3:CreateBucket",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
    )
    FIX: ClassVar[str] = "artifact"
    shared: ClassVar[bool] = True

    create: bool
    files: Mapping[str, Body]

    @property
    def title(self) -> str:
        """What it does, in one line."""
        made = "create bucket" if self.create else "use bucket"
        return f"{made} {self.subject} and upload {', '.join(self.files) or 'nothing'}"

    @property
    def makes_bucket(self) -> bool:
        """Whether the bucket is missing."""
        return self.create

    def calls(self) -> tuple[Call, ...]:
        """The writes."""
        return (*self._creation(), *(self._upload(key, body) for key, body in self.files.items()))

    def run(self, writer: Writer) -> str:
        """Do it, then read the digests back."""
        for call in self._creation():
            self._make(writer, call)
        for key, body in self.files.items():
            self._put(writer, key, body)
        writer.verified(self.name, bucket=self.subject, objects=sorted(self.files))
        return f"bucket {self.subject} holds {', '.join(self.files)}"

    def _make(self, writer: Writer, call: Call) -> None:
        try:
            writer.write(self.name, call)
        except CallFailed as failure:
            if failure.code == "BucketAlreadyExists":
                raise StepBlocked(
                    f"bucket {self.subject} belongs to somebody else", "name another artifact_bucket in the settings"
                ) from None
            if failure.code != "BucketAlreadyOwnedByYou":  # made by this call although nobody said so, or just now
                raise

    def _put(self, writer: Writer, key: str, body: Body) -> None:
        found = self._found(writer, key)
        if isinstance(found, Absent):
            try:
                writer.write(self.name, self._upload(key, body))
            except CallFailed as failure:
                if failure.refused and failure.code not in TAKEN:
                    raise
            found = self._found(writer, key)
        if isinstance(found, Absent):
            raise StepFailed(f"{key} was uploaded to bucket {self.subject} and is not there")
        if found.sha256 != s3_checksum(body.sha256):
            raise StepBlocked(
                f"bucket {self.subject} holds another object at {key}, and a stack may refer to it",
                "name another artifact_bucket in the settings",
            )

    def _found(self, writer: Writer, key: str) -> StoredObject | Absent:
        found = read_package(writer.aws, writer.region, self.subject, key, writer.account)
        if isinstance(found, Unreadable):
            raise StepBlocked(f"what bucket {self.subject} holds at {key} cannot be read: {found}", "grant it")
        return found

    def _creation(self) -> tuple[Call, ...]:
        if not self.create:
            return ()
        where: Mapping[str, object] = (
            {}
            if self.target.region == _HOME
            else {"CreateBucketConfiguration": {"LocationConstraint": self.target.region}}
        )
        block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
                 "RestrictPublicBuckets": True}  # fmt: skip
        return (
            Call("s3", "CreateBucket", {"Bucket": self.subject, **where}, "make the region's artifact bucket"),
            Call(
                "s3",
                "PutPublicAccessBlock",
                {
                    "Bucket": self.subject,
                    "PublicAccessBlockConfiguration": block,
                    "ExpectedBucketOwner": self.target.account,
                },
                "close it to the public",
            ),
        )

    def _upload(self, key: str, body: Body) -> Call:
        return Call(
            "s3",
            "PutObject",
            {
                "Bucket": self.subject,
                "Key": key,
                "Body": body,
                "ChecksumAlgorithm": "SHA256",
                "ChecksumSHA256": s3_checksum(body.sha256),
                "IfNoneMatch": "*",
                "ExpectedBucketOwner": self.target.account,
            },
            f"upload {key}",
        )
