"""Is the vendor's download whole and usable?

A file that is missing or does not parse ends the run before this (exit code 4); here stands what a person should read.
"""

from collections.abc import Callable

from checks.outcome import Severity, expect, unknown
from checks.registry import check
from fixtures.calendar import Phase, is_migrated, load_calendar
from fixtures.estate import Estate
from fixtures.lint import CannotLint, lint
from fixtures.release import LAMBDA_TEMPLATE, SHARED_TEMPLATE, Release

_DOWNLOAD = "0: download the four files"
_AGAIN = "download it again from XDR, or ask the vendor"
_SHOWN = 5


@check("release-parameters", severity=Severity.HIGH, step=_DOWNLOAD)
def test_templates_have_the_documented_parameters(release: Release) -> None:
    """Both templates have the parameters that the vendor documents, in the documented spelling."""
    missing = [f"{file}: {', '.join(names)}" for file, names in release.missing_parameters.items()]
    expect(not missing, expected="the documented parameters", found=f"missing in {'; '.join(missing)}", remedy=_AGAIN)


@check("release-lint", severity=Severity.MEDIUM, step=_DOWNLOAD)
def test_templates_pass_cfn_lint(release: Release, advise: Callable[[str], None]) -> None:
    """cfn-lint finds nothing in the templates that CloudFormation would refuse; what it only warns of is a note.

    Its rules about runtime lifecycles are left out: the runtime calendar judges that, with dates.
    """
    verdicts = lint([release.shared_template, release.lambda_template])
    errors: list[str] = []
    unclear: list[str] = []
    for name, verdict in zip((SHARED_TEMPLATE, LAMBDA_TEMPLATE), verdicts, strict=True):
        if isinstance(verdict, CannotLint):
            unclear.append(f"{name}: {verdict.reason}")
            continue
        errors += [f"{name}, {finding}" for finding in verdict.errors]
        if verdict.warnings:
            advise(f"{name}: {len(verdict.warnings)} warnings, e.g. {verdict.warnings[0]}")
    more = f" and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    expect(not errors, expected="no errors", found="; ".join(errors[:_SHOWN]) + more, remedy=_AGAIN)
    if unclear:
        unknown("; ".join(unclear))


@check("release-package", severity=Severity.CRITICAL, step="1: upload the zip")
def test_package_can_run(release: Release) -> None:
    """The zip has an executable `bootstrap` at its root: an x86-64 ELF, or a script."""
    problems = release.package.problems
    expect(not problems, expected="a package that Lambda can run", found="; ".join(problems), remedy=_AGAIN)


@check("release-credentials", severity=Severity.CRITICAL, step="2: SecretValue is the content of credentials.txt")
def test_credentials_fit_their_parameter(release: Release) -> None:
    """The credentials are not empty and fit the parameter `SecretValue`; their text is never shown."""
    problem = release.credentials_problem
    expect(problem is None, expected="credentials that the template takes", found=problem, remedy=_AGAIN)


@check("release-function", severity=Severity.HIGH, step=_DOWNLOAD)
def test_template_deploys_one_function_from_the_package(release: Release) -> None:
    """The Lambda template deploys exactly one function from S3, so that what will run can be told beforehand."""
    expect(
        release.function is not None,
        expected="one AWS::Lambda::Function with Code in S3",
        found="none, or more than one",
        remedy=_AGAIN,
    )


@check("release-runtime", severity=Severity.HIGH, step="8: the runtime must read Custom runtime on Amazon Linux 2")
def test_template_names_a_runtime_that_can_be_deployed(
    release: Release, estate: Estate, advise: Callable[[str], None]
) -> None:
    """The runtime that the Lambda template names is a custom one, and AWS still takes updates to it."""
    runtime = release.function.runtime if release.function else None
    if runtime is None:
        unknown("the template does not say which runtime it deploys")
    calendar = load_calendar()
    today = estate.taken.date()
    phase = calendar.phase(runtime, today)
    if phase is Phase.UNKNOWN:
        unknown(f"runtime {runtime} is not in the calendar ({calendar})")
    expect(
        is_migrated(runtime) and phase is not Phase.UPDATE_BLOCKED,
        expected="provided.al2 or better, not blocked",
        found=f"{runtime}, {phase} ({calendar})",
        remedy="ask the vendor for a template with provided.al2023",
    )
    left = calendar.days_until_update_block(runtime, today)
    if phase is not Phase.SUPPORTED:
        days = "AWS has set no day for blocking updates" if left is None else f"{left} days until updates are blocked"
        advise(f"{runtime} is {phase}, {days} ({calendar})")
