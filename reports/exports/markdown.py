"""A run in Markdown that reads well as plain text too: for chat, mails, pull requests and job summaries.

No tables and no HTML, which chats do not show. Whatever comes from AWS is escaped with backslashes, so that a name
neither draws a picture nor calls anybody.
"""

import re
from collections.abc import Iterator, Mapping

from checks.outcome import Status
from checks.registry import FIXES
from checks.verdict import count
from reports.acting import acting, command_for
from reports.arrivals import open_questions, sending
from reports.coverage import Coverage
from reports.grouping import Group
from reports.history.changes import Change, ChangedFinding, History
from reports.html_markup import anchor, listed
from reports.standing import AccountRow, standing
from reports.summary import Run, Summary
from reports.terminal_text import fix_numbers
from reports.waivers_text import waiver_troubles

MOST = 20_000  # characters: a comment on GitHub takes 65,536, Slack 40,000, a job's summary a megabyte
_ENTRIES, _SUBJECTS, _WORDS = 10, 3, 300
_CUT = "\n*cut here; the reports have all of it*\n"
# Findings that are as they were are counted, those that moved are named.
_NAMED = (Change.NEW, Change.FIXED, Change.GONE, Change.UNKNOWN)
_MARKS = re.compile(r"([\\`*\[\]<]|&(?=#?\w+;)|(?<!\w)_|_(?!\w))")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")


def markdown(summary: Summary, *, report_url: str = "", most: int = MOST) -> str:
    """The verdict, what was seen, what changed, who must act with which command, and why.

    Args:
        summary: the run.
        report_url: where its HTML report will be; findings that changed link there. Empty for nowhere.
        most: characters at most; what is too long is cut between lines, and says so.
    """
    text = "\n".join(_lines(summary, report_url)) + "\n"
    return text if len(text) <= most else text[: most - len(_CUT)].rpartition("\n")[0] + _CUT


def _lines(summary: Summary, report_url: str) -> Iterator[str]:
    run = summary.run
    yield f"**{_escaped(summary.verdict.sentence)}** (exit code {summary.verdict.code})"
    yield ""
    yield from _seen(summary)
    if run.history:
        yield from _changed(run.history, report_url)
    elif run.history_trouble:
        yield from ("", f"What changed cannot be told: {_text(run.history_trouble)}")
    yield from _acts(run)
    yield from _open(run)
    yield from _causes("Left to a person" if run.went_through else "Findings by cause", summary.findings)
    yield from _short("Could not tell", summary.unseen)
    yield from _short("Waived", summary.waived)
    yield from _short("Fixed and proved", summary.fixed_checks)
    if report_url:
        yield from ("", f"[The whole report]({report_url})")
    if run.results_file:
        yield from ("", f"All {len(run.results):,} results: {_code(run.results_file)}")


def _seen(summary: Summary) -> Iterator[str]:
    run = summary.run
    yield f"- run {run.id}: {_text(run.told)}{f'; {run.looked}' if run.looked else ''}"
    if summary.coverage:
        yield f"- targets: {', '.join(summary.coverage.numbers)}"
        yield from _gaps(summary.coverage)
    if summary.forwarders:
        yield f"- forwarders: {_counted(summary.forwarders)}"
    yield f"- results: {_counted(summary.counts)}"
    for text, _ in waiver_troubles(run.waiving) if run.waiving else ():
        yield f"- {_text(text)}"
    yield from _fixing(run)


def _fixing(run: Run) -> Iterator[str]:
    story = run.story
    if story is None:
        return
    yield f"- {run.writing}: {fix_numbers(story) or 'nothing to do'}"
    for label, names in ((run.failing, story.failed), ("not done", story.undone)):
        yield from (f"  - {label}: {_text(name)}" for name in names[:_ENTRIES])
        yield from _rest(len(names), label, label, indent="  ")
    yield from (f"  - {_text(note)}" for note in story.notes)


def _gaps(seen: Coverage) -> Iterator[str]:
    for label, gaps in (("not reached", seen.unreached), ("not read", seen.unread), ("not audited", seen.left_out)):
        for gap in gaps[:_ENTRIES]:
            yield f"  - {label}: {_text(gap.cause)} ({_text(listed(gap.targets, _SUBJECTS))})"
        yield from _rest(len(gaps), "cause", "causes", indent="  ")


def _changed(history: History, report_url: str) -> Iterator[str]:
    changes = history.changes
    if changes.previous is None:
        yield from ("", "The first run in this history: nothing to compare with.")
        return
    counts = [f"{number:,} {change}" for change, number in changes.counts.items()]
    told = ", ".join(counts) or "no finding, then and now"
    yield from ("", f"## Since {changes.previous.taken:%Y-%m-%d %H:%M} UTC: {told}", "")
    for change in _NAMED:
        findings = changes.of(change)
        yield from (f"- {change}: {_finding(found, report_url)}" for found in findings[:_ENTRIES])
        yield from _rest(len(findings), change, change)


def _finding(found: ChangedFinding, report_url: str) -> str:
    name = _escaped(f"{found.check} on {found.subject}")
    link = f"[{name}]({report_url}#{anchor(found.check, found.subject)})" if report_url else name
    return f"{link}{f': {_text(found.told)}' if found.told else ''}"


def _acts(run: Run) -> Iterator[str]:
    rows = acting(standing(run.results, run.estate))
    if not rows:
        return
    yield from ("", "## Who must act", "")
    for row in rows[:_ENTRIES]:
        yield f"- {_who(row)}"
        if run.commands and row.open:
            yield f"  - {_code(command_for(row, run.commands))}"
    yield from _rest(len(rows), "account", "accounts")


def _open(run: Run) -> Iterator[str]:
    """What a fix left open: objects that nobody has seen delivered."""
    ledger = run.story.ledger if run.story else ()
    questions = open_questions(ledger)
    if not questions:
        return
    yield from ("", "## Fixed, and open: what nobody has seen delivered", "")
    for question in questions[:_ENTRIES]:
        yield f"- {_text(question.told)}"
        yield f"  - on {_text(listed(question.subjects, _SUBJECTS))}"
    yield from _rest(len(questions), "reason", "reasons")
    sends = sending(ledger, run.id, run.commands)
    if sends:
        yield f"- to send it: {_code(sends)}"


def _who(row: AccountRow) -> str:
    name = f"**{row.account or 'no account'}**{f' {_text(row.alias)}' if row.alias else ''}"
    where = f" in {listed(row.regions, _ENTRIES)}" if row.regions else ""
    parts = [f"{count(row.open, 'finding')}{where}"] if row.open else []
    parts += [f"worst {row.worst}"] if row.worst else []
    parts += [f"{row.fixable:,} fixable with --fix"] if row.fixable else []
    parts += [f"{row.open - row.fixable:,} left to a person"] if row.open > row.fixable else []
    parts += [f"not reached: {listed(row.unreached, _ENTRIES)}"] if row.unreached else []
    return f"{name}: {'; '.join(parts)}"


def _causes(title: str, groups: tuple[Group, ...]) -> Iterator[str]:
    """What somebody must act on, with its evidence and what to do."""
    if not groups:
        return
    yield from ("", f"## {title}: {sum(map(len, groups)):,}", "")
    for group in groups[:_ENTRIES]:
        shared = group.shared
        refused = shared.status is Status.BLOCKED and bool(shared.reason)
        what = _text(shared.reason) if refused else f"{_text(shared.title)} ({shared.check})"
        yield f"- **{shared.status} {shared.severity}**, {len(group):,} x: {what}"
        if not refused and (shared.expected or shared.found):
            yield f"  - expected {_text(shared.expected)}; found {_text(shared.found)}"
        would = FIXES.get(shared.fix, "") if shared.status is Status.FAILED else ""
        if would:
            yield f"  - --fix would {_text(would)}"
        if shared.remedy:
            yield f"  - to do: {_text(shared.remedy)}"
        yield f"  - on {_text(listed(group.subjects, _SUBJECTS))}"
    yield from _rest(len(groups), "cause", "causes")


def _short(title: str, groups: tuple[Group, ...]) -> Iterator[str]:
    """One line for each of what is told for the record."""
    if not groups:
        return
    yield from ("", f"## {title}: {sum(map(len, groups)):,}", "")
    for group in groups[:_ENTRIES]:
        shared = group.shared
        told = shared.title if shared.status is Status.FIXED else shared.reason or shared.title
        accepted = f" (accepted {_text(shared.accepted)})" if shared.accepted else ""
        yield f"- {len(group):,} x {listed(group.checks, _SUBJECTS)}: {_text(told)}{accepted}"
    yield from _rest(len(groups), "cause", "causes")


def _rest(number: int, one: str, many: str, indent: str = "") -> Iterator[str]:
    left = number - _ENTRIES
    if left > 0:
        yield f"{indent}- and {left:,} more {one if left == 1 else many}"


def _counted(numbers: Mapping[Status, int]) -> str:
    return ", ".join(f"{number:,} {status.value.lower()}" for status, number in numbers.items())


def _text(text: str) -> str:
    """A text of AWS's or a person's on one line, not too long, and without a mark that means anything."""
    line = " ".join(text.split())
    return _escaped(line if len(line) <= _WORDS else f"{line[: _WORDS - 1]}…")


def _escaped(text: str) -> str:
    return _MENTION.sub("@\u200b", _MARKS.sub(r"\\\1", text))


def _code(text: str) -> str:
    """As code, whatever backticks are in it (CommonMark, code spans)."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"
