"""Cloud Custodian's own environment, and the three policies that ask what the suite asks."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.estate import ROLE, Estate

REQUIREMENTS = Path(__file__).parent / "peers" / "custodian.txt"
POLICIES = ("runtime", "stack", "notification")


class NotInstalled(Exception):
    """Cloud Custodian could not be installed here."""


def tools() -> Path:
    """The environment with c7n-org, made once for each list of requirements and kept in the temporary folder.

    Raises:
        NotInstalled: it could not be made, with pip's reason.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"taegis-forwarders-custodian-{os.getuid()}-{digest}")
    ready = folder / "ready"
    if not ready.exists():
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", "-r", str(REQUIREMENTS)])
        except (OSError, subprocess.SubprocessError) as error:
            said = error.stderr.decode() if isinstance(error, subprocess.CalledProcessError) else str(error)
            lines = [line for line in said.splitlines() if line.startswith("ERROR")] or [said.strip()]
            raise NotInstalled(lines[-1]) from error
        ready.touch()
    return folder


def accounts_file(estate: Estate, folder: Path) -> Path:
    """The accounts as c7n-org takes them; YAML holds JSON."""
    accounts = [
        {
            "account_id": account, "name": account, "role": f"arn:aws:iam::{account}:role/{ROLE}",
            "regions": list(estate.region_names),
        }
        for account in estate.account_ids
    ]  # fmt: skip
    return _written(folder / "accounts.yml", {"accounts": accounts})


def policies_file(folder: Path, *, narrowed: bool) -> Path:
    """The three policies.

    S3 lists an account's buckets in whichever region it is asked, so the policy of the buckets runs in one region
    alone: as usually written it would ask of every bucket again in each. A bucket's ten attributes are read whatever
    is asked, unless `augment-keys` names those that are needed (`narrowed`).
    """
    buckets: dict[str, object] = {
        "name": "notification", "resource": "aws.s3", "conditions": [{"region": "us-east-1"}],
        "filters": [
            {"type": "value", "key": "Name", "op": "regex", "value": "^trail-.*"},
            {"type": "value", "key": "Notification.LambdaFunctionConfigurations", "value": "empty"},
        ],
    }  # fmt: skip
    if narrowed:
        buckets["query"] = [{"augment-keys": ["Notification"]}]
    runtime = {
        "name": "runtime", "resource": "aws.lambda",
        "filters": [
            {"type": "value", "key": "FunctionName", "op": "regex", "value": ".*-scwx-tdr-lambda-.*"},
            {"type": "value", "key": "Runtime", "op": "regex", "value": "^(?!provided[.]al2).*"},
        ],
    }  # fmt: skip
    healthy = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"]
    stack = {
        "name": "stack", "resource": "aws.cfn",
        "filters": [{"type": "value", "key": "StackStatus", "op": "not-in", "value": healthy}],
    }  # fmt: skip
    return _written(folder / "policies.yml", {"policies": [runtime, stack, buckets]})


def _written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def custodian_version() -> str:
    """The version that is measured, as its requirements pin it."""
    pinned = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return ", ".join(line.replace("==", " ") for line in pinned if line.startswith("c7n"))
