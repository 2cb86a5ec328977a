"""README.md of a pack: what was done when, by whom, what it came to, what was not seen, and what is in each file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from checks.verdict import count
from fixtures.answers import texts
from remediation.journal_text import journal_summary
from reports.coverage import Gap
from reports.evidence.deeds import Deed, deeds_of
from reports.evidence.manifest import FILE, LackingPiece, ListedFile
from reports.evidence.markdown import table
from reports.evidence.material import Material
from reports.evidence.parts.flow import flows_of
from reports.evidence.parts.run import identities
from reports.grouping import WORST_FIRST
from reports.line import Limits
from reports.terminal_groups import in_short, listed

README = "README.md"
_SOME = Limits(subjects=20)  # of the targets of one cause; results/summary.txt names all
_MOST = 200  # rows of one table; the rest stands whole in the file that the line below it names


def index_lines(material: Material, files: Sequence[ListedFile], absent: Sequence[LackingPiece]) -> Iterator[str]:
    """The index, Markdown, line by line."""
    run, verdict = material.summary.run, material.summary.verdict
    yield f"# Evidence of run {material.run}"
    yield ""
    yield f"**{verdict.sentence}** (exit code {verdict.code})"
    yield ""
    yield f"- what: {run.told}"
    yield f"- {run.looked or 'nothing was looked at'}; this pack was made {material.made:%Y-%m-%d %H:%M:%S} UTC"
    yield f"- {_end(material)}"
    for title, lines in (
        ("In whose name", _who(material)),
        ("By whose word", _word(material)),
        ("What was done", _done(material)),
        ("Do logs flow", _flow(material)),
        ("What was seen, and what could not be", _coverage(material)),
        ("What remains", _remains(material)),
        ("What is in this folder", _files(files)),
        ("What is not", table(("part", "what", "why not"), ((one.part, one.what, one.reason) for one in absent))),
        ("How to check it", _how()),
    ):
        yield from ("", f"## {title}", "")
        yield from lines


def _end(material: Material) -> str:
    if not material.options.may_write:
        looked = "; change sets were made to be looked at" if material.journal else ""
        return f"nothing could be applied{looked}"
    if not material.entries("intent"):
        return "nothing was written"
    story = material.summary.run.story
    failed = story.failed if story else ()
    # a rollback says of its end no more than what it could not do
    if material.finished or (material.options.rollback and not failed):
        return "everything that was begun is done and proved"
    told = f": {'; '.join(failed)}" if failed else ", by the journal"
    return f"**NOT EVERYTHING that was begun is done and proved**{told}"


def _who(material: Material) -> Iterator[str]:
    rows = []
    for account, found in sorted(identities(material).items()):
        writes = texts(found, "writes")
        rows.append((account, str(found["reads"]), ", ".join(writes) or "nothing was written"))
    yield from table(("account", "read as", "written as"), rows)


def _word(material: Material) -> Iterator[str]:
    for entry in material.entries("consent"):
        content = entry.content
        given = "may be applied" if content.get("given") else "is NOT applied"
        consents = ", ".join(texts(content, "allow")) or "none"
        approved = f"; held to the approved plan {content.get('approved')}" if content.get("approved") else ""
        yield (
            f"- {str(content.get('time'))[:19]} UTC: the plan of {content.get('forwarders')} forwarders {given}: "
            f"{content.get('how')}; consents (--allow): {consents}{approved}"
        )
    if not material.entries("consent"):
        yield "- nobody had to agree to anything: nothing was applied"
    for waiver in material.waivers.entries if material.waivers else ():
        yield (
            f"- waived until {waiver.last_day} by {waiver.owner} ({waiver.ticket}): {waiver.check} on "
            f"{waiver.subject}: {waiver.reason}"
        )


def _done(material: Material) -> Iterator[str]:
    if not material.options.may_write:
        yield "Nothing was applied."
        if material.journal:
            yield f"Change sets were made, read and deleted again: {journal_summary(material.journal)}."
        return
    yield f"{journal_summary(material.journal)}. Times are UTC, when the last of a step was answered or read back."
    yield ""
    found = deeds_of(material.journal, (step.name for step in material.planned))
    yield from table(("time", "step", "became"), map(_row, found[:_MOST]))
    yield from _rest(len(found), "journal/journal.txt")


def _row(deed: Deed) -> tuple[str, str, str]:
    return (deed.time[:19].replace("T", " "), deed.step, deed.became)


def _flow(material: Material) -> Iterator[str]:
    found = flows_of(material)
    counts = Counter(one.evidence for one in found)
    told = ", ".join(f"{number:,} {evidence}" for evidence, number in counts.most_common()) or "no forwarder was seen"
    yield f"{told}. The log line of each stands in flow/flow.json."
    yield ""
    rows = (
        (one.forwarder, one.evidence, one.when, f"{(one.at or '')[:19]} {one.request or ''}".strip() or one.told)
        for one in found[:_MOST]
    )
    yield from table(("forwarder", "evidence", "when", "request, or why not"), rows)
    yield from _rest(len(found), "flow/flow.txt")


def _coverage(material: Material) -> Iterator[str]:
    summary = material.summary
    seen = summary.coverage
    if seen is None:
        yield "- nothing was looked at"
        return
    yield (
        f"- {count(seen.asked, 'target')} asked for, {seen.reached:,} reached, {seen.partly:,} of them partly seen, "
        f"{seen.asked - seen.reached:,} not reached; {count(seen.forwarders, 'forwarder')}"
    )
    results = ", ".join(f"{summary.counts[status]:,} {status}" for status in WORST_FIRST if status in summary.counts)
    yield f"- {count(sum(summary.counts.values()), 'result')}: {results or 'none'}"
    yield from _gaps("not reached", seen.unreached)
    yield from _gaps("not read", seen.unread)
    yield from _gaps("not audited on purpose", seen.left_out)
    for group in summary.unseen:
        yield f"- could not tell, {count(len(group), 'result')}: {group.results[0].reason}"
    for reason, checks in sorted(summary.run.not_applicable.items()):
        yield f"- not asked, {reason}: {', '.join(sorted(checks))}"


def _gaps(label: str, gaps: Iterable[Gap]) -> Iterator[str]:
    for gap in gaps:
        yield f"- {label}: {gap.cause} ({listed(gap.targets, _SOME)})"


def _remains(material: Material) -> Iterator[str]:
    lines = [line.text for line in in_short(material.summary.short)]
    if not lines:
        yield "No finding is open."
        return
    yield from ("```", *lines, "```", "", "Whole, with every subject: results/summary.txt")


def _files(files: Iterable[ListedFile]) -> Iterator[str]:
    rows = ((file.path, f"{file.size:,}", file.sha256[:16], file.about) for file in files)
    yield from table(("file", "bytes", "SHA-256 begins", "what it is"), rows)


def _how() -> Iterator[str]:
    yield f"    taegis-forwarders evidence verify DIR      every file against {FILE}, the journal's chain, one run"
    yield ""
    yield f"Whoever can write this folder can also write another {FILE}: keep its SHA-256, which the run printed, where"
    yield "others keep it (the change ticket), and give it: `--digest=SHA256`."


def _rest(number: int, file: str) -> Iterator[str]:
    if number > _MOST:
        yield from ("", f"... and {number - _MOST:,} more, in {file}")
