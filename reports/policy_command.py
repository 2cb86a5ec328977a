"""`taegis-forwarders policy audit|fix|deliver`: the least-privilege policies, as JSON or as templates."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fixtures.errors import InputError, near
from fixtures.notify_target import Topic, parse_target
from fixtures.release import Release, read_release
from fixtures.verb_parser import VerbParser
from remediation.backfill.needs import BACKFILL_NEEDS
from remediation.policy import (
    ALWAYS,
    BY_CLOUDFORMATION,
    ON_REQUEST,
    OPTIONAL,
    Need,
    Statement,
    audit_needs,
    audit_policy,
    fix_needs,
    fix_policy,
    optional_groups,
    policy_of,
    sid_prefix,
)
from remediation.policy_caller import DOCUMENTED, TYPES, unknown_types, used_by
from remediation.policy_document import MANAGED_LIMIT, MOST_ATTACHED, Place, documents
from remediation.policy_template import (
    EXTERNAL_ID,
    IN_TEMPLATE,
    PRINCIPAL,
    ROLE_NAME,
    RoleSpec,
    role_template,
    stack_set_template,
)
from reports.delivery.needs import DELIVERY_NEEDS

ROLES: Mapping[str, str] = {
    "audit": "TaegisForwarderAudit", "fix": "TaegisForwarderFix", "backfill": "TaegisForwarderBackfill",
    "deliver": "TaegisForwarderDelivery",
}  # fmt: skip
_A: Mapping[str, str] = {
    "audit": "an audit", "fix": "a fix", "backfill": "a backfill", "deliver": "a delivery"
}  # fmt: skip
_FIXED: Mapping[str, tuple[Need, ...]] = {"backfill": BACKFILL_NEEDS, "deliver": DELIVERY_NEEDS}
FORMATS = ("json", "cloudformation", "stackset")
_COMMAND = "taegis-forwarders policy"
_GLOB = re.compile(r"[A-Za-z0-9*?._-]+")
_PARTITION = re.compile(r"aws[a-z-]*")
_TYPE = re.compile(r"\w+(::\w+){1,3}")


def run_policy_command(argv: Sequence[str]) -> int:
    """Print a policy or template to standard output, and what has to be known about it to standard error.

    Raises:
        InputError: an argument cannot be used.
    """
    given = _parsed(argv)
    groups = _groups(given)
    release = read_release(Path(given.release)) if given.release else None
    used = _used_types(given, release)
    statements = _statements(given.purpose, groups, used)
    place = _place(given)
    notes = (
        *_group_notes(given, statements),
        *(_caller_notes(given, used, release) if given.purpose == "fix" else ()),
        *_size_notes(given, len(documents(statements, place))),
    )
    for note in notes:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(_text(given, statements, place))
    return 0


def _statements(purpose: str, groups: tuple[str, ...], used: Mapping[str, frozenset[str]]) -> tuple[Statement, ...]:
    if purpose == "fix":
        return fix_policy(groups, used)
    found = audit_policy(groups) if purpose == "audit" else policy_of(_FIXED[purpose], groups)
    if not found:
        raise InputError(f"{_COMMAND} {purpose}: --without", "nothing is left to grant", "leave something in")
    return found


def _text(given: argparse.Namespace, statements: tuple[Statement, ...], place: Place) -> str:
    if given.format == "json":
        made = documents(statements, place)
        return json.dumps(made[0] if len(made) == 1 else made, indent=2) + "\n"
    name = given.role_name or ROLES[given.purpose]
    spec = RoleSpec(given.purpose, name, given.principal, given.external_id or "", statements, place)
    return stack_set_template(spec) if given.format == "stackset" else role_template(spec)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = VerbParser(prog=_COMMAND, description="the least that a run needs, made from what the code says")
    add = parser.add_argument
    add("purpose", choices=tuple(ROLES), help="the role that reads (--role), the one that writes "
        "(--fix-role), that of a backfill (its --fix-role), or the one that notifies (--delivery-role)")  # fmt: skip
    add("--format", choices=FORMATS, default="json",
        help="json: the policy; cloudformation: a template that makes the role; stackset: one that makes it in "
        "every account of an organization but the management account (default: json)")  # fmt: skip
    add("--release", metavar="DIR", help="fix: only what the templates of this release need of CloudFormation")
    add("--types", metavar="TYPE,...", help="fix: further resource types, e.g. those that only old templates hold")
    add("--with", dest="wanted", metavar="NAME,...", help=f"also what is on request: {', '.join(sorted(ON_REQUEST))}")
    add("--without", metavar="NAME,...", help=f"not these: {', '.join(n for n in OPTIONAL if n not in ON_REQUEST)}")
    add("--artifact-bucket", metavar="GLOB,...", help="buckets for packages (default: taegis-forwarders-*)")
    add("--functions", metavar="GLOB,...", help="names of forwarders' functions (default: *-scwx-tdr-lambda-*)")
    add("--topic", metavar="ARN,...", help="deliver: the SNS topics (default: all of the account)")
    add("--partition", help="of the ARNs in the JSON: aws, aws-cn, aws-us-gov, ... (default: aws)")
    add("--principal", metavar="ARN|ACCOUNT", help="template: who may assume the role (default: asked for)")
    add("--external-id", metavar="ID", help="template: what has to be given to assume it (default: nothing)")
    add("--role-name", metavar="NAME", help=f"template: name of the role (default: {' or '.join(ROLES.values())})")
    given = parser.parse_args(argv)
    _refuse_what_does_not_fit(given)
    for option, value, pattern, remedy in (
        ("--principal", given.principal, PRINCIPAL, "give an account id, or the ARN of a role or user; never a *"),
        ("--external-id", given.external_id, EXTERNAL_ID, "use letters, digits and _+=,.@:/-"),
        ("--role-name", given.role_name, ROLE_NAME, "use up to 64 letters, digits and _+=,.@-, without a path"),
        ("--partition", given.partition, f"^{_PARTITION.pattern}$", "say aws, aws-cn, aws-us-gov, ..."),
    ):
        if value is not None and not re.search(pattern, value):
            raise InputError(f"{option}: '{value}'", "IAM would not take it", remedy)
    return given


def _refuse_what_does_not_fit(given: argparse.Namespace) -> None:
    """An option that would have no effect is refused rather than dropped."""
    for option, value in (("--release", given.release), ("--types", given.types)):
        if value and given.purpose != "fix":
            raise InputError(
                f"{_COMMAND} {given.purpose}: {option}", f"{_A[given.purpose]} changes no stack", "leave it out"
            )
    for option, value in (("--artifact-bucket", given.artifact_bucket), ("--functions", given.functions)):
        if value and given.purpose == "deliver":
            raise InputError(f"{_COMMAND} deliver: {option}", "it touches no forwarder", "leave it out")
    if given.topic and given.purpose != "deliver":
        raise InputError(f"{_COMMAND} {given.purpose}: --topic", "it notifies nobody", "say policy deliver")
    for option in ("principal", "external_id", "role_name"):
        if getattr(given, option) and given.format == "json":
            raise InputError(
                f"--{option.replace('_', '-')}", "the JSON is the role's policy alone", "add --format=cloudformation"
            )
    if given.partition and given.format != "json":
        raise InputError("--partition", "a template asks CloudFormation for it", "leave it out")


def _groups(given: argparse.Namespace) -> tuple[str, ...]:
    known = _optional(given)
    wanted, unwanted = _names("--with", given.wanted, known), _names("--without", given.without, known)
    return tuple(name for name in known if name in wanted or (name not in unwanted and name not in ON_REQUEST))


def _optional(given: argparse.Namespace) -> tuple[str, ...]:
    needs = {"audit": audit_needs, "fix": fix_needs}.get(given.purpose)
    return optional_groups(needs() if needs else _FIXED[given.purpose])


def _names(option: str, text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    names = _split(text)
    for name in names:
        if name not in known:
            raise InputError(f"{option}: '{name}'", "nothing optional of that name", near(name, known))
    return names


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def _globs(option: str, text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    for glob in _split(text):
        if not _GLOB.fullmatch(glob):
            raise InputError(f"{option}: '{glob}'", "not a name", "use letters, digits and *?._- only")
    return _split(text) or default


def _place(given: argparse.Namespace) -> Place:
    in_template = given.format != "json"
    return Place(
        partition=IN_TEMPLATE.partition if in_template else given.partition or "aws",
        account=IN_TEMPLATE.account if in_template else "*",
        artifacts=_globs("--artifact-bucket", given.artifact_bucket, IN_TEMPLATE.artifacts),
        functions=_globs("--functions", given.functions, IN_TEMPLATE.functions),
        in_template=in_template,
        topics=_topics(given.topic),
    )


def _topics(text: str | None) -> tuple[str, ...]:
    for name in _split(text):
        if not isinstance(parse_target(name, "--topic"), Topic):
            raise InputError(f"--topic: '{name}'", "not a topic", "give the ARN of an SNS topic")
    return _split(text)


def _used_types(given: argparse.Namespace, release: Release | None) -> Mapping[str, frozenset[str]]:
    used = dict(used_by((release.shared_template, release.lambda_template)) if release else DOCUMENTED)
    for name in _split(given.types):
        if not _TYPE.fullmatch(name):
            raise InputError(f"--types: '{name}'", "not a resource type", near(name, TYPES))
        # which of its properties are set is not known here
        used[name] = frozenset(TYPES[name].for_property) if name in TYPES else frozenset()
    return used


def _group_notes(given: argparse.Namespace, statements: Sequence[Statement]) -> Iterator[str]:
    there = {found.group for found in statements} - {ALWAYS, BY_CLOUDFORMATION}
    for name in _optional(given):
        yield f"{'with' if name in there else 'without'} {name}, {OPTIONAL[name]}"


def _caller_notes(
    given: argparse.Namespace, used: Mapping[str, frozenset[str]], release: Release | None
) -> Iterator[str]:
    source = f"the release in {given.release}" if release else "the vendor's documentation"
    prefix = sid_prefix(BY_CLOUDFORMATION)
    yield f"{prefix}*: from documentation, for the resource types of {source}: {', '.join(used)}"
    yield "whoever may use this role can make IAM roles by way of a stack's template: trust it to few"
    for name in unknown_types(used):
        yield f"UNKNOWN: what CloudFormation needs for {name} is not known here: add it by hand"
    if release:
        yield "what only the old templates hold is not in it: name it with --types, or leave --release out"
        for template in (release.shared_template, release.lambda_template):
            for name in template.transforms:
                yield f"UNKNOWN: what the macro {name} needs is not known here: add it by hand"


def _size_notes(given: argparse.Namespace, policies: int) -> Iterator[str]:
    if policies == 1:
        return
    how = ": a list, of which each becomes one (jq '.[0]', ...)" if given.format == "json" else ""
    yield f"{policies} policies, since IAM takes {MANAGED_LIMIT} characters in a managed one{how}"
    if policies > MOST_ATTACHED:
        yield f"more than {MOST_ATTACHED} policies can be attached to a role only after its quota was raised"
