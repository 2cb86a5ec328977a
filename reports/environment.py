"""What a run was, for a report's foot: versions and what was asked for. Chosen by name, so that no secret slips in."""

import functools
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from fixtures.options import Options

PACKAGES = ("taegis-forwarders", "pytest", "boto3", "botocore", "cfn-lint", "ministack")


def environment(options: Options | None, run: str) -> Mapping[str, str]:
    """Names and values, in the order to show them; what was not asked for is left out."""
    asked = {} if options is None else _asked(options)
    return {
        "Run": run,
        **{name: text for name, text in asked.items() if text},
        "Python": platform.python_version(),
        "Platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _asked(options: Options) -> Mapping[str, str]:
    mode = "sandbox" if options.sandbox else "replay" if options.replay else "audit"
    return {
        "Mode": f"{mode}{' --plan' if options.plan else ''}{' --fix' if options.fix else ''}",
        "Regions": ", ".join(options.regions),
        "Accounts": ", ".join(options.accounts),
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
