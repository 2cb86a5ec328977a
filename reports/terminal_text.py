"""The terminal's summary as lines of text with their colours. Pure: printing is `reports.terminal`'s."""

from collections.abc import Iterator, Mapping

from checks.outcome import Status
from checks.verdict import count
from remediation.story import FixStory
from reports import terminal_groups
from reports.arrivals import in_all, open_questions, sending
from reports.coverage import Coverage, Gap
from reports.delivery.text import delivery_lines
from reports.exports.exported import exported_lines
from reports.history.text import history_lines
from reports.line import COLOURS, Limits, Line, Section
from reports.summary import Fixable, Run, Summary
from reports.terminal_groups import in_short, listed, told
from reports.waivers_text import waiver_lines

# Lines of findings that still fit on one screen of 40 together with the summary and pytest's own last lines.
SCREEN = 24


def sections(summary: Summary, limits: Limits) -> Iterator[Section]:
    """The parts that have something to say, the most important last: a terminal is read from its end."""
    run = summary.run
    if run.plan_lines:
        yield Section("plan", tuple(Line(text) for text in run.plan_lines))
    findings = "left to a person" if run.went_through else "findings"
    where = "" if limits.details else " (-v: where)"
    groups = (
        ("notes", where, summary.advice, terminal_groups.advice),
        ("no evidence", where, summary.quiet, terminal_groups.quiet),
        ("waived", where, summary.waived, terminal_groups.waived),
        ("fixed", where, summary.fixed if limits.details else summary.fixed_checks, terminal_groups.fixed),
        ("could not tell", "", summary.unseen, terminal_groups.by_reason),
        (findings, "", summary.findings, terminal_groups.left_to_a_person),
    )
    lines: tuple[Line, ...] = ()
    for title, more, members, tell in groups:
        if members:
            lines = tuple(told(members, tell, limits))
            yield Section(f"{title}: {sum(map(len, members)):,}{more}", lines)
    if summary.findings and len(lines) > SCREEN:
        yield Section(f"{findings}, in short", tuple(in_short(summary.short)))
    open_ones = tuple(_open_questions(run, limits))
    if open_ones:
        yield Section("fixed, and open: what nobody has seen delivered", open_ones)
    yield Section("summary", tuple(_totals(summary, limits)))


def _open_questions(run: Run, limits: Limits) -> Iterator[Line]:
    """What a fix left open: a forwarder is repaired, and what arrived before is not thereby delivered."""
    ledger = run.story.ledger if run.story else ()
    for question in open_questions(ledger):
        yield Line(question.told, "yellow")
        yield Line(f"  on  {listed(question.subjects, limits)}")
    sends = sending(ledger, run.id, run.commands)
    if sends:
        yield Line(f"  to send it: {sends}")


def _totals(summary: Summary, limits: Limits) -> Iterator[Line]:
    run = summary.run
    yield Line(f"run        {f'{run.id}: ' if run.id else ''}{run.told}")
    if summary.coverage:
        yield from _coverage(summary.coverage, run.looked, limits)
    if summary.forwarders:
        total = sum(summary.forwarders.values())
        yield Line(f"forwarders {total:,}: {_counted(summary.forwarders)}", _worst(summary.forwarders))
    yield Line(f"results    {sum(summary.counts.values()):,}: {_counted(summary.counts)}", _worst(summary.counts))
    for reason, checks in sorted(run.not_applicable.items()):
        yield Line(f"not asked  {reason}: {listed(checks, limits)}")
    if run.waiving:
        yield from waiver_lines(run.waiving, limits)
    if run.history:
        yield from history_lines(run.history)
    if run.history_trouble:
        yield Line(f"history    not kept: {run.history_trouble}", "red", bold=True)
    yield from _fixing(summary, limits)
    if run.delivered:
        yield from delivery_lines(run.delivered, limits)
    yield from exported_lines(run.exported)
    for file, trouble in run.unwritten:
        yield Line(f"report     {file} not written: {trouble}", "red", bold=True)
    if run.written:
        yield Line(f"written    {', '.join(run.written)}")


def _coverage(seen: Coverage, looked: str, limits: Limits) -> Iterator[Line]:
    colour = "red" if seen.asked > seen.reached else "yellow" if seen.partly else "green"
    yield Line(f"targets    {', '.join(seen.numbers)}; {looked}", colour)
    yield from _gaps("not audited", seen.left_out, limits)
    yield from _gaps("not reached", seen.unreached, limits)
    yield from _gaps("not read", seen.unread, limits)


def _gaps(label: str, gaps: tuple[Gap, ...], limits: Limits) -> Iterator[Line]:
    shown = gaps[: limits.subjects]
    for gap in shown:
        yield Line(f"  {label}: {gap.cause} ({listed(gap.targets, limits)})")
    if len(gaps) > len(shown):
        yield Line(f"  {label}: {count(len(gaps) - len(shown), 'more cause')}; {limits.rest}")


def _fixing(summary: Summary, limits: Limits) -> Iterator[Line]:
    run = summary.run
    if run.story:
        numbers = fix_numbers(run.story)
        if numbers:
            yield Line(f"{run.writing:<10} {numbers}")
        arrived = in_all(run.story.ledger)
        if arrived:
            yield Line(f"arrived    {arrived}")
        shown = run.story.failed[: limits.subjects]
        for subject in shown:
            yield Line(f"{run.writing:<10} {run.failing}: {subject}", "red", bold=True)
        if len(run.story.failed) > len(shown):
            yield Line(
                f"{run.writing:<10} {len(run.story.failed) - len(shown):,} more failed; {limits.rest}", "red", bold=True
            )
        for left in run.story.undone[: limits.subjects]:
            yield Line(f"not done   {left}", "red", bold=True)
        for note in run.story.notes:
            yield Line(f"           {note}")
    elif summary.fixable.findings and not run.fixing:
        yield Line(fixable_text(summary.fixable, has_release=run.has_release), "cyan")


def fix_numbers(story: FixStory) -> str:
    """`30 steps planned, 90 findings fixed, 6 subjects blocked`; empty where there was nothing to do."""
    parts = (
        (story.planned, "step", "planned"),
        (story.fixed, "finding", "fixed"),
        (story.blocked, "subject", "blocked"),
    )
    return ", ".join(f"{count(number, noun)} {done}" for number, noun, done in parts if number)


def fixable_text(found: Fixable, *, has_release: bool) -> str:
    """`12 findings on 7 forwarders are fixable with --fix`, and what that needs."""
    where = [count(found.forwarders, "forwarder")] if found.forwarders else []
    where += [count(found.others, "other subject")] if found.others else []
    verb = "is" if found.findings == 1 else "are"
    needs = "" if has_release else ", given --release=DIR"
    return f"{count(found.findings, 'finding')} on {' and '.join(where)} {verb} fixable with --fix{needs} (see --plan)"


def _counted(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{number:,} {status.value.lower()}" for status, number in counts.items())


def _worst(counts: Mapping[Status, int]) -> str:
    return next((COLOURS[status] for status in counts), "")
