"""What audit and fix need of IAM as a Markdown page (docs/permissions.md), made from what the code declares."""

from collections.abc import Iterable, Iterator, Sequence

from remediation.backfill.needs import BACKFILL_NEEDS
from remediation.policy import (
    BY_CLOUDFORMATION,
    ON_REQUEST,
    OPTIONAL,
    Need,
    Statement,
    audit_needs,
    audit_policy,
    caller_needs,
    every_step,
    fix_needs,
    fix_policy,
    optional_groups,
    policy_of,
    sid_prefix,
)
from remediation.policy_caller import DOCUMENTED, TYPES
from remediation.policy_document import INLINE_LIMIT, MANAGED_LIMIT, Place, size
from reports.delivery.needs import DELIVERY_NEEDS

_SHOWN = Place("PARTITION", "ACCOUNT")
_INTRODUCTION = """\
# Permissions

Written by `taegis-forwarders permissions`; do not edit it by hand. Everything here is made from what readers, steps and
the engine's parts declare in the code; tests hold that to the calls that are made.

| command | what it prints |
| --- | --- |
| `taegis-forwarders policy audit` | the policy of the role for `--role`, as JSON |
| `taegis-forwarders policy fix --release=DIR` | that of the role for `--fix-role`, for this release's templates |
| `taegis-forwarders policy backfill --with=dead-letters` | that of the role for a backfill's `--fix-role` |
| `taegis-forwarders policy deliver --topic=ARN` | that of the role for `--delivery-role` |
| `... --format=cloudformation --principal=ACCOUNT --external-id=ID` | a template that makes the role |
| `... --format=stackset` | a template that makes a StackSet, which makes the role in every account |

JSON has ARNs of one partition: `--partition=aws-cn` for another one. Templates ask CloudFormation for it. A package
bucket of your own (`artifact_bucket` in the settings) is named with `--artifact-bucket=GLOB,...`; functions that are
not called `*-scwx-tdr-lambda-*` with `--functions=GLOB,...`, which also names their log groups. A function that logs to
a group of another name needs `logs:FilterLogEvents` on that group; without it, its flow is UNKNOWN.

## Making the roles

    taegis-forwarders policy audit --format=cloudformation --principal=111122223333 --external-id=ID > audit-role.yaml
    aws cloudformation deploy --template-file audit-role.yaml --stack-name taegis-forwarders-audit-role \\
      --capabilities CAPABILITY_NAMED_IAM

In every account at once, from the organization's management account or a delegated administrator's:

    taegis-forwarders policy audit --format=stackset --principal=111122223333 --external-id=ID > audit-roles.yaml
    aws cloudformation deploy --template-file audit-roles.yaml --stack-name taegis-forwarders-audit-roles \\
      --parameter-overrides OrganizationalUnitIds=r-abcd --capabilities CAPABILITY_NAMED_IAM

**A service-managed StackSet skips the management account**: deploy the stand-alone template there if it has forwarders.
The stand-alone template is also what `aws cloudformation create-stack-set --template-body` takes, for a StackSet of
your own making. Roles are account-wide: one region is enough.

Whoever runs the suite needs `sts:AssumeRole` on these roles{caller}.
An audit gives AssumeRole a session policy that holds the readers' actions and nothing else, so that it cannot write
even where the role may. Without `--role` it runs with the credentials that are there and makes the same calls.
"""
_FIX = """
## The fix role

`--fix-role` needs what is below; findings are still looked for with `--role`. With one role for both, attach both
policies. The whole policy has {size} characters (a managed policy may have {managed}, a role's inline policies
{inline} together): what does not fit one managed policy is printed as a list of several, each of which fits, and the
role's template attaches as many as it takes.

Whoever may use this role can make IAM roles by way of a stack's template, as with every role that deploys templates
with roles in them: trust it to few, and for the time of a migration.
"""
_BACKFILL = """
## The role of a backfill

`taegis-forwarders backfill --fix-role=ROLE` calls functions, watches their logs and holds the target's lock with what
is below; what it lists it reads with `--role`, as `ledger` does. It changes no stack, no bucket's document and no
object. With one role for both, or with the fix role, attach the policies together.

"""
_DELIVERY = """
## The delivery role

`--delivery-role` sends what a run found ([notification](notification.md)), in the account of the topic or the finding,
with a session policy of these actions alone. Webhooks need no role.

"""
_ASKED = """
## What is asked before the first write

IAM is asked whether the fixer may do everything that the plan needs (SimulatePrincipalPolicy), under `--plan` as far as
it is known who would write. It is asked for the very resources: the steps' own calls, the lock, the log group that a
proof is read from, and what CloudFormation will do in the fixer's name for the predicted changes; of a stack that has
a role of its own, that role is asked about, and the fixer need not be allowed to pass it. A forwarder of which
something would be refused is BLOCKED before anything of it is written; the line says what to add.

| IAM says | what follows |
| --- | --- |
| allowed | nothing |
| denied by a policy, by the permissions boundary, by an organization's policy | BLOCKED |
| not granted, and the resource has no policy of its own that may | BLOCKED |
| not granted, but a bucket's or function's own policy may (or cannot be read), or a topic's, secret's or key's | told |
| it depends on something that only the real call shows (MFA, address, tags) | told |
| nothing: not allowed to ask, not supported, root | told, with the actions that are needed; root may do all |
| not granted, and only the resource type's schema names it | told: CloudFormation may be refused |

IAM's simulation does not see session policies and resource control policies, nor which context an organization's
policies ask for: where one of those lies, the step itself is refused, and says so. A role without
`iam:SimulatePrincipalPolicy` (`--without=simulate`) is not asked about.
"""
_CALLER = """
## What CloudFormation does in the fixer's name

CloudFormation makes, changes and deletes a stack's resources with the rights of whoever changes the stack (a stack that
has a role of its own uses that one). **From documentation, not tried against AWS**: the `handlers` of each resource
type's schema (`aws cloudformation describe-type --type RESOURCE --type-name TYPE`), without what concerns properties
that the templates do not set; for `AWS::SNS::Subscription`, whose schema states none, the SNS API reference. The
statements are called `{prefix}*` and hold only for calls that CloudFormation makes (`aws:CalledVia`);
`iam:PassRole` holds for roles passed to Lambda. With `--release` the types are those of its templates; types that only
the old templates hold are named with `--types=TYPE,...`. A type that is not in this table is said on standard error.

| resource type | actions | with the property |
| --- | --- | --- |
"""


def permissions_page() -> str:
    """The whole page."""
    caller = sorted({action for need in caller_needs() for action in need.actions})
    more = f", and for `--accounts=organization` {_code(caller)} on `*`" if caller else ""
    everything = fix_policy(OPTIONAL)
    numbers = {"size": size(everything, _SHOWN), "managed": MANAGED_LIMIT, "inline": INLINE_LIMIT}
    direct = [found for found in everything if found.group != BY_CLOUDFORMATION]
    parts = (
        _INTRODUCTION.format(caller=more),
        "\n## The audit role\n\n",
        *_optional_table(audit_needs()),
        *_statement_table(audit_policy(OPTIONAL)),
        "\nWho needs what:\n\n",
        *_needs_table(audit_needs(), "reader"),
        _FIX.format(**numbers),
        "\n",
        *_optional_table(fix_needs()),
        *_statement_table(direct),
        "\nWho needs what:\n\n",
        *_needs_table(fix_needs(), "part of the engine, or step"),
        _BACKFILL,
        *_optional_table(BACKFILL_NEEDS),
        *_statement_table(policy_of(BACKFILL_NEEDS, OPTIONAL)),
        "\nWho needs what:\n\n",
        *_needs_table(BACKFILL_NEEDS, "part of the backfill"),
        _DELIVERY,
        *_optional_table(DELIVERY_NEEDS),
        *_statement_table(policy_of(DELIVERY_NEEDS, OPTIONAL)),
        _ASKED,
        _CALLER.format(prefix=sid_prefix(BY_CLOUDFORMATION)),
        *_types_table(),
    )
    return "".join(parts)


def _optional_table(needs: Sequence[Need]) -> Iterator[str]:
    yield "Statements whose Sid begins with one of these can be left out; what is on request is in only with it.\n\n"
    yield "| Sid | in the policy | what for |\n| --- | --- | --- |\n"
    for name in optional_groups(needs):
        when = f"with `--with={name}`" if name in ON_REQUEST else f"unless `--without={name}`"
        yield f"| `{sid_prefix(name)}*` | {when} | {OPTIONAL[name]} |\n"
    yield "\n"


def _statement_table(statements: Iterable[Statement]) -> Iterator[str]:
    yield "| Sid | actions | on |\n| --- | --- | --- |\n"
    for found in statements:
        conditions = [f"if `{one.key}` is like {_code(one.values)}" for one in found.conditions]
        where = " ".join([_code(_SHOWN.arns(found.scope.patterns)), *conditions])
        yield f"| `{found.sid}` | {_code(found.actions)} | {where} |\n"


def _needs_table(needs: Iterable[Need], head: str) -> Iterator[str]:
    titles = {step.__name__: (step.__doc__ or "").partition("\n")[0] for step in every_step()}
    yield f"| {head} | actions |\n| --- | --- |\n"
    for need in needs:
        title = f": {titles[need.who]}" if need.who in titles else ""
        yield f"| `{need.who}`{title} | {_code(sorted(need.actions))} |\n"


def _types_table() -> Iterator[str]:
    for name, rights in TYPES.items():
        mark = "" if name in DOCUMENTED else " (only with a release)"
        yield f"| `{name}`{mark} | {_code(_actions(rights.always.values()))} | |\n"
        for path, more in rights.for_property.items():
            yield f"| | {_code(_actions(more.values()))} | `{path}` |\n"


def _actions(lists: Iterable[Sequence[str]]) -> list[str]:
    return sorted(action for actions in lists for action in actions)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
