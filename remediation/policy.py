"""The least that an audit and a fix need, made from what readers, steps and the engine's parts declare. Pure."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import fixtures.entrances  # noqa: F401 - registers its readers
from fixtures import readers
from fixtures.errors import SuiteError
from fixtures.reading import CALLER, READERS
from remediation import consent, lock, permission_check, proof, resource_policy, settle, steps
from remediation.policy_caller import DOCUMENTED, caller_rights
from remediation.policy_scopes import EVERYTHING, Condition, Scope, scope_of
from remediation.step import Step

ALWAYS: Final = ""
BY_CLOUDFORMATION: Final = "cloudformation"
# What is in a policy only for an option or a deed of its own: where it is asked for, and what that gives away.
OPTIONAL: Final[Mapping[str, str]] = {
    "plan": "for --plan and --fix: looks at pending change sets and at how failed calls are retried",
    "drift": "for --drift: lets CloudFormation compare stacks with what is really there",
    "compare-secret": "for --compare-secret: reads the values of secrets, to compare them with the release's by digest",
    "ledger": "for --fix, ledger and backfill: lists log objects, their tags, and what happened to the forwarder",
    "simulate": "for --fix and --plan: asks IAM before the first write whether the fixer may do what the plan needs",
    "rollback": "for --rollback: takes back what a run made (uploads, its bucket when empty, permissions)",
    "test-event": "for --send-test-event: calls a forwarder, which sends one object to XDR a second time",
    "dead-letters": "for backfill --from-dead-letter: reads messages, and takes them out of their queues",
    "topic": "for --notify: publishes to SNS topics; --topic=ARN,... names them",
    "encrypted-topic": "for topics that are encrypted with a customer managed key: uses it through SNS",
    "security-hub": "for --security-hub: imports findings, looks at those that are there, sets aside what is waived",
}
# Left out unless it is asked for: it reads a secret, sends something, or is needed in some places only.
ON_REQUEST: Final = frozenset({"compare-secret", "dead-letters", "encrypted-topic", "security-hub", "test-event"})
_BY_CLOUDFORMATION_ABOUT: Final = (
    "what CloudFormation does in the caller's name for the templates' resource types, from the types' schemas; "
    "only CloudFormation may use it (aws:CalledVia)"
)
_CALLED_VIA: Final = Condition("ForAnyValue:StringEquals", "aws:CalledVia", ("cloudformation.amazonaws.com",))
_GROUP_OF_STEP: Final[Mapping[str, str]] = {"SendTestEvent": "test-event"}


@dataclass(frozen=True, slots=True)
class Need:
    """One who needs actions: a reader, a step, a part of the engine. `group` is empty for what every run needs."""

    who: str
    actions: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy: actions on one scope.

    Attributes:
        group: empty, a name of `OPTIONAL`, or `BY_CLOUDFORMATION`.
        conditions: those of the scope and those of the group.
    """

    sid: str
    group: str
    scope: Scope
    actions: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def about(self) -> str:
        """What it is for, in one line."""
        if self.group == BY_CLOUDFORMATION:
            return _BY_CLOUDFORMATION_ABOUT
        return OPTIONAL.get(self.group, "what every run needs")


def audit_needs() -> tuple[Need, ...]:
    """What the readers declare that ask an account in its own name."""
    return tuple(need for need in _reader_needs() if need.group != CALLER)


def caller_needs() -> tuple[Need, ...]:
    """What the readers declare that ask in the name of whoever runs the suite (AWS Organizations)."""
    return tuple(need for need in _reader_needs() if need.group == CALLER)


def fix_needs() -> tuple[Need, ...]:
    """What steps declare, and the parts of the engine that call AWS in the fixer's name."""
    parts = {"consent": consent.ACTIONS, "lock": lock.ACTIONS, "proof": proof.ACTIONS, "settle": settle.ACTIONS}
    return (
        *(Need(name, actions, ALWAYS) for name, actions in parts.items()),
        Need("permission_check", permission_check.ACTIONS, "simulate"),
        Need("resource_policy", resource_policy.ACTIONS, "simulate"),
        *(Need(step.__name__, step.ACTIONS, _group_of(step)) for step in every_step()),
    )


def every_step() -> tuple[type[Step], ...]:
    """Every step class of `remediation.steps`, sorted by name."""
    classes = {
        found
        for module in _modules_of(steps)
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Step) and found.__module__ == module.__name__
    }
    return tuple(sorted(classes, key=lambda step: step.__name__))


def optional_groups(needs: Iterable[Need]) -> tuple[str, ...]:
    """The optional groups among some needs, in the order of `OPTIONAL`.

    Raises:
        SuiteError: a group that `OPTIONAL` does not describe; it would be left out in silence.
    """
    found = {need.group for need in needs} - {ALWAYS}
    if found - set(OPTIONAL):
        raise SuiteError(f"remediation/policy.py does not describe {', '.join(sorted(found - set(OPTIONAL)))}")
    return tuple(group for group in OPTIONAL if group in found)


def audit_policy(groups: Iterable[str]) -> tuple[Statement, ...]:
    """The statements an audit needs, with these optional groups."""
    return policy_of(audit_needs(), groups)


def policy_of(needs: Iterable[Need], groups: Iterable[str]) -> tuple[Statement, ...]:
    """The statements that some needs come to, with these optional groups."""
    return tuple(_direct(needs, groups))


def fix_policy(groups: Iterable[str], used: Mapping[str, frozenset[str]] = DOCUMENTED) -> tuple[Statement, ...]:
    """The statements `--fix` needs, with these optional groups and for these resource types of the templates."""
    direct = tuple(_direct(fix_needs(), groups))
    return (*direct, *_statements(BY_CLOUDFORMATION, _beyond(_pairs(direct), caller_rights(used))))


def sid_prefix(group: str) -> str:
    """How the Sids of a group begin; nothing for what every run needs. IAM takes letters and digits only."""
    if group == BY_CLOUDFORMATION:
        return "ByCloudFormation"
    return "".join(word.capitalize() for word in re.split("[^a-z]+", group))


def _reader_needs() -> tuple[Need, ...]:
    _modules_of(readers)  # a reader is known once its module is
    return tuple(Need(reader.name, reader.actions, reader.optional) for _, reader in sorted(READERS.items()))


def _modules_of(package: ModuleType) -> tuple[ModuleType, ...]:
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__))
    return tuple(importlib.import_module(f"{package.__name__}.{name}") for name in names)


def _group_of(step: type[Step]) -> str:
    return "rollback" if step.FIX.startswith("undo-") else _GROUP_OF_STEP.get(step.__name__, ALWAYS)


def _direct(needs: Iterable[Need], groups: Iterable[str]) -> Iterable[Statement]:
    wanted = set(groups)
    granted: set[tuple[Scope, str]] = set()  # by the groups that stay
    listed = tuple(needs)
    for group in (ALWAYS, *optional_groups(listed)):
        if group not in {ALWAYS, *wanted}:
            continue
        pairs = {
            (scope_of(need.who, action), action) for need in listed if need.group == group for action in need.actions
        }
        yield from _statements(group, _beyond(granted, pairs))
        # every optional group stands alone: another one, that may be taken out, does not count
        granted = pairs if group == ALWAYS else granted


def _pairs(statements: Iterable[Statement]) -> set[tuple[Scope, str]]:
    return {(found.scope, action) for found in statements if found.group == ALWAYS for action in found.actions}


def _beyond(granted: set[tuple[Scope, str]], pairs: Iterable[tuple[Scope, str]]) -> set[tuple[Scope, str]]:
    """What is not granted already, also by a grant on everything."""
    wanted = set(pairs)
    known = granted | wanted
    return {
        (scope, action)
        for scope, action in wanted - granted
        if scope == EVERYTHING or (EVERYTHING, action) not in known
    }


def _statements(group: str, pairs: Iterable[tuple[Scope, str]]) -> Iterable[Statement]:
    by_scope: dict[Scope, list[str]] = {}
    for scope, action in sorted(pairs, key=lambda pair: (pair[0].name, pair[1])):
        by_scope.setdefault(scope, []).append(action)
    for scope, actions in by_scope.items():
        # PassRole is no call of CloudFormation's, but a right that Lambda asks for: it has a condition of its own
        via = group == BY_CLOUDFORMATION and not scope.conditions
        yield Statement(
            sid=sid_prefix(group) + scope.name,
            group=group,
            scope=scope,
            actions=tuple(actions),
            conditions=(*scope.conditions, *((_CALLED_VIA,) if via else ())),
        )
