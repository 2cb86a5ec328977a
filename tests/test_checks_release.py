from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from checks.registry import check_functions
from fixtures.calendar import load_calendar
from fixtures.lint import CannotLint, Linted, LintFinding, Verdict
from fixtures.release import Release
from fixtures.secret import Secret
from fixtures.template import Template
from tests.asking import PASSED, told
from tests.estates import NOW, a_desired, a_release, an_estate

CHECKS = check_functions()
CANARY = "CANARY-VALUE-THAT-NOBODY-MAY-SEE"


def answer(name: str, release: Release, taken: datetime = NOW) -> str:
    return told(CHECKS[name], an_estate(taken=taken), desired=a_desired(release=release))


def without(template: Template, *names: str) -> Template:
    return replace(template, parameters={name: p for name, p in template.parameters.items() if name not in names})


RELEASE = a_release()


def test_documented_parameters_are_missed_by_file_and_name() -> None:
    assert answer("release-parameters", RELEASE) == PASSED
    broken = replace(
        RELEASE,
        shared_template=without(RELEASE.shared_template, "TaegisRegion"),
        lambda_template=without(RELEASE.lambda_template, "IntegrationType", "SNSNotificationarn"),
    )
    assert answer("release-parameters", broken) == (
        "FAILED: expected the documented parameters; found missing in "
        "taegis-cloudformation-shared-resources.yaml: TaegisRegion; "
        "taegis-cloudformation-lambda-template.yaml: IntegrationType, SNSNotificationarn"
    )


def finding(level: str, number: int = 1) -> LintFinding:
    return LintFinding(level, f"E300{number}", "wrong", number)


SHARED_FILE, LAMBDA_FILE = "taegis-cloudformation-shared-resources.yaml", "taegis-cloudformation-lambda-template.yaml"
CLEAN = Linted((), "1.58.0")
BROKE = CannotLint("cfn-lint broke")
MANY = Linted(tuple(finding("error", number) for number in range(1, 8)), "1.58.0")
LINT: Mapping[str, tuple[tuple[Verdict, Verdict], str]] = {
    "clean": ((CLEAN, CLEAN), PASSED),
    "a warning": (
        (CLEAN, Linted((finding("warning"),), "1")), f"PASSED ({LAMBDA_FILE}: 1 warnings, e.g. line 1: E3001 wrong)"),
    "an error": ((Linted((finding("error"),), "1"), CLEAN),
                 f"FAILED: expected no errors; found {SHARED_FILE}, line 1: E3001 wrong"),
    "many errors": ((CLEAN, MANY), "FAILED: expected no errors; found "
                    + "; ".join(f"{LAMBDA_FILE}, line {n}: E300{n} wrong" for n in range(1, 6)) + " and 2 more"),
    "it broke": ((BROKE, CLEAN), f"UNKNOWN: {SHARED_FILE}: cfn-lint broke"),
    "it broke over one, and the other is wrong": (
        (BROKE, Linted((finding("error"),), "1")),
        f"FAILED: expected no errors; found {LAMBDA_FILE}, line 1: E3001 wrong"),
    "it is not there": ((CannotLint("cfn-lint is not installed"), CannotLint("cfn-lint is not installed")),
                        f"UNKNOWN: {SHARED_FILE}: cfn-lint is not installed; {LAMBDA_FILE}: cfn-lint is not installed"),
}  # fmt: skip


@pytest.mark.parametrize(("verdicts", "expected"), LINT.values(), ids=LINT)
def test_lint(verdicts: tuple[Verdict, Verdict], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checks.test_release.lint", lambda templates: verdicts[: len(templates)])

    assert answer("release-lint", RELEASE) == expected


def test_the_package_says_everything_that_is_wrong_with_it() -> None:
    broken = replace(RELEASE, package=replace(RELEASE.package, problems=("bootstrap is for arm64", "it is too large")))

    assert answer("release-package", RELEASE) == PASSED
    assert answer("release-package", broken) == (
        "FAILED: expected a package that Lambda can run; found bootstrap is for arm64; it is too large"
    )


def test_credentials_that_do_not_fit_are_never_shown() -> None:
    parameter = replace(RELEASE.shared_template.parameters["SecretValue"], min_length=4000, no_echo=False)
    shared = replace(
        RELEASE.shared_template, parameters={**RELEASE.shared_template.parameters, "SecretValue": parameter}
    )
    broken = replace(RELEASE, shared_template=shared, credentials=Secret(CANARY))

    assert answer("release-credentials", RELEASE) == PASSED
    assert answer("release-credentials", broken) == (
        "FAILED: expected credentials that the template takes; found SecretValue does not allow them"
    )


def test_a_template_without_one_function_to_deploy_is_a_finding() -> None:
    assert answer("release-function", RELEASE) == PASSED
    assert answer("release-function", replace(RELEASE, function=None)) == (
        "FAILED: expected one AWS::Lambda::Function with Code in S3; found none, or more than one"
    )


def deploying(runtime: str | None) -> Release:
    assert RELEASE.function is not None
    return replace(RELEASE, function=replace(RELEASE.function, runtime=runtime))


def on(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


WANTED = "FAILED: expected provided.al2 or better, not blocked; found "
CALENDAR = load_calendar()
NOTED = "PASSED (provided.al2 is {}, {} days until updates are blocked ({}))"
NOT_SAID = "UNKNOWN: the template does not say which runtime it deploys"
RUNTIME = {
    "al2023": (deploying("provided.al2023"), NOW, PASSED),
    "al2, before its deprecation": (deploying("provided.al2"), on(2026, 7, 30), PASSED),
    "al2, today": (deploying("provided.al2"), NOW, NOTED.format("deprecated", 99, CALENDAR)),
    "al2, a day before the block": (deploying("provided.al2"), on(2027, 3, 2),
                                    NOTED.format("create-blocked", 1, CALENDAR)),
    "al2, on the day of the block": (deploying("provided.al2"), on(2027, 3, 3),
                                     f"{WANTED}provided.al2, update-blocked ({CALENDAR})"),
    "go1.x": (deploying("go1.x"), NOW, f"{WANTED}go1.x, create-blocked ({CALENDAR})"),
    "another language": (deploying("python3.13"), NOW, f"{WANTED}python3.13, supported ({CALENDAR})"),
    "one that the calendar does not know": (deploying("provided.al2099"), NOW,
                                            f"UNKNOWN: runtime provided.al2099 is not in the calendar ({CALENDAR})"),
    "not said": (deploying(None), NOW, NOT_SAID),
    "no function": (replace(RELEASE, function=None), NOW, NOT_SAID),
}  # fmt: skip


@pytest.mark.parametrize(("release", "taken", "expected"), RUNTIME.values(), ids=RUNTIME)
def test_runtime_of_the_template(release: Release, taken: datetime, expected: str) -> None:
    assert answer("release-runtime", release, taken) == expected
