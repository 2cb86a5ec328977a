"""The catalogue of checks in words: `taegis-forwarders explain`, and docs/checks.md."""

from collections.abc import Mapping, Sequence

from checks.registry import FIXES, Check
from fixtures.errors import InputError, near
from reports.grouping import SEVERITIES

INTRODUCTION = """\
# Checks

Written by `taegis-forwarders catalogue`; do not edit it by hand.

Each check asks one thing of one subject. `--checks=ID,...` runs only some of them; `taegis-forwarders explain ID`
shows one on the terminal. Severity: critical loses logs now, high will, medium may, low is hygiene.
"""


def catalogue_page(catalogue: Mapping[str, Check]) -> str:
    """Every check as a Markdown page: a table, worst first, then each one's meaning."""
    checks = sorted(catalogue.values(), key=lambda check: (SEVERITIES.index(check.severity), check.id))
    rows = [
        f"| [`{check.id}`](#{check.id}) | {check.severity} | {check.title} | {_fix_name(check)} |" for check in checks
    ]
    table = ["| check | severity | what holds | fix |", "| --- | --- | --- | --- |", *rows]
    return "\n".join([INTRODUCTION, *table, "", *(_section(check) for check in checks)])


def explained(catalogue: Mapping[str, Check], names: Sequence[str]) -> str:
    """The named checks for a terminal; without a name, one line for each of them.

    Raises:
        InputError: there is no check of that name.
    """
    if not names:
        width = max(map(len, catalogue), default=0)
        return "".join(f"{name:<{width}}  {check.severity:<8}  {check.title}\n" for name, check in catalogue.items())
    for name in names:
        if name not in catalogue:
            raise InputError(f"explain {name}", "no such check", _near(name, catalogue))
    return "\n".join(_told(catalogue[name]) for name in names)


def _near(name: str, catalogue: Mapping[str, Check]) -> str:
    """The checks of a similar name, or where all of them are listed: there are too many for one line."""
    told = near(name, catalogue)
    return told if told.startswith("did you mean") else "list them with: taegis-forwarders explain"


def _told(check: Check) -> str:
    parts = (
        ("severity", str(check.severity)),
        ("vendor's step", check.step),
        ("facts", ", ".join(sorted(check.facts))),
        ("needs", "--release=DIR" if check.needs_release else ""),
        ("fix", FIXES[check.fix] if check.fix else "none that is safe to automate: the finding says what to do"),
    )
    lines = [f"{label:<14} {text}" for label, text in parts if text]
    meaning = f"\n{check.meaning}\n" if check.meaning else ""
    return "\n".join([check.id, check.title, meaning, *lines, ""])


def _section(check: Check) -> str:
    parts = [
        f"Vendor's step: {check.step}." if check.step else "",
        f"Facts: {', '.join(f'`{fact}`' for fact in sorted(check.facts))}." if check.facts else "",
        "Needs `--release=DIR`." if check.needs_release else "",
        f"Fix `{check.fix}`: {FIXES[check.fix]}." if check.fix else "No fix that is safe to automate.",
    ]
    paragraphs = [f"## {check.id}", check.title, check.meaning, " ".join(part for part in parts if part)]
    return "\n\n".join(text for text in paragraphs if text) + "\n"


def _fix_name(check: Check) -> str:
    return f"`{check.fix}`" if check.fix else "-"
