"""A plan for whoever wants to see all of it (`--plan -v`): each step in its order, and each call as it will be sent."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from fixtures.estate import Target
from remediation.call import Shown
from remediation.step import Step

_LONGEST = 200  # characters of one value; a longer one is told by its length and digest, and stands whole in plan.json


def call_lines(plans: Iterable[tuple[Target, Iterable[Step]]]) -> Iterator[str]:
    """For each target its steps, numbered in the order in which they are taken, with calls, parameters and changes.

    Secrets are masked, and so are the contents of files, as everywhere.
    """
    for target, steps in plans:
        for number, step in enumerate(steps, start=1):
            if number == 1:
                yield ""
                yield f"{target}, in this order:"
            yield f"{number:>4}. {step.title}"
            for call in step.calls():
                yield f"      {call}"
                for name, found in call.shown()["parameters"].items():  # type: ignore[union-attr]  # a call's are named
                    yield from (f"        {line}" for line in _parameter(name, found))
            yield from (f"      {line}" for line in step.changes())


def _parameter(name: str, found: Shown) -> Iterator[str]:
    """`Name: value`; the parts of a list a line each, CloudFormation's parameters as `Key = value`."""
    if not isinstance(found, list) or not any(isinstance(part, dict) for part in found):
        yield f"{name}: {_value(found)}"
        return
    yield f"{name}:"
    for part in found:
        yield f"  {_pair(part) if isinstance(part, Mapping) else _value(part)}"


def _pair(part: Mapping[str, Shown]) -> str:
    match part:
        case {"ParameterKey": key, "ParameterValue": value, **rest} if not rest:
            return f"{key} = {_value(value)}"
        case {"ParameterKey": key, "UsePreviousValue": True, **rest} if not rest:
            return f"{key} = (as it is)"
        case _:
            return _value(dict(part))


def _value(found: Shown) -> str:
    text = found if isinstance(found, str) else json.dumps(found, sort_keys=True)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    return f"<{len(text):,} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}>"
