"""The block on top of the HTML report: verdict, coverage, counts, and the findings told once per cause."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from html import escape
from pathlib import Path

from checks.outcome import Status
from checks.registry import FIXES
from checks.verdict import HOLDS, NOT_SEEN, Verdict, count
from reports.coverage import Coverage, Gap
from reports.grouping import Group
from reports.html_rows import css_class, evidence_parts, terms
from reports.summary import Run, Summary
from reports.terminal_text import fix_numbers, fixable_text

STYLE = Path(__file__).with_name("page.css")
MOST_GROUPS = 50
MOST_SUBJECTS = 8


def summary_block(summary: Summary) -> str:
    """The whole block with its style, as markup."""
    parts = (
        f"<style>{_style()}</style>",
        _what(summary.run),
        _verdict(summary.verdict),
        '<div class="tiles">',
        *_tiles(summary),
        "</div>",
        *_gaps(summary.coverage),
        *_fixing(summary),
        *_plan(summary.run.plan_lines),
        *_groups("Left to a person" if summary.run.fixing else "Findings", summary.findings),
        *_groups("Could not tell", summary.unseen),
        *_groups("Fixed and proved", summary.fixed),
        *_groups("No evidence", summary.quiet),
        *_groups("Notes", summary.advice),
        *_not_applicable(summary.run.not_applicable),
        _filters(summary.counts),
    )
    return "".join(parts)


def _what(run: Run) -> str:
    """What kind of run it was, of what, and when: a report is read long after, and away from its folder."""
    digests = ", ".join(f"<code>{escape(digest)}</code>" for digest in run.releases)
    parts = (
        f"<b>{escape(run.mode.capitalize())}</b>",
        f"release {digests}" if digests else "no release given",
        f"looked at {run.estate.taken:%Y-%m-%d %H:%M:%S} UTC" if run.estate else "",
        f"run {escape(run.id)}" if run.id else "",
    )
    return f'<p class="what">{" · ".join(filter(None, parts))}</p>'


def _verdict(verdict: Verdict) -> str:
    colour = {HOLDS: "good", NOT_SEEN: "unsure"}.get(verdict.code, "bad")
    return (
        f'<section class="verdict {colour}"><p>{escape(verdict.sentence)}</p>'
        f"<small>exit code {verdict.code}</small></section>"
    )


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


def _tiles(summary: Summary) -> Iterator[str]:
    seen = summary.coverage
    if seen:
        missing = seen.asked - seen.reached
        numbers = (("asked", seen.asked), ("reached", seen.reached), ("partly seen", seen.partly),
                   ("not reached", missing))  # fmt: skip
        yield _tile("Targets", [(label, number, "bad" if label == "not reached" and number else "")
                                for label, number in numbers])  # fmt: skip
    if summary.forwarders:
        yield _tile("Forwarders", _by_status(summary.forwarders))
    yield _tile("Results", _by_status(summary.counts))


def _by_status(counts: Mapping[Status, int]) -> list[tuple[str, int, str]]:
    return [(status.lower(), number, css_class(status)) for status, number in counts.items()]


def _tile(title: str, numbers: list[tuple[str, int, str]]) -> str:
    items = "".join(f'<li class="{css}"><b>{number:,}</b> {escape(label)}</li>' for label, number, css in numbers)
    return f'<section class="tile"><h3>{escape(title)}</h3><ul>{items}</ul></section>'


def _gaps(seen: Coverage | None) -> Iterator[str]:
    if seen is None:
        return
    for title, gaps in (("Not audited", seen.left_out), ("Not reached", seen.unreached), ("Not read", seen.unread)):
        if gaps:
            yield f'<section class="gaps"><h3>{title}</h3><ul>{"".join(map(_gap, gaps[:MOST_GROUPS]))}</ul></section>'


def _gap(gap: Gap) -> str:
    return f"<li>{escape(gap.cause)} <small>{escape(_listed(gap.targets))}</small></li>"


def _fixing(summary: Summary) -> Iterator[str]:
    story = summary.run.story
    if story:
        text = fix_numbers(story) or "nothing to do"
        notes = "".join(f"<li>{escape(note)}</li>" for note in story.notes)
        failed = "".join(
            f'<li class="bad">failed, or stopped after a write: {escape(name)}</li>' for name in story.failed
        )
        title = "Plan" if summary.run.planning else "Fix"
        yield f'<section class="gaps"><h3>{title}: {escape(text)}</h3><ul>{failed}{notes}</ul></section>'
    elif summary.fixable.findings and not summary.run.fixing:
        text = fixable_text(summary.fixable, has_release=summary.run.has_release)
        yield f'<p class="hint">{escape(text)}</p>'


def _groups(title: str, groups: tuple[Group, ...]) -> Iterator[str]:
    if not groups:
        return
    number = sum(map(len, groups))
    open_now = " open" if groups[0].shared.status in {Status.FAILED, Status.BLOCKED, Status.ERROR} else ""
    more = f"<p>and {count(len(groups) - MOST_GROUPS, 'more group')}</p>" if len(groups) > MOST_GROUPS else ""
    rows = "".join(map(_group, groups[:MOST_GROUPS]))
    yield (
        f'<details class="groups"{open_now}><summary>{escape(title)} <span>{number:,}</span></summary>{rows}{more}'
        "</details>"
    )


def _group(group: Group) -> str:
    shared = group.shared
    refused = shared.status is Status.BLOCKED and bool(shared.reason)
    single = len(group.checks) == 1 and not refused
    checks = _listed(group.checks)
    parts = (
        *evidence_parts(replace(shared, expected="", found="", reason="") if refused else shared),
        ("--fix would", FIXES.get(shared.fix, "") if shared.status is Status.FAILED else ""),
        ("checks", checks if refused else ""),
        ("on", _listed(group.subjects)),
    )
    return (
        f'<article class="{css_class(shared.status)}"><header><span class="mark">{escape(shared.status)}</span>'
        f'<span class="severity {escape(shared.severity)}">{escape(shared.severity)}</span>'
        f"<b>{escape(shared.reason if refused else shared.title if single else checks)}</b>"
        f"<code>{escape(shared.check) if single else ''}</code><small>{count(len(group), 'result')}</small></header>"
        f"{terms(parts)}</article>"
    )


def _plan(lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        text = "<br>".join(map(escape, lines))
        yield f'<details class="groups plan" open><summary>Plan</summary><pre>{text}</pre></details>'


def _not_applicable(reasons: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if reasons:
        items = "".join(
            f"<li>{escape(reason)}: {escape(', '.join(checks))}</li>" for reason, checks in sorted(reasons.items())
        )
        yield f'<section class="gaps"><h3>Not asked</h3><ul>{items}</ul></section>'


def _filters(counts: Mapping[Status, int]) -> str:
    """A box per status; the style sheet alone hides the rows of one that is not ticked."""
    boxes = "".join(
        f'<label class="{css_class(status)}"><input type="checkbox" class="show-{css_class(status)}" checked> '
        f"{escape(status)} <b>{number:,}</b></label>"
        for status, number in counts.items()
    )
    return f'<fieldset class="statuses"><legend>Show</legend>{boxes}</fieldset>'


def _listed(names: "tuple[str, ...] | list[str]") -> str:
    shown = ", ".join(names[:MOST_SUBJECTS])
    return f"{shown} and {len(names) - MOST_SUBJECTS:,} more" if len(names) > MOST_SUBJECTS else shown
