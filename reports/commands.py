"""Commands that a reader can type: this run's own command line, narrowed to what is to be mended or looked at again.

Paths are those that the user gave; an external id is left for the user to fill in.
"""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fixtures.options import Options

INSTALLED = "taegis-forwarders"
_MOST_ACCOUNTS = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """What a command is narrowed to; empty means all that this run looked at."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    forwarders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commands:
    """Makes commands out of what this run was asked for; `program` is what the user called."""

    options: Options
    program: str = "pytest"
    has_release: bool = True

    def look(self, scope: Scope) -> str:
        """An audit of this scope."""
        return self._line(scope, ())

    def fix(self, scope: Scope) -> str:
        """A fix of this scope."""
        given = self.options
        writes = [f"--fix-role={given.fix_role}"] if given.fix_role and not given.sandbox else []
        writes += [f"--allow={','.join(sorted(given.allow))}"] if given.allow and not given.sandbox else []
        return self._line(scope, ("--fix", *writes))

    def backfill(self, scope: Scope, span: Sequence[str]) -> str:
        """What sends the objects of a span; `span` are its options, or say which fix left them open."""
        given = self.options
        writes = [f"--fix-role={given.fix_role}"] if given.fix_role and not given.sandbox else []
        return self._line(replace(scope, checks=()), (*span, *writes), (INSTALLED, "backfill"))

    def _line(self, scope: Scope, more: Sequence[str], program: Sequence[str] = ()) -> str:
        words = [*(program or (self.program,)), *self._place(scope)]
        if scope.checks:
            words.append(f"--checks={','.join(scope.checks)}")
        if scope.forwarders:
            words.append(f"--forwarders={','.join(scope.forwarders)}")
        words += [*self._who(), *self._compared_with(fixing="--fix" in more), *more]
        if self.options.external_id and not self.options.sandbox:
            return f'{_quoted(words)} --external-id="$EXTERNAL_ID"'
        return _quoted(words)

    def _place(self, scope: Scope) -> Iterator[str]:
        """Where: an estate that is told as a whole (a file, an organization, a sandbox) is narrowed by `-k`.

        The file holds roles and tenants that an account's id alone would lose.
        """
        given = self.options
        accounts = scope.accounts if len(scope.accounts) <= _MOST_ACCOUNTS else ()
        if given.sandbox:
            yield "--sandbox"
            if given.sandbox_size is not None:
                yield f"--sandbox-size={given.sandbox_size}"
            yield f"--regions={','.join(given.regions)}"
        else:
            yield f"--regions={','.join(scope.regions or given.regions or ('all',))}"
        if given.accounts_from:
            yield f"--accounts={_as_typed(str(given.accounts_from))}"
        elif given.accounts and not given.sandbox:
            yield f"--accounts={','.join(accounts or given.accounts)}"
            return
        elif given.replay and accounts:
            yield f"--accounts={','.join(accounts)}"
            return
        if accounts and set(accounts) != set(given.accounts) and (given.accounts_from or given.sandbox):
            yield from ("-k", " or ".join(accounts))

    def _who(self) -> Iterator[str]:
        if self.options.role and not self.options.sandbox:
            yield f"--role={self.options.role}"

    def _compared_with(self, *, fixing: bool) -> Iterator[str]:
        given = self.options
        if given.settings:
            yield f"--settings={_as_typed(str(given.settings))}"
        if given.release:
            yield f"--release={_as_typed(str(given.release))}"
        elif fixing and not self.has_release:
            yield "--release=DIR"


def called_program() -> str:
    """What the user called: the installed command, or pytest."""
    return INSTALLED if Path(sys.argv[0]).name == INSTALLED else "pytest"


def _quoted(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _as_typed(path: str) -> str:
    """A home folder is put back as `~`: whoever reads the page has another one."""
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if home != "/" and path.startswith(f"{home}/") else path
