"""Which parameters an update passes, and why it cannot be done where one is missing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from fixtures.desired import Desired
from fixtures.estate import FUNCTION_NAME, MASK, Forwarder, Stack
from fixtures.fact import value
from fixtures.release import Release
from fixtures.template import Template
from remediation.preflight import Obstacle

INTEGRATION = "IntegrationType"
SECRET = "SecretValue"  # noqa: S105 - the parameter's name
REGION = "TaegisRegion"
_BUCKET = "TaegisLambdaS3BucketName"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of an update.

    Attributes:
        given: CloudFormation's list: a value, or UsePreviousValue.
        values: what each parameter will be, for the prediction; `****` for a kept NoEcho value.
        problems: why the update cannot be asked for; empty when it can.
    """

    given: tuple[Mapping[str, object], ...]
    values: Mapping[str, str]
    problems: tuple[Obstacle, ...]


def update_parameters(
    forwarder: Forwarder, old: Template, release: Release, desired: Desired, bucket: str
) -> Parameters:
    """Parameters for updating a forwarder's stack to the release's template.

    A key left out would get the template's default, not its previous value, so previous values are asked for by
    UsePreviousValue, and only for keys that the old template has (CloudFormation API reference, Parameter).
    """
    new = release.lambda_template
    wanted = {**desired.parameters(forwarder), **_release_values(release, bucket)}
    given: list[Mapping[str, object]] = []
    values: dict[str, str] = {}
    problems: list[Obstacle] = []
    if INTEGRATION in new.parameters and INTEGRATION not in wanted:
        chosen, problem = _integration(forwarder, new)
        problems += [problem] if problem else []
        wanted |= {INTEGRATION: chosen} if chosen else {}
    for name, parameter in new.parameters.items():
        if name in wanted:
            values[name] = wanted[name]
            given.append({"ParameterKey": name, "ParameterValue": wanted[name]})
        elif name in old.parameters:
            values[name] = forwarder.stack.parameters.get(name, "")
            given.append({"ParameterKey": name, "UsePreviousValue": True})
        elif parameter.default is not None:
            values[name] = parameter.default
        elif name != INTEGRATION:
            problems.append(Obstacle(f"the template wants a value for {name}", "update this stack by hand"))
        if name in values and values[name] != MASK:
            refusal = parameter.problem(values[name])
            problems += [Obstacle(refusal, "set another value for this forwarder in the settings")] if refusal else []
    return Parameters(tuple(given), values, tuple(problems))


def _release_values(release: Release, bucket: str) -> Mapping[str, str]:
    function = release.function
    values = {function.bucket_parameter or _BUCKET if function else _BUCKET: bucket}
    if function and function.key_parameter:
        values[function.key_parameter] = package_key(release)
    return {name: text for name, text in values.items() if name in release.lambda_template.parameters}


def package_key(release: Release) -> str:
    """The key of the package in its bucket: at the root; with the digest in it where the template lets us choose."""
    function = release.function
    if function and function.key_parameter:
        return f"taegis-lambda-amd64-{release.package.sha256_hex[:8]}.zip"
    return function.key if function and function.key else release.package.path.name


def _integration(forwarder: Forwarder, new: Template) -> tuple[str | None, Obstacle | None]:
    """The integration type: the current one, else the slug in the function's name; never silently another one."""
    current = forwarder.stack.parameters.get(INTEGRATION)
    function = value(forwarder.listed) or value(forwarder.function)
    match = FUNCTION_NAME.match(function.name) if function else None
    for candidate in (current, match["integration"] if match else None):
        if candidate and new.parameters[INTEGRATION].problem(candidate) is None:
            return candidate, None
    allowed = ", ".join(new.parameters[INTEGRATION].allowed_values) or "any text"
    found = current or (match["integration"] if match else "nothing")
    return None, Obstacle(
        f"IntegrationType: '{found}' is not one that the template allows, and another one may rename, that is replace, "
        f"the function; allowed are {allowed}",
        "set integration_type for this forwarder in the settings, to the one that its function is called after",
    )


def credentials_problems(release: Release) -> tuple[Obstacle, ...]:
    """Why the shared template would not take the release's credentials."""
    if release.credentials_problem is None:
        return ()
    return (Obstacle(f"the release's credentials.txt: {release.credentials_problem}", "get it anew from XDR"),)


def shared_parameters(stack: Stack, old: Template, release: Release, region: str | None, *, rotate: bool) -> Parameters:
    """What is given for each parameter of the release's template: the secret is kept unless it is to be rotated."""
    given: list[Mapping[str, object]] = []
    values: dict[str, str] = {}
    problems: list[Obstacle] = []
    for name, parameter in release.shared_template.parameters.items():
        if name == SECRET and (rotate or name not in old.parameters):
            given.append({"ParameterKey": name, "ParameterValue": release.credentials})
            values[name] = "**** (new)"
            problems += credentials_problems(release)
        elif name == REGION and region:
            given.append({"ParameterKey": name, "ParameterValue": region})
            values[name] = region
        elif name in old.parameters:
            given.append({"ParameterKey": name, "UsePreviousValue": True})
            values[name] = stack.parameters.get(name, "")
        elif parameter.default is None:
            problems.append(Obstacle(f"the shared template wants a value for {name}", "update the stack by hand"))
        refusal = parameter.problem(values[name]) if values.get(name, MASK) != MASK and name != SECRET else None
        if refusal:
            problems.append(Obstacle(refusal, "set taegis_region in the settings, or update the stack by hand"))
    return Parameters(tuple(given), values, tuple(problems))
