"""Is the stack of shared resources there, once, and as it should be?"""

from collections.abc import Iterable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.stack_states import HEALTHY, way_out
from checks.templates import difference_text
from fixtures.desired import Desired
from fixtures.estate import MASK, Estate, Seen, SharedStack
from fixtures.fact import NOT_READ, value

_STEP = "2: create the shared stack, once per region"
_ONE = "exactly one shared stack (parameters SecretValue and TaegisRegion)"


def _has_forwarders(seen: Seen, _desired: Desired) -> bool:
    return bool(seen.forwarders)


def _has_shared(seen: Seen, _desired: Desired) -> bool:
    return bool(seen.forwarders) and seen.shared != ()


def _knows_region(seen: Seen, desired: Desired) -> bool:
    return _has_shared(seen, desired) and desired.tenant.taegis_region is not None


def _compares_secret(seen: Seen, desired: Desired) -> bool:
    shared = value(seen.shared) or ()
    compared = any((secret := value(stack.secret)) and secret.digest != NOT_READ for stack in shared)
    return compared and _has_shared(seen, desired)


def the_shared_stack(target: Seen) -> SharedStack:
    """The target's one shared stack; a finding if there is none, UNKNOWN if it cannot be told which one it is."""
    stacks = known(target.shared, expected=_ONE)
    expect(bool(stacks), expected=_ONE, found="none", remedy="create it from the release: run --fix")
    if len(stacks) > 1:
        unknown(f"which of {_names(stacks)} is the shared stack cannot be told")
    return stacks[0]


def _names(stacks: Iterable[SharedStack]) -> str:
    return ", ".join(stack.stack.name for stack in stacks)


@check(
    "shared-stack",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["shared"],
    fix="shared-stack",
    target_applies=_has_forwarders,
)
def test_exactly_one_shared_stack_is_healthy(target: Seen) -> None:
    """The region has exactly one shared stack, in a healthy state.

    It is found by its parameters SecretValue and TaegisRegion, whatever its name. Forwarders on the new template
    import the secret from it.
    """
    stacks = known(target.shared, expected=_ONE)
    expect(
        len(stacks) < 2,
        expected=_ONE,
        found=_names(stacks),
        remedy="delete the ones that no forwarder imports from",
    )
    shared = the_shared_stack(target)
    expect(
        shared.stack.status in HEALTHY,
        expected="a healthy stack",
        found=f"{shared.stack.name} is {shared.stack.status} {shared.stack.status_reason}".strip(),
        remedy=way_out(shared.stack.status),
    )


@check(
    "shared-stack-template",
    severity=Severity.MEDIUM,
    step=_STEP,
    facts=["shared"],
    fix="shared-stack",
    needs_release=True,
    target_applies=_has_shared,
)
def test_shared_stack_has_the_releases_template(target: Seen, desired: Desired, estate: Estate) -> None:
    """The shared stack's template means the same as the release's; layout and comments do not count."""
    shared = the_shared_stack(target)
    digest = known(shared.template, expected="the stack's template")
    assert desired.release is not None
    differs = difference_text(digest, estate.templates, desired.release.shared_template)
    expect(not differs, expected="the release's shared-resources template", found=differs)


@check(
    "shared-stack-region",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["shared"],
    fix="shared-stack",
    asked_with="taegis_region or login_url in the settings",
    target_applies=_knows_region,
)
def test_shared_stack_names_the_right_taegis_region(target: Seen, desired: Desired) -> None:
    """`TaegisRegion` is the one of the tenant's XDR login URL: with another one, logs reach nobody."""
    shared = the_shared_stack(target)
    found = shared.stack.parameters.get("TaegisRegion", "")
    if found == MASK:
        unknown("TaegisRegion is masked")
    wanted = desired.tenant.taegis_region
    expect(found == wanted, expected=f"TaegisRegion {wanted}", found=f"TaegisRegion {found or '(empty)'}")


@check("shared-stack-secret", severity=Severity.CRITICAL, step=_STEP, facts=["shared"], target_applies=_has_shared)
def test_shared_secret_is_there(target: Seen) -> None:
    """The secret with the credentials exists and has a current value; the value itself is not read."""
    shared = the_shared_stack(target)
    secret = known(shared.secret, expected="the secret with the credentials")
    expect(
        secret.has_value,
        expected="a secret with a current version",
        found=f"{secret.arn} has none",
        remedy="run --fix --rotate-credentials with the release's credentials.txt",
    )


@check(
    "shared-stack-credentials",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["shared"],
    needs_release=True,
    asked_with="--compare-secret",
    target_applies=_compares_secret,
)
def test_shared_secret_holds_the_releases_credentials(target: Seen, desired: Desired) -> None:
    """The stored credentials are the release's, compared by digest (only with --compare-secret)."""
    secret = known(the_shared_stack(target).secret, expected="the secret with the credentials")
    digest = known(secret.digest, expected="a value in the secret")
    assert desired.release is not None
    expect(
        digest == desired.release.credentials.digest,
        expected="the credentials of the release",
        found="other credentials",
        remedy="run --fix --rotate-credentials",
    )
