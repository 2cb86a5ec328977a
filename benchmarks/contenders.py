"""Who is measured: the suite, and what one would use instead. Each is a command, and how its answers are read."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.custodian import POLICIES, accounts_file, policies_file, tools
from benchmarks.estate import ROLE, TAEGIS_REGION, code_of
from benchmarks.running import ROOT, Running
from fixtures.sandbox.synthetic_release import LAMBDA_TEMPLATE, write_release

PEERS = ROOT / "benchmarks" / "peers"
THREE = {"runtime": "runtime-custom", "stack": "stack-healthy", "notification": "trigger-wired"}
Answers = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to get the answers.

    Attributes:
        name: for the table.
        command: what is run, given the cloud and a folder that is its own and the working directory.
        answers: reads what it found, given the same: how many forwarders hold each question's property, and how many
            assertions there were under `assertions`.
        environment: what it needs besides AWS's variables.
        green: the exit codes with which it says that it did its work.
    """

    name: str
    command: Callable[[Running, Path], Sequence[str]]
    answers: Callable[[Running, Path], Answers]
    environment: Callable[[Running, Path], Mapping[str, str]] = field(default=lambda _running, _folder: {})
    green: frozenset[int] = frozenset({0})


def suite(name: str, *options: str) -> Contender:
    """The suite, as a user runs it every night: the command, with a JUnit file."""
    return Contender(name, partial(_suite_command, options), _junit_answers, _suite_environment, frozenset({0, 1, 10}))


def three(name: str) -> Contender:
    """The suite, asked only what the others know too."""
    return suite(name, f"--checks={','.join(THREE.values())}")


def sequential(name: str, *, listings: bool) -> Contender:
    """A boto3 script, three facts."""
    return Contender(name, partial(_script_command, listings=listings), _printed_answers)


def plain(name: str) -> Contender:
    """A suite of plain pytest and boto3, with xdist."""
    return Contender(name, _plain_command, _plain_answers, _plain_environment, frozenset({0, 1}))


def custodian(name: str, *, narrowed: bool) -> Contender:
    """Cloud Custodian, three policies; with `narrowed` it reads only the attributes of buckets that they need."""
    return Contender(name, partial(_custodian_command, narrowed=narrowed), _custodian_answers, _custodian_environment)


def _suite_command(options: Sequence[str], running: Running, folder: Path) -> list[str]:
    estate = running.estate
    release = write_release(folder / "release")
    settings = folder / "forwarders.toml"
    accounts = json.dumps(estate.account_ids)
    settings.write_text(
        f'[tenants.bench]\naccounts = {accounts}\nrelease = "{release}"\ntaegis_region = "{TAEGIS_REGION}"\n',
        encoding="utf-8",
    )
    return [
        sys.executable, str(ROOT / "reports" / "command.py"), f"--regions={','.join(estate.region_names)}",
        f"--accounts={','.join(estate.account_ids)}", f"--role={ROLE}", f"--settings={settings}",
        f"--junitxml={folder / 'junit.xml'}", *options,
    ]  # fmt: skip


def _suite_environment(_running: Running, folder: Path) -> dict[str, str]:
    # its cache is kept between the runs of one session: cfn-lint's verdict on a release is made once
    return {"XDG_CACHE_HOME": str(folder.parent / "cache")}


def _junit_answers(_running: Running, folder: Path) -> Answers:
    counted: Counter[str] = Counter()
    asked = {check: question for question, check in THREE.items()}
    for _, case in ET.iterparse(folder / "junit.xml"):  # noqa: S314  our own file
        if case.tag != "testcase":
            continue
        counted["assertions"] += 1
        given = {found.get("name"): found.get("value") for found in case.iter("property")}
        if given.get("check") in asked and given.get("status") == "PASSED":
            counted[asked[str(given["check"])]] += 1
        case.clear()
    return counted


def _script_command(running: Running, _folder: Path, *, listings: bool) -> list[str]:
    estate = running.estate
    return [
        sys.executable, str(PEERS / "sequential.py"), ",".join(estate.account_ids), ",".join(estate.region_names), ROLE,
        *(["--listings"] if listings else []),
    ]  # fmt: skip


def _printed_answers(running: Running, folder: Path) -> Answers:
    found: dict[str, int] = json.loads((folder / "said.txt").read_text(encoding="utf-8"))
    return found | {"assertions": len(THREE) * running.estate.count}


def _plain_command(_running: Running, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "pytest", str(PEERS / "plain"), "-n", "2", "--tb=line", "-q", "-p", "no:cacheprovider",
        f"--rootdir={PEERS / 'plain'}", "-c", str(PEERS / "plain" / "pytest.ini"), f"--junitxml={folder / 'junit.xml'}",
    ]  # fmt: skip


def _plain_environment(running: Running, folder: Path) -> dict[str, str]:
    return {
        "ACCOUNTS": ",".join(running.estate.account_ids), "REGIONS": ",".join(running.estate.region_names),
        "ROLE": ROLE,
        "CODE_SHA256": code_of(legacy=False).code_sha256,
        "TEMPLATE": str(write_release(folder / "release") / LAMBDA_TEMPLATE),
    }  # fmt: skip


def _plain_answers(_running: Running, folder: Path) -> Answers:
    asked = {
        "test_runtime_is_a_custom_one": "runtime",
        "test_stack_is_healthy": "stack",
        "test_bucket_calls_the_function": "notification",
    }
    counted: Counter[str] = Counter()
    for _, case in ET.iterparse(folder / "junit.xml"):  # noqa: S314  our own file
        if case.tag == "testcase":
            counted["assertions"] += 1
            question = asked.get(re.sub(r"\[.*", "", case.get("name", "")))
            if question and not len(case):
                counted[question] += 1
    return counted


def _custodian_command(running: Running, folder: Path, *, narrowed: bool) -> list[str]:
    estate = running.estate
    regions = [part for region in estate.region_names for part in ("--region", region)]
    return [
        str(tools() / "bin" / "c7n-org"), "run", "-c", str(accounts_file(estate, folder)),
        "-u", str(policies_file(folder, narrowed=narrowed)), "-s", str(folder / "found"), *regions,
    ]  # fmt: skip


def _custodian_environment(_running: Running, folder: Path) -> dict[str, str]:
    return {"HOME": str(folder)}  # its cache is there, and a run after another would ask nothing


def _custodian_answers(running: Running, folder: Path) -> Answers:
    found = dict.fromkeys(POLICIES, 0)
    for file in (folder / "found").rglob("resources.json"):
        found[file.parent.name] += len(json.loads(file.read_text(encoding="utf-8")))
    count = running.estate.count
    return {question: count - bad for question, bad in found.items()} | {"assertions": len(POLICIES) * count}
