"""Commands that a reader can type: this run's own command line, narrowed to what is to be mended or looked at again.

What this run left out or bounded (forwarders, checks, `-k`, `-m`, waivers, rings, the limit) stays so: a command may
never reach further than the run that printed it. Paths are those that the user gave; an external id is left for the
user to fill in.
"""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fixtures.option_values import DEFAULT_FIX_LIMIT, DEFAULT_LOG_WINDOW, DEFAULT_RINGS, parse_duration, parse_rings
from fixtures.options import Options
from fixtures.selection import Selection

INSTALLED = "taegis-forwarders"
_MOST_ACCOUNTS = 10
_ALL_CHECKS = Selection()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a command is narrowed to; empty means all that this run looked at."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    forwarders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commands:
    """Makes commands out of what this run was asked for; `program` is what the user called, `selection` pytest's."""

    options: Options
    program: str = "pytest"
    has_release: bool = True
    selection: Selection = _ALL_CHECKS

    def look(self, scope: Scope) -> str:
        """An audit of this scope."""
        return self._line(scope, (*self._selected(scope), *self._who(), *self._judged_by(fixing=False)))

    def fix(self, scope: Scope) -> str:
        """A fix of this scope."""
        given = self.options
        writes = [f"--fix-role={given.fix_role}"] if given.fix_role and not given.sandbox else []
        writes += [f"--allow={','.join(sorted(given.allow))}"] if given.allow and not given.sandbox else []
        writes += self._bounds()
        return self._line(
            scope, (*self._selected(scope), *self._who(), *self._judged_by(fixing=True), "--fix", *writes)
        )

    def backfill(self, scope: Scope, span: Sequence[str]) -> str:
        """What sends the objects of a span; `span` are its options, or say which fix left them open."""
        given = self.options
        writes = [f"--fix-role={given.fix_role}"] if given.fix_role and not given.sandbox else []
        return self._line(
            scope,
            (*self._forwarders(scope), *self._who(), *self._compared_with(), *span, *writes),
            (INSTALLED, "backfill"),
        )

    def _line(self, scope: Scope, more: Sequence[str], program: Sequence[str] = ()) -> str:
        words = [*(program or (self.program, *self._tests())), *self._place(scope), *more]
        if self.options.external_id and not self.options.sandbox:
            return f'{_quoted(words)} --external-id="$EXTERNAL_ID"'
        return _quoted(words)

    def _tests(self) -> Iterator[str]:
        """The suite's tests that were named, where a checkout's pytest can take them; no path of this machine."""
        if self.program != INSTALLED:
            yield from (path for path in self.selection.paths if not Path(path).is_absolute())

    def _place(self, scope: Scope) -> Iterator[str]:
        given = self.options
        if given.sandbox:
            yield "--sandbox"
            if given.sandbox_size is not None:
                yield f"--sandbox-size={given.sandbox_size}"
            yield f"--regions={','.join(given.regions)}"
        else:
            yield f"--regions={','.join(scope.regions or given.regions or ('all',))}"
        if given.accounts_from:
            yield f"--accounts={_as_typed(str(given.accounts_from))}"
        elif given.accounts and given.sandbox:
            yield f"--accounts={','.join(given.accounts)}"
        elif given.accounts or given.replay:
            accounts = _few(scope.accounts) or given.accounts
            if accounts:
                yield f"--accounts={','.join(accounts)}"

    def _selected(self, scope: Scope) -> Iterator[str]:
        """Which checks: an estate that is told as a whole (a file, an organization, a sandbox) is narrowed by `-k`.

        The file holds roles and tenants that an account's id alone would lose.
        """
        given = self.options
        accounts = _few(scope.accounts) if given.accounts_from or given.sandbox else ()
        narrowed = " or ".join(accounts) if set(accounts) != set(given.accounts) else ""
        keyword = self.selection.keyword
        if keyword and narrowed and keyword != narrowed:
            keyword = f"({keyword}) and ({narrowed})"
        if keyword or narrowed:
            yield from ("-k", keyword or narrowed)
        if self.selection.markers:
            yield from ("-m", self.selection.markers)
        if scope.checks or given.checks:
            yield f"--checks={','.join(scope.checks or given.checks)}"
        yield from self._forwarders(scope)

    def _forwarders(self, scope: Scope) -> Iterator[str]:
        forwarders = scope.forwarders or self.options.forwarders
        if forwarders:
            yield f"--forwarders={','.join(forwarders)}"

    def _who(self) -> Iterator[str]:
        if self.options.role and not self.options.sandbox:
            yield f"--role={self.options.role}"

    def _compared_with(self) -> Iterator[str]:
        given = self.options
        for option, path in (("--settings", given.settings), ("--release", given.release)):
            if path:
                yield f"{option}={_as_typed(str(path))}"

    def _judged_by(self, *, fixing: bool) -> Iterator[str]:
        """What decides whether something is a finding, and whether one was accepted."""
        given = self.options
        yield from self._compared_with()
        if fixing and not given.release and not self.has_release:
            yield "--release=DIR"
        for option, path in (("--baseline", given.baseline), ("--waivers", given.waivers)):
            if path:
                yield f"{option}={_as_typed(str(path))}"
        for option, is_on in (("--drift", given.drift), ("--compare-secret", given.compare_secret)):
            if is_on:
                yield option
        if given.log_window != parse_duration("--log-window", DEFAULT_LOG_WINDOW):
            yield f"--log-window={given.log_window // timedelta(seconds=1)}s"

    def _bounds(self) -> Iterator[str]:
        """How far a fix may go at once, where that was said."""
        given = self.options
        if given.rings != parse_rings(DEFAULT_RINGS):
            yield f"--rings={','.join(map(str, given.rings))}"
        if given.fix_limit != int(DEFAULT_FIX_LIMIT):
            yield f"--fix-limit={given.fix_limit}"


def _few(accounts: tuple[str, ...]) -> tuple[str, ...]:
    return accounts if len(accounts) <= _MOST_ACCOUNTS else ()


def called_program() -> str:
    """What the user called: the installed command, or pytest."""
    return INSTALLED if Path(sys.argv[0]).name == INSTALLED else "pytest"


def _quoted(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _as_typed(path: str) -> str:
    """A home folder is put back as `~`: whoever reads the page has another one."""
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if home != "/" and path.startswith(f"{home}/") else path
