"""Keeps a history in S3 for runs on machines that forget (docs/nightly.md). Needs boto3, which the suite brings.

    history_in_s3.py fetch s3://BUCKET/KEY FILE      before a run: nothing is there the first time
    history_in_s3.py store s3://BUCKET/KEY FILE      after it

What was fetched is remembered by its tag beside FILE. Whoever stores while somebody else has stored since it fetched is
refused by S3 (a conditional write): its history is put aside under a name of its own, and the exit code is 1. So no
night is lost in silence, and the next one compares with what was stored first.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
MISSING = {"NoSuchKey", "404"}


def fetch(bucket: str, key: str, file: Path) -> int:
    """Bring the history, and remember its tag; no history is no error."""
    tag = tag_of(file)
    for path in (file, tag):
        path.unlink(missing_ok=True)
    try:
        answer = boto3.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            print(f"s3://{bucket}/{key} is not there yet: the first run")
            return 0
        raise
    file.write_bytes(answer["Body"].read())
    tag.write_text(answer["ETag"], encoding="ascii")
    return 0


def store(bucket: str, key: str, file: Path) -> int:
    """Put the history back, if it is still the one that was fetched."""
    if not file.is_file():
        print(f"{file} is not there: the run kept nothing")
        return 0
    client, tag = boto3.client("s3"), tag_of(file)
    content = file.read_bytes()
    unchanged = {"IfMatch": tag.read_text(encoding="ascii")} if tag.is_file() else {"IfNoneMatch": "*"}
    try:
        answer = client.put_object(Bucket=bucket, Key=key, Body=content, **unchanged)
    except ClientError as error:
        if error.response["Error"]["Code"] not in TAKEN:
            raise
        aside = f"{key}.beside-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        client.put_object(Bucket=bucket, Key=aside, Body=content, IfNoneMatch="*")
        print(f"another run stored s3://{bucket}/{key} meanwhile; this run's is s3://{bucket}/{aside}", file=sys.stderr)
        return 1
    tag.write_text(answer["ETag"], encoding="ascii")
    return 0


def tag_of(file: Path) -> Path:
    """Where the tag of what was fetched is remembered."""
    return file.with_name(f"{file.name}.etag")


def main(words: list[str]) -> int:
    """Fetch or store; the exit code is 0, 1 or, for a command line that makes no sense, 4."""
    if len(words) != 3 or words[0] not in {"fetch", "store"} or not words[1].startswith("s3://"):
        print(__doc__, file=sys.stderr)
        return 4
    bucket, _, key = words[1].removeprefix("s3://").partition("/")
    verb = fetch if words[0] == "fetch" else store
    try:
        return verb(bucket, key, Path(words[2]))
    except (ClientError, BotoCoreError) as error:
        print(f"{words[0]} {words[1]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
