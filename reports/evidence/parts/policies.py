"""What the run's roles need at the least, and what an audit's session was held to."""

from collections.abc import Iterable, Iterator, Mapping

from fixtures.estate import Identity
from fixtures.sessions import audit_actions, session_policy_of
from remediation.policy import (
    ON_REQUEST,
    Need,
    audit_needs,
    audit_policy,
    fix_needs,
    fix_policy,
    optional_groups,
)
from remediation.policy_caller import DOCUMENTED, used_by
from remediation.policy_document import Place, document
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, PackFile, Piece, json_file

FOLDER = "policies"
_ANY_ACCOUNT = "*"


def policies(material: Material) -> Iterator[Piece]:
    """The session policy as it was given to STS; what the roles need for this run, as `taegis-forwarders policy` says.

    What is attached to the roles is not read: nobody has to grant that for a pack.
    """
    options = material.options
    place = Place(_partition(material), _ANY_ACCOUNT)
    if options.role or any(account.role for account in options.fleet):
        policy = session_policy_of(audit_actions()).encode()
        yield PackFile(f"{FOLDER}/session.json", policy, "the session policy that roles were assumed with for reading")
    else:
        yield Lacking("the session policy", "no role was assumed for reading (--role)")
    audit = document(audit_policy(_groups(material, audit_needs())), place)
    yield json_file(f"{FOLDER}/audit.json", audit, "the least that the role for reading needs for this run")
    if not (options.may_write or options.plan):
        yield Lacking("the policy of a fix", "nothing may be written, and nothing was planned")
        return
    fix = document(fix_policy(_groups(material, fix_needs()), _types(material)), place)
    yield json_file(f"{FOLDER}/fix.json", fix, "the least that the role for writing needs for this run")


def _groups(material: Material, needs: Iterable[Need]) -> tuple[str, ...]:
    """What is optional and this run makes use of."""
    options = material.options
    asked: Mapping[str, bool] = {
        "plan": options.plan or options.may_write,
        "drift": options.drift,
        "compare-secret": options.compare_secret,
        "rollback": options.rollback is not None,
        "test-event": options.send_test_event,
    }
    return tuple(group for group in optional_groups(needs) if asked.get(group, group not in ON_REQUEST))


def _types(material: Material) -> Mapping[str, frozenset[str]]:
    """The resource types of the releases' templates, and which of their properties are set."""
    releases = [tenant.release for tenant in (material.desires.tenants if material.desires else ()) if tenant.release]
    found: dict[str, frozenset[str]] = {}
    for release in releases:
        for name, properties in used_by((release.shared_template, release.lambda_template)).items():
            found[name] = found.get(name, frozenset()) | properties
    return found or DOCUMENTED


def _partition(material: Material) -> str:
    """That of the accounts; a run has one."""
    seen = material.estate.targets if material.estate else ()
    return next((one.identity.partition for one in seen if isinstance(one.identity, Identity)), "aws")
