"""`taegis-forwarders merge FOLDER...`: the shards of a run, told as one run."""

from collections.abc import Sequence

from fixtures.errors import InputError
from reports.command import run_suite

_ITSELF = "--merge"


def run_merge_command(rest: Sequence[str]) -> int:
    """Judge what the shards in these folders saw, with pytest's options behind them; returns the exit code.

    Raises:
        InputError: no folder is named.
    """
    folders = []
    for word in rest:
        if word.startswith("-"):
            break
        folders.append(word)
    if not folders:
        raise InputError(
            "merge",
            "no folder named",
            "say taegis-forwarders merge forwarder-runs, then options such as --html=all.html",
        )
    return run_suite([*(f"{_ITSELF}={folder}" for folder in folders), *rest[len(folders) :]])
