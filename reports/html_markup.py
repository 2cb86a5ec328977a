"""What every part of the page is made of. Whatever comes from AWS passes through `escape` here or where it is used."""

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

from checks.outcome import Status

MOST_SUBJECTS = 8
STATUS_WORDS = {status: str(status).lower() for status in Status}


def terms(parts: Sequence[tuple[str, str]]) -> str:
    """A definition list of the parts that have a text, on one line."""
    return "<dl>" + "".join(_term(label, text) for label, text in parts if text) + "</dl>"


def css_class(status: str) -> str:
    """`status-no-evidence`."""
    return f"status-{status.lower().replace(' ', '-')}"


def listed(names: Sequence[str], most: int = MOST_SUBJECTS) -> str:
    """`a, b, c and 12 more`, as text."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def anchor(check: str, subject: str) -> str:
    """The address of one finding on the page: the same in every run, and readable, so that a beginning of it works.

    `runtime-custom/111122223333/us-east-1/trail`; what an id may not hold is written as a URL writes it.
    """
    return quote(f"{check}/{subject}", safe="/")


def command(text: str, *, whole: bool = False) -> str:
    """A command to copy; the button that copies is made by the script.

    It breaks between its words only, unless it is told as a `whole`: that is a tenth of the markup of a row.
    """
    words = escape(text) if whole else " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))
    return f'<code class="command">{words}</code>'


def section(name: str, title: str, body: str, *, note: str = "") -> str:
    """A headed part of the page that can be linked to."""
    said = f" <small>{escape(note)}</small>" if note else ""
    return f'<section class="part" id="{name}"><h2>{escape(title)}{said}</h2>{body}</section>'


def _term(label: str, text: str) -> str:
    return f"<dt>{escape(label)}</dt><dd>{'<br>'.join(_lines(text))}</dd>"


def _lines(text: str) -> Iterator[str]:
    return (escape(line) for line in text.splitlines())
