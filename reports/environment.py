"""What a run was, for a report's foot: versions and what was asked for. Chosen by name, so that no secret slips in."""

import functools
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from checks.verdict import count
from fixtures.options import Options

PACKAGES = ("taegis-forwarders", "pytest", "boto3", "botocore", "cfn-lint", "ministack")


def mode_of(options: Options) -> str:
    """`audit`, `plan`, `fix` or `rollback`, and of what, where not of all: `audit in a sandbox, shard 2 of 4`."""
    kind = "rollback" if options.rollback else "fix" if options.fix else "plan" if options.plan else "audit"
    where = " in a sandbox" if options.sandbox else " of a snapshot" if options.replay else ""
    share = f", {options.shard}" if options.shard else ""
    if options.merged:
        share = f", merged from {count(options.merged, 'shard')}"
    return kind + where + share


def environment(options: Options, run: str, releases: Sequence[str]) -> Mapping[str, str]:
    """Names and values, in the order to show them; what was not asked for is left out.

    Args:
        options: what was asked for.
        run: the run's id.
        releases: digests of the releases.
    """
    asked = {**_asked(options), "Release digest": ", ".join(releases)}
    return {
        "Run": run,
        **{name: text for name, text in asked.items() if text},
        "Python": platform.python_version(),
        "Platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _asked(options: Options) -> Mapping[str, str]:
    return {
        "Mode": mode_of(options),
        "Regions": ", ".join(options.regions),
        "Accounts": str(options.accounts_from or ", ".join(options.accounts)),
        "Forwarders": ", ".join(options.forwarders),
        "Checks": ", ".join(options.checks),
        "Release": str(options.release or ""),
        "Replay": str(options.replay or ""),
        "Log window": str(options.log_window),
        "Fails on": ", ".join(sorted(options.fail_on)),
    }


@functools.cache  # pytest-html asks for the page's environment at every row, and this reads a file of metadata
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
