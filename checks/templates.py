"""Comparing a stack's template with the release's. Pure."""

from collections.abc import Mapping

from checks.outcome import unknown
from fixtures.template import Template, TemplateError, difference, parse_template

_SHOWN = 4


def difference_text(digest: str, templates: Mapping[str, str], wanted: Template) -> str:
    """What differs in meaning, in one line; empty when nothing does.

    UNKNOWN when the template's text is not among `templates` (the estate's, by digest), or does not parse.
    """
    body = templates.get(digest) or unknown("the text of the stack's template was not kept")
    try:
        found = parse_template(body, name="the stack's template")
    except TemplateError as error:
        unknown(str(error))
    if found.semantic_digest == wanted.semantic_digest:
        return ""
    paths = difference(found, wanted)
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return "another template: " + "; ".join(paths[:_SHOWN]) + more
