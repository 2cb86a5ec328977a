"""One API call as data: it can be shown, counted and journalled before anything is sent."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from fixtures.aws import iam_action
from fixtures.errors import SuiteError
from fixtures.secret import Secret

# S3 answers so to `If-None-Match: *` where an object is there, also where our own upload put it and its answer was lost
TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_PIECE: Final = 12  # characters of a secret that are too many to be shown
_TOO_SHORT: Final = 3  # characters that stand in any text
_UNSAID: Final = "(what AWS said is not shown: it holds a piece of a secret)"

Shown: TypeAlias = "str | int | float | bool | list[Shown] | dict[str, Shown] | None"


@dataclass(frozen=True, slots=True)
class FileBody:
    """The content of a file on this machine, sent when the call is made; shown by name and digest."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """The content, if it is still the one that was planned.

        Raises:
            SuiteError: the file has changed since, or is gone.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise SuiteError(f"{self.path} cannot be read any more: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise SuiteError(f"{self.path} has changed since it was read")
        return content


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Content held in memory (a package fetched from Lambda); shown by digest."""

    content: bytes = field(repr=False)
    sha256: str


Body: TypeAlias = FileBody | BytesBody


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS API call that a step will make.

    Attributes:
        service: botocore's service name.
        operation: the API operation.
        parameters: its parameters; `Secret`, `FileBody` and `BytesBody` stand for what is filled in when it is sent.
        why: one line for people.
    """

    service: str
    operation: str
    parameters: Mapping[str, object]
    why: str

    @property
    def action(self) -> str:
        """The IAM action it needs."""
        return iam_action(self.service, self.operation)

    def shown(self) -> dict[str, Shown]:
        """The call as JSON-like values, without secrets and without file contents."""
        return {
            "service": self.service,
            "operation": self.operation,
            "parameters": shown(dict(self.parameters)),
            "why": self.why,
        }

    def __str__(self) -> str:
        """`s3:PutObject  upload the package`."""
        return f"{self.service}:{self.operation}  {self.why}"


def shown(found: object) -> Shown:
    """A parameter value as it may be printed."""
    match found:
        case FileBody():
            text = f"<{found.path.name}, SHA-256 {found.sha256}>"
        case BytesBody():
            text = f"<package, SHA-256 {found.sha256}>"
        case bytes():
            text = f"<{len(found)} bytes>"
        case Mapping():
            return {str(name): shown(entry) for name, entry in found.items()}
        case list() | tuple():
            return [shown(entry) for entry in found]
        case None | str() | bool() | int() | float():
            return found
        case _:  # a Secret prints as a mask
            text = str(found)
    return text


def revealed(found: object) -> object:
    """A parameter value as it is sent; files are read, secrets are handed over. Used by the writer only."""
    match found:
        case Secret():
            return found.reveal()
        case FileBody():
            return found.read()
        case BytesBody():
            return found.content
        case Mapping():
            return {name: revealed(entry) for name, entry in found.items()}
        case list() | tuple():
            return [revealed(entry) for entry in found]
        case _:
            return found


def without_secrets(text: str, found: object) -> str:
    """`text`, unless it holds a piece of a secret that parameters hold: an odd engine may quote what it was sent."""
    return _UNSAID if any(_quotes(text, secret.reveal()) for secret in _secrets(found)) else text


def _secrets(found: object) -> Iterator[Secret]:
    match found:
        case Secret():
            yield found
        case Mapping():
            yield from (secret for entry in found.values() for secret in _secrets(entry))
        case list() | tuple():
            yield from (secret for entry in found for secret in _secrets(entry))


def _quotes(text: str, secret: str) -> bool:
    """Whether any dozen characters of the secret stand in the text, which may have been cut and squeezed."""
    squeezed = " ".join(secret.split())
    pieces = range(max(1, len(squeezed) - _PIECE + 1))
    return len(squeezed) > _TOO_SHORT and any(squeezed[start : start + _PIECE] in text for start in pieces)


def s3_checksum(sha256_hex: str) -> str:
    """A SHA-256 given in hex as S3 wants it: base64."""
    return base64.b64encode(bytes.fromhex(sha256_hex)).decode()
