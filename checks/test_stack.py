"""Is the forwarder's stack in a state in which it works and can be updated?"""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.stack_states import HEALTHY, way_out
from checks.templates import difference_text
from fixtures.desired import Desired
from fixtures.estate import MASK, Estate, Forwarder
from fixtures.fact import NOT_READ

_STEP = "3: update each Lambda stack with the new template"


@check("stack-healthy", severity=Severity.HIGH, step=_STEP, facts=["stacks"])
def test_stack_is_healthy(forwarder: Forwarder) -> None:
    """The forwarder's stack is in a state that CloudFormation can update."""
    status = forwarder.stack.status
    expect(
        status in HEALTHY,
        expected="a healthy stack",
        found=f"{status} {forwarder.stack.status_reason}".strip(),
        remedy=way_out(status),
    )


@check(
    "template-current",
    severity=Severity.HIGH,
    step=_STEP,
    facts=["template"],
    fix="forwarder-stack",
    needs_release=True,
)
def test_template_is_the_releases(forwarder: Forwarder, desired: Desired, estate: Estate) -> None:
    """The stack's template means the same as the release's; layout, comments and descriptions do not count."""
    digest = known(forwarder.template, expected="the stack's template")
    assert desired.release is not None
    differs = difference_text(digest, estate.templates, desired.release.lambda_template)
    expect(not differs, expected="the release's Lambda template", found=differs)


@check(
    "parameters-desired",
    severity=Severity.MEDIUM,
    step="3: choose IntegrationType, keep the rest",
    facts=["stacks"],
    fix="forwarder-stack",
    needs_release=True,
)
def test_parameters_are_allowed_and_as_the_settings_say(
    forwarder: Forwarder, desired: Desired, advise: Callable[[str], None]
) -> None:
    """Each parameter has a value that the release's template allows, and the one that the settings ask for.

    Parameters that the template does not have, or that are secret, are not judged; a wish of the settings that no
    template can fulfil is noted.
    """
    assert desired.release is not None
    declared = desired.release.lambda_template.parameters
    wrong = []
    for name, text in sorted(forwarder.stack.parameters.items()):
        problem = declared[name].problem(text) if name in declared and text != MASK else None
        if problem:
            wrong.append(problem)
    for name, wanted in sorted(desired.parameters(forwarder).items()):
        found = forwarder.stack.parameters.get(name)
        if found not in {None, MASK, wanted}:
            wrong.append(f"{name} is '{found}', the settings say '{wanted}'")
        if name not in declared:
            advise(f"the settings ask for {name}, which the release's template does not have")
    expect(not wrong, expected="allowed values, as the settings say", found="; ".join(wrong))


def _drift_was_asked_for(forwarder: Forwarder, _estate: Estate) -> bool:
    return forwarder.drift != NOT_READ


@check(
    "live-as-declared",
    severity=Severity.MEDIUM,
    step="guards against changes made behind CloudFormation's back",
    facts=["drift"],
    asked_with="--drift",
    applies=_drift_was_asked_for,
)
def test_live_resources_equal_the_template(forwarder: Forwarder) -> None:
    """The stack's resources are as its template declares them (only with --drift).

    An update sets drifted properties back; the plan shows which.
    """
    drift = known(forwarder.drift, expected="a drift detection")
    if drift.status not in {"IN_SYNC", "DRIFTED"}:
        unknown(f"drift detection says {drift.status}")
    expect(
        drift.status == "IN_SYNC",
        expected="resources as declared",
        found=f"changed or deleted: {', '.join(drift.resources) or 'not named'}",
        remedy="compare in the CloudFormation console and decide which side is right",
    )
