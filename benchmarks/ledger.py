"""What a ledger of a large bucket costs: `python -m benchmarks.ledger`, a few minutes.

An S3 of its own answers listings out of a formula, so that the bucket takes no room. Each size is read by a process of
its own, whose most memory is told; so is the smallest size's, which is what Python and botocore take.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SIZES = (1_000, 100_000, 1_000_000)
_BUCKET = "cloudtrail-prod-logs"
_PAGE = 1000
_TAGS = b"<Tagging><TagSet><Tag><Key>TaegisProcessed</Key><Value>true</Value></Tag></TagSet></Tagging>"


def _page(after: int, total: int, modified: str) -> str:
    end = min(after + _PAGE, total)
    rows = "".join(
        f"<Contents><Key>logs/{number:08}.json.gz</Key><LastModified>{modified}</LastModified><ETag>&quot;e&quot;</ETag>"
        "<Size>1024</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(after, end)
    )
    more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < total else ""
    return (
        f"<ListBucketResult><Name>{_BUCKET}</Name><IsTruncated>{str(end < total).lower()}</IsTruncated>{more}{rows}"
        "</ListBucketResult>"
    )


def _handler(total: int) -> type[BaseHTTPRequestHandler]:
    modified = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
            if "versioning" in query:
                return self._say(b"<VersioningConfiguration/>")
            if "tagging" in query:
                return self._say(_TAGS)
            if query.get("delimiter") and not query.get("prefix", [""])[0]:
                level = "<CommonPrefixes><Prefix>logs/</Prefix></CommonPrefixes>"
                return self._say(f"<ListBucketResult><Name>{_BUCKET}</Name><IsTruncated>false</IsTruncated>{level}"
                                 "</ListBucketResult>".encode())  # fmt: skip
            return self._say(_page(int(query.get("continuation-token", ["0"])[0]), total, modified).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.dumps({"__type": "AccessDeniedException", "message": "not here"}).encode()
            self._say(body, 403, "application/x-amz-json-1.1")

        def _say(self, body: bytes, status: int = 200, kind: str = "application/xml") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    return Handler


def _child(tags: bool) -> None:
    """Read one ledger to its end, and tell what it took as JSON."""
    from botocore.credentials import Credentials  # noqa: PLC0415, TID251 - only the child talks to the server

    from fixtures.aws import Aws, Clients  # noqa: PLC0415 - as above
    from fixtures.ledger.span import Span  # noqa: PLC0415 - as above
    from remediation.ledger import Sources, open_ledger  # noqa: PLC0415 - as above
    from tests.estates import a_forwarder, a_parameter_set, a_stack, an_estate  # noqa: PLC0415 - same

    now = datetime.now(UTC)
    stack = a_stack(parameters=a_parameter_set(EnableObjectTagging=str(tags).lower()))
    forwarder = a_forwarder(stack=stack)
    estate = an_estate(forwarder)
    aws = Aws(Clients(), Credentials("AKIDBENCH", "secret"), forwarder.target.account)
    start, cpu = time.perf_counter(), time.process_time()
    ledger = open_ledger(Sources(estate, {aws.account: aws}, now), forwarder, Span(now - timedelta(days=7), now))
    read = sum(1 for _ in ledger)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({
        "objects": read, "complete": ledger.complete, "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu, "most": most, "lists": aws.clients.calls["s3:ListObjectsV2"],
    }))  # fmt: skip


def _measured(size: int, *, tags: bool) -> dict[str, float]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(size))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.ledger", "--child", *(["--tags"] if tags else [])]
    try:
        said = subprocess.run(
            command, cwd=Path(__file__).parents[1], env=environment, check=True, capture_output=True, text=True
        )
    finally:
        server.shutdown()
        server.server_close()
    found: dict[str, float] = json.loads(said.stdout)
    return found


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description="what a ledger of a large bucket costs")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="how many objects, separated by commas")
    parser.add_argument("--tags", action="store_true", help="ask each object for its tag")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(given.tags)
        return
    sys.stdout.write(
        "| objects | wall s | CPU s | LIST calls | most memory, MB |\n| ---: | ---: | ---: | ---: | ---: |\n"
    )
    for size in map(int, given.sizes.split(",")):
        found = _measured(size, tags=given.tags)
        if not found["complete"] or found["objects"] != size:
            raise SystemExit(f"{found['objects']:,} of {size:,} objects were read")
        sys.stdout.write(f"| {size:,} | {found['seconds']:.1f} | {found['cpu']:.1f} | {found['lists']:,.0f} "
                         f"| {found['most']:.0f} |\n")  # fmt: skip
        sys.stdout.flush()


if __name__ == "__main__":
    main()
