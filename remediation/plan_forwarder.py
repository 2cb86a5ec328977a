"""Plans the update of one forwarder's stack, with a way back before the way forward. Pure."""

from collections.abc import Mapping

from fixtures.calendar import is_migrated
from fixtures.code_location import code_location, parsed
from fixtures.estate import Forwarder, Function
from fixtures.fact import Absent, Unreadable, value
from fixtures.intrinsics import Pseudo, resolve
from fixtures.release import Release
from fixtures.template import Template
from remediation.context import Context
from remediation.gated_update import StackUpdate
from remediation.parameters import update_parameters
from remediation.plan_shared import ArtifactPlan
from remediation.predicted_outputs import changed_outputs
from remediation.prediction import PredictedChange, predict
from remediation.preflight import Obstacle, how_to_read, long_name, losses, obstacles
from remediation.seen_stack import SeenStack
from remediation.step import Step
from remediation.steps.forwarder_stack import UpdateForwarderStack
from remediation.steps.old_package import SecureOldPackage


def plan_forwarder(
    context: Context, name: str, release: Release, artifact: ArtifactPlan
) -> tuple[tuple[Step, ...], tuple[Obstacle, ...]]:
    """The steps for one forwarder, or what stands against touching it."""
    forwarder = next(found for found in context.seen.forwarders if found.name == name)
    found = list(obstacles(forwarder, release, context.intent.today))
    digest, function = value(forwarder.template), value(forwarder.function)
    old = parsed(context.estate.templates[digest], name) if digest else None
    if digest and old is None:
        found.append(Obstacle("its template does not parse", "update this stack by hand"))
    if old is None or function is None:
        return (), tuple(found)
    pseudo = context.pseudo(forwarder.stack)
    parameters = update_parameters(forwarder, old, release, context.desired, artifact.bucket)
    found += parameters.problems
    prediction: tuple[PredictedChange, ...] = ()
    outputs: tuple[str, ...] = ()
    if not parameters.problems:
        sides = (old, forwarder.stack.parameters, release.lambda_template, parameters.values, pseudo)
        prediction, outputs = predict(*sides), changed_outputs(*sides)
        found += losses(prediction, context.accepted(prediction))
        found += _too_long(release, parameters.values, pseudo)
    secure = _way_back(forwarder, function, old, pseudo, release)
    if isinstance(secure, Obstacle):
        found.append(secure)
    if found:
        return (), tuple(found)
    update = StackUpdate(
        seen=SeenStack.of(forwarder.stack, old.digest),
        change_set=context.change_set,
        template=artifact.source(release.lambda_template),
        parameters=parameters.given,
        capabilities=release.lambda_template.capabilities,
        prediction=prediction,
        accepted_shapes=context.accepted(prediction),
        outputs=outputs,
    )
    step = UpdateForwarderStack(
        context.target,
        name,
        (name,),
        update=update,
        function=function.name,
        code_sha256=release.package.code_sha256,
    )
    return ((secure, step) if isinstance(secure, Step) else (step,)), ()


def _too_long(release: Release, values: Mapping[str, str], pseudo: Pseudo) -> list[Obstacle]:
    """The obstacle of a function's name that the new template would make too long."""
    if release.function is None:
        return []
    properties = resolve(release.lambda_template, values, pseudo).resources.get(release.function.logical_id, {})
    problem = long_name(properties.get("FunctionName"))
    return [problem] if problem else []


def _way_back(
    forwarder: Forwarder, function: Function, old: Template, pseudo: Pseudo, release: Release
) -> Step | Obstacle | None:
    """What a rollback needs: the old package where the old template points, equal to the live one.

    A step where it has to be put there first; an obstacle where it cannot be; None where it stands.
    """
    source = forwarder.code_source
    if isinstance(source, Unreadable):
        return Obstacle(
            f"the old package cannot be read, so that a rollback could fail ({source})",
            how_to_read(source, "let the role read it (s3:GetObject, s3:ListBucket on its bucket), then run again"),
        )
    if isinstance(source, Absent):
        address = code_location(old, forwarder.stack, pseudo)
        if address is None:
            return Obstacle("its template does not say where its package is", "update this stack by hand")
        return SecureOldPackage(
            forwarder.target,
            forwarder.name,
            (forwarder.name,),
            function=function.name,
            bucket=address.bucket,
            key=address.key,
            code_sha256=function.code_sha256,
        )
    if source.sha256 == function.code_sha256:
        return None
    if source.sha256 == release.package.code_sha256 and is_migrated(function.runtime):
        return None  # a rollback would bring the release's own package on a custom runtime: nothing is lost
    return Obstacle(
        f"s3://{source.bucket}/{source.key} does not hold the package that runs now: a rollback would bring other code",
        "put the package that runs now back there (Lambda console, download), then run again",
    )
