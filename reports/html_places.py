"""Who must act, with the command for it, and the heatmap of account and region."""

from collections.abc import Iterator
from html import escape

from checks.verdict import count
from reports.acting import acting, command_for
from reports.commands import Commands
from reports.html_markup import STATUS_WORDS, command, css_class, section
from reports.standing import AccountRow, Cell, Standing

FIRST = 5
MARKS = (
    ("status-failed", "failed"), ("status-blocked", "blocked"), ("not-reached", "not reached"),
    ("status-error", "error"), ("status-unknown", "unknown"), ("status-no-evidence", "no evidence"),
    ("status-waived", "waived"), ("status-fixed", "fixed"), ("status-passed", "passed"), ("nothing", "nothing asked"),
)  # fmt: skip


def who_must_act(found: Standing, commands: Commands | None, *, fixing: bool) -> str:
    """Accounts with open findings or that were not reached, the worst first, each with the command to type."""
    rows = acting(found)
    if not rows:
        return ""
    lines = [_act(row, commands, fixing=fixing) for row in rows]
    head = "<thead><tr><th>Account<th>What is open<th>What to do</tr></thead>"
    body = f'<table class="acts">{head}<tbody>{"".join(lines[:FIRST])}</tbody></table>'
    if len(lines) > FIRST:
        rest = f'<table class="acts">{head}<tbody>{"".join(lines[FIRST:])}</tbody></table>'
        body += f"<details><summary>{count(len(lines) - FIRST, 'more account')}</summary>{rest}</details>"
    return section("act", "Who must act", body, note=f"{count(len(rows), 'account')}, the worst first")


def heatmap(found: Standing) -> str:
    """Account by region: the colour and the mark are the worst status, the number is what is open."""
    rows = [row for row in found.accounts if row.account and row.cells]
    if not rows:
        return ""
    head = "".join(f'<th scope="col"><span>{escape(region)}</span></th>' for region in found.regions)
    body = "".join(map("".join, (_heat(row, found.regions) for row in rows)))
    legend = "".join(f'<li><span class="cell {css}"></span> {escape(word)}</li>' for css, word in _used(found))
    size = f"{count(len(rows), 'account')} in {count(len(found.regions), 'region')}"
    table = (
        '<div class="heat-box"><table id="heat" class="heat"><caption>Worst status of each account and region, and how '
        f'many findings are open</caption><thead><tr><th scope="col">account</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    return section("where", "Where", f'<ul class="legend">{legend}</ul>{table}', note=size)


def _act(row: AccountRow, commands: Commands | None, *, fixing: bool) -> str:
    if row.account:
        alias = f"<b>{escape(row.alias)}</b> " if row.alias else ""
        name = f'{alias}<a href="#in/{escape(row.account)}">{escape(row.account)}</a>'
    else:
        name = "<b>no account</b> <small>the release or the estate itself</small>"
    to_do = "".join(_to_do(row, commands, fixing=fixing))
    return f"<tr><th scope=row>{name}</th><td>{_what(row)}</td><td>{to_do}</td></tr>"


def _what(row: AccountRow) -> str:
    severity = f'<span class="severity {row.worst}">{row.worst}</span> ' if row.worst else ""
    person = row.open - row.fixable
    parts = [f"{row.fixable:,} fixable with --fix"] if row.fixable else []
    parts += [f"{person:,} left to a person"] if person else []
    told = f"<b>{count(row.open, 'finding')}</b>: {', '.join(parts)}" if row.open else ""
    gaps = f"not reached: {escape(', '.join(row.unreached[:3]))}" if row.unreached else ""
    gaps += f" and {len(row.unreached) - 3} more" if len(row.unreached) > 3 else ""
    return severity + "<br>".join(filter(None, (told, gaps)))


def _to_do(row: AccountRow, commands: Commands | None, *, fixing: bool) -> Iterator[str]:
    told = command(command_for(row, commands)) if commands else ""
    if row.fixable:
        yield told
    if row.open > row.fixable:
        where = f"#in/{escape(row.account)}" if row.account else "#rows"
        yield f'<p>A person: see <a href="{where}">the {count(row.open - row.fixable, "finding")}</a>'
        yield " for what to do" + (", then run again</p>" if fixing else "</p>")
    if row.unreached:
        yield '<p>Access: see <a href="#gaps">why it was not reached</a></p>'
    if not row.fixable:
        yield told


def _heat(row: AccountRow, regions: tuple[str, ...]) -> Iterator[str]:
    alias = f" <small>{escape(row.alias)}</small>" if row.alias else ""
    yield f'<tr data-account="{escape(row.account)}"><th scope="row">{escape(row.account)}{alias}</th>'
    for region in regions:
        cell = row.cells.get(region)
        css, word = mark_of(cell)
        number = f"{cell.open:,}" if cell and cell.open else ""
        yield f'<td class="cell {css}"><i>{word}</i>{number}</td>'
    yield "</tr>"


def mark_of(cell: Cell | None) -> tuple[str, str]:
    """The class and the word of a cell; a target that could not be entered outweighs what little is known of it."""
    if cell is None:
        return "nothing", "not asked"
    if not cell.reached:
        return "not-reached", "not reached"
    return (css_class(cell.worst), STATUS_WORDS[cell.worst]) if cell.worst else ("nothing", "nothing asked")


def _used(found: Standing) -> Iterator[tuple[str, str]]:
    used = {mark_of(cell)[0] for row in found.accounts if row.account for cell in row.cells.values()}
    return ((css, word) for css, word in MARKS if css in used)
