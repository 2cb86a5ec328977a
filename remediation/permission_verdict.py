"""What IAM's simulation of one right means: allowed, refused, or not to be told from it. Pure.

Which policies are simulated is from IAM's API reference (SimulatePrincipalPolicy): identity-based ones, the permissions
boundary, and the organization's service control policies. Not simulated are resource control policies, session
policies, and, for roles, the resource's own policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fixtures.answers import Answer, Malformed, flag, optional_part, text, texts

_DENIED: Final = "a policy denies it"
_SCP: Final = (
    "let the organization's policies allow it, then run again (if they do, under a condition that only a real call "
    "meets: give the role the policy of taegis-forwarders policy fix --without=simulate)"
)
_SOME: Final = "an organization's policy denies it on some resources, and IAM did not say on which"
_BOUNDARY: Final = "widen its permissions boundary, then run again"
_TAKE_AWAY: Final = "take that denial away, then run again"
# What a call that we make ourselves never carries (IAM user guide, global condition keys).
_NEVER_OURS: Final = ("aws:calledvia", "aws:viaawsservice")
_DECISIONS: Final = frozenset({"allowed", "explicitdeny", "implicitdeny"})


@dataclass(frozen=True, slots=True)
class Refused:
    """One right that is not there: by what, empty where nothing grants it, and what a person must do beside that."""

    by: str = ""
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why it cannot be told whether a right is there."""

    why: str


Verdict = Refused | Doubt | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer.

    Attributes:
        verdict: None where it is allowed.
        shared: whether it follows from what IAM says of all resources of a request together.
    """

    verdict: Verdict
    shared: bool = False


def judge(action: str, result: Answer, answer: Answer, *, alone: bool) -> Judged:
    """What IAM says of an action on one resource.

    Args:
        action: the IAM action.
        result: its result over all resources of the request.
        answer: its result on this one, where IAM tells them apart; else `result` again.
        alone: whether it is the only resource of the request, so that what is said over all is said of it.

    Raises:
        Malformed: the answer is none that IAM gives.
    """
    decision = text(answer, "EvalDecision" if answer is result else "EvalResourceDecision").lower()
    if decision not in _DECISIONS:
        raise Malformed(f"IAM's decision on {action} is '{decision}'")
    organization = flag(optional_part(result, "OrganizationsDecisionDetail"), "AllowedByOrganizations", default=True)
    boundaries = [optional_part(found, "PermissionsBoundaryDecisionDetail")
                  for found in ((result, answer) if alone else (answer,))]  # fmt: skip
    within = all(flag(found, "AllowedByPermissionsBoundary", default=True) for found in boundaries)
    if decision == "allowed" and within and organization:
        return Judged(None)
    if not organization:
        # of which of several resources it is said nowhere, whatever the decision on this one looks like
        unsure = decision == "allowed" and not alone
        return Judged(Doubt(_SOME) if unsure else Refused("an organization's policy denies it", _SCP), shared=not alone)
    keys = {*texts(answer, "MissingContextValues"), *(texts(result, "MissingContextValues") if alone else ())}
    missing = sorted(key for key in keys if _may_matter(key, action))
    if missing:
        return Judged(Doubt(f"it depends on {', '.join(missing)}"))
    if not within:
        return Judged(Refused("its permissions boundary does not allow it", _BOUNDARY))
    # of calls into other accounts' resources: what each kind of policy says
    details: Mapping[str, object] = {**optional_part(result, "EvalDecisionDetails"),
                                     **optional_part(answer, "EvalDecisionDetails")}  # fmt: skip
    by = ", ".join(sorted(kind for kind, told in details.items() if str(told).lower() != "allowed"))
    if decision == "explicitdeny":
        return Judged(Refused(f"denied by {by}" if by else _DENIED, _TAKE_AWAY))
    return Judged(Refused(f"not allowed by {by}" if by else ""))


def _may_matter(key: str, action: str) -> bool:
    """Whether a call for the action may carry the key, so that the decision may be another one then."""
    service = key.lower().partition(":")[0]
    return service in {"aws", action.partition(":")[0]} and not key.lower().startswith(_NEVER_OURS)
