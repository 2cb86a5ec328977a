"""The Markdown summary as mails and as Slack show it."""

import re
from typing import Final

MOST: Final = 12_000  # characters: Slack cuts at 40,000, and nobody reads as many in a channel
_CUT = "\n_cut here; the report has all of it_"
_LINK = re.compile(r"(?<!\\)\[((?:[^\]\\\n]|\\.)+)\]\(([^)\s]+)\)")
_BOLD = re.compile(r"(?<!\\)\*\*((?:[^*\\\n]|\\.)+)\*\*")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([\\`*\[\]<_])")


def plain_text(markdown: str) -> str:
    """As a mail shows it: no marks but headings and lists, and addresses beside what they belong to."""
    text = _LINK.sub(r"\1 \2", markdown)
    return _ESCAPE.sub(r"\1", _BOLD.sub(r"\1", text))


def slack_text(markdown: str) -> str:
    """In Slack's own marks (Slack API, "Formatting text for app surfaces").

    `&`, `<` and `>` are escaped: a stack that is called `<!channel>` must not call everybody.
    """
    text = markdown.replace("&", "&amp;").replace(r"\<", "<").replace("<", "&lt;").replace(">", "&gt;")
    text = _BOLD.sub(r"*\1*", _HEADING.sub(r"*\1*", text))
    text = _ESCAPE.sub(r"\1", _LINK.sub(r"<\2|\1>", text))
    return text if len(text) <= MOST else text[: MOST - len(_CUT)].rpartition("\n")[0] + _CUT
