"""How missing rights are told: one line for each cause, with the very statement of the policy that would grant them.

Pure.
"""

import fnmatch
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from remediation.permission_check import Simulated
from remediation.permission_needs import Right
from remediation.permission_verdict import Doubt, Refused
from remediation.policy import BY_CLOUDFORMATION, OPTIONAL, Statement, fix_policy
from remediation.policy_caller import TYPES
from remediation.policy_document import Place, entries
from remediation.preflight import Obstacle

_MOST: Final = 3  # statements that are printed; above that the whole policy is meant
_NAMED: Final = 6  # actions of which something cannot be told; the rest is counted
_ATTACH: Final = "attach the policy of taegis-forwarders policy fix, then run again"


def refusals(rights: Iterable[Right], known: Simulated) -> Iterator[Obstacle]:
    """One obstacle for each cause that speaks against some rights.

    A resource is named only where others of its kind are allowed, or where it alone is denied: everybody else has
    the same cause, and is told in the same line.
    """
    alike: dict[tuple[Refused, str], list[Right]] = {}
    for right in sorted(rights):
        verdict = known.told.get(right)
        direct = replace(right, via="") if right.via else None
        if isinstance(verdict, Refused) and not (direct and isinstance(known.told.get(direct), Refused)):
            named = _shown(right) if _is_particular(right, verdict, known) else ""
            alike.setdefault((verdict, named), []).append(right)
    for (verdict, named), found in alike.items():
        actions = ", ".join(dict.fromkeys(right.action for right in found))
        where = f" on {named}" if named else ""
        how = " (CloudFormation would, in its name)" if found[0].via else ""
        by = f": {verdict.by}" if verdict.by else ": none of its policies allows it"
        yield Obstacle(f"{known.name} may not {actions}{where}{how}{by}", verdict.to_do or _to_do(found))


def doubts(rights: Iterable[Right], known: Simulated) -> Iterator[str]:
    """What cannot be told of some rights, a line for each reason."""
    alike: dict[tuple[str, str], list[Right]] = {}
    for right in sorted(rights):
        verdict = known.told.get(right)
        if isinstance(verdict, Doubt):
            alike.setdefault((verdict.why, right.via), []).append(right)
    for (why, via), found in alike.items():
        names = list(dict.fromkeys(right.action for right in found))
        actions = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        how = " (CloudFormation would, in its name)" if via else ""
        yield f"it cannot be told whether {known.name} may {actions}{how}: {why}"


def statements_for(rights: Sequence[Right]) -> tuple[str, ...]:
    """The statements of the fixer's policy that would grant the rights, as compact JSON."""
    place = Place(rights[0].resource.split(":")[1] if rights[0].resource.startswith("arn:") else "aws", "*")
    found: dict[Statement, list[str]] = {}
    others: dict[str, list[str]] = {}
    for right in rights:
        granting = next((one for one in _policy(by_role=bool(right.by)) if _grants(one, right, place)), None)
        if granting is None:
            others.setdefault(right.resource, []).append(right.action)
        else:
            found.setdefault(granting, []).append(right.action)
    narrowed = (replace(one, actions=tuple(dict.fromkeys(actions))) for one, actions in found.items())
    lines: list[Mapping[str, object]] = [
        {key: held for key, held in entry.items() if key != "Sid"} for entry in entries(narrowed, place)
    ]
    lines += [{"Effect": "Allow", "Action": list(dict.fromkeys(actions)), "Resource": [resource]}
              for resource, actions in others.items()]  # fmt: skip
    return tuple(json.dumps(entry, separators=(",", ":")) for entry in lines)


@functools.cache
def _policy(*, by_role: bool) -> tuple[Statement, ...]:
    """Every statement that a fixer may need; those for a stack's own role without the condition on who calls."""
    every = {name: frozenset(known.for_property) for name, known in TYPES.items()}
    made = fix_policy(OPTIONAL, every)
    if not by_role:
        return made
    return tuple(replace(one, conditions=one.scope.conditions) for one in made if one.group == BY_CLOUDFORMATION)


def _grants(statement: Statement, right: Right, place: Place) -> bool:
    if right.action not in statement.actions or (statement.group == BY_CLOUDFORMATION) != bool(right.via or right.by):
        return False
    return any(fnmatch.fnmatchcase(right.resource, arn) for arn in place.arns(statement.scope.patterns))


def _to_do(rights: Sequence[Right]) -> str:
    lines = statements_for(rights)
    if len(lines) > _MOST:
        return _ATTACH
    return f"add {' and '.join(lines)} to its policies, then run again"


def _is_particular(right: Right, verdict: Refused, known: Simulated) -> bool:
    """Whether the cause is this resource's own."""
    same = {other.resource: found for other, found in known.told.items()
            if (other.action, other.via, other.by) == (right.action, right.via, right.by)}  # fmt: skip
    others = [found for resource, found in same.items() if resource != right.resource]
    return any(found is None for found in others) or (not others and bool(verdict.by))


def _shown(right: Right) -> str:
    """The ARN; of a stack without its id, which nobody knows by heart."""
    head, _, rest = right.resource.partition(":stack/")
    return f"{head}:stack/{rest.partition('/')[0]}" if rest else right.resource
