"""The part of the page that says what a fix left open: objects without evidence of delivery, and what sends them."""

from html import escape

from remediation.cutover_ledger import CutoverLedger
from reports.arrivals import OpenQuestion, in_all, open_questions, sending
from reports.commands import Commands
from reports.html_markup import command, listed, section


def arrivals_block(ledgers: tuple[CutoverLedger, ...], run: str, commands: Commands | None) -> str:
    """What is open, by reason, with the command that sends it; empty where no ledger was read."""
    summary, questions = in_all(ledgers), open_questions(ledgers)
    if not summary and not questions:
        return ""
    body = f"<p>{escape(summary)}</p>" if summary else ""
    body += "".join(map(_question, questions))
    sends = sending(ledgers, run, commands)
    if sends:
        body += f"<p>{command(sends)}</p>"
    return section("arrived", "What arrived meanwhile", body, note="every object is in ledger.jsonl")


def _question(question: OpenQuestion) -> str:
    return f"<p>{escape(question.told)}<br><small>{escape(listed(question.subjects))}</small></p>"
