"""Rules that hold for every check; each test collects all offenders and fails once with the sorted list."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import checks
import remediation
from checks.outcome import Severity
from checks.registry import FACTS, FIXES, Check, check, check_functions, load_catalogue, metadata_of
from checks.subjects import argument_of
from fixtures.reading import READERS
from remediation import steps
from remediation.step import Step
from reports.catalogue_text import catalogue_page

CHECKS = check_functions()
METAS = {name: metadata_of(function) for name, function in CHECKS.items()}
PAGE = Path(__file__).parents[1] / "docs" / "checks.md"
KNOWN_ARGUMENTS = {
    "advise", "bucket", "desired", "estate", "expected_forwarder", "forwarder", "release", "target",
}  # fmt: skip
LONGEST_TITLE = 120
# A passive or a subject with a verb; not a label ("Runtime.") and not an instruction ("Check that ...").
IMPERATIVES = ("Check", "Ensure", "Verify", "Make", "Test", "Assert", "Return")

# Which fact an attribute of the estate's types is; the receivers tell those apart whose name others bear too.
FACT_OF = {
    "template": "template", "resources": "resources", "listed": "listed", "function": "function", "policy": "policy",
    "invocation": "invocation", "flow": "flow", "metrics": "metrics", "code_source": "code_source",
    "change_sets": "change_sets", "drift": "drift", "notification": "notification", "region": "bucket_region",
    "encryption": "encryption", "topics": "topic", "keys": "keys", "identity": "identity", "stacks": "stacks",
    "functions": "functions", "shared": "shared", "artifact": "artifact",
}  # fmt: skip
RECEIVERS = {
    "template": {"forwarder"},
    "resources": {"forwarder"},
    "function": {"forwarder"},
    "region": {"bucket"},
    "keys": {"estate"},
    "functions": {"target", "seen"},
}
DERIVED = {"reached": {"identity", "stacks", "functions"}, "orphans": {"stacks", "functions"}, "lookalikes": {"stacks"}}


def offenders(wrong: Callable[[Check], object]) -> list[str]:
    return sorted(f"{name}: {found}" for name, meta in METAS.items() if (found := wrong(meta)))


def test_the_catalogue_holds_every_check_and_none_of_a_users() -> None:
    check("users-own", severity=Severity.LOW, step="s")(documented)

    assert sorted(load_catalogue()) == sorted(METAS)
    assert len(METAS) >= 30


def documented() -> None:
    """Something holds."""


def test_names_are_in_kebab_case() -> None:
    assert offenders(lambda meta: not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", meta.id) and meta.id) == []


def test_every_test_function_of_a_check_module_is_a_check() -> None:
    plain = [
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(checks.__path__)
        if module.name.startswith("test_")
        for name, function in vars(importlib.import_module(f"checks.{module.name}")).items()
        if name.startswith("test_") and not hasattr(function, "pytestmark")
    ]

    assert sorted(plain) == []


def test_titles_are_sentences_for_a_report() -> None:
    def wrong(meta: Check) -> str:
        title = meta.title
        faults = {
            "no full stop": not title.endswith("."),
            "longer than a line": len(title) > LONGEST_TITLE,
            "small first letter": not (title[0].isupper() or title[0] == "`" or title.startswith("cfn-lint")),
            "an instruction": title.startswith(IMPERATIVES),
            "several sentences": ". " in title,
            "too short": len(title.split()) < 4,
        }
        return ", ".join(name for name, found in faults.items() if found)

    assert offenders(wrong) == []


def test_severities_steps_facts_and_fixes_are_known() -> None:
    def wrong(meta: Check) -> str:
        faults = {
            "severity": not isinstance(meta.severity, Severity),
            "step": not meta.step.strip(),
            "facts": not meta.facts <= FACTS,
            "fix": meta.fix is not None and meta.fix not in FIXES,
        }
        return ", ".join(name for name, found in faults.items() if found)

    assert offenders(wrong) == []


def test_arguments_are_known_and_say_whom_the_check_is_asked_about() -> None:
    def wrong(meta: Check) -> str:
        names = tuple(inspect.signature(CHECKS[meta.id]).parameters)
        unknown = sorted(set(names) - KNOWN_ARGUMENTS)
        nobody = argument_of(names) is None and "estate" not in names
        misplaced = [
            name
            for name, asked in (("forwarder", meta.applies), ("target", meta.target_applies))
            if asked and argument_of(names) != name
        ]
        return ", ".join([*unknown, *(["nobody"] if nobody else []), *(f"applies to {name}" for name in misplaced)])

    assert offenders(wrong) == []


def test_a_check_that_looks_at_the_release_needs_one_or_is_asked_of_it() -> None:
    def wrong(meta: Check) -> bool:
        names = inspect.signature(CHECKS[meta.id]).parameters
        looks = any("release" in attributes for attributes in touched_attributes(CHECKS[meta.id]).values())
        return "release" not in names and looks and not meta.needs_release

    assert offenders(wrong) == []


def test_a_finding_that_no_fix_clears_says_what_to_do() -> None:
    """Each `expect` and `Finding` of a check without a fix has a remedy; `known` of a missing thing says enough."""

    def wrong(meta: Check) -> str:
        if meta.fix:
            return ""
        lines = [
            str(call.lineno)
            for tree in sources(CHECKS[meta.id]).values()
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and called(call) in {"expect", "Finding"} and not has_remedy(call)
        ]
        return f"no remedy in line {', '.join(lines)} of the function" if lines else ""

    assert offenders(wrong) == []


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def has_remedy(call: ast.Call) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "remedy"] or call.args[2:3]
    return bool(given) and not (isinstance(given[0], ast.Constant) and not given[0].value)


def every_step() -> Iterator[type[Step]]:
    for module in pkgutil.iter_modules(steps.__path__):
        found = vars(importlib.import_module(f"remediation.steps.{module.name}")).values()
        yield from (kind for kind in found if inspect.isclass(kind) and issubclass(kind, Step) and kind is not Step)


def test_every_fix_has_a_step_or_is_planned_for() -> None:
    made = {kind.FIX for kind in every_step() if not kind.FIX.startswith("undo-")}  # those are --rollback's
    planners = [module.name for module in pkgutil.iter_modules(remediation.__path__) if module.name.startswith("plan")]
    planned = "".join(inspect.getsource(importlib.import_module(f"remediation.{module}")) for module in planners)
    used = {meta.fix for meta in METAS.values() if meta.fix}

    assert sorted(name for name in FIXES if name not in made and f'"{name}"' not in planned) == []
    assert sorted(made - FIXES.keys()) == []
    assert sorted(name for name in FIXES if name not in used | made) == []


def test_every_fact_is_read() -> None:
    importlib.import_module("fixtures.look")  # imports every reader
    read = {reader.fact for reader in READERS.values()}

    # found on the way: a function's row in the list of all, the bucket's region beside its document, the old package
    # by the reader of packages, some of the policies by the reader of policies
    assert sorted(FACTS - read) == ["bucket_region", "code_source", "listed", "unwired_policy"]


def sources(function: Callable[..., object]) -> dict[str, ast.AST]:
    """The syntax trees of a function and of everything in `checks` that it calls, by name."""
    found: dict[str, ast.AST] = {}
    waiting = [inspect.unwrap(function)]
    while waiting:
        current = waiting.pop()
        name = f"{current.__module__}.{current.__qualname__}"
        if name in found:
            continue
        found[name] = ast.parse(inspect.cleandoc(f"\n{inspect.getsource(current)}"))
        waiting += [
            helper
            for node in ast.walk(found[name])
            if isinstance(node, ast.Name) and inspect.isfunction(helper := current.__globals__.get(node.id))
            and helper.__module__.startswith("checks.") and not helper.__module__.endswith((".outcome", ".registry"))
        ]  # fmt: skip
    return found


def touched_attributes(function: Callable[..., object]) -> dict[str, set[str]]:
    """The attributes that a function and its helpers read, by the name of what they are read from."""
    found: dict[str, set[str]] = {}
    for tree in sources(function).values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                value = node.value.func if isinstance(node.value, ast.Call) else node.value
                receiver = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
                found.setdefault(receiver, set()).add(node.attr)
    return found


def touched_facts(functions: Iterable[Callable[..., object]]) -> set[str]:
    facts: set[str] = set()
    for function in functions:
        for receiver, attributes in touched_attributes(function).items():
            for attribute in attributes:
                if attribute in FACT_OF and receiver in RECEIVERS.get(attribute, {receiver}):
                    facts.add(FACT_OF[attribute])
                facts |= DERIVED.get(attribute, set())
    return facts


def asked_functions(meta: Check) -> list[Callable[..., object]]:
    return [function for function in (CHECKS[meta.id], meta.applies, meta.target_applies) if function]


def test_whom_a_check_is_asked_about_is_said_by_a_function_with_a_name() -> None:
    assert offenders(lambda meta: any(f.__name__ == "<lambda>" for f in asked_functions(meta))) == []


def test_the_facts_that_a_check_touches_are_declared() -> None:
    """Else `--checks` reads less than the check needs, and it answers otherwise than in a whole audit."""
    assert offenders(lambda meta: ", ".join(sorted(touched_facts(asked_functions(meta)) - _covered(meta)))) == []


def _covered(meta: Check) -> set[str]:
    return {*meta.facts, *(["policy"] if "unwired_policy" in meta.facts else [])}


def test_facts_are_declared_for_a_reason() -> None:
    """Declared and not touched: only what decides which log lines and metrics count, and who there is to ask."""
    idle = {name: sorted(meta.facts - touched_facts(asked_functions(meta))) for name, meta in METAS.items()}

    assert {name: facts for name, facts in idle.items() if facts} == {
        "function-errors": ["listed"],
        "logs-flow": ["listed"],
        "parameters-desired": ["stacks"],
        "stack-healthy": ["stacks"],
        "trigger-wired": ["unwired_policy"],  # the policy of those that no rule calls
    }


def test_the_walk_sees_through_helpers() -> None:
    assert {"listed", "notification", "topic"} <= touched_facts([CHECKS["bucket-single-delivery"]])
    assert "policy" in touched_facts([METAS["trigger-region"].applies or print])


def test_the_page_of_checks_is_current() -> None:
    catalogue = {name: meta for name, meta in load_catalogue().items() if name in METAS}

    assert PAGE.read_text(encoding="utf-8") == catalogue_page(catalogue)


BAD = {
    "an unknown fact": {"facts": ["lambda"]},
    "an unknown fix": {"fix": "reboot"},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD)
def test_a_check_that_cannot_be_right_is_refused_where_it_is_written(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="check x-y"):
        check("x-y", severity=Severity.LOW, step="s", **wrong)(documented)  # type: ignore[arg-type]


def test_a_check_without_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match="no docstring"):
        check("x-y", severity=Severity.LOW, step="s")(lambda: None)
