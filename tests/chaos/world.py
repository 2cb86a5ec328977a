"""What an independent reader sees of the estate, and what must be true of it whatever happened. No suite code."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tests.chaos.estate import ACCOUNT, REGIONS
from tests.chaos.neighbours import MARK
from tests.independent_reader import Reader

LOCK = "taegis-forwarders.lock"
STALE = "decommissioned-indexer"  # its rule points at nothing, and may go with consent
_CHANGE_SETS = "taegis-forwarders-"
World: TypeAlias = "dict[str, dict]"  # by region


class Looker:
    """Reads the whole estate of one engine, again and again."""

    def __init__(self, endpoint: str) -> None:
        self._readers = {region: Reader(endpoint, ACCOUNT, region) for region in REGIONS}

    def look(self) -> World:
        return {region: _region(reader) for region, reader in self._readers.items()}


def _region(reader: Reader) -> dict:
    kept = ("Runtime", "Handler", "CodeSha256", "State", "LastUpdateStatus", "Policy")
    functions = {one["FunctionName"]: {key: one[key] for key in kept} for one in reader.functions()}
    return {
        "stacks": {name: {**reader.stack(name), "ChangeSets": _change_sets(reader, name)} for name in reader.stacks()},
        "functions": functions,
        "documents": reader.documents(),
        "buckets": reader.buckets(),
    }


def _change_sets(reader: Reader, stack: str) -> list[str]:
    """Everything that waits, also what failed to be made: nobody takes it away by itself."""
    listed = reader.clients["cloudformation"].list_change_sets(StackName=stack)["Summaries"]
    return [one["ChangeSetName"] for one in listed if not one["ExecutionStatus"].startswith("EXECUTE_")]


def comparable(world: World) -> World:
    """Less what is different each time: times, the lock, and what another writer added."""
    same = copy.deepcopy(world)
    for region in same.values():
        for stack in region["stacks"].values():
            del stack["CreationTime"], stack["LastUpdatedTime"]
        for function in region["functions"].values():
            statements = [{**one, "Sid": ""} for one in function["Policy"]]  # a stack's ends with random letters
            function["Policy"] = sorted(json.dumps(one, sort_keys=True) for one in statements)
        for objects in region["buckets"].values():
            objects.pop(LOCK, None)
        region["documents"] = {
            bucket: sorted(rule for rule in rules_of(document) if MARK not in rule)
            for bucket, document in region["documents"].items()
        }
    return same


def differences(wanted: World, found: World) -> list[str]:
    """Where two worlds are not the same, for people."""
    return [
        f"{region} {part} {name}: {wanted[region][part].get(name)} is now {found[region][part].get(name)}"
        for region in wanted
        for part in wanted[region]
        for name in sorted(wanted[region][part].keys() | found[region][part].keys())
        if wanted[region][part].get(name) != found[region][part].get(name)
    ]


def harm(before: World, after: World) -> list[str]:
    """What nobody may lose, whatever failed: stacks, functions, others' rules, triggers, permissions, objects."""
    return [complaint for region in before for complaint in _harm(before[region], after[region])]


def _harm(before: Mapping[str, dict], after: Mapping[str, dict]) -> Iterator[str]:
    for part in ("stacks", "functions", "buckets"):
        yield from (f"{part}: {name} is gone" for name in before[part].keys() - after[part].keys())
    for bucket, document in before["documents"].items():
        left = set(rules_of(after["documents"].get(bucket, {})))
        for rule in rules_of(document):
            if rule not in left and STALE not in rule:
                yield f"bucket {bucket} lost {rule}"
    for name, function in before["functions"].items():
        callers = {_caller(one) for one in after["functions"].get(name, {}).get("Policy", [])}
        yield from (f"{name} lost the permission of {one}" for one in map(_caller, function["Policy"])
                    if one not in callers)  # fmt: skip
    for bucket, objects in before["buckets"].items():
        now = after["buckets"].get(bucket, {})
        yield from (f"s3://{bucket}/{key} is not what it was" for key, tag in objects.items() if now.get(key) != tag)


def unfinished(world: World) -> list[str]:
    """What a run that has ended, or was resumed, must not leave behind."""
    found = []
    for region, seen in world.items():
        for name, stack in seen["stacks"].items():
            if stack["StackStatus"].endswith("_IN_PROGRESS"):
                found.append(f"stack {name} in {region} is {stack['StackStatus']}")
            found += [f"stack {name} in {region} still has change set {one}" for one in stack["ChangeSets"]
                      if one.startswith(_CHANGE_SETS)]  # fmt: skip
        found += [f"bucket {bucket} still holds the lock" for bucket, objects in seen["buckets"].items()
                  if LOCK in objects]  # fmt: skip
    return found


def rules_of(document: Mapping[str, object]) -> list[str]:
    """Each rule of a notification document as text; the order of filters and the case of their names do not count."""
    found = []
    for part, rules in sorted(document.items()):
        if not isinstance(rules, list):
            found.append(part)
            continue
        for rule in rules:
            filters = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            names = sorted((one["Name"].lower(), one["Value"]) for one in filters)
            found.append(json.dumps([part, {**rule, "Filter": names}], sort_keys=True))
    return found


def _caller(statement: Mapping[str, object]) -> str:
    principal = statement.get("Principal")
    condition = json.dumps(statement.get("Condition"), sort_keys=True)
    source = condition.partition("SourceArn")[2].partition("}")[0]
    return f"{json.dumps(principal, sort_keys=True)} {source}"
