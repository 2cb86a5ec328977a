"""The HTML report's own part: verdict, who must act, what changed, where, why, until when, and the rows to read."""

from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path

from checks.outcome import Status
from checks.verdict import HOLDS, NOT_SEEN, Verdict
from checks.waiving import Waiving
from reports.coverage import Coverage, Gap
from reports.html_arrivals import arrivals_block
from reports.html_calendar import calendar_block
from reports.html_groups import MOST_GROUPS, groups_block
from reports.html_history import changes_block, trend_block
from reports.html_markup import css_class, listed
from reports.html_places import heatmap, who_must_act
from reports.html_rows import rows_block, rows_of
from reports.standing import standing
from reports.summary import Run, Summary
from reports.terminal_text import fix_numbers, fixable_text
from reports.waivers_text import waiver_troubles

STYLE = Path(__file__).with_name("page.css")
SCRIPT = Path(__file__).with_name("page.js")
_LINKS = (
    ("act", "Who must act"), ("arrived", "What arrived"), ("changes", "What changed"), ("where", "Where"),
    ("findings-by-cause", "Why"), ("runtimes", "Until when"), ("trend", "Trend"), ("rows", "Results"),
)  # fmt: skip


def summary_block(summary: Summary, *, results_link: str = "", others: bool = False) -> str:
    """The whole of it with its style and script, as markup.

    Args:
        summary: what is told.
        results_link: where the results file is, relative to the page; empty where no link leads there.
        others: whether pytest-html's own table has something to show besides.
    """
    body = "".join(_parts(summary, results_link))
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in _LINKS if f' id="{name}"' in body)
    alone = "" if others else '<i hidden id="only-checks"></i>'
    return (
        f"<style>{_read(STYLE)}</style>{alone}{_what(summary.run)}{_verdict(summary.verdict)}"
        f'<nav aria-label="Parts of this page">{links}</nav>{body}<script>{_read(SCRIPT)}</script>'
    )


def _parts(summary: Summary, results_link: str) -> Iterator[str]:
    run, commands = summary.run, summary.run.commands
    found = standing(run.results, run.estate)
    yield f'<div class="tiles">{"".join(_tiles(summary))}</div>'
    yield from _fixing(summary)
    yield from _waivers(run.waiving)
    yield who_must_act(found, commands, fixing=run.fixing)
    if run.story:
        yield arrivals_block(run.story.ledger, run.id, commands)
    yield from _gaps(summary.coverage)
    if run.history:
        yield changes_block(run.history)
    yield heatmap(found)
    yield from _plan(run.plan_lines)
    groups = (
        ("Left to a person" if run.went_through else "Findings by cause", summary.findings, "findings-by-cause"),
        ("Could not tell", summary.unseen, "unseen"),
        ("Fixed and proved", summary.fixed, "fixed"),
        ("Waived", summary.waived, "waived"),
        ("No evidence", summary.quiet, "quiet"),
        ("Notes", summary.advice, "notes"),
    )
    for title, members, name in groups:
        yield groups_block(title, members, commands, name=name)
    yield from _not_applicable(run.not_applicable)
    if run.estate:
        yield calendar_block(run.estate)
    if run.history:
        yield trend_block(run.history)
    yield rows_block(rows_of(run.results), commands, _side_file(run, results_link))


def _what(run: Run) -> str:
    """What kind of run it was, of what, and when: a report is read long after, and away from its folder."""
    digests = ", ".join(f'<code title="{escape(digest)}">{escape(digest[:12])}</code>' for digest in run.releases)
    parts = (
        f"<b>{escape(run.mode.capitalize())}</b>",
        f"release {digests}" if digests else "no release given",
        run.looked,
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
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


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
    return f'<section class="tile"><h2>{escape(title)}</h2><ul class="numbers">{items}</ul></section>'


def _gaps(seen: Coverage | None) -> Iterator[str]:
    if seen is None:
        return
    name = ' id="gaps"'
    for title, gaps in (("Not reached", seen.unreached), ("Not read", seen.unread), ("Not audited", seen.left_out)):
        if gaps:
            items = "".join(map(_gap, gaps[:MOST_GROUPS]))
            yield f'<section class="gaps part"{name}><h2>{title}</h2><ul>{items}</ul></section>'
            name = ""


def _gap(gap: Gap) -> str:
    return f"<li>{escape(gap.cause)} <small>{escape(listed(gap.targets))}</small></li>"


def _fixing(summary: Summary) -> Iterator[str]:
    story = summary.run.story
    if story:
        text = fix_numbers(story) or "nothing to do"
        left = (f'<li class="bad">not done: {escape(one)}</li>' for one in story.undone)
        notes = "".join([*left, *(f"<li>{escape(note)}</li>" for note in story.notes)])
        failed = "".join(f'<li class="bad">{summary.run.failing}: {escape(name)}</li>' for name in story.failed)
        title = summary.run.writing.capitalize()
        yield f'<section class="gaps part"><h2>{title}: {escape(text)}</h2><ul>{failed}{notes}</ul></section>'
    elif summary.fixable.findings and not summary.run.fixing:
        text = fixable_text(summary.fixable, has_release=summary.run.has_release)
        yield f'<p class="hint">{escape(text)}</p>'


def _plan(lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        text = "<br>".join(map(escape, lines))
        yield f'<details class="groups plan part" open><summary><h2>Plan</h2></summary><pre>{text}</pre></details>'


def _waivers(waiving: Waiving | None) -> Iterator[str]:
    """What somebody has to do about waivers: errors and warnings, each with its line in the file."""
    troubles = tuple(waiver_troubles(waiving)) if waiving else ()
    if troubles:
        items = "".join(
            f'<li class="{"bad" if colour == "red" else ""}">{escape(text)}</li>' for text, colour in troubles
        )
        yield f'<section class="gaps part"><h2>Waivers to look at</h2><ul>{items}</ul></section>'


def _not_applicable(reasons: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if reasons:
        items = "".join(
            f"<li>{escape(reason)}: {escape(', '.join(checks))}</li>" for reason, checks in sorted(reasons.items())
        )
        yield f'<section class="gaps part"><h2>Not asked</h2><ul>{items}</ul></section>'


def _side_file(run: Run, link: str) -> str:
    """Where every result stands whole, also those without a row."""
    everything = f"All results ({len(run.results):,})"
    if link:
        return f'<p>{everything}: <a href="{escape(link)}">{escape(link)}</a></p>'
    if run.results_file:
        return f"<p>{everything}: <code>{escape(run.results_file)}</code>, where the run was made</p>"
    return (
        f"<p>{everything} were not kept beside this page. A run with <code>--snapshot=FILE</code> keeps them "
        "(<code>forwarder-runs/&lt;run id&gt;/results.jsonl</code>), <code>--export=FILE.jsonl</code> writes them.</p>"
    )
