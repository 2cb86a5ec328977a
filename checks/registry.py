"""The catalogue: every check of the suite with its metadata, read from the check modules."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pytest

import checks
from checks.outcome import Severity
from fixtures.desired import Desired
from fixtures.estate import Estate, Forwarder, Seen

F = TypeVar("F", bound=Callable[..., None])
Applies = Callable[[Forwarder, Estate], bool]
TargetApplies = Callable[[Seen, Desired], bool]

FORWARDER_FACTS = frozenset({
    "template", "resources", "listed", "function", "policy", "invocation", "flow", "metrics", "code_source",
    "change_sets", "drift", "unwired_policy", "notification", "bucket_region", "encryption", "topic", "keys",
})  # fmt: skip
TARGET_FACTS = frozenset({"identity", "stacks", "functions", "shared", "artifact"})
FACTS = FORWARDER_FACTS | TARGET_FACTS

FIXES = {
    "artifact": "put the release's package into a bucket of the region",
    "shared-stack": "create or update the shared stack",
    "forwarder-stack": "update the forwarder's stack through a gated change set",
    "trigger": "merge the trigger into the bucket's notification document, permission first",
    "stale-rules": "drop rules whose function is gone (--allow=remove-stale-rules)",
    "duplicates": "drop rules that call the forwarder twice (--allow=merge-duplicates)",
    "test-event": "send a test event (--send-test-event) and read the log",
}


@dataclass(frozen=True, slots=True)
class Check:
    """The metadata of one check.

    Attributes:
        id: stable name, used in `--checks`, reports and waivers.
        severity: how much a finding matters.
        step: the vendor's procedure step it stands for (domain section 1.7), or what it guards.
        facts: the facts it needs; nothing else is read when only this check is selected.
        fix: the name of the fix that can clear it, or None.
        title: first line of the docstring: what holds.
        meaning: the rest of the docstring.
        needs_release: not applicable without `--release`.
        asked_with: what else the user has to give for it to be applicable, in words; empty if nothing.
    """

    id: str
    severity: Severity
    step: str
    facts: frozenset[str]
    fix: str | None
    title: str
    meaning: str
    needs_release: bool
    asked_with: str = ""
    applies: Applies | None = None
    target_applies: TargetApplies | None = None


def check(  # noqa: PLR0913 - one keyword for each column of the catalogue
    id: str,  # noqa: A002 - the field's word
    *,
    severity: Severity,
    step: str,
    facts: Iterable[str] = (),
    fix: str | None = None,
    needs_release: bool = False,
    asked_with: str = "",
    applies: Applies | None = None,
    target_applies: TargetApplies | None = None,
) -> Callable[[F], F]:
    """Mark a pytest function as a check.

    Args:
        id: stable name in kebab case.
        severity: how much a finding matters.
        step: the vendor's step, or what the check guards.
        facts: names out of `FACTS`.
        fix: a name out of `FIXES`.
        needs_release: the check is not applicable without a release.
        asked_with: what else it takes, in words: an option, a setting.
        applies: for checks of a forwarder, says for which ones it can be asked at all.
        target_applies: the same for checks of a target.

    Raises:
        ValueError: unknown fact or fix, or no docstring.
    """

    def mark(function: F) -> F:
        title, _, meaning = (function.__doc__ or "").strip().partition("\n")
        wrong = set(facts) - FACTS
        if wrong or not title or (fix is not None and fix not in FIXES):
            raise ValueError(f"check {id}: unknown facts {sorted(wrong)}, unknown fix {fix}, or no docstring")
        meta = Check(
            id=id,
            severity=severity,
            step=step,
            facts=frozenset(facts),
            fix=fix,
            title=title.strip(),
            meaning="\n".join(line.strip() for line in meaning.strip().splitlines()),
            needs_release=needs_release,
            asked_with=asked_with,
            applies=applies,
            target_applies=target_applies,
        )
        marked: F = pytest.mark.check(meta)(function)
        return marked

    return mark


def load_catalogue() -> Mapping[str, Check]:
    """The metadata of the suite's own checks, by id; a user's are known once pytest has collected them."""
    return {name: metadata_of(function) for name, function in check_functions().items()}


def check_functions() -> Mapping[str, Callable[..., None]]:
    """The functions of the suite's own checks, by id.

    Raises:
        ValueError: two of them have the same id.
    """
    found: dict[str, Callable[..., None]] = {}
    for module in pkgutil.iter_modules(checks.__path__):
        if not module.name.startswith("test_"):
            continue
        for function in vars(importlib.import_module(f"checks.{module.name}")).values():
            if inspect.isfunction(function) and hasattr(function, "pytestmark"):
                name = metadata_of(function).id
                if found.setdefault(name, function) is not function:
                    raise ValueError(f"two checks are called {name}")
    return dict(sorted(found.items()))


def metadata_of(function: Callable[..., None]) -> Check:
    """The metadata in a check function's marker."""
    marks: list[pytest.Mark] = function.pytestmark  # type: ignore[attr-defined]  # pytest.mark puts it there
    meta: Check = next(mark.args[0] for mark in marks if mark.name == "check")
    return meta


def check_of(item: pytest.Item) -> Check | None:
    """The metadata of a collected test, None if it is not a check."""
    meta = getattr(item, "check", None)  # of the suite's own checks
    if isinstance(meta, Check):
        return meta
    marker = item.get_closest_marker("check")
    return marker.args[0] if marker and marker.args and isinstance(marker.args[0], Check) else None
