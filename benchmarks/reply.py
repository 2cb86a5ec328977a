"""One answer of the emulated cloud, in the shapes of AWS's protocols."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; `counted_as` is the length that a HEAD answer claims without a body."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    counted_as: int | None = None

    @property
    def raw(self) -> bytes:
        """As it goes over the wire."""
        length = len(self.body) if self.counted_as is None else self.counted_as
        extra = "".join(f"{name}: {text}\r\n" for name, text in self.headers.items())
        head = (
            f"HTTP/1.1 {self.status} OK\r\nContent-Type: {self.kind}\r\nContent-Length: {length}\r\n"
            f"x-amzn-RequestId: {_ID}\r\n{extra}\r\n"
        )
        return head.encode() + self.body


def of_json(document: object, status: int = 200, **headers: str) -> Reply:
    """An answer of the JSON protocols."""
    return Reply(status, "application/x-amz-json-1.1", json.dumps(document).encode(), headers)


def of_query(operation: str, result: str) -> Reply:
    """An answer of the query protocol; `result` is the XML inside."""
    body = (
        f"<{operation}Response><{operation}Result>{result}</{operation}Result>"
        f"<ResponseMetadata><RequestId>{_ID}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Reply(200, "text/xml", body.encode())


def of_xml(body: str, status: int = 200, **headers: str) -> Reply:
    """An answer of S3."""
    return Reply(status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(), headers)


def of_head(length: int = 0, status: int = 200, **headers: str) -> Reply:
    """An answer to HEAD: no body, whatever length is claimed."""
    return Reply(status, "application/xml", b"", headers, length)


def refused(service: str, code: str, message: str, status: int) -> Reply:
    """An error, as each service words one."""
    if service == "s3":
        return of_xml(f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", status)
    if service == "lambda":
        return of_json({"Type": "User", "message": message}, status, **{"x-amzn-ErrorType": code})
    if service in {"sts", "iam", "cloudformation", "sns", "ec2"}:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return Reply(status, "text/xml", f"<ErrorResponse>{error}<RequestId>{_ID}</RequestId></ErrorResponse>".encode())
    return of_json({"__type": code, "message": message}, status)
