"""What steps and the engine's parts declare is what their source calls, and every declared action has a scope."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fixtures.aws import iam_action
from fixtures.errors import SuiteError
from fixtures.reading import READERS, Reader
from fixtures.sandbox.operations import writes
from remediation import gated_update, policy
from remediation.policy import (
    ALWAYS,
    BY_CLOUDFORMATION,
    ON_REQUEST,
    OPTIONAL,
    audit_needs,
    audit_policy,
    caller_needs,
    every_step,
    fix_needs,
    fix_policy,
    optional_groups,
)
from remediation.policy_scopes import EVERYTHING, scope_of
from remediation.step import Step

ROOT = Path(__file__).parents[1] / "remediation"
BACKFILL = ("dead_letters", "lane", "listing", "metric_watch", "part", "sendable", "watch")
PARTS = ("consent", "lock", "permission_check", "proof", "resource_policy", "settle")
MODULES = (*(f"remediation.{name}" for name in PARTS),
           *(f"remediation.backfill.{name}" for name in BACKFILL),
           *(f"remediation.steps.{path.stem}" for path in sorted((ROOT / "steps").glob("[a-z]*.py"))))  # fmt: skip
# A missing object answers 403 to whoever may not list the bucket (S3 API reference, GetObject).
BESIDE = {
    "remediation.lock": {"s3:ListBucket"},
    "remediation.backfill.sendable": {"s3:ListBucket"},
    "remediation.backfill.listing": {"s3:GetObjectTagging"},  # of latest versions, by the ledger's tags
}


def tree_of(module: str) -> ast.Module:
    path = ROOT.parent.joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def operations_in(node: ast.AST) -> Iterator[str]:
    """The IAM action of each call: as data (`Call`), or made at once (`writer.read`, `aws.call`)."""
    for call in (found for found in ast.walk(node) if isinstance(found, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = {"Call": 0, "read": 0, "call": 1, "pages": 1}.get(name)
        words = (
            [one.value for one in call.args[first : first + 2] if isinstance(one, ast.Constant)]
            if first is not None
            else []
        )
        if len(words) == 2:
            yield iam_action(str(words[0]), str(words[1]))


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def actions_of(module: str) -> set[str]:
    """What a module's source calls, itself and through readers and the two modules that steps share."""
    tree = tree_of(module)
    found = set(operations_in(tree))
    for source, name in imported(tree):
        if source.startswith("fixtures.readers."):
            reader = READERS.get(f"{source.rpartition('.')[2]}.{name}")
            found |= set(reader.actions) if reader else set()
        elif source == "remediation.stack_waits":
            found |= waits(name)
        elif source == "remediation.gated_update" and name == "StackUpdate":
            found |= actions_of(source)
    return found


def waits(name: str) -> set[str]:
    (function,) = [one for one in tree_of("remediation.stack_waits").body
                   if isinstance(one, ast.FunctionDef) and one.name == name]  # fmt: skip
    called = {one.func.id for one in ast.walk(function) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    by_readers = {action for reader in READERS.values() for action in reader.actions
                  if reader.name.rpartition(".")[2] in called}  # fmt: skip
    return set(operations_in(function)) | by_readers


def declared_by(module: ModuleType) -> set[str]:
    classes = [one for one in vars(module).values()
               if isinstance(one, type) and issubclass(one, Step) and one.__module__ == module.__name__]  # fmt: skip
    lists = [one.ACTIONS for one in classes] or [module.ACTIONS]
    return {action for actions in lists for action in actions}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_declares_the_actions_of_what_it_calls_and_no_others(module: str) -> None:
    declared = declared_by(importlib.import_module(module))
    assert sorted(actions_of(module) | BESIDE.get(module, set())) == sorted(declared)


def test_the_shared_update_declares_what_it_calls() -> None:
    assert sorted(actions_of("remediation.gated_update")) == sorted(gated_update.ACTIONS)


def test_every_step_class_is_found() -> None:
    def below(step: type[Step]) -> Iterator[type[Step]]:
        for found in step.__subclasses__():
            yield found
            yield from below(found)

    ours = {found for found in below(Step) if found.__module__.startswith("remediation.")}
    assert set(every_step()) == ours
    assert {found.__module__ for found in ours} == {name for name in MODULES if name.startswith("remediation.steps.")}


def test_every_part_of_the_engine_that_declares_actions_counts() -> None:
    declaring = {path.stem for path in ROOT.glob("*.py") if "\nACTIONS" in path.read_text(encoding="utf-8")}
    assert declaring - {"gated_update"} == set(PARTS)  # a step that updates a stack declares those of gated_update
    assert {need.who for need in fix_needs() if need.who[0].islower()} == set(PARTS)


def test_every_declared_action_is_in_a_policy_and_nothing_else_is() -> None:
    audit = {action for found in audit_policy(OPTIONAL) for action in found.actions}
    assert audit == {action for need in audit_needs() for action in need.actions}
    fix = {action for found in fix_policy(OPTIONAL) if found.group != BY_CLOUDFORMATION for action in found.actions}
    assert fix == {action for need in fix_needs() for action in need.actions}


def test_the_audit_policy_has_no_write() -> None:
    actions = {action for found in audit_policy(OPTIONAL) for action in found.actions}
    changing = {action for action in actions if writes(action.partition(":")[2])}
    assert changing == {"kms:Decrypt"}  # changes nothing: S3 needs it for an object under a customer managed key


def test_an_action_without_an_entry_is_refused_rather_than_granted_on_everything() -> None:
    with pytest.raises(SuiteError, match="does not say on what somebody needs lambda:GetSomething"):
        scope_of("somebody", "lambda:GetSomething")


def test_an_optional_reader_that_nothing_describes_is_refused_rather_than_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(READERS, "new.read", Reader("new.read", "stacks", ("s3:ListBucket",), "moonlight"))
    with pytest.raises(SuiteError, match="does not describe moonlight"):
        audit_policy(())


def test_what_the_caller_asks_is_in_no_role() -> None:
    caller = {action for need in caller_needs() for action in need.actions}
    assert caller
    assert {action.partition(":")[0] for action in caller} == {"organizations"}
    assert caller & {action for found in audit_policy(OPTIONAL) for action in found.actions} == set()


def test_optional_statements_are_apart_and_named_after_what_they_are_for() -> None:
    for make, needs in ((audit_policy, audit_needs()), (fix_policy, fix_needs())):
        found = make(OPTIONAL)
        groups = optional_groups(needs)
        assert {one.group for one in found} - {ALWAYS, BY_CLOUDFORMATION} == set(groups)
        for group in groups:
            without = make([name for name in groups if name != group])
            # what is left out takes nothing with it, and nothing of it is hidden in another statement
            assert set(found) - set(without) == {one for one in found if one.group == group}
            assert all(one.sid.lower().startswith(group.replace("-", "")) for one in found if one.group == group)


def test_sids_are_unique_and_of_letters_and_digits() -> None:
    for made in (audit_policy(OPTIONAL), fix_policy(OPTIONAL)):
        sids = [found.sid for found in made]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


def test_reading_a_secret_and_calling_a_forwarder_are_on_request() -> None:
    everyday = {action for found in (*audit_policy(set(OPTIONAL) - ON_REQUEST), *fix_policy(set(OPTIONAL) - ON_REQUEST))
                if found.group != BY_CLOUDFORMATION for action in found.actions}  # fmt: skip
    assert {"secretsmanager:GetSecretValue", "lambda:InvokeFunction"} & everyday == set()


def test_only_what_has_no_resource_is_granted_on_everything() -> None:
    """Service Authorization Reference; DescribeStacks lists all stacks, which no ARN names."""
    granted = {action for found in (*audit_policy(OPTIONAL), *fix_policy(OPTIONAL)) if found.scope == EVERYTHING
               if found.group != BY_CLOUDFORMATION for action in found.actions}  # fmt: skip
    assert granted == {
        "account:ListRegions", "cloudformation:BatchDescribeTypeConfigurations",
        "cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:DescribeStacks",
        "cloudformation:ListStacks", "cloudtrail:LookupEvents", "cloudwatch:GetMetricData", "ec2:DescribeRegions",
        "iam:ListAccountAliases", "lambda:ListFunctions", "s3:ListAllMyBuckets",
        "sns:GetSubscriptionAttributes", "sts:GetCallerIdentity",
    }  # fmt: skip


def test_the_policy_is_made_without_asking_aws() -> None:
    """It is pure: no module of it imports botocore."""
    for name in ("policy", "policy_scopes", "policy_caller", "policy_document", "policy_template"):
        sources = {source for source, _ in imported(tree_of(f"remediation.{name}"))}
        assert not any(source.startswith(("boto", "fixtures.aws", "fixtures.look")) for source in sources)
    assert policy.__doc__
