"""Secures the old package where the old template points, so that a rollback can find it."""

import base64
import hashlib
from dataclasses import dataclass
from typing import ClassVar

import urllib3

from fixtures.answers import part, text
from fixtures.aws import CallFailed
from fixtures.fact import Absent, Unreadable
from fixtures.readers.buckets import read_package
from remediation.call import BytesBody, Call, s3_checksum
from remediation.step import Step, StepBlocked
from remediation.writer import Writer

_SECONDS = 120.0


@dataclass(frozen=True)
class SecureOldPackage(Step):
    """Copy the live package to the address that the stack's own template names, if nothing is there."""

    ACTIONS: ClassVar[tuple[str, ...]] = (
        "lambda:GetFunction",
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
    )
    FIX: ClassVar[str] = "forwarder-stack"
    prepares: ClassVar[bool] = True

    function: str
    bucket: str
    key: str
    code_sha256: str

    @property
    def title(self) -> str:
        """What it does, in one line."""
        return f"secure the old package of {self.subject} at s3://{self.bucket}/{self.key} for a rollback"

    @property
    def name(self) -> str:
        """`old-package 111122223333/us-east-1/cloudtrail-prod`: the update of the stack bears the fix's name."""
        return f"old-package {self.target}/{self.subject}"

    def calls(self) -> tuple[Call, ...]:
        """The upload; its content is fetched from Lambda when it runs."""
        digest = base64.b64decode(self.code_sha256).hex()
        return (self._upload(BytesBody(b"", digest)),)

    def notes(self) -> tuple[str, ...]:
        """Where the content comes from."""
        return ("the package is fetched from Lambda (GetFunction) and held to the live CodeSha256",)

    def run(self, writer: Writer) -> str:
        """Fetch, compare, upload if the key is free, read back."""
        content = self._fetched(writer)
        digest = hashlib.sha256(content)
        if base64.b64encode(digest.digest()).decode() != self.code_sha256:
            raise StepBlocked("the live package has changed since it was looked at", "run again")
        refusal: CallFailed | None = None
        try:
            writer.write(self.name, self._upload(BytesBody(content, digest.hexdigest())))
        except CallFailed as failure:
            refusal = failure
        found = read_package(writer.aws, writer.region, self.bucket, self.key, self.target.account)
        if isinstance(found, Absent | Unreadable) or found.sha256 != self.code_sha256:
            raise StepBlocked(
                f"the old package cannot be secured at s3://{self.bucket}/{self.key}: {refusal or found}",
                "mend that, or copy it there by hand (Lambda console, download)",
            )
        writer.verified(self.name, bucket=self.bucket, key=self.key, sha256=self.code_sha256)
        return f"the old package is at s3://{self.bucket}/{self.key}"

    def _fetched(self, writer: Writer) -> bytes:
        answer = writer.read("lambda", "GetFunction", FunctionName=self.function)
        location = text(part(answer, "Code"), "Location")
        try:
            reply = urllib3.request("GET", location, timeout=_SECONDS, retries=urllib3.Retry(3))
        except urllib3.exceptions.HTTPError as error:
            # the address is signed: it must not be shown
            raise StepBlocked(f"the live package cannot be fetched ({type(error).__name__})", "run again") from None
        if reply.status != 200:
            raise StepBlocked(f"the live package cannot be fetched (HTTP {reply.status})", "run again")
        return reply.data

    def _upload(self, body: BytesBody) -> Call:
        return Call(
            "s3",
            "PutObject",
            {
                "Bucket": self.bucket,
                "Key": self.key,
                "Body": body,
                "ChecksumAlgorithm": "SHA256",
                "ChecksumSHA256": s3_checksum(body.sha256),
                "IfNoneMatch": "*",
                # a bucket of the old template may be gone, and its name somebody else's by now
                "ExpectedBucketOwner": self.target.account,
            },
            "keep the old package where the old template points",
        )
