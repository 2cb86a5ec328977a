"""The suite in a process of its own, started as its user starts it, and what such a run leaves behind."""

import base64
import gzip
import html
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import cast

from fixtures.sandbox import DEFAULT_REGIONS, Sandbox, placed_cases
from fixtures.sandbox.log_source import LogSource
from fixtures.sandbox.synthetic_release import CANARIES
from tests.sandbox_engine import requests_of

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(ROOT / "reports" / "command.py")
READER = Path(__file__).with_name("independent_reader.py")
CRASHES = ("Traceback", "INTERNALERROR", "Exception ignored")
SUITE_AGENT = "Botocore/"  # the suite's clients; seeds and the independent reader are boto3's
Row = Mapping[str, str]
_SECONDS = 100
_FOREIGN = re.compile(r"AWS_|PYTEST_|.*_proxy$", re.IGNORECASE)


@dataclass(frozen=True)
class Ran:
    """One run: its exit code, what it said, and the folder its user stood in."""

    code: int
    said: str
    folder: Path

    @property
    def last_line(self) -> str:
        return self.said.rstrip().rpartition("\n")[2]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("ERROR")]

    @property
    def run_folder(self) -> Path:
        (folder,) = self.folder.joinpath("forwarder-runs").iterdir()
        return folder

    @cached_property
    def results(self) -> tuple[Row, ...]:
        lines = self.run_folder.joinpath("results.jsonl").read_text(encoding="utf-8").splitlines()
        return tuple(json.loads(line) for line in lines)

    @cached_property
    def journal(self) -> tuple[dict[str, object], ...]:
        lines = self.run_folder.joinpath("journal.jsonl").read_text(encoding="utf-8").split("\n")
        return tuple(json.loads(line) for line in lines[:-1])

    @property
    def plan(self) -> dict[str, object]:
        plan: dict[str, object] = json.loads(self.run_folder.joinpath("plan.json").read_text(encoding="utf-8"))
        return plan

    def statuses(self) -> dict[tuple[str, str], str]:
        """Status by check and subject."""
        return {(row["check"], row["subject"]): row["status"] for row in self.results}

    def of(self, *statuses: str) -> dict[tuple[str, str], Row]:
        """The results in one of these statuses."""
        return {(row["check"], row["subject"]): row for row in self.results if row["status"] in statuses}

    def writes(self, kind: str = "intent") -> list[tuple[str, str, str]]:
        """Account, region and operation of every write in the journal, in its order."""
        intents = {entry["number"]: entry for entry in self.journal if entry["kind"] == "intent"}
        number = "number" if kind == "intent" else "intent"
        chosen = [intents[entry[number]] for entry in self.journal if entry["kind"] == kind]
        calls = [cast("Mapping[str, object]", one["call"]) for one in chosen]
        return [
            (str(one["account"]), str(one["region"]), str(call["operation"]))
            for one, call in zip(chosen, calls, strict=True)
        ]

    def assert_no_crash(self) -> None:
        assert not [word for word in CRASHES if word in self.said], self.said


class Suite:
    """Starts the suite from a folder, with the environment of a sandbox or of nothing."""

    def __init__(self, variables: Mapping[str, str], cache: Path, program: Sequence[str] = (COMMAND,)) -> None:
        self._program = program
        mine = {name: text for name, text in os.environ.items() if not _FOREIGN.match(name)}
        self.environment = {**mine, "XDG_CACHE_HOME": str(cache), **variables}

    def start(self, folder: Path, *options: str) -> "subprocess.Popen[str]":
        folder.mkdir(parents=True, exist_ok=True)
        with folder.joinpath("said.txt").open("w", encoding="utf-8") as said:
            return subprocess.Popen(
                [sys.executable, *self._program, *options],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, text=True,
                env=self.environment, start_new_session=True,
            )  # fmt: skip

    def run(self, folder: Path, *options: str) -> Ran:
        return ended(self.start(folder, *options), folder)


def ended(process: "subprocess.Popen[str]", folder: Path, seconds: float = _SECONDS) -> Ran:
    """Wait for the end of a run that was started in `folder`."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return Ran(code, folder.joinpath("said.txt").read_text(encoding="utf-8"), folder)


def at(sandbox: Sandbox, *, accounts: Sequence[str] = (), regions: Sequence[str] = (), settings: Path) -> list[str]:
    """The options with which a user enters the sandbox's accounts; writes its settings."""
    text = [f"[tenants.sandbox]\naccounts = {json.dumps(list(sandbox.accounts))}", f'release = "{sandbox.release_dir}"',
            'taegis_region = "ctpx"', ""]  # fmt: skip
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("\n".join(text), encoding="utf-8")
    return [
        f"--accounts={','.join(accounts or sandbox.accounts)}",
        f"--regions={','.join(regions or sandbox.regions)}",
        f"--role={sandbox.role_name}",
        f"--settings={settings}",
    ]


@contextmanager
def log_sources(
    endpoint: str, accounts: Sequence[str], *, first: int, only: Sequence[str] = (), per_second: float = 16.0
) -> Iterator[LogSource]:
    """Logs flow for every forwarder there, or for some; `first` keeps the keys apart from those of other phases."""
    source = LogSource(endpoint, placed_cases(accounts, DEFAULT_REGIONS))
    source._rows = tuple(row for row in source._rows if not only or row.case.name in only)
    source._numbers = count(first)
    source.start(per_second)
    try:
        yield source
    finally:
        source.stop()


def independently(
    sandbox: Sandbox, *options: str, accounts: Sequence[str] = (), regions: Sequence[str] = ()
) -> dict[tuple[str, str], dict]:  # type: ignore[type-arg]
    """What the independent reader sees, by account and region."""
    places = ",".join(accounts or sandbox.accounts), ",".join(regions or sandbox.regions)
    command = [sys.executable, str(READER), sandbox.endpoint, *places]
    environment = {**os.environ, **sandbox.environment}
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=60, env=environment)
    return {(one["account"], one["region"]): one for one in json.loads(done.stdout)}


def delivered(sandbox: Sandbox) -> Counter[str]:
    """How often what has a prefix arrived at the bucket that plays XDR, by that prefix."""
    command = [sys.executable, str(READER), sandbox.endpoint, "none", "none", "--deliveries"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60,
                          env={**os.environ, **sandbox.environment})  # fmt: skip
    return Counter(key.rpartition("/")[0] + "/" for key in json.loads(done.stdout))


def writes_of_the_suite(endpoint: str) -> list[tuple[str, str, str]]:
    """Account, region and operation of every write that the suite sent, by the engine's own log."""
    return [(str(one["account"]), str(one["region"]), str(one["operation"])) for one in requests_of(endpoint)
            if one["write"] and str(one["agent"]).startswith(SUITE_AGENT)]  # fmt: skip


def requests_of_the_suite(endpoint: str) -> Counter[str]:
    """How often the suite called each operation so far."""
    return Counter(f"{one['service']}:{one['operation']}" for one in requests_of(endpoint)
                   if str(one["agent"]).startswith(SUITE_AGENT))  # fmt: skip


def junit_of(path: Path) -> dict[str, tuple[dict[str, str], list[str]]]:
    """Of each test case: its properties, and the tags that say how it ended."""
    cases = {}
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314  our own file
        properties = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        told = [child.tag for child in case if child.tag != "properties"]
        name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
        assert name not in cases, "a test is told twice"
        cases[name] = properties, told
    return cases


def html_rows(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Of each row on the page, by check and subject: what stands in it, without markup; what passed has none."""
    rows = {}
    page = path.read_text(encoding="utf-8")
    for row in re.findall(r'<tr id="[^"]*" class="row [^"]*" role="row">(.*?)</tr>', page, re.DOTALL):
        status, check, where, evidence = re.findall(r'<td role="cell">(.*?)</td>', row, re.DOTALL)
        mark = re.search(r'class="mark">([^<]*)</span>.*class="severity [^"]*">([^<]*)<', status)
        name = re.search(r'class="check">([^<]*)<', check)
        assert mark, status
        assert name, check
        key = html.unescape(name[1]), html.unescape(where.partition("<a ")[0].strip())
        assert key not in rows, "a result has two rows"
        told = html.unescape(re.sub(r"<[^>]+>", " ", evidence))
        rows[key] = {"status": mark[1], "severity": mark[2], "evidence": told}
    return rows


def secrets_in(folder: Path) -> list[str]:
    """Where a canary stands in any file below a folder, also packed or in base64."""
    return [f"{path}: {secret}" for path in sorted(folder.rglob("*")) if path.is_file()
            for secret in canaries_in(_content(path))]  # fmt: skip


def canaries_in(content: bytes) -> list[str]:
    return [secret for secret in CANARIES if any(form in content for form in _forms(secret.encode()))]


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    for shift in range(3):  # base64 of it inside of something longer, wherever it starts
        yield base64.b64encode(b"x" * shift + secret)[4 * (shift > 0) :][:-4].strip(b"=")
