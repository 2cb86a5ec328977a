"""Rules that hold for every reader: what it declares is what it calls, and it only reads."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import botocore.session  # noqa: TID251  its models say which operations exist
import pytest
from botocore import xform_name  # noqa: TID251  same

import fixtures.entrances  # registers every reader
from checks.registry import FACTS
from fixtures.aws import iam_action
from fixtures.readers.stacks import LIVE_READS
from fixtures.reading import CALLER, READERS
from fixtures.sandbox.operations import writes
from fixtures.sessions import SESSION_POLICY_LIMIT, audit_actions, session_policy_of

FIXTURES = Path(__file__).parents[1] / "fixtures"
SOURCES = [*sorted((FIXTURES / "readers").glob("*.py")), FIXTURES / "regions.py", FIXTURES / "sessions.py"]

# Rights that AWS wants beside that to the operation itself, and the reader that needs them.
BESIDE = {
    "stacks.read_stacks": {"cloudformation:ListStacks"},  # DescribeStacks without a name (API reference)
    # else a missing key answers 403, and one encrypted with a KMS key has no checksum (S3 API reference, HeadObject)
    "buckets.read_package": {"s3:ListBucket", "kms:Decrypt"},
    "objects.read_processed_tag": {"s3:GetObjectVersionTagging"},  # with a version's id (S3 API reference)
    "stacks.read_drift": set(LIVE_READS),  # CloudFormation reads the resources in the caller's name
    "secrets.read_secret_digest": {"kms:Decrypt"},  # under a customer managed key (Secrets Manager API reference)
}


def functions_of(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def operations_in(function: ast.FunctionDef, module: dict[str, ast.FunctionDef]) -> Iterator[tuple[str, str]]:
    """(service, operation) of each call to AWS in a function, and in the module's functions that it calls."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"call", "pages", "content"}:
            service, operation = (part.value for part in node.args[1:3] if isinstance(part, ast.Constant))
            yield str(service), str(operation)
        elif isinstance(node.func, ast.Name) and node.func.id in module and module[node.func.id] is not function:
            yield from operations_in(module[node.func.id], module)


def called() -> dict[str, set[tuple[str, str]]]:
    """What each reader calls, told from its source."""
    found = {}
    for path in SOURCES:
        module = functions_of(path)
        for name, function in module.items():
            if f"{path.stem}.{name}" in READERS:
                found[f"{path.stem}.{name}"] = set(operations_in(function, module))
    return found


def test_every_reader_is_found_in_the_source() -> None:
    assert fixtures.entrances.enter is not None
    assert sorted(called()) == sorted(READERS)


def test_each_reader_declares_the_actions_of_what_it_calls_and_no_others() -> None:
    wrong = {}
    for name, operations in called().items():
        needed = {iam_action(*operation) for operation in operations} | BESIDE.get(name, set())
        if needed != set(READERS[name].actions):
            wrong[name] = sorted(needed ^ set(READERS[name].actions))
    assert wrong == {}


def test_every_operation_exists_in_botocore() -> None:
    session = botocore.session.get_session()
    missing = []
    for service, operation in sorted(set().union(*called().values())):
        model = session.get_service_model(service)
        if operation not in model.operation_names or not xform_name(operation):
            missing.append(f"{service}:{operation}")
    assert missing == []


def test_nothing_but_reads_is_called() -> None:
    assert [pair for pair in sorted(set().union(*called().values())) if writes(pair[1])] == []


def test_every_fact_of_a_reader_is_one_that_checks_can_ask_for() -> None:
    beside = {"accounts", "regions", "ledger"}  # asked before any fact, to know the targets; after all, by a ledger
    # two facts come out of answers that are read anyway: `listed` is a row of the functions, `bucket_region` has
    # the bucket's reader
    assert {reader.fact for reader in READERS.values()} - beside <= FACTS


def test_every_reader_says_in_its_docstring_what_it_reads() -> None:
    silent = [f"{path.stem}.{name}" for path in SOURCES for name, function in functions_of(path).items()
              if f"{path.stem}.{name}" in READERS and not ast.get_docstring(function)]  # fmt: skip
    assert silent == []


def test_the_session_policy_holds_exactly_the_declared_actions_and_fits() -> None:
    policy = session_policy_of(audit_actions())
    (statement,) = json.loads(policy)["Statement"]
    in_accounts = (reader for reader in READERS.values() if reader.optional != CALLER)
    declared = {action for reader in in_accounts for action in reader.actions}
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    assert set(statement["Action"]) == declared
    assert len(statement["Action"]) == len(declared)
    assert len(policy) <= SESSION_POLICY_LIMIT == 2048


def test_a_policy_that_would_not_fit_is_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="STS takes 2048"):
        session_policy_of(f"lambda:GetSomethingWithALongName{number}" for number in range(60))


def test_no_declared_action_has_a_wildcard() -> None:
    assert [action for action in sorted(audit_actions()) if "*" in action or action.count(":") != 1] == []
