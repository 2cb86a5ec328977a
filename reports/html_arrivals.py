"""The part of the page that says what a fix left open: objects without evidence of delivery, and what sends them."""

from html import escape

from remediation.cutover import CutoverLedger
from reports.arrivals import OpenQuestion, in_all, open_questions
from reports.commands import Commands
from reports.html_markup import section


def arrivals_block(ledgers: tuple[CutoverLedger, ...], commands: Commands | None) -> str:
    """A row for each forwarder with open objects; empty where no ledger was read."""
    summary = in_all(ledgers)
    questions = open_questions(ledgers, commands)
    if not summary and not questions:
        return ""
    body = f"<p>{escape(summary)}</p>" if summary else ""
    if questions:
        head = "".join(f'<th scope="col">{title}</th>' for title in ("Forwarder", "Open", "What sends it"))
        rows = "".join(map(_row, questions))
        body += f'<table class="calendar"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return section("arrived", "What arrived meanwhile", body, note="every object is in ledger.jsonl")


def _row(question: OpenQuestion) -> str:
    command = f"<code>{escape(question.command)}</code>" if question.command else ""
    return f'<tr><th scope="row">{escape(question.subject)}</th><td>{escape(question.told)}</td><td>{command}</td></tr>'
