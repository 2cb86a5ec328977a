"""`taegis-forwarders baseline`: look once, and write down which forwarders there are."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from checks.looked import why_unlisted
from checks.verdict import HOLDS
from fixtures.baseline import baseline_text
from fixtures.errors import InputError
from fixtures.estate import Estate
from fixtures.state import ESTATE, OPTIONS
from fixtures.whole_file import ORDINARY, refuse_unwritable, write_whole
from reports.looking_run import QUIET, LookingRun, refuse_blind, usage

DEFAULT_OUTPUT = "baseline.toml"
STDOUT = "-"
NONE_FOUND, NOT_SEEN = 1, 10
_FACTS = frozenset({"identity", "stacks", "functions"})


def run_baseline_command(arguments: Sequence[str]) -> int:
    """Write the inventory of what one observation finds; returns the exit code.

    Args:
        arguments: pytest's arguments for the suite's folder, with the options of an audit and the verb's own.

    Returns:
        0 written; 1 there is no forwarder; 4 usage; 10 a target could not be listed, so nothing was written.
    """
    return int(pytest.main([*QUIET, *arguments], plugins=[_Inventory()]))


class _Inventory(LookingRun):
    """A run that looks and tests nothing."""

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Declare the verb's own options."""
        add = parser.getgroup("forwarders: writing a baseline").addoption
        add("--output", metavar="FILE", default=DEFAULT_OUTPUT, help="where to write; - is the terminal")
        add("--force", action="store_true", help="write over a file that is there")
        add("--partial", action="store_true", help="write although some target could not be listed")

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Refuse, before anything is asked of AWS, what could not be written after it."""
        options = config.stash[OPTIONS]
        output = str(config.getoption("output"))
        refuse_blind(config, "baseline", "add --regions=us-east-1, or --replay=FILE")
        if options.shard:
            raise usage("baseline", "a share is not all that there is", "leave --shard out")
        if options.fix or options.plan:
            raise usage("baseline", "it only looks", "leave --plan and --fix out")
        if output != STDOUT:
            _refuse_unusable(Path(output), force=bool(config.getoption("force")))

    @pytest.hookimpl(tryfirst=True)
    def pytest_forwarders_facts(self) -> frozenset[str]:
        """Nothing but the listings is read."""
        return _FACTS

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        """Write, or say why not."""
        estate = config.stash[ESTATE]
        unseen = [f"{seen.target} ({reason})" for seen in estate.targets if (reason := why_unlisted(seen))]
        if unseen and not config.getoption("partial"):
            self.code = NOT_SEEN
            _say(f"ERROR: {len(unseen)} of {len(estate.targets)} targets could not be listed, and nothing was written: "
                 f"{'; '.join(unseen)}; mend that, or add --partial")  # fmt: skip
        elif not estate.forwarders:
            self.code = NONE_FOUND
            _say("ERROR: no forwarder found, and nothing was written; check --regions, --accounts and --forwarders")
        else:
            _write(estate, str(config.getoption("output")))
            self.code = HOLDS
            for target in unseen:
                _say(f"not listed, so not in it: {target}")


def _refuse_unusable(output: Path, *, force: bool) -> None:
    if output.exists() and not force:
        raise usage(f"baseline {output}", "it is there already", "name another with --output=FILE, or add --force")
    try:
        refuse_unwritable(f"baseline {output}", output)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def _write(estate: Estate, output: str) -> None:
    text = baseline_text(estate)
    if output == STDOUT:
        sys.stdout.write(text)
        return
    try:
        write_whole(Path(output), (text,), ORDINARY)
    except OSError as error:
        raise usage(f"baseline {output}", error.strerror or str(error), "name a file that can be written") from error
    targets = len({forwarder.target for forwarder in estate.forwarders})
    _say(f"wrote {output}: {len(estate.forwarders)} forwarders in {targets} targets; review it, keep it in git, and "
         f"give it to audits with --baseline={output}")  # fmt: skip


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
