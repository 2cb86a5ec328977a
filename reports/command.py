"""The command `taegis-forwarders`: pytest on the installed suite, and a few verbs.

Only the standard library is imported here at the top: this file is found under two names (`reports.command` in a
checkout, `taegis_forwarders.reports.command` when installed), and must put the suite's folder on the path first.
"""

import atexit
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USAGE = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command; `run` gets the arguments after it and returns the exit code."""

    help: str
    run: Callable[[Sequence[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite with pytest's options, or a verb; returns the exit code (docs/options.md).

    Args:
        argv: arguments without the program's name; default: those of the process.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    # `reports/` is there when this file itself is run, and its `html.py` would hide the library's.
    ours = {ROOT, ROOT / "reports"}
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in ours]
    # First, so that no installed package called `fixtures` or `checks` is met instead of ours.
    sys.path.insert(0, str(ROOT))
    if given and given[0] in {"-h", "--help"}:
        sys.stdout.write(_help())
        return 0
    if given and given[0] == "--version":
        sys.stdout.write(f"taegis-forwarders {_version()}\n")
        return 0
    if not given or given[0].startswith("-") or Path(given[0].partition("::")[0]).exists() or _in_suite(given[0]):
        return run_suite(given)
    return _run_verb(given[0], given[1:])


def run_suite(given: Sequence[str]) -> int:
    """Run pytest on the suite's checks from wherever the user stands.

    Paths that the user gives count from there; configuration is the suite's own, so that a stray `pytest.ini` with
    other `addopts` changes nothing; nothing is written beside the installed files.
    """
    import pytest  # noqa: PLC0415 - see the module's docstring

    atexit.register(gc.freeze)  # or Python would look through all that the run kept, only to end: 0.15 s
    return int(pytest.main(pytest_arguments(given)))


def pytest_arguments(given: Sequence[str]) -> list[str]:
    """What pytest is called with: the suite's configuration and checks, and the user's arguments.

    Node ids as reports print them (`checks/test_x.py::...`) are understood from any folder, and then only they run.
    """
    translated = [str(ROOT / part) if _in_suite(part) else part for part in given]
    chosen = any(part != was for part, was in zip(translated, given, strict=True))
    return [
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--rootdir={ROOT}",
        *_cache_arguments(),
        *([] if chosen else [str(ROOT / "checks")]),
        *translated,
    ]


def _in_suite(part: str) -> bool:
    path = part.partition("::")[0]
    return path.startswith("checks/") and not Path(path).exists() and (ROOT / path).exists()


def _cache_arguments() -> list[str]:
    """Keep pytest's cache (`--lf`) in the user's own cache folder; without one there is no cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "taegis-forwarders" / "pytest"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ["-p", "no:cacheprovider"]
    return ["-o", f"cache_dir={folder}"]


def _run_verb(name: str, rest: Sequence[str]) -> int:
    from fixtures.errors import InputError, near  # noqa: PLC0415 - see the module's docstring

    verb = VERBS.get(name)
    if verb is None:
        return _refuse(InputError(f"'{name}'", "neither a verb nor a file", near(name, VERBS)))
    try:
        return verb.run(rest)
    except InputError as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"ERROR: {error}\n")
    return USAGE


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items())
    return (
        "usage: taegis-forwarders OPTIONS      audit, plan or fix (pytest's options work as well)\n"
        "       taegis-forwarders VERB [...]\n\n"
        "  taegis-forwarders --regions=us-east-1,eu-west-1                      audit\n"
        "  taegis-forwarders --regions=us-east-1 --release=downloads --plan     show what a fix would do\n"
        "  taegis-forwarders --regions=us-east-1 --release=downloads --fix      do it, look again, prove it\n"
        "  taegis-forwarders --sandbox --regions=us-east-1 --fix                all of it on an emulated AWS\n\n"
        f"verbs:\n{verbs}\n\n"
        "All options: taegis-forwarders options. Exit codes: 0 all holds, 1 findings remain, 2 interrupted,\n"
        "3 internal error, 4 usage, 10 something could not be seen, 11 a fix failed after it had written.\n"
    )


def _version() -> str:
    from fixtures.version import suite_version  # noqa: PLC0415 - see the module's docstring

    return suite_version()


def _sandbox(rest: Sequence[str]) -> int:
    from fixtures.sandbox import run_sandbox_command  # noqa: PLC0415 - needs the extra; see the module's docstring

    return run_sandbox_command(rest)


def _baseline(rest: Sequence[str]) -> int:
    from reports.baseline_command import run_baseline_command  # noqa: PLC0415 - see the module's docstring

    return run_baseline_command(pytest_arguments(rest))


def _ledger(rest: Sequence[str]) -> int:
    from reports.ledger_command import run_ledger_command  # noqa: PLC0415 - see the module's docstring

    return run_ledger_command(rest, pytest_arguments)


def _backfill(rest: Sequence[str]) -> int:
    from reports.backfill_command import run_backfill_command  # noqa: PLC0415 - see the module's docstring

    return run_backfill_command(rest, pytest_arguments)


def _merge(rest: Sequence[str]) -> int:
    from reports.merge_command import run_merge_command  # noqa: PLC0415 - see the module's docstring

    return run_merge_command(rest)


def _journal(rest: Sequence[str]) -> int:
    from reports.journal_command import run_journal_command  # noqa: PLC0415 - see the module's docstring

    return run_journal_command(rest)


def _history(rest: Sequence[str]) -> int:
    from reports.history.command import run_history_command  # noqa: PLC0415 - see the module's docstring

    return run_history_command(rest)


def _evidence(rest: Sequence[str]) -> int:
    from reports.evidence.command import run_evidence_command  # noqa: PLC0415 - see the module's docstring

    return run_evidence_command(rest)


def _policy(rest: Sequence[str]) -> int:
    from reports.policy_command import run_policy_command  # noqa: PLC0415 - see the module's docstring

    return run_policy_command(rest)


def _permissions(rest: Sequence[str]) -> int:
    from reports.permissions_text import permissions_page  # noqa: PLC0415 - see the module's docstring

    _refuse_arguments("permissions", rest)
    sys.stdout.write(permissions_page())
    return 0


def _explain(rest: Sequence[str]) -> int:
    from checks.registry import load_catalogue  # noqa: PLC0415 - see the module's docstring
    from reports.catalogue_text import explained  # noqa: PLC0415 - same

    sys.stdout.write(explained(load_catalogue(), rest))
    return 0


def _catalogue(rest: Sequence[str]) -> int:
    from checks.registry import load_catalogue  # noqa: PLC0415 - see the module's docstring
    from reports.catalogue_text import catalogue_page  # noqa: PLC0415 - same

    _refuse_arguments("catalogue", rest)
    sys.stdout.write(catalogue_page(load_catalogue()))
    return 0


def _options(rest: Sequence[str]) -> int:
    from reports.options_text import options_page  # noqa: PLC0415 - see the module's docstring

    _refuse_arguments("options", rest)
    sys.stdout.write(options_page())
    return 0


def _refuse_arguments(verb: str, rest: Sequence[str]) -> None:
    from fixtures.errors import InputError  # noqa: PLC0415 - see the module's docstring

    if rest:
        raise InputError(f"{verb}: '{rest[0]}'", "it takes no arguments", "leave it out")


VERBS: Mapping[str, Verb] = {
    "sandbox": Verb("start an emulated AWS with a legacy estate and print how to use it", _sandbox),
    "baseline": Verb("write the forwarders that are there as the inventory to hold audits to", _baseline),
    "ledger": Verb("say which objects of a span the forwarders delivered, as far as anything shows it", _ledger),
    "backfill": Verb("send forwarders the objects that they did not deliver", _backfill),
    "merge": Verb("make one report of the shards of a run (--shard), given their folders", _merge),
    "journal": Verb("show what a run wrote to AWS; with --verify, whether its journal is whole", _journal),
    "history": Verb("list the runs that --history kept, tell a subject's life, forget what is old", _history),
    "evidence": Verb("check a pack that --evidence left, offline (verify DIR), or print its index (show)", _evidence),
    "policy": Verb(
        "print the least-privilege policy of an audit, a fix or a delivery, or a template that makes its role", _policy
    ),
    "explain": Verb("tell what a check means and what to do (without a name: list them)", _explain),
    "catalogue": Verb("print all checks as Markdown (docs/checks.md)", _catalogue),
    "options": Verb("print all options and settings as Markdown (docs/options.md)", _options),
    "permissions": Verb("print what audit and fix need of IAM as Markdown (docs/permissions.md)", _permissions),
}

if __name__ == "__main__":
    raise SystemExit(main())
