from collections.abc import Mapping
from dataclasses import replace

import pytest

from checks.registry import check_functions
from fixtures.desired import Desired
from fixtures.estate import Estate
from fixtures.fact import NOT_READ, Absent, Fact
from fixtures.settings import ForwarderSettings, Settings
from fixtures.stack_facts import Drift
from tests.asking import NOT_ASKED, PASSED, told
from tests.estates import (
    a_desired,
    a_forwarder,
    a_legacy_forwarder,
    a_parameter_set,
    a_release,
    a_shared_stack,
    a_stack,
    an_estate,
    denied,
)

CHECKS = check_functions()
NO_TEMPLATE = denied("cloudformation:GetTemplate")
STATES = {
    "CREATE_COMPLETE": "",
    "UPDATE_COMPLETE": "",
    "UPDATE_ROLLBACK_COMPLETE": "",
    "IMPORT_COMPLETE": "",
    "IMPORT_ROLLBACK_COMPLETE": "",
    "CREATE_IN_PROGRESS": "wait",
    "UPDATE_IN_PROGRESS": "wait",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "wait",
    "UPDATE_ROLLBACK_IN_PROGRESS": "wait",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "wait",
    "ROLLBACK_IN_PROGRESS": "wait",
    "IMPORT_IN_PROGRESS": "wait",
    "IMPORT_ROLLBACK_IN_PROGRESS": "wait",
    "DELETE_IN_PROGRESS": "being deleted",
    "REVIEW_IN_PROGRESS": "never executed",
    "CREATE_FAILED": "retry or roll back",
    "UPDATE_FAILED": "roll the stack back",
    "ROLLBACK_COMPLETE": "do not delete it while its function is on go1.x",
    "ROLLBACK_FAILED": "do not delete it while its function is on go1.x",
    "UPDATE_ROLLBACK_FAILED": "ContinueUpdateRollback",
    "IMPORT_ROLLBACK_FAILED": "what the import left",
    "DELETE_FAILED": "find out who",
    "SOMETHING_NEW": "not known to the suite",
}


@pytest.mark.parametrize("status", STATES)
def test_each_bad_state_says_its_way_out(status: str) -> None:
    way_out = STATES[status]
    forwarder = a_forwarder(stack=a_stack(status=status, status_reason="why"))
    shared = a_shared_stack(stack=a_stack("shared", status=status))
    answers = [told(CHECKS["stack-healthy"], an_estate(forwarder), remedies=True),
               told(CHECKS["shared-stack"], an_estate(a_forwarder(), shared=(shared,)), remedies=True)]  # fmt: skip

    if not way_out:
        assert answers == [PASSED, PASSED]
    else:
        assert answers[0].startswith(f"FAILED: expected a healthy stack; found {status} why; to do: ")
        assert answers[1].startswith(f"FAILED: expected a healthy stack; found shared is {status}; to do: ")
        assert [answer for answer in answers if way_out not in answer] == []


def other_template(*, shared: bool = False) -> str:
    which = "shared-resources" if shared else "Lambda"
    return f"FAILED: expected the release's {which} template; found another template: "


TEMPLATE = {
    "the release's": (an_estate(a_forwarder()), PASSED),
    "the old one": (an_estate(a_legacy_forwarder()), other_template()),
    "not kept": (an_estate(a_forwarder(template="0" * 64)), "UNKNOWN: the text of the stack's template was not kept"),
    "gone": (an_estate(a_forwarder(template=Absent("template"))),
             "FAILED: expected the stack's template; found template does not exist"),
    "not shown": (an_estate(a_forwarder(template=NO_TEMPLATE)), f"UNKNOWN: {NO_TEMPLATE}"),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "answer"), TEMPLATE.values(), ids=TEMPLATE)
def test_template(estate: Estate, answer: str) -> None:
    found = told(CHECKS["template-current"], estate)

    assert found.startswith(answer) if answer.endswith(": ") else found == answer


def test_layout_comments_and_descriptions_do_not_make_another_template() -> None:
    estate = an_estate(a_forwarder(template="same"))
    body = estate.templates[str(an_estate(a_forwarder()).forwarders[0].template)]
    same = {**estate.templates, "same": f"# a comment\n{body}\n"}

    assert told(CHECKS["template-current"], replace(estate, templates=same)) == PASSED


def test_a_template_that_does_not_parse_is_unknown() -> None:
    estate = an_estate(a_forwarder(template="broken"))

    answer = told(CHECKS["template-current"], replace(estate, templates={"broken": "Resources: [\n"}))

    assert answer.startswith("UNKNOWN: ")


def wishing(**wishes: object) -> Desired:
    return a_desired(Settings(forwarders=(ForwarderSettings(name="cloudtrail-*", **wishes),)))  # type: ignore[arg-type]


def with_parameters(**changes: str) -> Estate:
    return an_estate(a_forwarder(stack=a_stack(parameters=a_parameter_set(**changes))))


ASIDE = "FAILED: expected allowed values, as the settings say; found "
PARAMETERS = {
    "allowed": (an_estate(a_forwarder()), a_desired(), PASSED),
    "not allowed": (
        with_parameters(IntegrationType="okta"), a_desired(), f"{ASIDE}IntegrationType: 'okta' is not one of"),
    "two of them": (with_parameters(IntegrationType="okta", EnableObjectTagging="yes"), a_desired(),
                    f"{ASIDE}EnableObjectTagging: 'yes' is not one of"),
    "secret": (with_parameters(IntegrationType="****"), a_desired(), PASSED),
    "unknown to the template": (with_parameters(LegacyThing="x"), a_desired(), PASSED),
    "as the settings say": (an_estate(a_forwarder()), wishing(integration_type="awscloudtrail"), PASSED),
    "otherwise than the settings say": (
        an_estate(a_forwarder()), wishing(object_tagging=True),
        f"{ASIDE}EnableObjectTagging is 'false', the settings say 'true'"),
    "secret, and the settings say something": (
        with_parameters(LambdaEnvKMSarn="****"), wishing(environment_key="arn:k"), PASSED),
    "emptied by the settings": (
        with_parameters(SNSNotificationarn="arn:t"), wishing(sns_topic=""),
        f"{ASIDE}SNSNotificationarn is 'arn:t', the settings say ''"),
    "settings for somebody else": (
        an_estate(a_forwarder("alb")), wishing(integration_type="generic"), PASSED),
    "an old stack that lacks it": (an_estate(a_legacy_forwarder()), wishing(object_tagging=True), PASSED),
}  # fmt: skip


@pytest.mark.parametrize(("estate", "desired", "answer"), PARAMETERS.values(), ids=PARAMETERS)
def test_parameters(estate: Estate, desired: Desired, answer: str) -> None:
    found = told(CHECKS["parameters-desired"], estate, desired=desired)

    assert found == answer if answer == PASSED else found.startswith(answer)


def test_a_wish_that_no_template_can_fulfil_is_noted() -> None:
    template = a_release().lambda_template
    without = {name: text for name, text in template.parameters.items() if name != "EnableObjectTagging"}
    release = replace(a_release(), lambda_template=replace(template, parameters=without))
    wanted = replace(wishing(object_tagging=True), tenant=replace(a_desired().tenant, release=release))
    estate = with_parameters()

    answer = told(CHECKS["parameters-desired"], estate, desired=wanted)

    assert "FAILED" in answer  # the stack has it, and not as wished
    estate = an_estate(a_legacy_forwarder())
    assert told(CHECKS["parameters-desired"], estate, desired=wanted) == (
        "PASSED (the settings ask for EnableObjectTagging, which the release's template does not have)"
    )


AS_DECLARED = "FAILED: expected resources as declared; found changed or deleted: "
DRIFT: Mapping[str, tuple[Fact[Drift], str]] = {
    "in sync": (Drift("IN_SYNC", ()), PASSED),
    "drifted": (Drift("DRIFTED", ("Function", "Role")), f"{AS_DECLARED}Function, Role"),
    "drifted somewhere": (Drift("DRIFTED", ()), f"{AS_DECLARED}not named"),
    "not checked": (Drift("NOT_CHECKED", ()), "UNKNOWN: drift detection says NOT_CHECKED"),
    "a status of later years": (Drift("UNKNOWN", ()), "UNKNOWN: drift detection says UNKNOWN"),
    "not asked for": (NOT_READ, NOT_ASKED),
    "not shown": (denied("cloudformation:DetectStackDrift"), f"UNKNOWN: {denied('cloudformation:DetectStackDrift')}"),
}


@pytest.mark.parametrize(("drift", "answer"), DRIFT.values(), ids=DRIFT)
def test_drift(drift: Fact[Drift], answer: str) -> None:
    assert told(CHECKS["live-as-declared"], an_estate(a_forwarder(drift=drift))) == answer
