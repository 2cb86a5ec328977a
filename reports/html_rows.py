"""The rows of the HTML report, as pytest-html wants them: one string per cell, on one line.

pytest-html sorts by the markup of a cell, as text; a hidden prefix makes that order ours.
"""

from collections.abc import Iterator
from html import escape

from checks.outcome import Status
from checks.registry import FIXES
from checks.result import Result
from reports.grouping import SEVERITIES, WORST_FIRST

HEADERS = (
    '<th class="sortable" data-column-type="status">Status</th>',
    '<th class="sortable" data-column-type="severity">Severity</th>',
    '<th class="sortable" data-column-type="check">Check</th>',
    '<th class="sortable" data-column-type="account">Account</th>',
    '<th class="sortable" data-column-type="region">Region</th>',
    '<th class="sortable" data-column-type="forwarder">Forwarder</th>',
    "<th>Evidence</th>",
    '<th class="sortable outcome" data-column-type="result">Result</th>',
)


def cells_of(result: Result, outcome: str) -> list[str]:
    """The cells of one result; `outcome` is pytest-html's own first cell, which its filters read."""
    status, severity = css_class(result.status), escape(result.severity)
    weight = str(SEVERITIES.index(result.severity))
    order = f"{WORST_FIRST.index(result.status)}{weight} {result.check} {result.subject}"
    check = f"{_key(result.check)}<b>{escape(result.title)}</b><br><code>{escape(result.check)}</code>"
    return [
        f'<td class="col-status {status}">{_key(order)}<span class="mark">{escape(result.status)}</span></td>',
        f'<td class="col-severity {severity}">{_key(weight)}{severity}</td>',
        f'<td class="col-check">{check}</td>',
        f'<td class="col-account">{escape(result.account)}</td>',
        f'<td class="col-region">{escape(result.region)}</td>',
        f'<td class="col-forwarder">{escape(_name(result))}</td>',
        f'<td class="col-evidence">{evidence(result)}</td>',
        _hidden(outcome),
    ]


def cells_of_other(nodeid: str, when: str | None, outcome: str) -> list[str]:
    """The cells of a test that is not a check, or of a check's broken set-up or teardown."""
    label = nodeid if when == "call" else f"{nodeid} ({when})"
    word = outcome.partition(">")[2].partition("<")[0]
    return [
        f'<td class="col-status other">{_key("99")}<span class="mark">{word}</span></td>',
        f'<td class="col-severity">{_key("9")}</td>',
        f'<td class="col-check">{escape(label)}</td>',
        '<td class="col-account"></td>',
        '<td class="col-region"></td>',
        '<td class="col-forwarder"></td>',
        '<td class="col-evidence"></td>',
        _hidden(outcome),
    ]


def evidence(result: Result) -> str:
    """What was expected and found, why nothing can be said, and what to do, as a list of terms."""
    return terms(evidence_parts(result))


def evidence_parts(result: Result) -> tuple[tuple[str, str], ...]:
    """The same as pairs of label and text; a text may be empty."""
    return (
        ("expected", result.expected),
        ("was" if result.status is Status.FIXED else "found", result.found),
        ("reason", result.reason),
        ("to do", result.remedy),
        ("advice", result.advice),
    )


def details(result: Result) -> str:
    """What else is known of one result: shown when its row is opened."""
    again = f"--checks={result.check}"
    if result.account:
        again += f" --accounts={result.account}"
    if result.region:
        again += f" --regions={result.region}"
    if result.forwarder:
        again += f" --forwarders={result.forwarder}"
    parts = (
        ("subject", result.subject),
        ("vendor's step", result.step),
        ("fix", FIXES.get(result.fix, result.fix) or "none that is safe to automate"),
        ("look again", again),
        ("test", result.nodeid),
        ("took", f"{result.seconds:.3f} s"),
    )
    return terms(parts)


def terms(parts: tuple[tuple[str, str], ...]) -> str:
    """A definition list of the parts that have a text, on one line."""
    return "<dl>" + "".join(_term(label, text) for label, text in parts if text) + "</dl>"


def css_class(status: str) -> str:
    """`status-no-evidence`."""
    return f"status-{status.lower().replace(' ', '-')}"


def _name(result: Result) -> str:
    """The forwarder, or what else the check was asked of: a bucket, a tenant, the estate."""
    place = "/".join(part for part in (result.account, result.region) if part)
    return result.forwarder or result.subject.removeprefix(place).removeprefix("/")


def _hidden(outcome: str) -> str:
    return outcome.replace('class="col-result', 'class="col-result outcome', 1)


def _term(label: str, text: str) -> str:
    return f"<dt>{escape(label)}</dt><dd>{'<br>'.join(_lines(text))}</dd>"


def _lines(text: str) -> Iterator[str]:
    return (escape(line) for line in text.splitlines())


def _key(order: str) -> str:
    return f"<i hidden>{escape(order)}</i>"
