"""The rows of the HTML report: what a person must read, one row each, or one row for each shape where there are many.

What passed has no row, it is counted. A page of more than `MOST_ROWS` rows would neither open at once nor be read.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from checks.outcome import Status
from checks.registry import FIXES
from checks.result import Result
from checks.verdict import count
from reports.commands import Commands, Scope
from reports.grouping import Group, by_finding, rank
from reports.html_markup import MOST_SUBJECTS, anchor, command, css_class, section, terms

MOST_ROWS = 2_000
_SILENT = frozenset({Status.PASSED})
_COLUMNS = "".join(f'<th role="columnheader">{title}</th>' for title in ("Status", "Check", "Where", "Evidence"))
_HEAD = f'<thead role="rowgroup"><tr role="row">{_COLUMNS}</tr></thead>'


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a page: single results, or `groups` of them; `left_out` groups are not shown at all."""

    single: tuple[Result, ...] = ()
    groups: tuple[Group, ...] = ()
    left_out: int = 0
    silent: int = 0

    @property
    def results(self) -> int:
        """How many results the rows tell of."""
        return len(self.single) + sum(map(len, self.groups))


def rows_of(results: Sequence[Result], most: int = MOST_ROWS) -> Rows:
    """What is shown of these results: single rows up to `most`, else shapes, the worst first."""
    told = sorted((result for result in results if result.status not in _SILENT), key=rank)
    silent = len(results) - len(told)
    if len(told) <= most:
        return Rows(single=tuple(told), silent=silent)
    groups = by_finding(told)
    return Rows(groups=groups[:most], left_out=sum(map(len, groups[most:])), silent=silent)


def rows_block(rows: Rows, commands: Commands | None, side_file: str) -> str:
    """The table with its search, its filters and what is not in it; `side_file` is markup that says where all is."""
    lines = (_row(result, commands) for result in rows.single)
    shapes = (_shape(group, number, commands) for number, group in enumerate(rows.groups))
    body = f'{_HEAD}<tbody role="rowgroup" id="findings">{"".join(lines)}{"".join(shapes)}</tbody>'
    table = f'<table role="table" class="rows">{body}</table>' if rows.results else "<p>Nothing to read.</p>"
    return section("rows", "Results to read", f"{_how_many(rows)}{side_file}{_search(rows)}{table}{_members(rows)}")


def evidence_parts(result: Result) -> tuple[tuple[str, str], ...]:
    """What was expected and found, why nothing can be said, and what to do; a text may be empty."""
    return (
        ("expected", result.expected),
        ("was" if result.status is Status.FIXED else "found", result.found),
        ("reason", result.reason),
        ("accepted", result.accepted),
        ("to do", result.remedy),
        ("advice", result.advice),
    )


def _how_many(rows: Rows) -> str:
    if rows.groups:
        told = f"{count(rows.results, 'result')} in {count(len(rows.groups), 'row')}: what says the same is one row"
        told += f"; {count(rows.left_out, 'further result')} in the side file only" if rows.left_out else ""
    else:
        told = count(rows.results, "row")
    passed = f" {rows.silent:,} passed and have no row." if rows.silent else ""
    return f"<p>{told}.{passed}</p>"


def _search(rows: Rows) -> str:
    """A box per status, which the style sheet alone obeys, and a search, which the script makes work."""
    present = dict.fromkeys([*(one.status for one in rows.single), *(one.shared.status for one in rows.groups)])
    boxes = "".join(
        f'<label class="{css_class(status)}"><input type="checkbox" class="show-{css_class(status)}" checked> '
        f"{escape(status)}</label>"
        for status in present
    )
    return (
        '<div class="search"><label>Search <input type="search" id="search" autocomplete="off" '
        'placeholder="account, region, check, words"></label>'
        f'<fieldset class="statuses"><legend>Show</legend>{boxes}</fieldset>'
        '<output id="shown" aria-live="polite"></output></div>'
        if rows.results
        else ""
    )


def _row(result: Result, commands: Commands | None) -> str:
    more = f"{terms(evidence_parts(result))}{_details(result, commands)}"
    name = anchor(result.check, result.subject)
    return _tr(name, f'class="row {css_class(result.status)}"', result, _where(result), more)


def _shape(group: Group, number: int, commands: Commands | None) -> str:
    shared = group.shared
    if len(group) == 1:
        return _row(group.results[0], commands)
    names = "".join(f"<li>{escape(name)}</li>" for name in group.subjects[:MOST_SUBJECTS])
    more = len(group.subjects) - MOST_SUBJECTS
    rest = f'<li class="more">and {more:,} more</li>' if more > 0 else ""
    subjects = count(len(group.subjects), "subject")
    where = f"<details><summary>{subjects}</summary><ul>{names}{rest}</ul></details>"
    attributes = f'class="row shape {css_class(shared.status)}" data-group="{number}"'
    name = anchor(shared.check, f"shape-{number + 1}")
    return _tr(name, attributes, shared, where, terms(evidence_parts(shared)))


def _tr(name: str, attributes: str, result: Result, where: str, evidence: str) -> str:
    """One row; the roles are said since the style sheet makes boxes of rows and cells."""
    cells = "".join(f'<td role="cell">{cell}</td>' for cell in (_status(result), _check(result), where, evidence))
    return f'<tr id="{name}" {attributes} role="row">{cells}</tr>'


def _status(result: Result) -> str:
    severity = escape(result.severity)
    return f'<span class="mark">{escape(result.status)}</span><br><span class="severity {severity}">{severity}</span>'


def _check(result: Result) -> str:
    return f'<b>{escape(result.title)}</b><br><code class="check">{escape(result.check)}</code>'


def _where(result: Result) -> str:
    link = f'<a class="here" href="#{anchor(result.check, result.subject)}" title="link to this finding">#</a>'
    return f"{escape(result.subject)} {link}"


def _details(result: Result, commands: Commands | None) -> str:
    parts = (
        ("vendor's step", result.step),
        ("fix", FIXES.get(result.fix, result.fix) or "none that is safe to automate"),
        ("test", result.nodeid),
    )
    again = ""
    if commands and result.account:
        forwarders = (result.forwarder,) if result.forwarder else ()
        scope = Scope((result.account,), (result.region,), (result.check,), forwarders)
        again = command(commands.look(scope), whole=True)
    return f"<details><summary>more</summary>{terms(parts)}{again}</details>"


def _members(rows: Rows) -> str:
    """Who is in which group, for the script: subjects once, then their numbers. 24,000 take some 150 kB."""
    if not rows.groups:
        return ""
    numbers: dict[str, int] = {}
    groups = [
        [group.shared.check, *(numbers.setdefault(name, len(numbers)) for name in group.subjects)]
        for group in rows.groups
    ]
    told = json.dumps({"subjects": list(numbers), "groups": groups}, separators=(",", ":"))
    return f'<script type="application/json" id="members">{"".join(_inert(told))}</script>'


def _inert(text: str) -> Iterator[str]:
    """JSON that no parser of HTML mistakes for markup."""
    return (f"\\u{ord(letter):04x}" if letter in "<>&" else letter for letter in text)
