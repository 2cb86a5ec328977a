"""Comparing a stack's template with the release's. Pure."""

from checks.outcome import unknown
from fixtures.template import Template, TemplateError, difference, parse_template

_SHOWN = 4


def difference_text(body: str, wanted: Template) -> str:
    """What differs in meaning, in one line; empty when nothing does. UNKNOWN when the body does not parse."""
    try:
        found = parse_template(body, name="the stack's template")
    except TemplateError as error:
        unknown(str(error))
    if found.semantic_digest == wanted.semantic_digest:
        return ""
    paths = difference(found, wanted)
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return "another template: " + "; ".join(paths[:_SHOWN]) + more
