"""Findings told once per cause, with the command that fixes them or the thing that a person has to do."""

from collections.abc import Iterator
from dataclasses import replace
from html import escape

from checks.outcome import Status
from checks.registry import FIXES
from checks.verdict import count
from reports.commands import Commands, Scope
from reports.grouping import Group
from reports.html_markup import command, css_class, listed, terms
from reports.html_rows import evidence_parts

MOST_GROUPS = 50
_OPEN = frozenset({Status.FAILED, Status.BLOCKED, Status.ERROR})


def groups_block(title: str, groups: tuple[Group, ...], commands: Commands | None, *, name: str) -> str:
    """A fold of groups, open where something is open; empty without groups."""
    if not groups:
        return ""
    number = sum(map(len, groups))
    open_now = " open" if groups[0].shared.status in _OPEN else ""
    more = f"<p>and {count(len(groups) - MOST_GROUPS, 'more group')}</p>" if len(groups) > MOST_GROUPS else ""
    articles = "".join(_group(group, commands) for group in groups[:MOST_GROUPS])
    return (
        f'<details class="groups part" id="{name}"{open_now}><summary><h2>{escape(title)} '
        f"<small>{count(number, 'result')} of {count(len(groups), 'kind')}</small></h2></summary>{articles}{more}"
        "</details>"
    )


def _group(group: Group, commands: Commands | None) -> str:
    shared = group.shared
    refused = shared.status is Status.BLOCKED and bool(shared.reason)
    single = len(group.checks) == 1 and not refused
    checks = listed(group.checks)
    parts = (
        *evidence_parts(replace(shared, expected="", found="", reason="") if refused else shared),
        ("--fix would", FIXES.get(shared.fix, "") if shared.status is Status.FAILED else ""),
        ("checks", checks if refused else ""),
        ("on", listed(group.subjects)),
    )
    title = shared.reason if refused else shared.title if single else checks
    return (
        f'<article class="{css_class(shared.status)}"><header><span class="mark">{escape(shared.status)}</span>'
        f'<span class="severity {escape(shared.severity)}">{escape(shared.severity)}</span>'
        f"<b>{escape(title)}</b>"
        f'<code class="check">{escape(shared.check) if single else ""}</code>'
        f"<small>{count(len(group), 'result')}</small></header>"
        f"{terms(parts)}{''.join(_command(group, commands))}</article>"
    )


def _command(group: Group, commands: Commands | None) -> Iterator[str]:
    shared = group.shared
    if commands is None or shared.status not in _OPEN | {Status.UNKNOWN}:
        return
    accounts = tuple(sorted({result.account for result in group.results if result.account}))
    regions = tuple(sorted({result.region for result in group.results if result.region}))
    if shared.status is Status.FAILED and shared.fix:
        yield command(commands.fix(Scope(accounts, regions, group.checks)))
    elif shared.status is Status.BLOCKED:
        yield f'<p class="then">then {command(commands.fix(Scope(accounts, regions, group.checks)))}</p>'
    else:
        yield f'<p class="then">look again {command(commands.look(Scope(accounts, regions, group.checks)))}</p>'
